/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RUNTIME_H
#define ESCAPEMENT_RUNTIME_H

/*
 * What a session must know about an allocator runtime: where its probes stand, what its own counters say, and how a
 * stack of it reads. One file a runtime (runtime_goalloc.c, runtime_go.c), one table of functions each; a session
 * treats them alike.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/events.h"
#include "symbols/address_space.h"
#include "base/error.h"
#include "collect/probe_set.h"
#include "profile/profile.h"
#include "target/target.h"

/* The runtime's own counters, by span class, at one instant. Monotonic from the process's start. */
struct heap_class {
	int64_t objects, bytes;
	int64_t refills, central_grows; /* VALUE_UNMEASURED where the runtime does not count them */
	/* Of `objects` and `bytes`: what no event has told yet at this rate (tails in caches, thinned events).
	 * Over any interval: events + change of unreported = change of objects. */
	int64_t unreported_objects, unreported_bytes;
};

/* Invariant after a read: no number of a class is beyond HEAP_COUNT_MAX, so that sums over classes fit. */
struct heap_counters {
	struct heap_class classes[SPAN_CLASSES];
	int64_t heap_grows, heap_grow_bytes; /* VALUE_UNMEASURED where the runtime does not count them */
	int64_t collections;		     /* the same */
	int64_t in_flight; /* objects that may be counted but not yet reported, or the other way round */
};

#define HEAP_COUNT_MAX (INT64_C(1) << 56) /* objects or bytes; 72 PB */

/* Checks the invariant above of numbers that come from a process. -1 and the refusal, which names the class. */
int heap_counters_check(const struct heap_counters *counters, struct error *refusal);

struct runtime;

struct runtime_ops {
	const char *counter_source; /* "goalloc counters": for the check */

	/* Where the probes for this rate stand. Warnings go to the profile. */
	int (*probes)(struct runtime *runtime, int64_t rate, struct probe_set *set, struct profile *profile,
		      struct error *error);

	/* Reads the counters of the live process. -1 where its memory cannot be read (it has ended), or where what it
	 * holds was refused: see runtime->refusal. */
	int (*read)(struct runtime *runtime, const struct target *target, int64_t rate, struct heap_counters *counters);

	/* Whether a span that an mcache of the process holds had come fresh from mheap when it was taken: 0 or 1; -1 where
	 * that cannot be read any more. NULL where events tell of all growth. */
	int (*came_fresh)(struct runtime *runtime, const struct target *target, uint64_t cache, int span_class);

	/* Objects that the process may still allocate without an event although its probes are attached, because it was just
	 * about to. Called once, before the first read(). May be NULL. */
	int64_t (*unsettled)(struct runtime *runtime, const struct target *target);

	/* Called for every new row while the process lives: reads from its memory what stack() will need. NULL where the
	 * file has it all. */
	void (*remember)(struct runtime *runtime, const struct target *target, const struct event_key *key);

	/* Changes the process so that it tells what was asked for, where the user has allowed it (`may_change`), and
	 * takes the change back with `on` false. Called again and again: it may be too early. May be NULL. */
	void (*adjust)(struct runtime *runtime, const struct target *target, bool on);

	/* The row's stack as people should read it. */
	const struct profile_stack *(*stack)(struct runtime *runtime, struct address_space *space,
					     struct profile *profile, const struct event_key *key,
					     const struct event_stack *stack);

	/* Completes an EVENT_SAMPLE row whose events do not say by themselves what they stand for: fills in weight and
	 * objects_q20, and in the key what the stack says. NULL if they say it. */
	void (*estimate)(struct runtime *runtime, struct event_key *key, struct event_sums *sums,
			 const struct event_stack *stack);

	/* What the program's file tells of the process: its modules. May be NULL. */
	void (*describe)(struct runtime *runtime, struct profile *profile, struct profile_process *process);

	/* The row that no event has: fills in its key's stack and span class, and the values; 0 where there is none. Of a
	 * process whose totals are known. May be NULL. */
	bool (*rest)(struct runtime *runtime, struct profile *profile, const struct profile_process *process,
		     struct profile_key *key, int64_t values[VALUE_COUNT]);

	/* Called after the last row: warns of what weakens the process's numbers. May be NULL. */
	void (*finish)(struct runtime *runtime, struct profile *profile, const struct profile_process *process);

	/* Name of the row's type, interned; NULL where not known. */
	const char *(*type)(struct runtime *runtime, struct profile *profile, const struct event_key *key);

	void (*free)(struct runtime *runtime);
};

/* Runtimes begin with this. */
struct runtime {
	const struct runtime_ops *ops;
	char version[64]; /* "goalloc 1", "go1.24.4": for people */
	/* Why the process cannot be measured: its memory holds what no such runtime writes. The text names the field and
	 * its value ("its libgoalloc description has ..."); it is empty where nothing was refused. Set by read() and
	 * remember(); final. */
	struct error refusal;
	int64_t rate; /* the rate in force: what the runtime can do nearest to the one asked for */
	const volatile struct event_process *events; /* set by the session before the first read() */
	uint32_t unmeasured;	  /* bit per enum profile_value: totals that nothing tells at this rate */
	uint32_t rows_unmeasured; /* the same for rows */
	const char
		*unsampled; /* why nothing samples its objects, so that rows show refills; NULL where something does */
	bool scan_unknown;  /* the counters have objects with and without pointers together, at the span class with */
	bool objects_from_events; /* at rate 0: events and tails tell span classes apart, the counters do not */
	bool counters_only;	  /* no event tells objects at this rate: without counters there is no total of them */
	bool counters_unknown;	  /* they cannot be read, and the profile has been warned of it */
	bool may_change;	  /* set by the session: --enable-sampler */
	bool stacks;		  /* set by the session: rows are told apart by stack */
	bool sampler_beside; /* set by the session: at rate 1, record the events of the runtime's own sampler too */
	int64_t beside_rate; /* the rate of these events; 0: there are none */
	bool counters_start_at_zero; /* set by the session for a process that it saw from its first instruction */
};

/*
 * Recognises the runtime of a process by its mapped files. NULL with *absent true: there is none (yet: a dynamic
 * linker may still map it). NULL with *absent false: there is one, and the error says why it cannot be observed.
 */
struct runtime *runtime_detect(const struct target *target, bool *absent, struct error *error);
void runtime_free(struct runtime *runtime); /* NULL is allowed */

/* The detectors, in the order in which they are asked. */
struct runtime *runtime_goalloc_detect(const struct target *target, bool *absent, struct error *error);
struct runtime *runtime_go_detect(const struct target *target, bool *absent, struct error *error);

#endif
