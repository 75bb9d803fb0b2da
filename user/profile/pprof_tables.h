/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PPROF_TABLES_H
#define ESCAPEMENT_PPROF_TABLES_H

/*
 * What the samples of a file refer to: its strings by index; mappings, functions and locations by identifiers, which
 * may be any numbers but 0. No index and no identifier is followed before it is checked. Private to pprof*.c.
 */

#include "profile/pprof_source.h"
#include "profile/profile.h"
#include "profile/profile.pb-c.h"

struct pprof_id_table {
	struct pprof_id_row {
		uint64_t id;
		const void *thing;
	} * rows; /* sorted */
	size_t count;
	const struct pprof_id_row **dense; /* by id, where the largest is not much larger than `count`; else NULL */
	uint64_t dense_count;
};

/* Zero but for the first three, which whoever makes it sets. */
struct pprof_tables {
	struct pprof_source *source;		     /* for messages */
	const Perftools__Profiles__Profile *message; /* with a string at least */
	struct profile *profile;		     /* gets mappings and locations */
	struct pprof_id_table mappings, functions, locations;
};

/* Mappings, functions and locations. -1 with the source's error. */
int pprof_tables_read(struct pprof_tables *tables);
void pprof_tables_free(struct pprof_tables *tables);

/* A string of the file; NULL for "". Needs no pprof_tables_read(). -1 with the source's error on a bad index. */
int pprof_tables_string(const struct pprof_tables *tables, int64_t index, const char **text);

/* NULL where there is none of that id. */
const struct profile_mapping *pprof_tables_mapping(const struct pprof_tables *tables, uint64_t id);
const struct profile_location *pprof_tables_location(const struct pprof_tables *tables, uint64_t id);

#endif
