/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_MEMORY_H
#define ESCAPEMENT_MEMORY_H

/*
 * The memory of a process, as everything that reads a live target sees it: a function that copies pieces of it, and a
 * budget. The process is not ours. It may lead a reader in circles, or offer terabytes to copy; so every piece and
 * every byte is charged to the budget, and once that is spent all reads fail with ETIME. Readers check the values; the
 * budget ends the walks.
 *
 * The copying function reads the live process (target.c), or whatever a test or a core file puts in its place.
 * One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct target_piece {
	uint64_t address;
	void *buffer;
	size_t size;
};

struct memory_reader {
	/* Copies all pieces, at most MEMORY_BATCH of them. 0, or -1 with errno where not all could be read. */
	int (*copy)(void *context, const struct target_piece *pieces, size_t count);
	void *context;
	uint64_t pieces, bytes; /* that may still be read */
	int64_t deadline_ns;	/* CLOCK_MONOTONIC; for memory that is slow to answer */
	bool spent;		/* a read has failed for the budget since memory_allow() */
};

enum { MEMORY_BATCH = 1024 }; /* IOV_MAX */

/* What one task may read: a snapshot of all counters, the sites of new rows. Far more than any real process needs, and
 * done in about a second. */
#define MEMORY_PIECES	    (UINT64_C(16) << 20)
#define MEMORY_BYTES	    (UINT64_C(512) << 20)
#define MEMORY_MILLISECONDS 3000

/* Starts a task: fills the budget. */
void memory_allow(struct memory_reader *reader);

/* Reads the pieces in as few calls of copy() as possible, so that they are nearly of one instant. 0, or -1 with errno
 * where not all of them could be read; ETIME: the budget is spent. Buffers may have been written in either case. */
int memory_read_pieces(struct memory_reader *reader, const struct target_piece *pieces, size_t count);

int memory_read(struct memory_reader *reader, uint64_t address, void *buffer, size_t size);

/* Reads a zero-terminated string of at most `size` - 1 bytes; longer ones are cut. */
int memory_read_string(struct memory_reader *reader, uint64_t address, char *buffer, size_t size);

#endif
