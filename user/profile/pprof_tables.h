/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PPROF_TABLES_H
#define ESCAPEMENT_PPROF_TABLES_H

/*
 * What the samples of a file refer to: strings by index; mappings, functions and locations by identifiers, which may be
 * any numbers but 0. Every index and identifier is checked before it is followed. Private to pprof*.c.
 */

#include "profile/pprof_parts.h"
#include "profile/pprof_source.h"
#include "profile/profile.h"
#include "profile/profile.pb-c.h"

struct pprof_id_table {
	struct pprof_id_row {
		uint64_t id;
		const void *thing;
	} * rows; /* sorted */
	size_t count;
	/* things by id, if the largest id is not much larger than `count`; else NULL */
	const void **dense;
	uint64_t dense_count;
};

/* What frames say about a function; its strings are the profile's. */
struct pprof_function {
	const char *name, *file;
	uint32_t start_line;
};

/* The caller sets the first five members, and zeroes the others. */
struct pprof_tables {
	struct pprof_source *source;	 /* for error messages */
	const struct pprof_parts *parts; /* has at least one string */
	const Perftools__Profiles__Profile *message;
	struct profile *profile; /* receives mappings and locations */
	size_t memory_max;	 /* for the frames of all locations, in bytes */
	struct pprof_id_table mappings, functions, locations;
	struct pprof_function *function_list;
	struct profile_frame *frames; /* of the location that is being read */
	size_t frame_capacity, frame_total;
};

/* Reads mappings, functions and locations. Returns -1 with the source's error. */
int pprof_tables_read(struct pprof_tables *tables);
void pprof_tables_free(struct pprof_tables *tables);

/* Finds a string of the file; NULL for "". May be called before pprof_tables_read(). Returns -1 with the source's error
 * if the index is invalid. */
int pprof_tables_string(const struct pprof_tables *tables, int64_t index, const char **text);

/* For files that are inconsistent: whether they are several profiles in one file. Then fills the error. */
bool pprof_tables_concatenated(const struct pprof_tables *tables);

/* Return NULL if there is none with that id. */
const struct profile_mapping *pprof_tables_mapping(const struct pprof_tables *tables, uint64_t id);
const struct profile_location *pprof_tables_location(const struct pprof_tables *tables, uint64_t id);

#endif
