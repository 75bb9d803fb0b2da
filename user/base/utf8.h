/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_UTF8_H
#define ESCAPEMENT_UTF8_H

/*
 * File names, command names and symbols may be any bytes, but strings in protobuf and JSON must be UTF-8, or readers
 * reject the whole document.
 */

#include <stddef.h>
#include <stdint.h>

/*
 * Decodes the character at `text`, of which `length` bytes are left, at least 1. Returns the number of its bytes.
 * Returns 0, and leaves `*code` undefined, if they are not a valid sequence (RFC 3629).
 */
size_t utf8_decode(const char *text, size_t length, uint32_t *code);

/*
 * Returns NULL if `text` is valid UTF-8. Otherwise returns a copy in which each byte that is not part of a valid
 * sequence is replaced by U+FFFD; the caller frees it.
 */
char *utf8_repair(const char *text);

#endif
