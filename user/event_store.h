/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_EVENT_STORE_H
#define ESCAPEMENT_EVENT_STORE_H

/*
 * Rows and stacks that had to leave the BPF maps so that these do not fill up. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/events.h"

struct event_row {
	struct event_key key;
	struct event_sums sums;
};

struct event_rows {
	struct event_row *items;
	size_t count, capacity;
};

void event_rows_add(struct event_rows *rows, const struct event_key *key, const struct event_sums *sums);
void event_rows_free(struct event_rows *rows);

struct event_store {
	struct stored_row *rows;
	struct stored_stack *stacks;
};

/* Adds the sums to the row of that key. */
void event_store_add(struct event_store *store, const struct event_key *key, const struct event_sums *sums);
void event_store_each(const struct event_store *store,
		      void (*each)(void *context, const struct event_key *key, const struct event_sums *sums),
		      void *context);
/* Moves the rows of one process into *rows, behind what is there. */
void event_store_take(struct event_store *store, uint32_t slot, struct event_rows *rows);

void event_store_add_stack(struct event_store *store, const struct event_hash *hash, const struct event_stack *stack);
/* False where that stack is not here. */
bool event_store_stack(const struct event_store *store, const struct event_hash *hash, struct event_stack *stack);

void event_store_free(struct event_store *store);

#endif
