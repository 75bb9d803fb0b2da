/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PROGRAM_BARRIER_H
#define ESCAPEMENT_PROGRAM_BARRIER_H

/* Waits for all BPF programs that are running, on behalf of any process. Private to the collector and event_rows. */

#include <stdbool.h>

struct program_barrier;

/* Returns NULL if the kernel refused, and then sets `status` to -errno. */
struct program_barrier *program_barrier_open(int *status);
void program_barrier_close(struct program_barrier *barrier); /* NULL is allowed */

/* Returns when every program that was running at the call has ended. False: some may still run. */
bool program_barrier_wait(const struct program_barrier *barrier);

#endif
