/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_EVENT_STORE_H
#define ESCAPEMENT_EVENT_STORE_H

/*
 * What has left the BPF maps. One thread at a time.
 *
 *   struct event_store    the rows of one process, until it ends. Stacks are paths in a tree whose root is the empty
 *                         stack and whose nodes are runs of frames, callers above callees: of hundreds of thousands of
 *                         stacks most differ in a few frames near their leaves, so that a stack costs about one node.
 *   struct event_stacks   the stacks of one pair of maps while that is being emptied, by their hash.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/events.h"

struct event_row {
	uint64_t site, type;
	uint32_t stack; /* the leaf's node in the store's tree; 0: there is no stack */
	uint16_t kind, span_class;
	struct event_sums sums;
};

/* All zero: nothing stored. */
struct event_store {
	struct event_row *rows; /* in order of first appearance; no two of one (stack, site, type, kind, span class) */
	uint64_t *words;	/* nodes, one behind the other: a head and the frames */
	uint32_t row_count, node_count, word_count;
	uint32_t row_capacity, word_capacity;
	uint32_t *row_slots, *node_slots; /* hash tables: a row's index plus 1; a node's first word */
	uint32_t row_slot_count, node_slot_count;
	struct known_stack *known; /* a hash table: stacks of EVENT_REFILL rows, by their hash */
	uint32_t known_count, known_capacity;
};

/*
 * Adds the sums to the row of that key. `stack` is what its hash stands for; NULL where it has none, or the one of an
 * EVENT_REFILL row that has been added before. False where that is not known: the row then has no stack.
 */
bool event_store_add(struct event_store *store, const struct event_key *key, const struct event_stack *stack,
		     const struct event_sums *sums);
/* The row's key, but for the hash of its stack. */
struct event_key event_store_key(const struct event_row *row, uint32_t slot);
/* False where the row has no stack. */
bool event_store_stack(const struct event_store *store, const struct event_row *row, struct event_stack *stack);
/* The indices of all rows, in such an order that each tree of callers' rows are neighbours: who writes them finds most
 * of a stack in the one before. To be freed. */
uint32_t *event_store_order(const struct event_store *store);
void event_store_free(struct event_store *store);

struct event_stacks {
	uint64_t *words; /* a record each: the hash, and what of struct event_stack its depth needs */
	size_t word_count, word_capacity;
	size_t *slots; /* a hash table of indices into `words` plus 1 */
	size_t slot_count, count;
};

void event_stacks_add(struct event_stacks *stacks, const struct event_hash *hash, const struct event_stack *stack);
/* NULL where that stack is not here. Beyond its depth nothing of it may be read. Holds until the next call of another
 * function. */
const struct event_stack *event_stacks_find(const struct event_stacks *stacks, const struct event_hash *hash);
/* Forgets all, but keeps the memory for the next ones. */
void event_stacks_clear(struct event_stacks *stacks);
void event_stacks_free(struct event_stacks *stacks);

#endif
