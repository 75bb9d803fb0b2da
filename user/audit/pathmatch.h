/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PATHMATCH_H
#define ESCAPEMENT_PATHMATCH_H

/*
 * Matches the files of the compiler's output with those of a binary. The compiler prints paths as `go build` had them:
 * relative to where it ran ("../x" for a module beside the main one), or absolute. Binaries have absolute paths of the
 * machine that built them or, with -trimpath, import paths. So one file may have several names.
 *
 * Both sides are added first and then matched together, because ambiguity depends on all files. The rules, most
 * reliable first:
 *   1. the package is known on both sides: same import path and base name
 *   2. equal paths, after --path-map, or relative to the directory that the compiler output belongs to
 *   3. the name that -trimpath gives: import path / base name
 *   4. one path (without leading "..") is the end of the other, or two absolute paths end in the same two components or
 *      more, and no other file on either side matches as well
 *   5. the root directory that the matches so far agree on
 *   6. equal base names, if neither side has another file of that name
 *
 * Paths are compared in the normal form of pathname.h.
 *
 * Not thread-safe. Strings that are passed in must outlive the matcher.
 */

#include <stdbool.h>
#include <stddef.h>

#include "audit/pathname.h"

struct pathmatch;

/* `directory` is the base of the annotations' relative paths; NULL if unknown. */
struct pathmatch *pathmatch_new(const struct pathmatch_map *maps, size_t map_count, const char *directory);
void pathmatch_free(struct pathmatch *match);

/* Adds a file of the compiler's output and the "# package" header above it (NULL if none). May be called several times
 * for one file, because with generics a file appears under packages to which it does not belong. The file belongs to
 * the package if the directory has the package's name. */
void pathmatch_add_annotated(struct pathmatch *match, const char *file, const char *package);

/* Adds a file as above, and what a declaration in it shows. `own`: the file belongs to `package`, whatever its
 * directory is called; otherwise it belongs to another package, whose generic function was instantiated in
 * `package`. */
void pathmatch_declare(struct pathmatch *match, const char *file, const char *package, bool own);

/* Adds a file of the profile, and the import path of a function in it (NULL if unknown; "main" is ignored). */
void pathmatch_add_measured(struct pathmatch *match, const char *file, const char *package);

void pathmatch_resolve(struct pathmatch *match);

/* Returns the annotated file, as first added, that is the measured file; NULL if none is known. */
const char *pathmatch_find(const struct pathmatch *match, const char *measured);

/* Returns the canonical name of an annotated file: the compiler may print a file of another module relative to where it
 * ran and, for its generic functions, absolute. The name itself if there is no other. */
const char *pathmatch_name(const struct pathmatch *match, const char *annotated);

/* Parses "FROM=TO" of --path-map; both parts are copied. Returns -1 if there is no '=' or a part is empty. */
int pathmatch_map_parse(const char *text, struct pathmatch_map *map);

#endif
