/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_UNALIGNED_H
#define ESCAPEMENT_UNALIGNED_H

/* Reads words of memory that came from a file or a process, at any alignment, in this machine's byte order. */

#include <stdint.h>
#include <string.h>

static inline uint16_t load_u16(const void *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint32_t load_u32(const void *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint64_t load_u64(const void *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

#endif
