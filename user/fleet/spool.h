/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SPOOL_H
#define ESCAPEMENT_SPOOL_H

/*
 * What an agent has not delivered yet: a directory with a file for each window, named after its number. A file appears when
 * all of it is on disk, and goes when it was delivered to every store. If the files take more than a limit, the oldest are dropped and
 * counted. One agent uses a directory at a time: it, or a process that it started, holds a lock; the kernel releases that
 * however they end.
 *
 *   NUMBER.window   a window; NUMBER has 20 digits, so that names sort by age
 *   state           "last NUMBER" and "dropped COUNT": the greatest number ever given, windows dropped ever
 *   STORE.delivered "NUMBER COUNT": the last window that the store was given, windows ever that it refused
 *   lock            empty
 *
 * Invariants: numbers only grow, also if the clock is set back or the directory is empty; one process writes windows, and
 * one for each store delivers them. A window's file is there until each of the stores has been given it.
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

/* Sets the stores that windows are delivered to, at most SPOOL_STORES, by names that outlive the spool, and removes what all of
 * them have. Without stores windows stay. */
enum { SPOOL_STORES = 8 };
void spool_set_stores(struct spool *spool, const char *const *names, size_t count);

/* Gives the next number: the wall clock in nanoseconds, or more. */
uint64_t spool_next(struct spool *spool);

/* Windows that a store has lost, for each store that has, and what there is now. */
struct spool_state {
	uint64_t dropped, windows, bytes, oldest; /* oldest: its number; 0 if there is none */
};
struct spool_state spool_state(struct spool *spool);

/* Of one of its stores: windows that it has not been given yet, and those ever that it refused. */
struct spool_store_state {
	uint64_t waiting, refused;
};
struct spool_store_state spool_store_state(struct spool *spool, const char *store);

/*
 * Adds a window with the number that spool_next() gave. Drops the oldest ones if there is no more space. -1 with an error if
 * it could not be written: then it counts as dropped, too.
 */
int spool_add(struct spool *spool, uint64_t number, const void *bytes, size_t size, struct error *error);

/* Counts a window as dropped that could not be made. Not while another process adds one. */
void spool_lose(struct spool *spool);

/* A window being delivered: it is not dropped meanwhile. */
struct spool_window {
	int file;     /* -1: it is not open */
	bool damaged; /* it cannot be read: there are no bytes that mean anything */
	uint64_t number;
	char *bytes;
	size_t size;
};

/* What comes of it. */
enum spool_end {
	SPOOL_KEPT,	 /* it is taken again */
	SPOOL_DELIVERED, /* the store has it */
	SPOOL_REFUSED,	 /* the store will never have it: counted as dropped */
};

/* Reads the oldest window that one of the spool's stores does not have: returns 1, or 0 if there is none, or -1 with an error. */
int spool_take(struct spool *spool, const char *store, struct spool_window *window, struct error *error);
/* Ends that. -1 with an error if it could not be noted; then the window comes again. */
int spool_give_back(struct spool *spool, const char *store, struct spool_window *window, enum spool_end end,
		    struct error *error);

#endif
