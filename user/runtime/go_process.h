/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_PROCESS_H
#define ESCAPEMENT_GO_PROCESS_H

/* A Go process as the modules of its runtime see it: runtime_go.c, go_probes and go_sampler. */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "runtime/go_goroutines.h"
#include "runtime/go_heap.h"
#include "runtime/runtime.h"
#include "symbols/go_binary.h"

/* What reports the objects of a recording (see runtime_go.c), as bits. */
enum go_depth {
	GO_AT_ZERO = 1,
	GO_AT_ONE = 2,
	GO_AT_SAMPLED = 4,
	GO_AT_UNSAMPLED =
		8, /* no source reports objects: the runtime's sampler is off or not linked in, and mallocgc is inlined */
	GO_AT_BURSTS = 16, /* in place of a sampler, rate 1 in bursts (record/bursts.h) */
};

struct go {
	struct runtime runtime;
	struct go_binary *binary;
	char *mapped; /* name of the file that the runtime is in, as the process sees it */
	uint64_t bias;
	struct go_heap heap;
	struct go_goroutines goroutines;
	bool heap_known;      /* the layout of the heap's structures is known */
	bool sampled;	      /* rows come from the runtime's sampler */
	bool beside;	      /* its events are recorded in addition to every allocation */
	bool gives_back;      /* events report when an mcache returns spans */
	bool tells_grows;     /* and thereby what mcentral grew by */
	int64_t sampler_rate; /* MemProfileRate, as last read; -1: unknown */
	bool turned_off;      /* MemProfileRate was 0 at a reading after samples, or after another rate */
	double share; /* of the bytes of small objects that its samples can stand for, at most, if they lack some; 0: they lack none */
	int64_t coarsest;   /* the greatest MemProfileRate of all readings */
	int64_t processors; /* how many Ps it had at the last of them */
	int64_t mean_rate; /* MemProfileRate at the samples so far, each weighted by what it stands for; 0: no sample */
	int64_t rate_asked;  /* rate requested by the user; the one in force is the program's */
	int64_t rate_wanted; /* rate to be written into the process; 0: none */
	bool rate_written;
	int rate_writes;	/* how often the sampler was turned on */
	int64_t objects_before; /* objects that a process started by us had allocated by then */
	int64_t forced;		/* samples that were forced by turning it on, whatever their size */
	struct error heap_error;
};

/* Returns the file that holds the runtime: the executable, else a library of -buildmode=c-shared; NULL if there is none.
 * Sets its mapping. */
struct go_binary *go_process_binary(const struct target *target, const struct target_mapping **where);

#endif
