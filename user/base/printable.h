/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PRINTABLE_H
#define ESCAPEMENT_PRINTABLE_H

/*
 * Text from outside, made safe to show: valid UTF-8 without control characters. What is not is written \xNN, so
 * that nothing in a hostile file can steer a terminal or break a JSON document.
 */

#include <stdbool.h>
#include <stddef.h>

#define PRINTABLE_GROWTH 4 /* a byte becomes at most this many */

/* Whether the text is safe as it is. A tab is. */
bool printable_is(const char *text, size_t length);

/* Copies, making safe; `to` has room for PRINTABLE_GROWTH * length bytes. Returns the length, adds no NUL. */
size_t printable_copy(char *to, const char *text, size_t length);

#endif
