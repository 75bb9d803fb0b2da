/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PROCESSES_H
#define ESCAPEMENT_PROCESSES_H

/*
 * The processes of a recording: which of those that run are observed, in which slots of the maps, and what is to be said
 * of those that are not. A session owns them; it decides when observation begins and ends.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "base/error.h"
#include "bpf/events.h"
#include "collect/collector.h"
#include "profile/profile.h"
#include "record/linker.h"
#include "record/observed.h"
#include "record/session_options.h"
#include "record/tracer.h"
#include "target/launch.h"

struct processes {
	/* Set by the session before the first call: */
	const struct session_options *options;
	struct profile *profile;
	struct image_cache *images;
	struct collector *collector;
	int64_t rate; /* the rate in force: that of the options, until the overhead limit led to a coarser one */

	struct observed *observed[EVENT_SLOTS];
	bool spoiled[EVENT_SLOTS]; /* rows of a process are left there, so the slot is not used again */
	int count, ever;	   /* observed now; at any time */
	int64_t began_ns;	   /* when the recording began, CLOCK_MONOTONIC; 0: it has not yet */
	int64_t measured_ns;	   /* from then until processes_stop() was done: names are looked up later */
	uint64_t deadline_ns;	   /* when counting ends by itself; 0: never */
	uint32_t rows_unmeasured;  /* one bit per enum profile_value that the rows of some process lack */
	int sampled;		   /* processes whose objects are reported */
	struct {
		int count, pid; /* pid: the first of them */
		char comm[32];
		const char *why;
	} unsampled;
	struct linker_watch *watches; /* processes without a runtime that may load one */
	bool counted;		      /* rows have objects from before the change of rate */
	bool only_tracer;	      /* if no process was observed, because of this tracer: */
	struct tracer tracer;
	bool asked;   /* the program has been asked to end */
	int replaced; /* processes that became other programs before their counters could be read */
	/* processes that allocated after the deadline, when nobody counted any more; [1]: whose rows are scaled to totals
	 * that have what came then */
	int overran[2];
	int64_t sharers;  /* processes that began to share the memory of an observed one, and are not observed */
	int unobserved;	  /* processes that have a runtime, but could not be observed */
	int64_t coarsest; /* coarsest rate that was in force in a process that has ended */
	struct error
		error; /* reason why the last process that has a runtime, else the last one, could not be observed */
};

/* Begins the profile: with what, on what, when and at which rate it is recorded. Call it before anything is added. */
void processes_describe(struct processes *processes);

/* Raises the limit of descriptors of this process, because every process that is observed needs some. `*before`: the limit until
 * then; all zero if it cannot be read. */
void processes_raise_descriptors(struct rlimit *before);

/* Returns the slot of the observation of a process; NULL if it is not observed. */
struct observed **processes_find(struct processes *processes, int pid);

/* Begins to count the copies that a process makes of itself, or warns that they are not counted. */
void processes_count_forks(struct collector *collector, struct profile *profile, int pid);

/*
 * Observes a process if it has a known runtime; `before` is the observation of it that this one continues, or NULL.
 * `from_first_instruction`: none of its code has run yet. Returns 1 if it is observed, 0 if it has no runtime (yet), -1
 * if it has one but cannot be observed; in the last two cases the error says why.
 */
int processes_observe(struct processes *processes, int pid, bool from_first_instruction, struct observed *before);

/* Returns the handler for a program that we start, and for the processes that it starts. */
struct launch_handler processes_handler(struct processes *processes);

/* Sets when counting ends by itself, for those that are observed and those that will be. CLOCK_MONOTONIC. */
void processes_set_deadline(struct processes *processes, uint64_t deadline_ns);

/* Periodic work. `readings`: also read rows and counters. */
void processes_tick(struct processes *processes, bool readings);

/* When the next burst of any process begins or ends, CLOCK_MONOTONIC; INT64_MAX: none does. */
int64_t processes_burst_ns(const struct processes *processes);

/* Objects, or the equivalent in events, that the observed processes have reported so far. */
int64_t processes_events(const struct processes *processes);

/* Ends the recording of all processes, and removes the probes from them. */
void processes_stop(struct processes *processes);

/* Ends the observation of a process, and adds its rows to the profile. `replaced`: it has become another program. */
void processes_finish(struct processes *processes, struct observed **slot, bool replaced);
/* Ends that of all. `pidfd` is of the process that was attached to, which may have become another program until now; -1: none. */
void processes_finish_all(struct processes *processes, int pidfd);

/* Tells the caller of the session that a phase which delayed a process (0: none) has ended. */
void processes_tell_phase(const struct processes *processes, const char *phase, int pid, int64_t began_ns);

#endif
