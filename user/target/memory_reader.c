/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/memory_reader.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

void memory_allow(struct memory_reader *reader)
{
	reader->pieces = MEMORY_PIECES;
	reader->bytes = MEMORY_BYTES;
	reader->cpu_end_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) + MEMORY_CPU_SECONDS * 1000000000LL;
	reader->deadline_ns = monotonic_ns() + MEMORY_ELAPSED_SECONDS * 1000000000LL;
	reader->spent = false;
	reader->failure = 0;
}

void memory_allow_bytes(struct memory_reader *reader, uint64_t bytes, double seconds)
{
	memory_allow(reader);
	reader->bytes = bytes;
	reader->deadline_ns = monotonic_ns() + (int64_t)(seconds * 1e9);
	reader->cpu_end_ns = INT64_MAX;
}

bool memory_is_spent(struct memory_reader *reader)
{
	reader->spent |= clock_ns(CLOCK_THREAD_CPUTIME_ID) > reader->cpu_end_ns || monotonic_ns() > reader->deadline_ns;
	return reader->spent;
}

static size_t size_of(const struct target_piece *pieces, size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += pieces[i].size;
	return size;
}

/* Notes why a batch could not be read, in errno too. `copied`: what copy() returned. */
static void note_failure(struct memory_reader *reader, const struct target_piece *pieces, size_t count, ssize_t copied)
{
	size_t failed = 0, left = copied < 0 ? 0 : (size_t)copied;

	if (copied >= 0)
		errno = EFAULT;
	reader->failure = errno;
	for (; failed + 1 < count && left >= pieces[failed].size; failed++)
		left -= pieces[failed].size;
	reader->failed_at = pieces[failed].address;
}

/* Subtracts a batch from the budget. Returns false if not enough is left; from then on all reads fail. */
static bool charge(struct memory_reader *reader, const struct target_piece *pieces, size_t count)
{
	reader->spent |= count > reader->pieces || memory_is_spent(reader);
	for (size_t i = 0; i < count && !reader->spent; i++) {
		reader->spent = pieces[i].size > reader->bytes;
		reader->bytes -= reader->spent ? 0 : pieces[i].size;
	}
	if (!reader->spent)
		reader->pieces -= count;
	return !reader->spent;
}

int memory_read_pieces(struct memory_reader *reader, const struct target_piece *pieces, size_t count)
{
	while (count) {
		size_t batch = count < MEMORY_BATCH ? count : MEMORY_BATCH;
		ssize_t copied;

		if (!charge(reader, pieces, batch)) {
			errno = ETIME;
			return -1;
		}
		copied = reader->copy(reader->context, pieces, batch);
		if (copied < 0 || (size_t)copied != size_of(pieces, batch)) {
			note_failure(reader, pieces, batch, copied);
			return -1;
		}
		pieces += batch;
		count -= batch;
	}
	return 0;
}

int memory_read(struct memory_reader *reader, uint64_t address, void *buffer, size_t size)
{
	struct target_piece piece = {address, buffer, size};

	return memory_read_pieces(reader, &piece, 1);
}

int memory_read_string(struct memory_reader *reader, uint64_t address, char *buffer, size_t size)
{
	size_t used = 0;

	/* page by page, because the string may end just before unmapped memory */
	while (used + 1 < size) {
		size_t piece = 4096 - (address + used) % 4096;

		if (piece > size - 1 - used)
			piece = size - 1 - used;
		if (memory_read(reader, address + used, buffer + used, piece))
			return -1;
		if (memchr(buffer + used, 0, piece))
			return 0;
		used += piece;
	}
	buffer[used] = 0;
	return 0;
}
