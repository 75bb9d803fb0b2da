/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PPROF_READ_SAMPLES_H
#define ESCAPEMENT_PPROF_READ_SAMPLES_H

/* Adds the samples of a file to a profile, one by one. Private to pprof*.c. */

#include "profile/pprof_tables.h"

/* The meaning of the numbers of a sample. */
struct pprof_columns {
	int index[VALUE_COUNT];	   /* index of each value among the file's sample types, -1 if there is none */
	int64_t unit[VALUE_COUNT]; /* factor to our unit: kilobytes and the like */
	int64_t period;		   /* mean bytes between samples; 0 if the file does not say it */
	bool heap_types; /* those that Go's runtime/pprof writes, and that pprof gives to heap profiles of C++ */
	/* written by Go's runtime/pprof: only estimates, and the period that they were made with */
	bool go_heap;
	bool live_falls; /* set by pprof_read_samples(): what is in use is a difference, with negative values */
};

/* Reads all samples of the source, from its beginning. `memory_max`: limit for their memory in bytes. Returns -1 with
 * the source's error. */
int pprof_read_samples(const struct pprof_tables *tables, struct pprof_columns *columns, size_t memory_max);

#endif
