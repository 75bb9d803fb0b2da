/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_MEMORY_READER_H
#define ESCAPEMENT_MEMORY_READER_H

/*
 * The memory of a process, for all code that reads a live target: a function that copies pieces of it, and a budget.
 * The process is not under our control. It may lead a reader in circles, or offer terabytes to copy. Therefore every
 * piece and every byte is charged to the budget, and once it is exhausted, all reads fail with ETIME. Readers check the
 * values that they read; the budget ends endless walks.
 *
 * The copying function reads the live process (target.c); tests replace it. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct target_piece {
	uint64_t address;
	void *buffer;
	size_t size;
};

struct memory_reader {
	/* Copies pieces, at most MEMORY_BATCH, in their order until one cannot be read. Returns how many bytes it has
	 * copied, or -1 with errno. */
	ssize_t (*copy)(void *context, const struct target_piece *pieces, size_t count);
	void *context;
	uint64_t pieces, bytes; /* what may still be read */
	int64_t cpu_end_ns;	/* CPU time of the thread; limits the work */
	int64_t deadline_ns;	/* CLOCK_MONOTONIC; limits the time that slow memory may take */
	bool spent;		/* the budget was exceeded since memory_allow() */
	int failure;		/* errno of the last read that failed since then; 0: none did */
	uint64_t failed_at;	/* if that is EFAULT: where there is no memory */
};

enum { MEMORY_BATCH = 1024 }; /* IOV_MAX */

/* The budget of one task, such as a snapshot of all counters or the sites of new rows: far more than any real
 * process needs, and read within about a second of CPU time. The wall-clock limit is far higher, because on a busy
 * machine a second of CPU time may take many seconds. */
#define MEMORY_PIECES	       (UINT64_C(16) << 20)
#define MEMORY_BYTES	       (UINT64_C(512) << 20)
#define MEMORY_CPU_SECONDS     3
#define MEMORY_ELAPSED_SECONDS 10

/* Starts a task: resets the budget. */
void memory_allow(struct memory_reader *reader);
/* The same for a task that copies a heap: at most `bytes`, in as many pieces as usual, within `seconds` from now on. */
void memory_allow_bytes(struct memory_reader *reader, uint64_t bytes, double seconds);

/* Whether the budget is spent by now: for loops that read nothing for a while. */
bool memory_is_spent(struct memory_reader *reader);

/* Reads the pieces in as few calls of copy() as possible, so that they are from nearly the same instant. Returns 0, or
 * -1 with errno if not all of them could be read; ETIME: the budget is exhausted. Buffers may have been written in
 * either case. */
int memory_read_pieces(struct memory_reader *reader, const struct target_piece *pieces, size_t count);

int memory_read(struct memory_reader *reader, uint64_t address, void *buffer, size_t size);

/* Reads a NUL-terminated string of at most `size` - 1 bytes; a longer one is cut. */
int memory_read_string(struct memory_reader *reader, uint64_t address, char *buffer, size_t size);

#endif
