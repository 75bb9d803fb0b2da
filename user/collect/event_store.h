/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_EVENT_STORE_H
#define ESCAPEMENT_EVENT_STORE_H

/*
 * Rows and stacks that have been taken out of the BPF maps. Not thread-safe.
 *
 *   struct event_store    the rows of one process, until it ends. Stacks are paths in a tree whose root is the empty
 *                         stack and whose nodes are runs of frames, callers above callees. Most of hundreds of
 *                         thousands of stacks differ in a few frames near their leaves, so a stack costs about one
 *                         node.
 *   struct event_stacks   the stacks of one pair of maps while the pair is being emptied, by their hash.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash_index.h"
#include "bpf/events.h"
#include "profile/profile.h"

struct event_row {
	uint64_t site; /* EVENT_BURST: the index of its groups */
	uint64_t type;
	uint32_t stack; /* the leaf's node in the store's tree; 0: no stack */
	uint16_t kind, span_class;
	struct event_sums sums;
};

/* What one group of bursts has of an EVENT_BURST row: what was counted, and what that stands for. */
struct event_group {
	uint64_t count, bytes;
	uint64_t objects_q20, weight;
};

/* All zero: empty. */
struct event_store {
	/* in order of first appearance; no two have the same (stack, site, type, kind, span class) */
	struct event_row *rows;
	uint64_t *words; /* the nodes, one after the other: a head and its frames */
	uint32_t row_count, node_count, word_count;
	uint32_t row_capacity, word_capacity;
	struct hash_index rows_by_key; /* a row's index plus 1 */
	struct hash_index nodes;       /* a node's first word */
	struct known_stack *known;     /* of all EVENT_REFILL rows, and as many others as are worth the memory */
	uint32_t known_count, known_capacity;
	struct hash_index known_by_hash; /* the index plus 1 */
	struct event_row *waiting; /* of EVENT_BURST, for event_store_settle(): `site` is the number of the slice */
	uint32_t waiting_count, waiting_capacity;
	struct event_group (*groups)[BURST_GROUPS]; /* of EVENT_BURST rows */
	uint32_t group_count, group_capacity;
};

/*
 * Adds the sums to the row of that key. `stack` is the stack of the key's hash; NULL if it has none, or if it is that
 * of an EVENT_REFILL row that was added before. Returns false if that stack is unknown: then the row has no stack.
 */
bool event_store_add(struct event_store *store, const struct event_key *key, const struct event_stack *stack,
		     const struct event_sums *sums);

/* The same, if the stack of the key's hash is one that the store remembers. Otherwise returns false, and adds nothing. */
bool event_store_add_known(struct event_store *store, const struct event_key *key, const struct event_sums *sums);

/*
 * Events of bursts are not in rows until it is known what they stand for; then those of one group of bursts are added up, so
 * that a stack's row does not grow with the number of bursts. The function gives the weight of a slice and its group, from 0;
 * it returns false if the slice has no weight yet.
 */
typedef bool event_slice_function(void *context, uint64_t slice, double *weight, unsigned *group);
void event_store_settle(struct event_store *store, event_slice_function *slice_of, void *context);
/* Returns the BURST_GROUPS groups of an EVENT_BURST row. Valid until rows are added. */
const struct event_group *event_store_groups(const struct event_store *store, const struct event_row *row);

/* Returns the row's key without the hash of its stack. */
struct event_key event_store_key(const struct event_row *row, uint32_t slot);
/* Returns false if the row has no stack. */
bool event_store_stack(const struct event_store *store, const struct event_row *row, struct event_stack *stack);
/* Returns the indices of all rows, ordered so that the rows below each caller are contiguous: then a writer finds most
 * of a stack in the one before. The caller frees the result. */
uint32_t *event_store_order(const struct event_store *store);
void event_store_free(struct event_store *store);

struct event_stacks {
	/* one record per stack: the hash, and the part of struct event_stack that its depth requires */
	uint64_t *words;
	size_t word_count, word_capacity;
	struct hash_index by_hash; /* indices into `words` plus 1 */
};

void event_stacks_add(struct event_stacks *stacks, const struct event_hash *hash, const struct event_stack *stack);
/* Returns NULL if the stack is not here. Nothing beyond its depth may be read. Valid until the next call of another
 * function. */
const struct event_stack *event_stacks_find(const struct event_stacks *stacks, const struct event_hash *hash);
/* Removes all stacks, but keeps the memory for later ones. */
void event_stacks_clear(struct event_stacks *stacks);
void event_stacks_free(struct event_stacks *stacks);

#endif
