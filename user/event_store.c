/* SPDX-License-Identifier: BSD-2-Clause */
#include "event_store.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

struct stored_row {
	struct event_row row;
	UT_hash_handle hh;
};

struct stored_stack {
	struct event_hash hash;
	UT_hash_handle hh;
	uint32_t depth, truncated;
	uint64_t pcs[]; /* as many as it is deep */
};

static void *allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		abort();
	return memory;
}

void event_rows_add(struct event_rows *rows, const struct event_key *key, const struct event_sums *sums)
{
	if (rows->count == rows->capacity) {
		rows->capacity = 2 * rows->capacity + 64;
		rows->items = reallocarray(rows->items, rows->capacity, sizeof(*rows->items));
		if (!rows->items)
			abort();
	}
	rows->items[rows->count++] = (struct event_row){*key, *sums};
}

void event_rows_free(struct event_rows *rows)
{
	free(rows->items);
	*rows = (struct event_rows){0};
}

void event_store_add(struct event_store *store, const struct event_key *key, const struct event_sums *sums)
{
	struct stored_row *found;

	HASH_FIND(hh, store->rows, key, sizeof(*key), found);
	if (!found) {
		found = allocate(sizeof(*found));
		found->row.key = *key;
		HASH_ADD(hh, store->rows, row.key, sizeof(*key), found);
	}
	found->row.sums.events += sums->events;
	found->row.sums.count += sums->count;
	found->row.sums.bytes += sums->bytes;
	found->row.sums.weight += sums->weight;
	found->row.sums.objects_q20 += sums->objects_q20;
	found->row.sums.squares_q4 += sums->squares_q4;
}

void event_store_each(const struct event_store *store,
		      void (*each)(void *context, const struct event_key *key, const struct event_sums *sums),
		      void *context)
{
	const struct stored_row *stored;

	for (stored = store->rows; stored; stored = stored->hh.next)
		each(context, &stored->row.key, &stored->row.sums);
}

void event_store_take(struct event_store *store, uint32_t slot, struct event_rows *rows)
{
	struct stored_row *stored, *next;

	HASH_ITER(hh, store->rows, stored, next) {
		if (stored->row.key.slot != slot)
			continue;
		event_rows_add(rows, &stored->row.key, &stored->row.sums);
		HASH_DEL(store->rows, stored);
		free(stored);
	}
}

void event_store_add_stack(struct event_store *store, const struct event_hash *hash, const struct event_stack *stack)
{
	struct stored_stack *stored;
	size_t size = stack->depth * sizeof(stack->pcs[0]);

	HASH_FIND(hh, store->stacks, hash, sizeof(*hash), stored);
	if (stored || stack->depth > EVENT_STACK_MAX)
		return;
	stored = allocate(sizeof(*stored) + size);
	stored->hash = *hash;
	stored->depth = stack->depth;
	stored->truncated = stack->truncated;
	memcpy(stored->pcs, stack->pcs, size);
	HASH_ADD(hh, store->stacks, hash, sizeof(stored->hash), stored);
}

bool event_store_stack(const struct event_store *store, const struct event_hash *hash, struct event_stack *stack)
{
	const struct stored_stack *stored;

	HASH_FIND(hh, store->stacks, hash, sizeof(*hash), stored);
	if (!stored)
		return false;
	stack->depth = stored->depth;
	stack->truncated = stored->truncated;
	memcpy(stack->pcs, stored->pcs, stored->depth * sizeof(stack->pcs[0]));
	return true;
}

void event_store_free(struct event_store *store)
{
	struct stored_row *row, *next_row;
	struct stored_stack *stack, *next_stack;

	HASH_ITER(hh, store->rows, row, next_row) {
		HASH_DEL(store->rows, row);
		free(row);
	}
	HASH_ITER(hh, store->stacks, stack, next_stack) {
		HASH_DEL(store->stacks, stack);
		free(stack);
	}
}
