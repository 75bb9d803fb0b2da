/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_FUZZ_LIVE_H
#define ESCAPEMENT_FUZZ_LIVE_H

/*
 * The memory of a simulated process that changes while it is read: before each copy, the next changes of the input are
 * applied; its first byte determines how many. A change is a position (three bytes), a count and that many bytes.
 */

#include "../unit/memory_fixture.h"
#include "require.h"

struct live_input {
	struct memory_fixture *memory;
	const uint8_t *bytes;
	size_t size;
	unsigned at_each_read;
};

static inline uint8_t live_byte(struct live_input *input)
{
	if (!input->size)
		return 0;
	input->size--;
	return *input->bytes++;
}

static inline bool live_change(struct live_input *input)
{
	uint64_t offset = live_byte(input) | live_byte(input) << 8 | live_byte(input) << 16;
	size_t count = live_byte(input) % 8 + 1;

	offset %= FIXTURE_SIZE - 8;
	if (count > input->size)
		return false;
	memcpy(input->memory->bytes + offset, input->bytes, count);
	input->bytes += count;
	input->size -= count;
	return true;
}

static inline ssize_t live_copy(void *context, const struct target_piece *pieces, size_t count)
{
	struct live_input *input = context;

	for (unsigned i = 0; i < input->at_each_read && live_change(input); i++)
		continue;
	return fixture_copy(input->memory, pieces, count);
}

/* The fixture contains valid data. Applies half of the changes before anything is read. */
static inline void live_begin(struct live_input *input, struct memory_fixture *memory, const uint8_t *bytes,
			      size_t size)
{
	*input = (struct live_input){memory, bytes, size, 0};
	input->at_each_read = live_byte(input) % 4;
	for (size_t half = input->size / 2; input->size > half && live_change(input);)
		continue;
	memory->reader.copy = live_copy;
	memory->reader.context = input;
}

#endif
