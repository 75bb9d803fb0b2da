/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PROFILE_H
#define ESCAPEMENT_PROFILE_H

/*
 * The in-memory profile: the central table of the program. A session fills it from BPF maps, pprof.c fills it from a
 * file; report, audit and gate only read it.
 *
 * A profile owns everything that it points to, and is freed as a whole. Strings are interned: two equal strings of one
 * profile have the same pointer, so code may compare pointers. Not thread-safe: one thread builds it, then any may read
 * it.
 *
 * Invariants:
 *   a sample's (stack, span_class, type, pid, comm, rate) is unique in its profile;
 *   totals are stored separately, never as a sample, so nothing is counted twice;
 *   if rows are exact, then for every measured value the samples of a process add up to that process's total.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/count.h"
#include "base/error.h"
#include "profile/profile_values.h"
#include "profile/time_series.h"

/* A value that was not measured: null in JSON, "-" in text; never 0. */
#define VALUE_UNMEASURED (-1)

/* The rate of another tool's profile that does not say at which it was made. */
#define RATE_UNKNOWN (-1)

#define SIZE_CLASSES	   68		      /* class 0 is large objects */
#define SPAN_CLASSES	   (2 * SIZE_CLASSES) /* span class = size class << 1 | noscan */
#define SPAN_CLASS_UNKNOWN (-1)
#define BURST_GROUPS	   20
#define STACK_DEPTH_MAX	   127 /* frames kept of a stack; deeper ones are marked truncated */

/* One source-level frame. */
struct profile_frame {
	const char *function; /* in the notation of its language; NULL if unknown */
	const char *file;     /* NULL if unknown */
	uint32_t line;	      /* 1-based; 0 if unknown */
	uint32_t column;      /* 1-based; 0 if unknown */
	uint32_t start_line;  /* first line of the function; 0 if unknown */
};

/* A mapped file. */
struct profile_mapping {
	uint64_t start, limit, offset; /* addresses in the process; offset in the file */
	const char *file;
	const char
		/* GNU build id in lower-case hexadecimal, as runtime/pprof writes it; NULL if there is none */
		*build_id;
	uint64_t id; /* set by profile_mapping(): 1, 2, … in order of first appearance in this profile */
};

/*
 * One physical position: an instruction and its frames. frames[0] is the innermost; frames[i] was inlined into frames[i
 * + 1]; the last is the physical function.
 */
struct profile_location {
	uint64_t address;		       /* 0 if only the source position is known (a goalloc site) */
	const struct profile_mapping *mapping; /* NULL if unknown */
	uint32_t id;			       /* 1, 2, … in order of first appearance in this profile */
	uint32_t frame_count;		       /* 0 if only the address is known */
	const struct profile_frame *frames;
};

/* All locations of a profile, a table that grows in place. */
struct profile_locations {
	const struct profile_location **table; /* the one with id n is table[n - 1] */
	size_t count;
};

/* There may be millions, of many frames each: a frame is the 32-bit id of its location. profile_stack_at() reads it. */
struct profile_stack {
	const struct profile *profile;
	uint32_t depth;
	bool truncated; /* there were more than STACK_DEPTH_MAX frames: the outermost are missing, or those at the gap */
	uint32_t ids[]; /* of its locations, leaf first */
};

/* Name of the only frame at a gap: a location that stands for frames which are missing there. */
extern const char profile_gap[];

/* Whether the outermost frames are missing. */
bool profile_stack_is_rootless(const struct profile_stack *stack);

/* The identity of a sample. */
struct profile_key {
	const struct profile_stack *stack; /* from profile_stack() of the same profile */
	int span_class;			   /* SPAN_CLASS_UNKNOWN if unknown */
	const char *type;		   /* Go type name; NULL if unknown */
	int pid;			   /* 0 if unknown */
	const char *comm;		   /* NULL if unknown */
	int64_t rate; /* the rate that this was recorded at, if it differs from the profile's; else 0 */
	int bursts;   /* whether it was counted in bursts */
};

/*
 * The 95 % intervals of estimates that were made elsewhere, from samples that are not here: squares of the distances from
 * the estimates to their ends, which add up for independent estimates. INFINITY: there is no such end.
 */
struct profile_ends {
	double objects_low, objects_high, bytes_low, bytes_high;
};

/* What one group of bursts has of a sample: estimates, and what was counted. */
struct profile_group {
	int64_t objects, bytes, samples;
};

struct profile_sample {
	struct profile_key key;
	int64_t values[VALUE_COUNT];	 /* 0 if profile.row_measured does not have the value's bit */
	const struct profile_ends *ends; /* NULL: the interval follows from the samples. Not written into files. */
	struct profile_group
		*groups; /* BURST_GROUPS of them, whose sums are in `values`; NULL: not counted in bursts */
};

/* The comparison of a process's events with the runtime's own counters. */
struct profile_check {
	bool present;	    /* false: the target was killed, or there were no counters */
	const char *source; /* "goalloc counters", "go heap statistics" */
	int64_t objects;    /* objects allocated according to the runtime's own counters */
	int64_t difference; /* recorded objects minus these */
	int64_t bound;	    /* how much of the difference attaching and detaching can explain */
	int64_t outside;    /* objects that are in the totals, but not between the two readings of the counters */
};

/*
 * Bursts: every allocation is counted in some short times, chosen at random, and nothing in between. What was counted
 * in a burst stands for the time around it. The uncertainty of estimates follows from how much groups of bursts differ:
 * the first burst is in the first group, the next in the second, and so on in turn.
 */
struct profile_bursts {
	bool present; /* the process was recorded so */
	int64_t count;
	int64_t full_ns;     /* the time before them, in which every allocation was counted */
	int64_t covered_ns;  /* that time, and the time of all bursts */
	int64_t recorded_ns; /* the time of which they are */
};

struct profile_process {
	int pid;
	const char *comm;
	const char *executable;
	const char *build_id;
	const char *runtime; /* "goalloc 1", "go1.24.4" */
	const char *module;  /* path of the Go main module; NULL if unknown */
	const char *package; /* import path of the Go main package; NULL if unknown */
	/* dependencies whose path is below `module`, separated by spaces; NULL if there are none */
	const char *nested_modules;
	int64_t totals[VALUE_COUNT];			 /* VALUE_UNMEASURED if not measured */
	int64_t class_totals[SPAN_CLASSES][VALUE_COUNT]; /* the same per span class */
	struct profile_check check;
	struct profile_bursts bursts;
	int64_t lost_events; /* updates that found a map full, and probe hits that the kernel missed */
	int64_t lost_stacks; /* events that were counted without their stack */
	/* Copies that it has made of itself (fork) while it was recorded, and that were not observed; VALUE_UNMEASURED:
	 * unknown. */
	int64_t forked;
};

/* Goroutines that were started by a go statement. Not written into files. */
struct profile_start {
	const struct profile_stack *stack; /* of the go statement */
	const char *function;		   /* that they run; NULL if unknown */
	int64_t count;
};

/* A function of the program whose calls are counted. Not written into files. */
struct profile_call {
	const char *function; /* as requested; matched by frames_is_named() */
	int64_t calls;	      /* calls in all processes that are not inlined */
	bool found;	      /* some process has such a function, or code into which it was inlined */
	/* names of functions that it was inlined into, separated by commas; NULL if there are none */
	const char *inlined_in;
};

struct profile {
	/* Of the recording as a whole. */
	const char *tool_version; /* NULL if another tool wrote the file */
	const char *target;	  /* command line or executable */
	const char *command;	  /* of a program that the recording started, for a shell; NULL: it ran already */
	bool ended;		  /* the program has ended by itself: there was no more of it to record */
	const char *kernel;
	int64_t rate;	  /* mean bytes between samples; 1: every allocation; 0: no sampling; RATE_UNKNOWN */
	int64_t start_ns; /* wall clock, since the epoch */
	int64_t duration_ns;
	/* The profile is a heap snapshot: its samples count what was alive at its start (VALUE_LIVE_OBJECTS,
	 * VALUE_LIVE_BYTES); objects and bytes are what was allocated since the process began. */
	bool snapshot;
	/* It is a snapshot of the objects that nothing referred to (VALUE_LOST), and duration_ns is how long the process was stopped
	 * for it. */
	bool unreachable;
	/* of a snapshot: the number of the collection that it shows; 0: there was none yet; VALUE_UNMEASURED: its heap has no
	 * collector, and what is freed is not alive at once */
	int64_t collections;
	bool redacted;	 /* contains neither the command line nor directories; set before anything is added */
	uint32_t stored; /* by the file that it was read from: one bit per enum profile_value; 0: from none */
	/* What the samples of that file added up to when it was written; VALUE_UNMEASURED: it does not say. */
	int64_t written_sums[VALUE_COUNT];
	double written_seconds; /* how long it was then; negative: it does not say */
	uint32_t written;	/* what its file shall have, one bit per value; 0: all of its kind */
	bool totals_exact;
	bool rows_exact;
	/* Of tiny objects (below 16 bytes, without pointers) the samples have only those that opened a block: a heap profile of Go's
	 * runtime. Then rows_exact is about all others. */
	bool tiny_in_blocks;
	bool rows_least; /* a part of the time is in the totals only, so that objects and bytes of rows are lower bounds */
	uint32_t row_measured;		/* one bit per enum profile_value that the samples measure */
	struct time_series heap_growth; /* bytes by which heaps grew; of a recording with heap_grows only */
	const char **warnings;		/* for people; NULL-terminated */
	size_t warning_count;

	/* Globs of import paths whose functions own allocations; none: those of the main module. See owner.h. */
	const char **modules;
	size_t module_count;

	struct profile_call *calls;
	size_t call_count;
	struct profile_start *starts; /* only where calls are counted; in no order */
	size_t start_count;

	struct profile_process *processes;
	size_t process_count;

	const struct profile_locations *locations; /* of copies of this structure, too, while the recording goes on */

	struct profile_sample **samples; /* in order of first appearance */
	size_t sample_count;

	struct profile_storage *storage; /* private to profile.c */
};

/* Whether allocations are in neither rows nor totals, for the reasons that the warnings have. */
static inline bool profile_lacks_some(const struct profile *profile)
{
	return profile->rows_least && !profile->totals_exact;
}

/* Whether the rows are exact, tiny objects included. */
static inline bool profile_is_exact(const struct profile *profile)
{
	return profile->rows_exact && !profile->tiny_in_blocks;
}

struct profile *profile_new(void);	    /* never NULL: the process ends when memory is out */
void profile_free(struct profile *profile); /* NULL is allowed */

/* So many locations and samples are about to be added, of which the first are bounded by the caller: their tables need
 * not grow step by step. */
void profile_expect(struct profile *profile, size_t locations, size_t samples);

/* Interns a string; NULL gives NULL. */
const char *profile_string(struct profile *profile, const char *text);
const char *profile_format(struct profile *profile, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Joins the words of a command line, which end with NULL, by spaces, up to a kilobyte, without what looks like a
 * secret (base/secret.h). If the profile is redacted, the result is the name of the program alone. */
const char *profile_command(struct profile *profile, const char *const *words);
/* The same for a shell, in which each word is quoted as it has to be. */
const char *profile_shell_command(struct profile *profile, const char *const *words);
/* A path; its last component if the profile is redacted. NULL gives NULL. */
const char *profile_path(struct profile *profile, const char *path);

/* A type of the profile as people write it (type_name.h). Interned here: not while another thread reads the profile. */
const char *profile_shown_type(const struct profile *profile, const char *type); /* NULL gives NULL */

/* Adds a warning, unless the profile has it already. */
void profile_warn(struct profile *profile, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sets the modules that own allocations: `count` globs of import paths, which are copied. */
void profile_set_modules(struct profile *profile, const char *const *globs, size_t count);

/* Adds goroutines that a go statement started. */
void profile_add_start(struct profile *profile, const struct profile_stack *stack, const char *function, int64_t count);
/* Requests that the calls of these functions are counted. Call before the recording begins. */
void profile_set_calls(struct profile *profile, const char *const *functions, size_t count);

/* A process with every total unmeasured. */
void profile_process_init(struct profile_process *process, int pid);
/* Adds a process in which every total is unmeasured. The pointer is valid until the next call. */
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
/* The same for frames whose strings are this profile's (profile_string(), profile_path()), and whose padding is zero. */
const struct profile_location *profile_location_of(struct profile *profile, uint64_t address,
						   const struct profile_mapping *mapping,
						   const struct profile_frame *frames, uint32_t frame_count);
/* Frees the indexes that only additions need. The next addition makes them again. */
void profile_settle(struct profile *profile);
/* Frees samples and stacks, when all that was wanted of them is known. */
void profile_forget_samples(struct profile *profile);
const struct profile_stack *profile_stack(struct profile *profile, const struct profile_location *const *locations,
					  uint32_t depth, bool truncated);

/* The location of a stack at that depth; 0 is the leaf. */
static inline const struct profile_location *profile_stack_at(const struct profile_stack *stack, uint32_t depth)
{
	return stack->profile->locations->table[stack->ids[depth] - 1];
}

/*
 * Adds values (VALUE_COUNT of them, none negative) to the sample with that key, which is created if there is none. Sums
 * saturate at INT64_MAX.
 */
struct profile_sample *profile_add(struct profile *profile, const struct profile_key *key, const int64_t *values);
/* The same of one group of bursts, from 0; the key has `bursts` set. */
struct profile_sample *profile_add_group(struct profile *profile, const struct profile_key *key, int group,
					 const int64_t *values);
/* Adds ends, which are copied, to those of a sample of the profile. */
void profile_add_ends(struct profile *profile, struct profile_sample *sample, const struct profile_ends *ends);
void profile_ends_join(struct profile_ends *sum, const struct profile_ends *ends);
/* Removes samples whose values are all 0 or not in row_measured. */
void profile_drop_unmeasured(struct profile *profile);

/*
 * For a recording with more samples than should be in memory: if a profile has a sink, profile_drain() hands the
 * samples to it as soon as there are `limit` of them, then frees these and all stacks, to which no pointers may remain.
 * Samples with the same key may then come in several parts. Samples that have not been handed over remain in the
 * profile.
 */
typedef void profile_sink(void *context, const struct profile *profile);
void profile_set_sink(struct profile *profile, profile_sink *sink, void *context, size_t limit);
void profile_drain(struct profile *profile);

/* Returns the bytes that samples and their stacks take. */
size_t profile_memory(const struct profile *profile);

/* The values for objects and bytes that the samples estimate: allocated or, in a heap snapshot, alive, or lost. */
static inline enum profile_value profile_objects(const struct profile *profile)
{
	return profile->unreachable ? VALUE_LOST_OBJECTS : profile->snapshot ? VALUE_LIVE_OBJECTS : VALUE_OBJECTS;
}

static inline enum profile_value profile_bytes(const struct profile *profile)
{
	return profile->unreachable ? VALUE_LOST_BYTES : profile->snapshot ? VALUE_LIVE_BYTES : VALUE_BYTES;
}

/* The kind of the values that a table of the profile has. */
static inline enum profile_value_kind profile_shown_kind(const struct profile *profile)
{
	return profile->unreachable ? VALUE_LOST : profile->snapshot ? VALUE_LIVE : VALUE_SHOWN;
}

/* Whether the process has Go's runtime, not libgoalloc. False if nothing is known of it. */
bool profile_process_is_go(const struct profile_process *process);

/* Whether a profile of that kind has that value, in memory and in its file. */
bool profile_stores(const struct profile *profile, int value);

/* The value after `value` (-1: the first) that readers of the profile get, in the order in which they do; VALUE_COUNT if
 * there is none. */
int profile_next_shown(const struct profile *profile, int value);

/* The sum of what is measured: VALUE_UNMEASURED if nothing is. */
static inline int64_t profile_add_measured(int64_t sum, int64_t part)
{
	return part == VALUE_UNMEASURED ? sum : sum == VALUE_UNMEASURED ? part : add_saturated(sum, part);
}

/* Adds up the totals of all processes. A value that any process did not measure is VALUE_UNMEASURED. */
void profile_totals(const struct profile *profile, int64_t totals[VALUE_COUNT]);
/* The same of the samples: what rows add up to. */
void profile_sums(const struct profile *profile, int64_t sums[VALUE_COUNT]);
int64_t profile_lost_events(const struct profile *profile);
int64_t profile_lost_stacks(const struct profile *profile);

/* Adds up the bursts of all processes; not present if none was recorded so. */
struct profile_bursts profile_bursts(const struct profile *profile);
enum { PROFILE_BURSTS_TEXT = 96 };
/* How allocations were counted, for people: "every allocation in 43 bursts, 8.2 % of the time". NULL without bursts. */
const char *profile_bursts_text(const struct profile *profile, char text[PROFILE_BURSTS_TEXT]);

/* Copies a key so that it can be compared and hashed as bytes: what is between its members is zero. */
void profile_key_copy(struct profile_key *to, const struct profile_key *from);

/* Returns the number of objects by which the checks of processes differ beyond their bounds, which has no
 * explanation. */
int64_t profile_unexplained(const struct profile *profile);

/* The sum of `forked` where it is known; VALUE_UNMEASURED if it is of no process. */
int64_t profile_forked(const struct profile *profile);

/* Everything that a recording lost. A command exits with STATUS_LOST if profile_loss_any(). */
struct profile_loss {
	int64_t events, stacks, unexplained;
};
struct profile_loss profile_loss(const struct profile *profile);
/* Called when all processes are there: rows from which events were lost are lower bounds, not exact; so are rows and totals that
 * are counted, if a check has more. */
void profile_conclude_rows(struct profile *profile);
void profile_loss_add(struct profile_loss *sum, const struct profile_loss *part);
static inline bool profile_loss_any(const struct profile_loss *loss)
{
	return loss->events || loss->stacks || loss->unexplained;
}

/* Adds up the checks of all processes; not present if a process has none. */
struct profile_check profile_check(const struct profile *profile);

#endif
