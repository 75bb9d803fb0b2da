/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SPOOL_H
#define ESCAPEMENT_SPOOL_H

/*
 * What an agent has not delivered yet: a directory with a file for each window, named after its number. A file appears when
 * all of it is on disk, and goes when it was delivered. If the files take more than a limit, the oldest are dropped and
 * counted. One agent uses a directory at a time: it, or a process that it started, holds a lock; the kernel releases that
 * however they end.
 *
 *   NUMBER.window   a window; NUMBER has 20 digits, so that names sort by age
 *   state           "last NUMBER" and "dropped COUNT": the greatest number ever given, windows dropped ever
 *   lock            empty
 *
 * Invariants: numbers only grow, also if the clock is set back or the directory is empty; one process writes windows, and
 * one delivers them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct spool;

/* Opens the directory, which is created for this user only, and takes its lock: waits a few seconds if it is held, because
 * processes of an agent that was killed may still be ending. NULL with an error. */
struct spool *spool_open(const char *path, int64_t limit, struct error *error);
void spool_close(struct spool *spool); /* NULL is allowed */

/* The same for reading, without the lock. NULL with an error if there is no such directory. */
struct spool *spool_look(const char *path, struct error *error);

void spool_set_limit(struct spool *spool, int64_t limit);

/* Gives the next number: the wall clock in nanoseconds, or more. */
uint64_t spool_next(struct spool *spool);

/* Windows dropped ever, and what there is now. */
struct spool_state {
	uint64_t dropped, windows, bytes, oldest; /* oldest: its number; 0 if there is none */
};
struct spool_state spool_state(struct spool *spool);

/*
 * Adds a window with the number that spool_next() gave. Drops the oldest ones if there is no more space. -1 with an error if
 * it could not be written: then it counts as dropped, too.
 */
int spool_add(struct spool *spool, uint64_t number, const void *bytes, size_t size, struct error *error);

/* A window being delivered: it is not dropped meanwhile. */
struct spool_window {
	int file;     /* -1: it is not open */
	bool damaged; /* it cannot be read: there are no bytes that mean anything */
	uint64_t number;
	char *bytes;
	size_t size;
};

/* Reads the oldest window: returns 1, or 0 if there is none, or -1 with an error. */
int spool_take(struct spool *spool, struct spool_window *window, struct error *error);
/* Ends that. `delivered`: the window is removed. */
int spool_give_back(struct spool *spool, struct spool_window *window, bool delivered, struct error *error);

#endif
