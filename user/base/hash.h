/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_HASH_H
#define ESCAPEMENT_HASH_H

/* Fast 64-bit hashes for tables in memory. They are not secure against an attacker who chooses colliding keys. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Combines `value` into `hash`, for keys of several words. */
static inline uint64_t hash_fold(uint64_t hash, uint64_t value)
{
	__uint128_t product = (__uint128_t)(hash ^ value) * 0x9e3779b97f4a7c15u;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_bytes(const void *data, size_t length)
{
	const char *bytes = data;
	uint64_t hash = length, word;

	for (; length > 8; bytes += 8, length -= 8) {
		memcpy(&word, bytes, 8);
		hash = hash_fold(hash, word);
	}
	word = 0;
	memcpy(&word, bytes, length);
	return hash_fold(hash_fold(hash, word), 0xff51afd7ed558ccdu);
}

#endif
