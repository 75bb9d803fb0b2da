/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PROBES_H
#define PROBES_H

/*
 * The USDT probes of goalloc_contract.h: their sites and semaphores. sampler.c decides when they fire.
 *
 * The kernel raises a semaphore while an observer is attached. The four semaphores of a probe share one aligned word,
 * so that "nobody listens" is one comparison.
 */

#include <stdbool.h>
#include <stdint.h>

#include "goalloc_contract.h"

#pragma GCC visibility push(hidden)

enum probe_rate { PerEvent, Per8k, Per64k, Per512k, NumRates };

struct semaphores {
	_Alignas(8) uint16_t raised[NumRates];
};

extern struct semaphores mcache_refill_semaphores, mcentral_grow_semaphores, large_alloc_semaphores;
extern struct semaphores alloc_sample_semaphores; /* [PerEvent] is part of sampler_word */
extern uint16_t mheap_grow_semaphore, span_sweep_semaphore, stack_semaphore;

/*
 * Every allocation adds this word to its index into the table of size classes. The word is 0 unless the per-event
 * semaphore of alloc_sample (its highest 16 bits) is raised, or another part of the library has to see each allocation,
 * or the next one (a nonzero value in the bits below). Then the index is past the table's end, and the allocation takes
 * the slow path.
 */
union sampler_word {
	uint64_t all;
	struct {
		uint16_t unused;  /* it would not be past the table's end */
		uint16_t awaited; /* by the scavenger: see scavenge.h */
		uint16_t force_slow;
		uint16_t every; /* the semaphore */
	};
};
extern union sampler_word sampler_word;

/* Bytes between events at each rate. */
extern const uint64_t probe_distances[NumRates];

/* The four semaphores at one instant, the finest rate in the lowest bits: 0 while nobody listens, different when an
 * observer has come or gone. */
static inline uint64_t semaphores_read(const struct semaphores *s)
{
	return __atomic_load_n((const uint64_t *)(const void *)s, __ATOMIC_ACQUIRE);
}

static inline uint64_t sample_semaphores_read(void)
{
	return semaphores_read(&alloc_sample_semaphores) | __atomic_load_n(&sampler_word.all, __ATOMIC_ACQUIRE) >> 48;
}

/* Bytes between events at the finest rate that an observer listens at; 0: each event; GOALLOC_NOT_LISTENING if there is
 * no observer. */
static inline uint64_t finest_rate(uint64_t semaphores)
{
	return semaphores == 0 ? GOALLOC_NOT_LISTENING : probe_distances[__builtin_ctzll(semaphores) / 16];
}

static inline uint64_t rate_in_force(const struct semaphores *s)
{
	return finest_rate(semaphores_read(s));
}

/* For the library's own observers, which listen as one from outside does. */
static inline void semaphore_raise(uint16_t *semaphore)
{
	__atomic_fetch_add(semaphore, 1, __ATOMIC_RELEASE);
}

static inline void semaphore_lower(uint16_t *semaphore)
{
	__atomic_fetch_sub(semaphore, 1, __ATOMIC_RELEASE);
}

/* Must be called after the rate was read, which acquires: observers that want stacks raise this semaphore first. */
static inline bool stacks_wanted(void)
{
	return __atomic_load_n(&stack_semaphore, __ATOMIC_RELAXED) != 0;
}

/*
 * Arguments as in goalloc_contract.h. A function with a distance fires for all observers of that distance or a coarser
 * one: an observer of a finer one has come since the event became due, and must not get what happened before.
 */
void probe_mcache_refill(uint64_t cache_and_class, uint64_t refills_and_objects, uint64_t bytes, uint64_t base,
			 uint64_t free, uint64_t stack, uint64_t distance);
void probe_mcentral_grow(uint64_t spanclass, uint64_t grows, uint64_t pages, uint64_t base, uint64_t stack,
			 uint64_t distance);
void probe_large_alloc(uint64_t objects, uint64_t size, uint64_t pages, uint64_t base, uint64_t stack, uint64_t bytes,
		       uint64_t distance);
void probe_alloc_sample(uint64_t address, uint64_t bytes, uint64_t weight, uint64_t spanclass, uint64_t site,
			uint64_t stack, uint64_t distance);
void probe_mheap_grow(uint64_t pages, uint64_t bytes, uint64_t arena_used, uint64_t stack);
void probe_span_sweep(uint64_t spanclass, uint64_t base, uint64_t freed);

#pragma GCC visibility pop
#endif
