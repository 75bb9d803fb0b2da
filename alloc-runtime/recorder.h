/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RECORDER_H
#define RECORDER_H

/*
 * Writes the file of goalloc_recording.h: the process counts its own allocations, refills and growth by stack.
 *
 * The recorder listens to the probes like an observer from outside: it raises their semaphores in the process itself,
 * so every event reaches probes.c, which passes it to recorder_note. Rows are kept in a hash table under recorder_lock
 * until the process exits.
 */

#include <stdbool.h>
#include <stdint.h>

#include "goalloc_recording.h"
#include "lock.h"

#pragma GCC visibility push(hidden)

extern bool recorder_active;
extern struct lock recorder_lock; /* guards the table of rows; nothing else is locked under it */

/* Adds one event to its row. `stack` is the probe's argument: the address of `depth` in a struct goalloc_stack, or 0. */
void recorder_note(enum goalloc_recorded_kind kind, unsigned spanclass, uint64_t count, uint64_t bytes, uint64_t stack);

/* Starts an empty recording in the child of a fork. Called when the heap has been repaired and recorder_lock is
 * free. */
void recorder_in_child(void);

#pragma GCC visibility pop
#endif
