/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PPROF_READ_SAMPLES_H
#define ESCAPEMENT_PPROF_READ_SAMPLES_H

/* The samples of a file, added to a profile one by one as they come. Private to pprof*.c. */

#include "profile/pprof_tables.h"

/* Which of the numbers of a sample is what. */
struct pprof_columns {
	int index[VALUE_COUNT]; /* among the file's sample types, -1 where it has none */
	bool go_heap;		/* written by Go's runtime/pprof: estimates alone, and the period that made them */
};

/* All that the source has, from its beginning. `memory_max`: bytes that they may take. -1 with the source's error. */
int pprof_read_samples(const struct pprof_tables *tables, const struct pprof_columns *columns, size_t memory_max);

#endif
