/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PPROF_PARTS_H
#define ESCAPEMENT_PPROF_PARTS_H

/*
 * A profile's fields other than its samples, sorted into those of which there may be millions, which are read from their
 * bytes when they are needed, and the others, for a general protobuf library. Private to pprof*.c.
 */

#include "profile/pprof_source.h"

/* Fields of one kind, with their headers, in the order of the file. */
struct pprof_part {
	uint8_t *bytes;
	size_t size, capacity, count;
};

struct pprof_parts {
	struct pprof_part functions, locations, others;
	struct pprof_part strings; /* only their texts, each with a NUL after it */
	uint32_t *string_at;	   /* where each string begins in strings.bytes */
	size_t string_capacity;
	size_t sample_count;
	size_t size; /* bytes of all parts in the file */
};

/* Reads the source to its end. `parts` is zeroed before; the caller frees it in any case. Returns -1 with the source's
 * error. */
int pprof_parts_read(struct pprof_parts *parts, struct pprof_source *source);
void pprof_parts_free(struct pprof_parts *parts);

/* The memory in bytes that the parts take, and that the tables will take which are made of them. */
size_t pprof_parts_memory(const struct pprof_parts *parts);

#endif
