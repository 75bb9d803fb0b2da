/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_UTF8_H
#define ESCAPEMENT_UTF8_H

/*
 * File names, command names and symbols are bytes; protobuf and JSON strings must be UTF-8, or readers reject the
 * whole document.
 */

/*
 * NULL when `text` is valid UTF-8. Else a copy in which each byte that is part of no valid sequence is U+FFFD; the
 * caller frees it.
 */
char *utf8_repair(const char *text);

#endif
