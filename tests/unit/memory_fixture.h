/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MEMORY_FIXTURE_H
#define MEMORY_FIXTURE_H

/* The memory of a simulated process: FIXTURE_SIZE bytes from FIXTURE_BASE on, with the interface for live processes. */

#include <string.h>

#include "target/target.h"

#define FIXTURE_BASE 0x10000ULL
#define FIXTURE_SIZE (1ULL << 20)

struct memory_fixture {
	unsigned char bytes[FIXTURE_SIZE];
	struct memory_reader reader;
	struct target target;
};

static inline ssize_t fixture_copy(void *context, const struct target_piece *pieces, size_t count)
{
	struct memory_fixture *fixture = context;
	ssize_t copied = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t offset = pieces[i].address - FIXTURE_BASE;

		if (offset > FIXTURE_SIZE || pieces[i].size > FIXTURE_SIZE - offset)
			break;
		memcpy(pieces[i].buffer, fixture->bytes + offset, pieces[i].size);
		copied += (ssize_t)pieces[i].size;
	}
	return copied;
}

static inline void fixture_init(struct memory_fixture *fixture)
{
	memset(fixture, 0, sizeof(*fixture));
	fixture->reader.copy = fixture_copy;
	fixture->reader.context = fixture;
	fixture->target.reader = &fixture->reader;
	fixture->target.memory = -1;
	memory_allow(&fixture->reader);
}

static inline void *fixture_at(struct memory_fixture *fixture, uint64_t address)
{
	return fixture->bytes + (address - FIXTURE_BASE);
}

#endif
