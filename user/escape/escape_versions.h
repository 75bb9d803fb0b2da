/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_VERSIONS_H
#define ESCAPEMENT_ESCAPE_VERSIONS_H

/*
 * Versions of one package in one output: of a build, an edit or go generate, and another build. The go command prints what it
 * says of a package below one header.
 *   - A header that comes again begins another build of the same: what it says of a file replaces what was said of that file before.
 *   - The header of another variant of a package, such as that of its tests, does if the two contradict each other: a function
 *     begins at another line, another function is in its place, or the file has lost one.
 * What the later version says nothing about stays: files of other build tags and systems, and of tests.
 */

#include <stdbool.h>

#include "escape/escape.h"

/*
 * Removes the words of earlier versions, and says so in the output's cautions. Returns NULL, or why nothing tells the versions apart,
 * because both stand below one header: the rest of a sentence that begins with the output's name; the caller frees it. `mixed`:
 * lines may stand below the header of another package, so that only a header that comes again begins another version.
 */
char *escape_settle_versions(struct escape_output *output, bool mixed);

#endif
