/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PROFILE_VALUES_H
#define ESCAPEMENT_PROFILE_VALUES_H

/*
 * The values of a profile: the one table of what can be counted, and of the names of each value. It drives the
 * profile's arrays, the pprof reader and writer, every renderer, baselines and the --sort options, so that a new value
 * needs only a row here.
 */

#include <stdbool.h>

/* The kinds of a value, for code that lists several of them. */
enum profile_value_kind {
	VALUE_SHOWN = 1 << 0,	 /* shown to readers; the others only explain estimates */
	VALUE_COST = 1 << 1,	 /* work of the allocator, not of the allocating line */
	VALUE_RARE = 1 << 2,	 /* 0 in most rows: tables show its column only if a row has it and there is space */
	VALUE_OF_SITES = 1 << 3, /* baselines store it per site; their totals have all shown values */
	VALUE_IN_BYTES = 1 << 4, /* a number of bytes, not of events */
	VALUE_LIVE = 1 << 5,	 /* of heap snapshots only: what was alive at their instant */
	VALUE_LOST = 1 << 6,	 /* of searches for lost objects only */
};

/*
 * A row: name in C, kinds, key (of JSON, CSV and baselines), name of an option, column heading, singular, plural, sample
 * type and unit in pprof files. The order is that of the file's sample types.
 *
 * bytes: size-class bytes; for tiny objects the bytes requested.
 * samples: events behind an estimate. Of a heap snapshot: sampled objects that are in use.
 */
#define PROFILE_VALUES(ROW)                                                                                           \
	ROW(VALUE_OBJECTS, VALUE_SHOWN | VALUE_OF_SITES, "objects", "objects", "OBJECTS", "object", "objects",        \
	    "alloc_objects", "count")                                                                                 \
	ROW(VALUE_BYTES, VALUE_SHOWN | VALUE_OF_SITES | VALUE_IN_BYTES, "bytes", "bytes", "BYTES", "byte", "bytes",   \
	    "alloc_space", "bytes")                                                                                   \
	ROW(VALUE_SAMPLES, 0, "samples", "samples", "SAMPLES", "sample", "samples", "samples", "count")               \
	ROW(VALUE_REFILLS, VALUE_SHOWN | VALUE_COST | VALUE_OF_SITES, "refills", "refills", "REFILLS", "refill",      \
	    "refills", "refills", "count")                                                                            \
	ROW(VALUE_CENTRAL_GROWS, VALUE_SHOWN | VALUE_COST | VALUE_RARE, "central_grows", "central-grows", "CENTRAL",  \
	    "central grow", "central grows", "central_grows", "count")                                                \
	ROW(VALUE_HEAP_GROWS, VALUE_SHOWN | VALUE_COST | VALUE_RARE, "heap_grows", "heap-grows", "HEAP", "heap grow", \
	    "heap grows", "heap_grows", "count")                                                                      \
	ROW(VALUE_HEAP_GROW_BYTES, VALUE_SHOWN | VALUE_COST | VALUE_RARE | VALUE_OF_SITES | VALUE_IN_BYTES,           \
	    "heap_grow_bytes", "heap-grow-bytes", "HEAP BYTES", "byte of heap grown", "bytes of heap grown",          \
	    "heap_grow_space", "bytes")                                                                               \
	ROW(VALUE_LIVE_OBJECTS, VALUE_LIVE, "inuse_objects", "inuse-objects", "IN USE", "object in use",              \
	    "objects in use", "inuse_objects", "count")                                                               \
	ROW(VALUE_LIVE_BYTES, VALUE_LIVE | VALUE_IN_BYTES, "inuse_bytes", "inuse-bytes", "BYTES IN USE",              \
	    "byte in use", "bytes in use", "inuse_space", "bytes")                                                    \
	ROW(VALUE_LOST_OBJECTS, VALUE_LOST, "lost_objects", "lost-objects", "LOST", "object lost directly",           \
	    "objects lost directly", "lost_objects", "count")                                                         \
	ROW(VALUE_LOST_BYTES, VALUE_LOST | VALUE_IN_BYTES, "lost_bytes", "lost-bytes", "BYTES", "byte lost directly", \
	    "bytes lost directly", "lost_space", "bytes")                                                             \
	ROW(VALUE_INDIRECT_OBJECTS, VALUE_LOST, "indirectly_lost_objects", "indirectly-lost-objects", "INDIRECTLY",   \
	    "object lost indirectly", "objects lost indirectly", "indirectly_lost_objects", "count")                  \
	ROW(VALUE_INDIRECT_BYTES, VALUE_LOST | VALUE_IN_BYTES, "indirectly_lost_bytes", "indirectly-lost-bytes",      \
	    "BYTES", "byte lost indirectly", "bytes lost indirectly", "indirectly_lost_space", "bytes")

#define PROFILE_VALUE_NAME(name, ...) name,
enum profile_value { PROFILE_VALUES(PROFILE_VALUE_NAME) VALUE_COUNT };
#undef PROFILE_VALUE_NAME

struct profile_value_row {
	unsigned kinds;	    /* enum profile_value_kind */
	const char *key;    /* "heap_grow_bytes" */
	const char *option; /* "heap-grow-bytes" */
	const char *heading;
	const char *singular, *plural;
	const char *pprof_type, *pprof_unit;
};
extern const struct profile_value_row profile_values[VALUE_COUNT];

/* Returns the first value after `value` (-1: from the start) that has all of these kinds; VALUE_COUNT if there is
 * none. */
static inline int profile_value_next(int value, unsigned kinds)
{
	do
		value++;
	while (value < VALUE_COUNT && (profile_values[value].kinds & kinds) != kinds);
	return value;
}

/* The names of all values in order, then NULL, for an option that takes a value. */
extern const char *const profile_value_options[VALUE_COUNT + 1];

#endif
