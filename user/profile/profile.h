/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PROFILE_H
#define ESCAPEMENT_PROFILE_H

/*
 * The in-memory profile: the one table that everything downstream reads. A session fills it from BPF maps, pprof.c
 * fills it from a file; report, audit and gate only read it.
 *
 * A profile owns all that it points to; it is freed as a whole. Strings are interned: two equal strings of one
 * profile are one pointer, so code may compare pointers. Not thread-safe: one thread builds, then any may read.
 *
 * Invariants:
 *   a sample's (stack, span_class, type, pid, comm, rate) is unique in its profile;
 *   totals are kept beside the samples, never as a sample, so nothing is counted twice;
 *   rows exact  =>  for every measured value, the samples of a process sum to that process's total.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/count.h"
#include "base/error.h"
#include "profile/profile_values.h"

/* A value that was not measured: null in JSON, "-" in text; never 0. */
#define VALUE_UNMEASURED (-1)

#define SIZE_CLASSES	   68		      /* class 0 is large objects */
#define SPAN_CLASSES	   (2 * SIZE_CLASSES) /* span class = size class << 1 | noscan */
#define SPAN_CLASS_UNKNOWN (-1)
#define STACK_DEPTH_MAX	   127 /* frames kept of a stack; deeper ones are marked truncated */

/* One source-level frame. */
struct profile_frame {
	const char *function; /* as its language's people write it; NULL where unknown */
	const char *file;     /* NULL where unknown */
	uint32_t line;	      /* 1-based; 0 where unknown */
	uint32_t column;      /* 1-based; 0 where unknown */
	uint32_t start_line;  /* first line of the function; 0 where unknown */
};

/* A mapped file. */
struct profile_mapping {
	uint64_t start, limit, offset; /* addresses in the process; offset in the file */
	const char *file;
	const char
		*build_id; /* the GNU one, lower-case hexadecimal, as runtime/pprof writes it; NULL if there is none */
	uint64_t id;	   /* set by profile_mapping(): 1, 2, … in order of first appearance in this profile */
};

/*
 * One physical position: an instruction and the frames it stands for. frames[0] is the innermost; frames[i] was
 * inlined into frames[i + 1]; the last is the physical function.
 */
struct profile_location {
	uint64_t address; /* 0 for a location that is known by its source position only (a goalloc site) */
	const struct profile_mapping *mapping; /* NULL where unknown */
	uint32_t frame_count;		       /* 0 where nothing is known but the address */
	const struct profile_frame *frames;
	uint64_t id; /* 1, 2, … in order of first appearance in this profile */
};

struct profile_stack {
	uint32_t depth;
	bool truncated;					 /* there were more than STACK_DEPTH_MAX frames */
	const struct profile_location *const *locations; /* leaf first */
};

/* What tells two samples apart. */
struct profile_key {
	const struct profile_stack *stack; /* from profile_stack() of the same profile */
	int span_class;			   /* SPAN_CLASS_UNKNOWN where not known */
	const char *type;		   /* Go type name; NULL where not known */
	int pid;			   /* 0 where not known */
	const char *comm;		   /* NULL where not known */
	int64_t rate; /* where it is not the profile's: the one that this was recorded at; else 0 */
};

struct profile_sample {
	struct profile_key key;
	int64_t values[VALUE_COUNT]; /* 0 where profile.row_measured lacks the value's bit */
};

/* What was measured of one process besides its samples. */
struct profile_check {
	bool present;	    /* false: the target was killed, or there was nothing to compare with */
	const char *source; /* "goalloc counters", "go heap statistics" */
	int64_t objects;    /* what the runtime's own counters say was allocated */
	int64_t difference; /* recorded minus that */
	int64_t bound;	    /* how much of it the instants of attaching and detaching can explain */
};

struct profile_process {
	int pid;
	const char *comm;
	const char *executable;
	const char *build_id;
	const char *runtime;				 /* "goalloc 1", "go1.24.4" */
	const char *module;				 /* path of the Go main module; NULL where not known */
	const char *package;				 /* import path of the Go main package; NULL where not known */
	const char *nested_modules;			 /* dependencies whose path lies below `module`, separated by
							    spaces; NULL where there are none */
	int64_t totals[VALUE_COUNT];			 /* VALUE_UNMEASURED where not measured */
	int64_t class_totals[SPAN_CLASSES][VALUE_COUNT]; /* the same per span class */
	struct profile_check check;
	int64_t lost_events; /* updates that found a map full, and probe hits that the kernel missed */
	int64_t lost_stacks; /* events that were counted without their stack */
};

/* A function of the program whose calls were to be counted. Not written into files. */
struct profile_call {
	const char *function;	/* as it was asked for: frames_is_named() */
	int64_t calls;		/* of all processes, where it is not inlined */
	bool found;		/* some process has such a function, or code that it was inlined into */
	const char *inlined_in; /* names of functions that it was inlined into, by comma; NULL where there are none */
};

struct profile {
	/* of the recording as a whole */
	const char *tool_version; /* NULL where some other tool wrote the file */
	const char *target;	  /* command line or executable */
	const char *kernel;
	int64_t rate;	  /* mean bytes between samples; 1: every allocation; 0: no sampling */
	int64_t start_ns; /* wall clock, since the epoch */
	int64_t duration_ns;
	bool totals_exact;
	bool rows_exact;
	uint32_t row_measured; /* bit per enum profile_value: what the samples measure */
	char **warnings;       /* for people; NULL-terminated */
	size_t warning_count;

	/* Globs of import paths whose functions own allocations; none: the main module's. See owner.h. */
	const char **modules;
	size_t module_count;

	struct profile_call *calls;
	size_t call_count;

	struct profile_process *processes;
	size_t process_count;

	struct profile_sample **samples; /* in order of first appearance */
	size_t sample_count;

	struct profile_storage *storage; /* private to profile.c */
};

struct profile *profile_new(void);	    /* never NULL: the library ends the process when memory is out */
void profile_free(struct profile *profile); /* NULL is allowed */

/* Interns a string; NULL gives NULL. */
const char *profile_string(struct profile *profile, const char *text);
const char *profile_format(struct profile *profile, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Arguments joined by spaces, at most a kilobyte of them. */
const char *profile_command(struct profile *profile, char *const *argv);

/* Adds a warning, unless it has been given before. */
void profile_warn(struct profile *profile, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says whose allocations are the reader's: `count` globs of import paths, copied. */
void profile_set_modules(struct profile *profile, const char *const *globs, size_t count);

/* Has the calls of these functions counted: to be said before the recording begins. */
void profile_set_calls(struct profile *profile, const char *const *functions, size_t count);

/* A process with every total unmeasured. */
void profile_process_init(struct profile_process *process, int pid);
/* A new process with every total unmeasured. The pointer holds until the next call. */
struct profile_process *profile_process_add(struct profile *profile, int pid);
struct profile_process *profile_process_find(const struct profile *profile, int pid); /* NULL if none */

/*
 * Interning constructors: equal arguments give the same pointer. Strings in the arguments need not be interned;
 * arrays are copied.
 */
const struct profile_mapping *profile_mapping(struct profile *profile, const struct profile_mapping *mapping);
const struct profile_location *profile_location(struct profile *profile, uint64_t address,
						const struct profile_mapping *mapping,
						const struct profile_frame *frames, uint32_t frame_count);
const struct profile_stack *profile_stack(struct profile *profile, const struct profile_location *const *locations,
					  uint32_t depth, bool truncated);

/*
 * Adds values (VALUE_COUNT of them, none negative) to the sample of that key, making it where there is none. Sums
 * stop at INT64_MAX.
 */
struct profile_sample *profile_add(struct profile *profile, const struct profile_key *key, const int64_t *values);
/* Drops the samples all of whose values are 0 or not in row_measured. */
void profile_drop_unmeasured(struct profile *profile);

/*
 * For a recording with more samples than memory should hold: where a profile has a sink, profile_drain() hands it the
 * samples as soon as there are `limit` of them, and forgets these and all stacks; nobody else may still point to them.
 * The samples of one key may then come in several parts. What the sink has not got remains in the profile.
 */
typedef void profile_sink(void *context, const struct profile *profile);
void profile_set_sink(struct profile *profile, profile_sink *sink, void *context, size_t limit);
void profile_drain(struct profile *profile);

/* Bytes that samples and their stacks take. */
size_t profile_memory(const struct profile *profile);

/* Sums over all processes. A value that any process did not measure is VALUE_UNMEASURED. */
void profile_totals(const struct profile *profile, int64_t totals[VALUE_COUNT]);
int64_t profile_lost_events(const struct profile *profile);
int64_t profile_lost_stacks(const struct profile *profile);

/* Objects by which the checks of processes differ beyond their bounds: what neither side can explain. */
int64_t profile_unexplained(const struct profile *profile);

/* All that a recording misses. Whoever exits with STATUS_LOST asks profile_loss_any(). */
struct profile_loss {
	int64_t events, stacks, unexplained;
};
struct profile_loss profile_loss(const struct profile *profile);
void profile_loss_add(struct profile_loss *sum, const struct profile_loss *part);
static inline bool profile_loss_any(const struct profile_loss *loss)
{
	return loss->events || loss->stacks || loss->unexplained;
}

/* The checks of all processes added up; not present where one of them has none. */
struct profile_check profile_check(const struct profile *profile);

#endif
