/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_COMPARE_OVERLAY_H
#define ESCAPEMENT_COMPARE_OVERLAY_H

/*
 * What `go build -overlay` takes: a JSON file that names, for files of the source, others to be read instead. The source
 * stays as it is.
 */

#include "base/error.h"
#include "compare/workspace.h"

/* The absolute path of an overlay that somebody wrote, checked to be one; the caller frees it. STATUS_USAGE if not. */
char *overlay_check(const char *path, struct error *error);

/*
 * Applies a patch (git diff, diff -u) to copies of the files that it changes, and writes the overlay that has them read
 * instead. Paths of the patch are below the repository's top directory or the working directory. The overlay's path, which
 * the caller frees; NULL with STATUS_USAGE if the patch does not apply.
 */
char *overlay_of_patch(const struct workspace *workspace, const char *patch, struct error *error);

#endif
