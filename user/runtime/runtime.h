/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RUNTIME_H
#define ESCAPEMENT_RUNTIME_H

/*
 * What a session must know about an allocator runtime: where its probes are, what its own counters contain, and how to
 * show one of its stacks. One file and one table of functions per runtime (runtime_goalloc.c, runtime_go.c); a session
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
	int64_t freed_objects, freed_bytes; /* of these; libgoalloc only */
	int64_t refills, central_grows;	    /* VALUE_UNMEASURED if the runtime does not count them */
	/* The part of `objects` and `bytes` that no event has reported yet at this rate (tails in caches, thinned
	 * events). Over any interval: events + change of unreported = change of objects. */
	int64_t unreported_objects, unreported_bytes;
};

/* Invariant after a read: no number of a class exceeds HEAP_COUNT_MAX, so that sums over classes do not overflow. */
struct heap_counters {
	struct heap_class classes[SPAN_CLASSES];
	int64_t heap_grows, heap_grow_bytes; /* VALUE_UNMEASURED if the runtime does not count them */
	int64_t collections;		     /* the same */
	int64_t in_flight; /* objects that may have been counted but not reported yet, or vice versa */
};

#define HEAP_COUNT_MAX (INT64_C(1) << 56) /* objects or bytes; 72 PB */

/* Checks the invariant above for numbers from a process. Returns -1 and a refusal that names the class. */
int heap_counters_check(const struct heap_counters *counters, struct error *refusal);

struct runtime;

/* Where the descriptions of libgoallocs are that have not allocated yet. */
enum { RUNTIME_IDLE_MAX = 8 };
struct runtime_idle {
	uint64_t descriptions[RUNTIME_IDLE_MAX];
	size_t count; /* also of those that there is no room for */
};

/* Allocators that the process has mapped and that no probe observes. */
struct runtime_others {
	const char *file; /* with one of them, as the process sees it; NULL: none */
	const char *kind; /* what that one is, as words after the file's name */
	size_t count;
	bool uncounted;		  /* one has counters of its own: the observed ones are not of the whole process */
	struct runtime_idle idle; /* not in `count` */
};

struct runtime_ops {
	const char *counter_source; /* "goalloc counters", as the source named in the check */

	/* Determines the probes for this rate. Warnings go to the profile. */
	int (*probes)(struct runtime *runtime, int64_t rate, struct probe_set *set, struct profile *profile,
		      struct error *error);

	/* The probes that count every allocation, for bursts. May be NULL. */
	int (*burst_probes)(struct runtime *runtime, struct probe_set *set, struct error *error);

	/* Reads the counters of the live process. Returns -1 if its memory cannot be read (it has ended), or what it
	 * contains was refused: see runtime->refusal. */
	int (*read)(struct runtime *runtime, const struct target *target, int64_t rate, struct heap_counters *counters);

	/* Reads how many bytes of the process's heap are in use: spans with objects, whole. -1 if that cannot be read. May be
	 * NULL. */
	int64_t (*heap_in_use)(const struct runtime *runtime, const struct target *target);

	/* Whether a span that an mcache of the process holds had come fresh from mheap when it was taken: 0 or 1; -1 if
	 * that cannot be read any more. NULL if events report all growth. */
	int (*came_fresh)(struct runtime *runtime, const struct target *target, uint64_t cache, int span_class);

	/* Upper bound of the number of objects that threads already past the probe's address when it was attached may
	 * allocate unseen. Called once, before the first read(). May be NULL. */
	int64_t (*unsettled)(struct runtime *runtime, const struct target *target);

	/* Called for every new row while the process lives: reads from its memory what stack() will need. NULL if the
	 * file contains everything. */
	void (*remember)(struct runtime *runtime, const struct target *target, const struct event_key *key);

	/* Changes the process so that it reports what was requested, if the user has allowed it (`may_change`), and
	 * undoes the change with `on` false. Called repeatedly, because it may be too early. May be NULL. */
	void (*adjust)(struct runtime *runtime, const struct target *target, bool on);

	/* Returns the row's stack as shown to people. */
	const struct profile_stack *(*stack)(struct runtime *runtime, struct address_space *space,
					     struct profile *profile, const struct event_key *key,
					     const struct event_stack *stack);

	/* Called when the process's totals are known, before its first row is completed at the end: whether its samples can stand
	 * for them. May be NULL. */
	void (*judge)(struct runtime *runtime, const struct profile_process *process);

	/* Completes an EVENT_SAMPLE row whose events do not contain what they stand for: sets weight and objects_q20,
	 * and in the key what the stack shows. NULL if events contain it. */
	void (*estimate)(struct runtime *runtime, struct event_key *key, struct event_sums *sums,
			 const struct event_stack *stack);

	/* Returns why nothing samples the process's objects now; NULL if something does. May be NULL. */
	const char *(*unsampled)(const struct runtime *runtime);

	/* Describes the process by the program's file: its modules. May be NULL. */
	void (*describe)(struct runtime *runtime, struct profile *profile, struct profile_process *process);

	/* Makes the row that no event reports: fills in its key's stack and span class, and the values. Returns 0 if
	 * there is none. Called if the process's totals are known. May be NULL. */
	bool (*rest)(struct runtime *runtime, struct profile *profile, const struct profile_process *process,
		     struct profile_key *key, int64_t values[VALUE_COUNT]);

	/* Called after the last row: warns of what weakens the process's numbers. May be NULL. */
	void (*finish)(struct runtime *runtime, struct profile *profile, const struct profile_process *process);

	/* Returns the name of the row's type, interned; NULL if unknown. */
	const char *(*type)(struct runtime *runtime, struct profile *profile, const struct event_key *key);

	void (*free)(struct runtime *runtime);
};

/* What libgoalloc is called. The number changes if it counts the same calls in another way: baselines of another version are
 * refused. */
#define RUNTIME_GOALLOC "goalloc 1"

/* The first member of each runtime's struct. */
struct runtime {
	const struct runtime_ops *ops;
	char version[64]; /* RUNTIME_GOALLOC, "go1.24.4" */
	const char *
		library; /* the file that it is in, as the process sees it, if that should be shown; NULL: the executable */
	/* Why the process cannot be measured: its memory contains what no such runtime writes. The text names the field
	 * and its value ("its libgoalloc description has ..."), and is empty if nothing was refused. Set by read() and
	 * remember(); final. */
	struct error refusal;
	int64_t rate; /* the rate in force: the closest to the requested one that the runtime supports */
	const volatile struct event_process *events; /* set by the session before the first read() */
	uint32_t unmeasured;	  /* one bit per enum profile_value of which there is no total at this rate */
	uint32_t rows_unmeasured; /* the same for rows */
	const char *unsampled;	  /* why its objects are not sampled, so that rows count refills; NULL if they are */
	/* why its objects are not sampled, so that they are to be counted in bursts; NULL if they are, or cannot be */
	const char *in_bursts;
	/* the counters have objects with and without pointers together, in the span class with pointers */
	bool scan_unknown;
	bool objects_from_events; /* at rate 0: events and tails distinguish span classes, the counters do not */
	bool counters_only;	  /* no event reports objects at this rate: without counters they have no total */
	bool counters_unknown;	  /* they cannot be read, and the profile has a warning about it */
	bool may_change;	  /* set by the session: --enable-sampler */
	bool stacks;		  /* set by the session: rows are distinguished by stack */
	bool sampler_beside; /* set by the session: at rate 1, also record the events of the runtime's own sampler */
	int64_t beside_rate; /* the rate of these events; 0: there are none */
	bool is_starting;    /* set by the session: its probes have just been attached */
	/* set by the session for a process that it has observed from its first instruction */
	bool counters_start_at_zero;
};

/* What to do where nothing samples: "use …". */
extern const char runtime_unsampled_advice[];

/*
 * Recognises the runtime of a process by its mapped files. NULL with *absent true: it has none (yet: the dynamic linker
 * may still map one). NULL with *absent false: it has one, or may have, and the error says why it cannot be observed.
 */
struct runtime *runtime_detect(const struct target *target, bool *absent, struct error *error);
void runtime_free(struct runtime *runtime); /* NULL is allowed */

/* Looks for allocators in the process other than `observed`, of each kind. */
void runtime_find_others(const struct runtime *observed, const struct target *target, struct runtime_others *others);

/* Whether one of them may have allocated since: as cheap as reading its counters. */
bool runtime_idle_may_have_begun(const struct runtime_idle *idle, const struct target *target);

/* Of each kind: a detector, for Go of the program and of a library, and what adds its copies that are not observed. */
struct runtime *runtime_go_detect(const struct target *target, bool *absent, struct error *error);
struct runtime *runtime_go_detect_library(const struct target *target, bool *absent, struct error *error);
void runtime_go_find_others(const struct runtime *observed, const struct target *target, struct runtime_others *others);
struct runtime *runtime_goalloc_detect(const struct target *target, bool *absent, struct error *error);
void runtime_goalloc_find_others(const struct runtime *observed, const struct target *target,
				 struct runtime_others *others);
/* Where the description of a libgoalloc is (goalloc_contract.h). */
uint64_t runtime_goalloc_description(const struct runtime *runtime);

#endif
