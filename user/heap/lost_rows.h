/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_LOST_ROWS_H
#define ESCAPEMENT_LOST_ROWS_H

/* Lost objects, with the row of the process's heap profile that counts them (goalloc_contract.h). Not thread-safe. */

#include "goalloc_contract.h"
#include "heap/lost_objects.h"

struct lost_item {
	uint64_t objects, bytes;
	uint32_t row; /* index + 1; 0: the heap profile does not know them */
	uint8_t span_class;
	bool indirect;
};

struct lost_rows {
	uint64_t rate; /* of the heap profile; 0: there is none */
	bool unsettled; /* the table of its objects changed whenever it was read: objects may be in it, and were not found */
	struct lost_item *items;
	size_t count;
	struct goalloc_row **rows; /* each with at most GOALLOC_STACK_MAX addresses */
	size_t row_count;
};

/* Reads the rows of objects from the process, which runs, and takes the objects out. Returns 0; or -1: with refusal->text not empty, it publishes what no
 * libgoalloc does; else it cannot be read. lost_rows_free() may follow in either case. */
int lost_rows_read(struct lost_rows *rows, struct lost_objects *lost, const struct goalloc_layout *layout,
		   const struct target *target, struct error *refusal);
void lost_rows_free(struct lost_rows *rows);

#endif
