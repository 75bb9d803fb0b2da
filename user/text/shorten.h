/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SHORTEN_H
#define ESCAPEMENT_SHORTEN_H

/*
 * Source positions in few columns: what says least goes first. A file loses its leading directories, then a function
 * its package's path, and only then is the function's name cut, so that FILE:LINE stays whole. Pure functions; widths
 * are in bytes, which are never fewer than columns.
 */

#include <stddef.h>
#include <stdint.h>

/*
 * Writes "FUNCTION FILE:LINE" in at most `width` (> 0) bytes, and at most `size` with the terminator. Without a file
 * the function alone, without a function the file; "(unknown)" without both. `line` 0 is left out. Returns `text`.
 */
const char *shorten_position(char *text, size_t size, const char *function, const char *file, uint32_t line,
			     size_t width);

/*
 * The same with "  via FUNCTION" behind it, unless `via` is NULL: the function that allocated on behalf of this line.
 * Directories and packages give way first; the owner keeps at least half of the width where it needs that.
 */
const char *shorten_site(char *text, size_t size, const char *function, const char *file, uint32_t line,
			 const char *via, size_t width);

/* The longest tail of `path` of whole components in `width` bytes, or its last component. Points into `path`. */
const char *shorten_path(const char *path, size_t width);

/* A Go function's name without the directories of its package's path. Points into `function`. */
const char *shorten_function(const char *function);

#endif
