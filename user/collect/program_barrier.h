/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PROGRAM_BARRIER_H
#define ESCAPEMENT_PROGRAM_BARRIER_H

/* Waits for BPF programs that run, of whomever. Part of the collector: only that and event_rows include this. */

#include <stdbool.h>

struct program_barrier;

/* NULL where the kernel refused, `status` is then -errno. */
struct program_barrier *program_barrier_open(int *status);
void program_barrier_close(struct program_barrier *barrier); /* NULL is allowed */

/* Returns when no program runs that has begun before. False: some may. */
bool program_barrier_wait(const struct program_barrier *barrier);

#endif
