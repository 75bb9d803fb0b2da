/* SPDX-License-Identifier: BSD-2-Clause */
/* See heap_profile.h. */
#include "heap_profile.h"

#include <errno.h>

#include "environment.h"
#include "malloc_fast.h"
#include "object_table.h"
#include "probes.h"
#include "sampler.h"
#include "stack_table.h"

struct goalloc_heap_profile heap_profile;
struct lock heap_profile_lock;
struct object_table heap_profile_objects;

static struct stack_table rows;

static void count(const void *object, uint64_t key, uint64_t stack)
{
	struct goalloc_row *row = stack_table_row(&rows, key, stack);

	heap_profile.chunks = (uintptr_t)rows.chunks;
	if (row && object_table_add(&heap_profile_objects, (uintptr_t)object, row))
		row->counts[GOALLOC_ROW_ALLOCATED]++;
	else
		heap_profile.lost++;
}

void heap_profile_sampled(struct mcache *c, void *object, uint64_t bytes, unsigned spanclass, uint64_t stack)
{
	double size = (double)bytes, finer = (double)c->sample_distance;
	struct mspan *s = span_at(object);

	/* An observer listens at a finer rate, and has made this object a sample more often than we take one. */
	if (heap_profile.rate != 1 && c->sample_distance < heap_profile.rate &&
	    !sampler_draws(c, chance(size / (double)heap_profile.rate) / (finer > 0 ? chance(size / finer) : 1)))
		return;
	__atomic_store_n(&s->sampled, true, __ATOMIC_RELAXED);
	__atomic_store_n(&s->divMagic, 0, __ATOMIC_RELAXED);
	lock_acquire(&heap_profile_lock);
	sequence_step(&heap_profile.sequence);
	count(object, GOALLOC_PACK_OBJECT(bytes, spanclass), stack);
	sequence_step(&heap_profile.sequence);
	lock_release(&heap_profile_lock);
}

void heap_profile_freed(uintptr_t address)
{
	struct goalloc_row *row;

	lock_acquire(&heap_profile_lock);
	sequence_step(&heap_profile.sequence);
	row = object_table_take(&heap_profile_objects, address);
	if (row)
		row->counts[GOALLOC_ROW_FREED]++;
	sequence_step(&heap_profile.sequence);
	lock_release(&heap_profile_lock);
}

const struct goalloc_row *heap_profile_row(uintptr_t address)
{
	return object_table_find(&heap_profile_objects, address);
}

void heap_profile_in_child(void)
{
	heap_profile.sequence &= ~(uint64_t)1;
}

/* ---- starting ---- */

static int start(uint64_t wanted)
{
	enum probe_rate rate = NumRates - 1;
	uint64_t none = 0;

	while (rate > Per8k && probe_distances[rate] > wanted)
		rate--;
	if (wanted == 1)
		rate = PerEvent;
	/* so that no object comes without its stack */
	semaphore_raise(&stack_semaphore);
	if (!__atomic_compare_exchange_n(&heap_profile.rate, &none, rate == PerEvent ? 1 : probe_distances[rate], false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		semaphore_lower(&stack_semaphore);
		errno = EBUSY;
		return -1;
	}
	semaphore_raise(rate == PerEvent ? &sampler_word.every : &alloc_sample_semaphores.raised[rate]);
	return 0;
}

int goalloc_start_heap_profile(size_t rate)
{
	if (rate == 0) {
		errno = EINVAL;
		return -1;
	}
	return start(rate);
}

static __attribute__((constructor(101))) void begin(void)
{
	size_t rate = 0;

	environment_bytes("GOALLOC_HEAP_PROFILE", &rate);
	if (rate)
		start(rate);
}
