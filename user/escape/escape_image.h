/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_IMAGE_H
#define ESCAPEMENT_ESCAPE_IMAGE_H

/*
 * Compiler output that has been parsed, as bytes: for who needs it again and again. Reading it takes a fraction of what parsing
 * the text takes. The bytes are for processes of one program that share memory; they are no file format.
 */

#include <stddef.h>
#include <stdio.h>

#include "escape/escape.h"

/* Writes all that the output has. Returns -1 if that is more than `most` bytes, and may have written a part then. The caller looks
 * at ferror(). */
int escape_image_write(FILE *stream, const struct escape_output *output, size_t most);

/*
 * Reads it: the same output, whose strings are in `bytes`, which must outlive it and not change. Whoever has parsed hostile text may
 * have written anything: each number is checked, so that the output is as good as one of the parser. NULL if it is not.
 */
struct escape_output *escape_image_read(const void *bytes, size_t size);

#endif
