/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SAMPLER_H
#define SAMPLER_H

/*
 * When probes fire. Each note_* function records one event on a slow path: it updates the exact counters and, if an
 * observer listens, thins the event by bytes and fires the probe with the weight of the events that it stands for.
 */

#include "probes.h"
#include "runtime.h"

void sampler_turn(struct mcache *c, uint64_t semaphores);
/* Switches to the rate that is in force now. */
static inline void sampler_refresh(struct mcache *c)
{
	uint64_t semaphores = sample_semaphores_read();

	if (unlikely(semaphores != c->sample_semaphores))
		sampler_turn(c, semaphores);
}
/* Draws the distance to the next sample. Draws none if every allocation or no allocation is sampled. */
void sampler_next(struct mcache *c);
/* Counts `bytes` of an allocation towards the next sample. Returns true if this allocation is sampled. Small objects
 * are counted when nextFree opens their window instead. */
bool sampler_takes(struct mcache *c, uint64_t bytes);
void sampler_init(struct mcache *c);
/* Whether there are recorded events that no probe has reported yet. */
bool sampler_pending(const struct mcache *c);
bool sampler_listened(void); /* whether a probe that reports such events has an observer */

/* The seed of an mcache's random numbers: random, or derived from GOALLOC_SAMPLE_SEED in the environment, so that a
 * program that allocates the same way is sampled the same way. */
uint64_t sampler_seed(uint32_t cache);

void note_sample(struct mcache *c, void *object, uint64_t bytes, unsigned spanclass, struct caller *caller);
void report_refill(struct mcache *c, unsigned spanclass, uint64_t objects, const struct mspan *s,
		   struct caller *caller);
static inline void note_refill(struct mcache *c, unsigned spanclass, uint64_t objects, const struct mspan *s,
			       struct caller *caller)
{
	owner_add(&c->class_counters[spanclass].refills, 1);
	if (unlikely(c->listening || semaphores_read(&mcache_refill_semaphores) != 0))
		report_refill(c, spanclass, objects, s, caller);
}
/* objects of a span that was given up without a refill */
void note_uncached(struct mcache *c, unsigned spanclass, uint64_t objects);
void note_central_grow(struct mcache *c, const struct mspan *s, struct caller *caller);
void note_heap_grow(const struct mheap_grown *grown, struct mcache *c, struct caller *caller);
void note_large(struct mcache *c, size_t size, const struct mspan *s, struct caller *caller);
void report_sweep(const struct mspan *s, unsigned freed);
static inline bool sweep_listened(void)
{
	return unlikely(__atomic_load_n(&span_sweep_semaphore, __ATOMIC_RELAXED) != 0);
}
static inline void note_sweep(const struct mspan *s, unsigned freed)
{
	if (sweep_listened())
		report_sweep(s, freed);
}

/* Draws an exponentially distributed number with this mean. */
int64_t exponential(struct mcache *c, uint64_t mean);
/* True with this probability. */
bool sampler_draws(struct mcache *c, double probability);
/* 1 - e^-x, for x >= 0. */
double chance(double x);

#endif
