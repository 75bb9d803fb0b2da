/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_QUANTITY_H
#define ESCAPEMENT_QUANTITY_H

/*
 * Sizes and times as people write them: the one reader of "512k" and "10s" for options, thresholds and policy files.
 * Pure functions; `*value` is untouched where they fail.
 */

#include <stddef.h>
#include <stdint.h>

/* A whole number, not negative. 0, or -1. */
int quantity_count(const char *text, int64_t *value);

/*
 * Bytes: a number, not negative, with at most one of k, M, G, T (either case; "Ki", "KiB" and "KB" mean the same):
 * powers of 1024. "1.5M" is allowed, and rounded down. 0, or -1.
 */
int quantity_bytes(const char *text, int64_t *bytes);

/* Seconds: a number, not negative, with at most one of ms, s, m, h. 0, or -1. */
int quantity_seconds(const char *text, double *seconds);

/* "512k": the shortest text that quantity_bytes() reads as `bytes`. Returns `text`. */
enum { QUANTITY_SIZE = 32 };
const char *quantity_bytes_text(char text[QUANTITY_SIZE], int64_t bytes);

#endif
