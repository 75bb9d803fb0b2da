/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_LOST_ROWS_H
#define ESCAPEMENT_LOST_ROWS_H

/* Lost objects, each with the row of the process's heap profile that counts it (goalloc_contract.h). Not thread-safe. */

#include "goalloc_contract.h"
#include "heap/lost_objects.h"

struct lost_item {
	uint64_t bytes;
	uint32_t row; /* index + 1; 0: the heap profile does not know it */
	uint8_t span_class;
	bool indirect;
};

struct lost_rows {
	uint64_t rate; /* of the heap profile; 0: there is none */
	struct lost_item *items;
	size_t count;
	struct goalloc_row **rows; /* each with at most GOALLOC_STACK_MAX addresses */
	size_t row_count;
};

/* Reads the rows of objects from the process, which runs. Returns 0; or -1: with refusal->text not empty, it publishes what no
 * libgoalloc does; else it cannot be read. lost_rows_free() may follow in either case. */
int lost_rows_read(struct lost_rows *rows, const struct lost_objects *lost, const struct goalloc_layout *layout,
		   const struct target *target, struct error *refusal);
void lost_rows_free(struct lost_rows *rows);

#endif
