/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_COUNT_H
#define ESCAPEMENT_COUNT_H

#include <stdint.h>

/* Arithmetic on counts that saturates instead of overflowing, because a file may contain any numbers. Each result has an
 * opposite. */
static inline int64_t add_saturated(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum) || sum == INT64_MIN)
		return b < 0 ? -INT64_MAX : INT64_MAX;
	return sum;
}

/* Of a sum that programs in the kernel made: of what a target says, which may be anything. No count is negative. */
static inline int64_t count_of_sum(uint64_t sum)
{
	return sum <= INT64_MAX ? (int64_t)sum : INT64_MAX;
}

static inline int64_t count_from(double number)
{
	return number >= 0x1p63 ? INT64_MAX : number <= -0x1p63 ? INT64_MIN : (int64_t)number;
}

#endif
