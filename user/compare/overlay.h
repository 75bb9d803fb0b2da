/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_COMPARE_OVERLAY_H
#define ESCAPEMENT_COMPARE_OVERLAY_H

/*
 * Overlays of `go build -overlay`: a JSON file that names files to read instead of files of the source. The source is
 * not modified.
 */

#include "base/error.h"
#include "compare/workspace.h"
#include "escape/escape.h"

/* Checks an overlay by the user and returns its absolute path, which the caller frees. STATUS_USAGE if it is not an
 * overlay. */
char *overlay_check(const char *path, struct error *error);

/*
 * Applies a patch (git diff, diff -u) to copies of the files that it changes, and writes the overlay that has them read
 * instead. Paths of the patch are below the repository's top directory or the working directory. Returns the overlay's
 * path, which the caller frees; NULL with STATUS_USAGE if the patch does not apply.
 */
char *overlay_of_patch(const struct workspace *workspace, const char *patch, struct error *error);

/* Before Go 1.24, the compiler names the files that are read instead. Gives positions the names of the files that an
 * overlay replaces, relative to `directory`, in which go ran. */
void overlay_name_originals(const char *overlay, const char *directory, struct escape_output *output);

/* What an overlay has read instead of files, for who shows the source that was compiled. One thread uses it. */
struct overlay_files;
/* `directory` is where go ran; NULL: the working directory. NULL if the overlay cannot be read. */
struct overlay_files *overlay_files_read(const char *overlay, const char *directory);
void overlay_files_free(struct overlay_files *files); /* NULL is allowed */
/* The file that is read instead of this one, which may be relative to the directory; NULL if itself is. Valid until the next
 * call. `files` may be NULL. */
const char *overlay_files_find(struct overlay_files *files, const char *file);

#endif
