/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PATHMATCH_H
#define ESCAPEMENT_PATHMATCH_H

/*
 * Which file of the compiler's output is which file of a binary. The compiler prints paths as `go build` had them:
 * relative to where it ran ("../x" of a module beside the main one), or absolute; binaries carry absolute paths of the
 * machine that built them, or, with -trimpath, import paths. The same file may so have several names.
 *
 * Both sides are added, then resolved at once, because what is ambiguous depends on all files. In order of trust:
 *   1. the package is known on both sides: same import path and base name
 *   2. equal paths, after --path-map, or relative to the directory that the compiler output belongs to
 *   3. the name that -trimpath gives: import path / base name
 *   4. one path (less the ".." that it begins with) is the end of the other, or two absolute paths end alike in two
 *      components or more, and no other file fits as well on either side
 *   5. the root directory that the matches so far agree on
 *   6. equal base names, where neither side has another file of that name
 *
 * Before comparing, \ becomes /, "." and ".." components go, "!x" of the module cache becomes "X", and "@v1.2.3" of
 * a module directory goes.
 *
 * Not thread-safe. Strings that are passed in must outlive the matcher.
 */

#include <stdbool.h>
#include <stddef.h>

struct pathmatch;

struct pathmatch_map {
	const char *from, *to; /* whole leading components; on both sides */
};

/* `directory` is what relative paths of the annotations are relative to; NULL where that is not known. */
struct pathmatch *pathmatch_new(const struct pathmatch_map *maps, size_t map_count, const char *directory);
void pathmatch_free(struct pathmatch *match);

/* Adds a file of the compiler's output and the "# package" it stood under (NULL if none). May be called repeatedly for
 * one file: with generics, a file appears under packages that are not its own. The package counts as the file's own if
 * the directory has its name. */
void pathmatch_add_annotated(struct pathmatch *match, const char *file, const char *package);

/* Adds a file as above, and what a declaration in it shows: `own` if the file belongs to `package`, whatever its
 * directory is called; else that it belongs to another, whose generic function was instantiated in `package`. */
void pathmatch_declare(struct pathmatch *match, const char *file, const char *package, bool own);

/* A file of the profile and the import path of a function in it (NULL where not known; "main" says nothing). */
void pathmatch_add_measured(struct pathmatch *match, const char *file, const char *package);

void pathmatch_resolve(struct pathmatch *match);

/* The annotated file, as first added, that the measured file is; NULL where none is known to be it. */
const char *pathmatch_find(const struct pathmatch *match, const char *measured);

/* The one name of an annotated file: the compiler may print a file of another module relative to where it ran and, for
 * its generic functions, absolute. The name itself if there is no other. */
const char *pathmatch_name(const struct pathmatch *match, const char *annotated);

/* "--path-map FROM=TO" into its halves; both are copied. -1 where there is no '=' or a half is empty. */
int pathmatch_map_parse(const char *text, struct pathmatch_map *map);

#endif
