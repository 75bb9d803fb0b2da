/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_SAMPLER_H
#define ESCAPEMENT_GO_SAMPLER_H

/*
 * The sampler of Go's own memory profile, which reports the objects of a recording at any rate but 0 and 1: its rate,
 * turning it on if the program does not, and what its samples stand for.
 */

#include "runtime/go_process.h"

/* Members of struct runtime_ops. */
const char *go_sampler_unsampled(const struct runtime *runtime);
void go_sampler_adjust(struct runtime *runtime, const struct target *target, bool on);
void go_sampler_judge(struct runtime *runtime, const struct profile_process *process);
void go_sampler_estimate(struct runtime *runtime, struct event_key *key, struct event_sums *sums,
			 const struct event_stack *stack);
bool go_sampler_rest(struct runtime *runtime, struct profile *profile, const struct profile_process *process,
		     struct profile_key *key, int64_t values[VALUE_COUNT]);
void go_sampler_finish(struct runtime *runtime, struct profile *profile, const struct profile_process *process);

/* Sets the rate in force, which is the program's own, and what rows contain, which depends on who reports them. */
void go_sampler_begin(struct go *go, enum go_depth depth, int64_t rate);

/* Returns the rate of the process's sampler: if it is not known yet, that of the runtime unless the program sets one. */
int64_t go_sampler_rate(const struct go *go);

/* Reads the rate in the process, and notes it if it has changed. */
void go_sampler_note_rate(struct go *go, const struct target *target);

/* Returns the stack for tiny objects, whose split between sites is unknown. */
const struct profile_stack *go_sampler_tiny_stack(struct profile *profile);

#endif
