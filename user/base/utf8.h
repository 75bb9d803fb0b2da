/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_UTF8_H
#define ESCAPEMENT_UTF8_H

/*
 * File names, command names and symbols are bytes; protobuf and JSON strings must be UTF-8, or readers reject the
 * whole document.
 */

#include <stddef.h>
#include <stdint.h>

/*
 * Decodes the character at `text`, which has `length` bytes left, at least 1. Returns its bytes, or 0 where they are no
 * valid sequence (RFC 3629); then `*code` says nothing.
 */
size_t utf8_decode(const char *text, size_t length, uint32_t *code);

/*
 * NULL when `text` is valid UTF-8. Else a copy in which each byte that is part of no valid sequence is U+FFFD; the
 * caller frees it.
 */
char *utf8_repair(const char *text);

#endif
