/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See sampler.h. Distances between samples are exponentially distributed, as in Go and tcmalloc. Then every byte is
 * sampled with the same probability, whatever the program's pattern of allocation, and an object of b bytes with
 * probability 1 - e^(-b / rate).
 */
#include "sampler.h"

#include <stdlib.h>

#include "heap_profile.h"
#include "sections.h"
#include "sys.h"
#include "unwind.h"

uint64_t sampler_seed(uint32_t cache)
{
	const char *seed = getenv("GOALLOC_SAMPLE_SEED");

	return seed ? (strtoull(seed, NULL, 10) + cache) * 0x9e3779b97f4a7c15 : sysRandom();
}

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators). */
static uint64_t next_random(struct mcache *c)
{
	uint64_t z = c->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Natural logarithm of x in (0, 1], without libm: x = m * 2^e, ln m = 2 atanh((m - 1) / (m + 1)). */
static double logarithm(double x)
{
	union {
		double d;
		uint64_t u;
	} bits = {.d = x};
	int e = (int)(bits.u >> 52) - 1023;

	bits.u = (bits.u & ((1ULL << 52) - 1)) | 1023ULL << 52;
	if (bits.d > 1.4142135623730951) {
		bits.d /= 2;
		e++;
	}
	double t = (bits.d - 1) / (bits.d + 1), t2 = t * t, sum = 0;
	/* Exact to some billionths, which is enough: distances are whole bytes. */
	static const double inverses[] = {1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3, 1};
	for (unsigned i = 0; i < sizeof inverses / sizeof *inverses; i++)
		sum = sum * t2 + inverses[i];
	return e * 0.6931471805599453 + 2 * t * sum;
}

/* 53 random bits plus one half, so that the result is neither 0 nor 1. */
static double uniform(struct mcache *c)
{
	return ((double)(next_random(c) >> 11) + 0.5) / 9007199254740992.0;
}

RARELY_RUN int64_t exponential(struct mcache *c, uint64_t mean)
{
	return (int64_t)(-logarithm(uniform(c)) * (double)mean);
}

bool sampler_draws(struct mcache *c, double probability)
{
	return uniform(c) < probability;
}

double chance(double x)
{
	if (x > 40)
		return 1;
	/* 1 - e^-x by its series for x / 2^k, then k times 1 - (1 - p)^2 = p (2 - p), which loses no digits. */
	int k = 0;
	while (x > 0.01) {
		x /= 2;
		k++;
	}
	double p = x * (1 - x * (1.0 / 2) * (1 - x * (1.0 / 3) * (1 - x * (1.0 / 4) * (1 - x * (1.0 / 5)))));
	while (k-- > 0)
		p *= 2 - p;
	return p;
}

void sampler_init(struct mcache *c)
{
	c->sample_distance = c->refill_distance = c->grow_distance = c->large_distance = GOALLOC_NOT_LISTENING;
	owner_set(&c->next_sample, INT64_MAX);
}

/* Whether the cache has to record events for a probe at this distance. Initialises the part of the cache that this
 * needs when an observer first listens. */
static bool listens(struct mcache *c, uint64_t distance)
{
	if (!c->listening && distance != GOALLOC_NOT_LISTENING) {
		for (unsigned i = 0; i < NumSpanClasses; i++)
			c->pending[i] = c->grows_pending[i] =
				(struct goalloc_pending){.distance = GOALLOC_NOT_LISTENING};
		c->listening = true;
	}
	return c->listening;
}

bool sampler_pending(const struct mcache *c)
{
	for (unsigned i = 0; c->listening && i < NumSpanClasses; i++) {
		const struct goalloc_pending *p = &c->pending[i];
		if ((p->refills | p->objects | p->bytes | c->grows_pending[i].refills) != 0)
			return true;
	}
	return false;
}

bool sampler_listened(void)
{
	return (rate_in_force(&mcache_refill_semaphores) & rate_in_force(&mcentral_grow_semaphores) &
		rate_in_force(&large_alloc_semaphores)) != GOALLOC_NOT_LISTENING;
}

void sampler_next(struct mcache *c)
{
	bool thinned = c->sample_distance != 0 && c->sample_distance != GOALLOC_NOT_LISTENING;

	c->next_sample = thinned ? exponential(c, c->sample_distance) : INT64_MAX;
}

void sampler_turn(struct mcache *c, uint64_t semaphores)
{
	uint64_t distance = finest_rate(semaphores);

	c->sample_semaphores = semaphores;
	if (distance != c->sample_distance) {
		c->sample_distance = distance;
		sampler_next(c);
	}
}

bool sampler_takes(struct mcache *c, uint64_t bytes)
{
	sampler_refresh(c);
	if (c->sample_distance == GOALLOC_NOT_LISTENING)
		return false;
	c->next_sample -= (int64_t)bytes;
	if (c->next_sample >= 0 && c->sample_distance != 0)
		return false;
	sampler_next(c);
	return true;
}

static uint64_t stack_of(struct mcache *c, struct caller *caller)
{
	return stacks_wanted() ? caller_stack(c, caller) : 0;
}

RARELY_RUN void note_sample(struct mcache *c, void *object, uint64_t bytes, unsigned spanclass, struct caller *caller)
{
	uint64_t weight = bytes, stack = stack_of(c, caller);

	if (c->sample_distance != 0)
		weight = (uint64_t)((double)bytes / chance((double)bytes / (double)c->sample_distance) + 0.5);
	probe_alloc_sample((uintptr_t)object, bytes, weight, spanclass, caller->site, stack, c->sample_distance);
	if (heap_profile.rate)
		heap_profile_sampled(c, object, bytes, spanclass, stack);
}

/* Whether a probe thinned to this distance fires after this many more bytes. `left` was drawn for the distance
 * `last`. */
static bool due(struct mcache *c, uint64_t distance, uint64_t *last, int64_t *left, uint64_t bytes)
{
	if (distance == 0)
		return true;
	if (*last != distance) {
		*last = distance;
		*left = exponential(c, distance);
	}
	*left -= (int64_t)bytes;
	if (*left >= 0)
		return false;
	*left = exponential(c, distance);
	return true;
}

/*
 * Called when the distance in force has changed since events were added to `p`. If the new distance is coarser, the
 * pending events stay. If it is finer, its observers must not get events from before they attached; if nobody listens
 * any more, nothing may stay pending. In both cases the pending events are moved to *owed, and true is returned if
 * there are any: they are to be reported to observers of the old distance.
 */
static bool turn(struct goalloc_pending *p, uint64_t distance, struct goalloc_pending *owed)
{
	bool carried_on = p->distance < distance && distance != GOALLOC_NOT_LISTENING;

	*owed = *p;
	if (!carried_on)
		*p = (struct goalloc_pending){0};
	p->distance = distance;
	return !carried_on && (owed->refills | owed->objects | owed->bytes) != 0;
}

static struct goalloc_pending take_pending(struct goalloc_pending *p)
{
	struct goalloc_pending taken = *p;

	*p = (struct goalloc_pending){.distance = taken.distance};
	return taken;
}

/* Fires the probe for a refill with span `s`, or without a refill (NULL) for events that are owed. */
static void report_refills(struct mcache *c, unsigned spanclass, const struct goalloc_pending *p, const struct mspan *s,
			   uint64_t stack)
{
	probe_mcache_refill(GOALLOC_PACK_CACHE(c->id, spanclass), GOALLOC_PACK_REFILL(p->refills, p->objects), p->bytes,
			    s ? s->base : 0, s ? s->nelems - s->allocCount : 0, stack, p->distance);
}

static uint64_t bytes_of(unsigned spanclass, uint64_t objects)
{
	return objects * size_classes[spanclass_size_class(spanclass)].size;
}

void note_uncached(struct mcache *c, unsigned spanclass, uint64_t objects)
{
	uint64_t distance = rate_in_force(&mcache_refill_semaphores);
	struct goalloc_pending *p = &c->pending[spanclass], owed;

	if (!listens(c, distance))
		return;
	if (unlikely(p->distance != distance) && turn(p, distance, &owed))
		report_refills(c, spanclass, &owed, NULL, 0);
	if (distance == GOALLOC_NOT_LISTENING)
		return;
	p->objects += objects;
	p->bytes += bytes_of(spanclass, objects);
}

RARELY_RUN void report_refill(struct mcache *c, unsigned spanclass, uint64_t objects, const struct mspan *s,
			      struct caller *caller)
{
	uint64_t distance = rate_in_force(&mcache_refill_semaphores), bytes = bytes_of(spanclass, objects);
	struct goalloc_pending *p = &c->pending[spanclass], report;

	if (!listens(c, distance))
		return;
	if (unlikely(p->distance != distance) && turn(p, distance, &report))
		report_refills(c, spanclass, &report, s, stack_of(c, caller));
	if (distance == GOALLOC_NOT_LISTENING)
		return;
	p->refills++;
	p->objects += objects;
	p->bytes += bytes;
	if (!due(c, distance, &c->refill_distance, &c->refill_left, bytes))
		return;
	report = take_pending(p);
	report_refills(c, spanclass, &report, s, stack_of(c, caller));
}

static void report_grows(struct mcache *c, const struct goalloc_pending *p, const struct mspan *s,
			 struct caller *caller)
{
	probe_mcentral_grow(s->spanclass, p->refills, s->npages, s->base, stack_of(c, caller), p->distance);
}

void note_central_grow(struct mcache *c, const struct mspan *s, struct caller *caller)
{
	uint64_t distance = rate_in_force(&mcentral_grow_semaphores);
	struct goalloc_pending *p = &c->grows_pending[s->spanclass], report;

	owner_add(&c->class_counters[s->spanclass].central_grows, 1);
	if (!listens(c, distance))
		return;
	if (unlikely(p->distance != distance) && turn(p, distance, &report))
		report_grows(c, &report, s, caller);
	if (distance == GOALLOC_NOT_LISTENING)
		return;
	p->refills++;
	if (!due(c, distance, &c->grow_distance, &c->grow_left, mspan_bytes(s)))
		return;
	report = take_pending(p);
	report_grows(c, &report, s, caller);
}

void note_heap_grow(const struct mheap_grown *grown, struct mcache *c, struct caller *caller)
{
	if (__builtin_expect(__atomic_load_n(&mheap_grow_semaphore, __ATOMIC_RELAXED) != 0, 0))
		probe_mheap_grow(grown->asked_pages, grown->bytes, grown->arena_used, stack_of(c, caller));
}

static void report_large(struct mcache *c, const struct goalloc_pending *p, size_t size, const struct mspan *s,
			 struct caller *caller)
{
	probe_large_alloc(p->objects, size, s->npages, s->base, stack_of(c, caller), p->bytes, p->distance);
}

void note_large(struct mcache *c, size_t size, const struct mspan *s, struct caller *caller)
{
	uint64_t distance = rate_in_force(&large_alloc_semaphores), bytes = mspan_bytes(s);
	struct goalloc_pending *p = &c->pending[s->spanclass], report;

	owner_add(&c->class_counters[s->spanclass].objects, 1);
	owner_add(&c->class_counters[s->spanclass].bytes, bytes);
	if (!listens(c, distance))
		return;
	if (unlikely(p->distance != distance) && turn(p, distance, &report))
		report_large(c, &report, size, s, caller);
	if (distance == GOALLOC_NOT_LISTENING)
		return;
	p->objects++;
	p->bytes += bytes;
	if (!due(c, distance, &c->large_distance, &c->large_left, bytes))
		return;
	report = take_pending(p);
	report_large(c, &report, size, s, caller);
}

void report_sweep(const struct mspan *s, unsigned freed)
{
	if (freed != 0)
		probe_span_sweep(s->spanclass, s->base, freed);
}
