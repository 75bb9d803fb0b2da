/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_QUANTITY_H
#define ESCAPEMENT_QUANTITY_H

/*
 * Parses sizes and times as people write them ("512k", "10s"), for options, thresholds and policy files. Pure
 * functions; on failure `*value` is unchanged.
 */

#include <stddef.h>
#include <stdint.h>

/* Parses a non-negative integer. Returns 0, or -1. */
int quantity_count(const char *text, int64_t *value);

/*
 * Parses a number of bytes: not negative, with at most one of the suffixes k, M, G, T, which are powers of 1024 (in
 * either case; "Ki", "KiB" and "KB" mean the same). "1.5M" is allowed; the result is rounded down. Returns 0, or -1.
 */
int quantity_bytes(const char *text, int64_t *bytes);

/* Parses a number of seconds: not negative, with at most one of the suffixes ms, s, m, h. Returns 0, or -1. */
int quantity_seconds(const char *text, double *seconds);

/* Writes the shortest text that quantity_bytes() reads as `bytes`, such as "512k". Returns `text`. */
enum { QUANTITY_SIZE = 32 };
const char *quantity_bytes_text(char text[QUANTITY_SIZE], int64_t bytes);

#endif
