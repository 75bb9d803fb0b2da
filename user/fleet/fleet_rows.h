/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_FLEET_ROWS_H
#define ESCAPEMENT_FLEET_ROWS_H

/*
 * What a store gets of a window, as three tables. `windows` has a row for each process that was observed, with exact totals;
 * `sites` has its report by site and type, or its audit if the configuration has the compiler output of its build, with
 * estimates and their intervals; `heap`, in windows with heap snapshots, what was alive by site. Rows of a table are numbered within the window, so
 * that (host, window, row) names a row for good: a row that arrives again is the same row.
 *
 * The lists below are the only ones of the columns: schema, statements and rows follow from them.
 */

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "fleet/agent_config.h"
#include "profile/profile.h"
#include "record/window.h"

/* Kinds of columns. What was not measured is null. */
enum fleet_kind {
	FLEET_NUMBER,  /* uint64_t */
	FLEET_TIME,    /* uint64_t: seconds since 1970 */
	FLEET_TEXT,    /* const char *; NULL is an empty text */
	FLEET_SECONDS, /* double */
	FLEET_COUNT,   /* int64_t; VALUE_UNMEASURED is null */
	FLEET_SIGNED,  /* int64_t; FLEET_NONE is null */
	FLEET_VALUES,  /* int64_t[VALUE_COUNT]: a FLEET_COUNT for each value that readers see (profile_values.h) */
	FLEET_KINDS,
};
#define FLEET_NONE INT64_MIN

/* Columns: kind, name, meaning. */
#define FLEET_COMMON(ROW)                                                                                      \
	ROW(FLEET_NUMBER, window,                                                                              \
	    "when it began, in nanoseconds since 1970, or more if the clock was set back; unique on its host") \
	ROW(FLEET_TIME, time, "when it began by the wall clock, in seconds since 1970")                        \
	ROW(FLEET_TEXT, host, "host of the configuration")                                                     \
	ROW(FLEET_NUMBER, row, "number of the row in this table and window")                                   \
	ROW(FLEET_TEXT, service, "the section [watch SERVICE] that the process belongs to")                    \
	ROW(FLEET_TEXT, build, "GNU build id of its executable")                                               \
	ROW(FLEET_NUMBER, pid, "its process number")

#define FLEET_WINDOWS(ROW)                                                                                 \
	FLEET_COMMON(ROW)                                                                                  \
	ROW(FLEET_NUMBER, started, "when the process started, in clock ticks since its machine did")       \
	ROW(FLEET_TEXT, comm, "its name")                                                                  \
	ROW(FLEET_TEXT, executable, "its executable")                                                      \
	ROW(FLEET_TEXT, module, "its Go main module")                                                      \
	ROW(FLEET_TEXT, runtime, "its runtime, such as go1.24.4")                                          \
	ROW(FLEET_SECONDS, seconds, "for how long it was observed")                                        \
	ROW(FLEET_SECONDS, cpu_seconds, "CPU time that it used meanwhile")                                 \
	ROW(FLEET_SECONDS, overhead_seconds, "CPU time that probes cost it, estimated")                    \
	ROW(FLEET_NUMBER, rate, "mean bytes between samples")                                              \
	ROW(FLEET_VALUES, values, "what it allocated, exactly")                                            \
	ROW(FLEET_COUNT, check_objects, "objects by the runtime's own counters; null: they were not read") \
	ROW(FLEET_SIGNED, check_difference, "recorded objects minus these")                                \
	ROW(FLEET_COUNT, check_bound, "how much of the difference attaching and detaching can explain")    \
	ROW(FLEET_COUNT, check_outside, "objects in the totals, but not between the counters' readings")   \
	ROW(FLEET_COUNT, lost_events, "events that were lost")                                             \
	ROW(FLEET_COUNT, lost_stacks, "events that were counted without their stack")                      \
	ROW(FLEET_COUNT, forked, "processes that it made meanwhile, which have no part in its numbers")    \
	ROW(FLEET_NUMBER, dropped, "windows that this host has dropped since its spool was made")

#define FLEET_SITES(ROW)                                                           \
	FLEET_COMMON(ROW)                                                          \
	ROW(FLEET_TEXT, function, "the owner's function: whose allocation it is")  \
	ROW(FLEET_TEXT, file, "the owner's file")                                  \
	ROW(FLEET_NUMBER, line, "the owner's line")                                \
	ROW(FLEET_TEXT, via, "the function that allocated for it")                 \
	ROW(FLEET_TEXT, type, "the Go type; empty: unknown, or several")           \
	ROW(FLEET_TEXT, verdict, "that of audit; empty: no compiler output")       \
	ROW(FLEET_TEXT, words, "what the compiler said, or why it did not")        \
	ROW(FLEET_VALUES, values, "what it allocated")                             \
	ROW(FLEET_COUNT, objects_low, "lower end of the 95 % interval of objects") \
	ROW(FLEET_COUNT, objects_high, "upper end; null: there is no bound")       \
	ROW(FLEET_COUNT, bytes_low, "lower end of the 95 % interval of bytes")     \
	ROW(FLEET_COUNT, bytes_high, "upper end; null: there is no bound")

#define FLEET_HEAP(ROW)                                                                                      \
	FLEET_COMMON(ROW)                                                                                    \
	ROW(FLEET_COUNT, collections, "the collection whose survivors they are; null: its runtime has none") \
	ROW(FLEET_TEXT, function, "the owner's function: whose allocation it is")                            \
	ROW(FLEET_TEXT, file, "the owner's file")                                                            \
	ROW(FLEET_NUMBER, line, "the owner's line")                                                          \
	ROW(FLEET_TEXT, via, "the function that allocated for it")                                           \
	ROW(FLEET_COUNT, inuse_objects, "what of it was alive when the window ended")                        \
	ROW(FLEET_COUNT, inuse_objects_low, "lower end of the 95 % interval")                                \
	ROW(FLEET_COUNT, inuse_objects_high, "upper end; null: there is no bound")                           \
	ROW(FLEET_COUNT, inuse_bytes, "its bytes")                                                           \
	ROW(FLEET_COUNT, inuse_bytes_low, "lower end of the 95 % interval")                                  \
	ROW(FLEET_COUNT, inuse_bytes_high, "upper end; null: there is no bound")

struct fleet_column {
	enum fleet_kind kind;
	const char *name, *meaning;
	size_t offset;
};

/*
 * What a row is about, as one number that a store makes of these columns itself when the row comes: to add up rows by a number
 * takes it less than two thirds of the time that their texts take. The build is among them, so whoever made two places have one
 * number (a search of about 2^32) would have mixed rows of his own program only. Tables without the column work as well.
 */
#define FLEET_PLACE	       "place"
#define FLEET_PLACE_OF_WINDOWS "sipHash64(build, module, runtime)"
#define FLEET_PLACE_OF_SITES   "sipHash64(build, function, file, line, via, type, verdict, words)"

/* A table. Its columns end with one without a name. */
struct fleet_table {
	const char *name;
	const struct fleet_column *columns;
	const char *place; /* SQL of that number; NULL: rows have none */
};
enum { FLEET_TABLE_WINDOWS, FLEET_TABLE_SITES, FLEET_TABLE_HEAP, FLEET_TABLES };
extern const struct fleet_table fleet_tables[FLEET_TABLES];

/* Calls `each` for every name of a column in the store, with its kind: FLEET_VALUES comes as its FLEET_COUNTs. */
void fleet_columns(const struct fleet_table *table,
		   void (*each)(void *context, enum fleet_kind kind, const char *name, const char *meaning),
		   void *context);

/* Of which window. */
struct fleet_window {
	uint64_t id;   /* of spool_next(): unique on this host */
	uint64_t time; /* wall clock at its begin, seconds since 1970 */
	uint64_t dropped;
	const struct agent_config *config;
	struct kept_outputs *kept;
	bool heap;				  /* with heap snapshots */
	bool profiles;				  /* a store takes profiles (fleet_profiles.h) */
	const volatile sig_atomic_t *stop;	  /* set when the agent ends: no more of them */
	const struct agent_watch *const *watches; /* of each target */
	struct error
		*unheaped; /* of each target, set here: why it has no heap snapshot; an empty text: nothing is wrong */
	struct error
		*unjudged; /* of each target, set here: why its rows have no verdict; an empty text: nothing is wrong */
};

/* Writes a window as a spool keeps it (spooled.h): the profiles, and all tables, whose rows are tab-separated text (cells.h). */
void fleet_rows_write(FILE *stream, const struct fleet_window *window, const struct profile *profile,
		      const struct window_target *targets, size_t count);

#endif
