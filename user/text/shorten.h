/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SHORTEN_H
#define ESCAPEMENT_SHORTEN_H

/*
 * Source positions in few columns. The least informative parts are dropped first: the leading directories of the file,
 * then the path of the function's package, and only then is the function's name cut, so that FILE:LINE stays complete.
 * Pure functions. Widths are in bytes, of which there are never fewer than columns.
 */

#include <stddef.h>
#include <stdint.h>

/*
 * Writes "FUNCTION FILE:LINE" in at most `width` (> 0) bytes, and at most `size` with the terminator. Without a file it
 * writes only the function, without a function only the file, without both "(unknown)". A `line` of 0 is left out.
 * Returns `text`.
 */
const char *shorten_position(char *text, size_t size, const char *function, const char *file, uint32_t line,
			     size_t width);

/*
 * The same, followed by " via FUNCTION" unless `via` is NULL: the function that allocated on behalf of this line.
 * Directories and packages are dropped first, then most of the owner's name, then all of it: rows of one line differ by `via`
 * alone. Where the position leaves no room for `via`, the owner stands there instead.
 */
const char *shorten_site(char *text, size_t size, const char *function, const char *file, uint32_t line,
			 const char *via, size_t width);

/* Returns the longest tail of `path` that consists of whole components and fits into `width` bytes, or else the last
 * component. Points into `path`. */
const char *shorten_path(const char *path, size_t width);

/* Writes a command line for a heading: of one with hundreds of arguments the first ones, then " ...". Returns `text`. */
#define SHORTEN_COMMAND_SIZE 208
const char *shorten_command(char text[SHORTEN_COMMAND_SIZE], const char *command);

/* A Go function's name without the directories of its package's path. Points into `function`. */
const char *shorten_function(const char *function);

#endif
