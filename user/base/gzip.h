/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GZIP_H
#define ESCAPEMENT_GZIP_H

/* Compression of what is in memory, in gzip's format. Both are thread-safe. */

#include <stddef.h>
#include <stdint.h>

/* Level 4 takes two thirds of the time of the default level 6, for files that are a seventh larger. The time matters while a
 * program is recorded. */
#define GZIP_LEVEL 4

/* Returns the compressed bytes, never NULL, and their number. The caller frees them. */
uint8_t *gzip_pack(const void *bytes, size_t size, size_t *packed_size);

/* Returns what was packed, and its size; NULL if it is no gzip file, is not whole, or is longer than `most`. The caller frees it. */
uint8_t *gzip_unpack(const void *bytes, size_t size, size_t most, size_t *unpacked_size);

#endif
