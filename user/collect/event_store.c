/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/event_store.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

/*
 * A node of the tree is identified by the index of its first word, the head, which contains the node of the caller and
 * the number of frames that follow, leaf last. A node (a run) has RUN_FRAMES frames, counted from the root, unless it
 * ends at a leaf.
 */
enum { RUN_FRAMES = 8 };

#define HEAD(caller, count) ((uint64_t)(caller) << 32 | (count))
#define HEAD_CALLER(head)   ((uint32_t)((head) >> 32))
#define HEAD_COUNT(head)    ((uint32_t)(head))

/* Roots: the outermost runs are children of one of these nodes. */
enum { NODE_NONE, NODE_WHOLE, NODE_TRUNCATED, NODE_FIRST };

static void *grown(void *items, uint32_t *capacity, size_t size)
{
	if (*capacity > UINT32_MAX / 2)
		memory_out();
	*capacity = *capacity ? 2 * *capacity : 64;
	return memory_resize(items, *capacity, size);
}

/* --- the tree --- */

static uint32_t words_add(struct event_store *store, const uint64_t *words, uint32_t count)
{
	if (store->word_capacity - store->word_count < count)
		store->words = grown(store->words, &store->word_capacity, sizeof(*store->words));
	memcpy(store->words + store->word_count, words, count * sizeof(*words));
	store->word_count += count;
	return store->word_count - count;
}

static bool run_same(const void *words, uint64_t node, const void *key)
{
	const uint64_t *known = (const uint64_t *)words + node, *run = key;

	return known[0] == run[0] && memcmp(known, run, (1 + HEAD_COUNT(run[0])) * sizeof(*run)) == 0;
}

/* Returns the node of that run. */
static uint32_t node_of(struct event_store *store, const uint64_t *run)
{
	uint32_t words = 1 + HEAD_COUNT(run[0]);
	uint64_t *node =
		hash_index_at(&store->nodes, hash_bytes(run, words * sizeof(*run)), run_same, store->words, run);

	if (!*node) {
		store->node_count++;
		*node = words_add(store, run, words);
	}
	return (uint32_t)*node;
}

static uint32_t leaf_of(struct event_store *store, const struct event_stack *stack)
{
	uint64_t run[1 + RUN_FRAMES];
	uint32_t node;

	if (!stack || stack->depth > EVENT_STACK_MAX)
		return NODE_NONE;
	if (store->word_count == 0)
		words_add(store, (const uint64_t[NODE_FIRST]){0}, NODE_FIRST);
	node = stack->truncated ? NODE_TRUNCATED : NODE_WHOLE;
	for (uint32_t left = stack->depth; left > 0;) {
		uint32_t count = left < RUN_FRAMES ? left : RUN_FRAMES;

		run[0] = HEAD(node, count);
		for (uint32_t i = 1; i <= count; i++)
			run[i] = stack->pcs[--left];
		node = node_of(store, run);
	}
	return node;
}

bool event_store_stack(const struct event_store *store, const struct event_row *row, struct event_stack *stack)
{
	uint32_t node = row->stack;

	if (node == NODE_NONE)
		return false;
	for (stack->depth = 0; node >= NODE_FIRST; node = HEAD_CALLER(store->words[node])) {
		for (uint32_t i = HEAD_COUNT(store->words[node]); i > 0; i--)
			stack->pcs[stack->depth++] = store->words[node + i];
	}
	stack->truncated = node == NODE_TRUNCATED;
	return true;
}

/* --- rows --- */

/* What of a row's site distinguishes it from others. */
static uint64_t site_of(const struct event_row *row)
{
	return row->kind == EVENT_BURST ? 0 : row->site;
}

static uint64_t row_hash(const struct event_row *row)
{
	uint64_t hash = hash_fold(row->stack, (uint64_t)row->kind << 48 | (uint64_t)row->span_class << 32);

	return hash_fold(hash_fold(hash, site_of(row)), row->type);
}

static bool row_same(const void *rows, uint64_t item, const void *key)
{
	const struct event_row *a = (const struct event_row *)rows + item - 1, *b = key;

	return a->stack == b->stack && a->type == b->type && a->kind == b->kind && a->span_class == b->span_class &&
	       site_of(a) == site_of(b);
}

static struct event_row *row_at(struct event_store *store, const struct event_row *row)
{
	uint64_t *item = hash_index_at(&store->rows_by_key, row_hash(row), row_same, store->rows, row);

	if (!*item) {
		if (store->row_count == store->row_capacity)
			store->rows = grown(store->rows, &store->row_capacity, sizeof(*store->rows));
		store->rows[store->row_count++] = *row;
		*item = store->row_count;
	}
	return &store->rows[*item - 1];
}

/* --- stacks that will be looked up by their hash --- */

enum { KNOWN_MOST = 1 << 14 }; /* without those of EVENT_REFILL rows, which must be known */

struct known_stack {
	struct event_hash hash;
	uint32_t leaf;
};

static bool has_stack(const struct event_key *key)
{
	return key->stack.part[0] || key->stack.part[1];
}

static bool known_same(const void *known, uint64_t item, const void *key)
{
	return memcmp(&((const struct known_stack *)known + item - 1)->hash, key, sizeof(struct event_hash)) == 0;
}

static uint32_t known_leaf(const struct event_store *store, const struct event_hash *hash)
{
	uint64_t item = hash_index_get(&store->known_by_hash, hash->part[0], known_same, store->known, hash);

	return item ? store->known[item - 1].leaf : NODE_NONE;
}

static void remember(struct event_store *store, const struct event_hash *hash, uint32_t leaf)
{
	uint64_t *item = hash_index_at(&store->known_by_hash, hash->part[0], known_same, store->known, hash);

	if (!*item) {
		if (store->known_count == store->known_capacity)
			store->known = grown(store->known, &store->known_capacity, sizeof(*store->known));
		*item = ++store->known_count;
	}
	store->known[*item - 1] = (struct known_stack){*hash, leaf};
}

/* --- bursts --- */

static void wait_for_weight(struct event_store *store, const struct event_row *row)
{
	if (store->waiting_count == store->waiting_capacity)
		store->waiting = grown(store->waiting, &store->waiting_capacity, sizeof(*store->waiting));
	store->waiting[store->waiting_count++] = *row;
}

static uint64_t add_weighted(uint64_t sum, uint64_t count, double weight)
{
	return (uint64_t)fmin((double)sum + (double)count * weight, 0x1p62);
}

static void settle_row(struct event_store *store, struct event_row row, double weight, unsigned group)
{
	struct event_sums sums = row.sums;
	struct event_row *stored;
	struct event_group *part;

	row.site = store->group_count;
	row.sums = (struct event_sums){0};
	stored = row_at(store, &row);
	if (stored->site == store->group_count) {
		if (store->group_count == store->group_capacity)
			store->groups = grown(store->groups, &store->group_capacity, sizeof(*store->groups));
		memset(store->groups[store->group_count++], 0, sizeof(*store->groups));
	}
	stored->sums.count += sums.count;
	stored->sums.bytes += sums.bytes;
	part = &store->groups[stored->site][group];
	part->count += sums.count;
	part->bytes += sums.bytes;
	part->objects_q20 = add_weighted(part->objects_q20, sums.count, weight * (1 << 20));
	part->weight = add_weighted(part->weight, sums.bytes, weight);
}

void event_store_settle(struct event_store *store, event_slice_function *slice_of, void *context)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < store->waiting_count; i++) {
		const struct event_row *row = &store->waiting[i];
		unsigned group;
		double weight;

		if (slice_of(context, row->site, &weight, &group))
			settle_row(store, *row, weight, group);
		else
			store->waiting[left++] = *row;
	}
	store->waiting_count = left;
}

const struct event_group *event_store_groups(const struct event_store *store, const struct event_row *row)
{
	return store->groups[row->site];
}

static void add_row(struct event_store *store, const struct event_key *key, uint32_t leaf,
		    const struct event_sums *sums)
{
	struct event_row row = {
		.site = key->site, .type = key->type, .stack = leaf, .kind = key->kind, .span_class = key->span_class};
	struct event_row *stored;

	if (key->kind == EVENT_BURST) {
		row.sums = *sums;
		wait_for_weight(store, &row);
		return;
	}
	stored = row_at(store, &row);
	stored->sums.events += sums->events;
	stored->sums.count += sums->count;
	stored->sums.bytes += sums->bytes;
	stored->sums.weight += sums->weight;
	stored->sums.objects_q20 += sums->objects_q20;
}

bool event_store_add(struct event_store *store, const struct event_key *key, const struct event_stack *stack,
		     const struct event_sums *sums)
{
	uint32_t leaf = leaf_of(store, stack);

	if (stack && has_stack(key) && (key->kind == EVENT_REFILL || store->known_count < KNOWN_MOST))
		remember(store, &key->stack, leaf);
	else if (!stack && has_stack(key))
		leaf = known_leaf(store, &key->stack);
	add_row(store, key, leaf, sums);
	return leaf || !has_stack(key);
}

bool event_store_add_known(struct event_store *store, const struct event_key *key, const struct event_sums *sums)
{
	uint32_t leaf = has_stack(key) ? known_leaf(store, &key->stack) : NODE_NONE;

	if (has_stack(key) && !leaf)
		return false;
	add_row(store, key, leaf, sums);
	return true;
}

struct event_key event_store_key(const struct event_row *row, uint32_t slot)
{
	return (struct event_key){
		.slot = slot, .site = row->site, .type = row->type, .kind = row->kind, .span_class = row->span_class};
}

/*
 * A node's rows come before those of its callees, and the rows of each callee's tree are contiguous. Nodes are numbered
 * in their order in memory, callers first:
 *
 *     rows of a tree = rows of its node + rows of its callees' trees
 *     start of a callee's tree = end of its caller's rows + rows of the callee's elder siblings' trees
 */
uint32_t *event_store_order(const struct event_store *store)
{
	uint32_t *order = memory_zeroed(store->row_count + 1, sizeof(*order));
	uint32_t *number = memory_zeroed(store->word_count + NODE_FIRST, sizeof(*number)); /* by first word */
	uint32_t *caller = memory_zeroed(store->node_count + NODE_FIRST, sizeof(*caller)); /* these by number */
	uint32_t *rows = memory_zeroed(store->node_count + NODE_FIRST, sizeof(*rows));
	uint32_t *tree = memory_zeroed(store->node_count + NODE_FIRST, sizeof(*tree));
	uint32_t *begin = memory_zeroed(store->node_count + NODE_FIRST, sizeof(*begin));
	uint32_t *end = memory_zeroed(store->node_count + NODE_FIRST, sizeof(*end));
	uint32_t count = NODE_FIRST;

	for (uint32_t i = 0; i < NODE_FIRST; i++)
		number[i] = i;
	for (uint32_t i = NODE_FIRST; i < store->word_count; i += 1 + HEAD_COUNT(store->words[i])) {
		caller[count] = number[HEAD_CALLER(store->words[i])];
		number[i] = count++;
	}
	for (uint32_t i = 0; i < store->row_count; i++)
		rows[number[store->rows[i].stack]]++;
	for (uint32_t i = count; i-- > 0;) {
		tree[i] += rows[i];
		if (i >= NODE_FIRST)
			tree[caller[i]] += tree[i];
	}
	for (uint32_t i = 0, next = 0; i < count; i++) {
		uint32_t *free_from = i < NODE_FIRST ? &next : &end[caller[i]];

		begin[i] = *free_from;
		end[i] = begin[i] + rows[i];
		*free_from += tree[i];
	}
	for (uint32_t i = 0; i < store->row_count; i++)
		order[begin[number[store->rows[i].stack]]++] = i;
	free(number);
	free(caller);
	free(rows);
	free(tree);
	free(begin);
	free(end);
	return order;
}

void event_store_free(struct event_store *store)
{
	free(store->rows);
	free(store->words);
	free(store->known);
	free(store->waiting);
	free(store->groups);
	hash_index_free(&store->rows_by_key);
	hash_index_free(&store->nodes);
	hash_index_free(&store->known_by_hash);
	*store = (struct event_store){0};
}

/* --- stacks by their hash --- */

enum { HASH_WORDS = sizeof(struct event_hash) / sizeof(uint64_t) };

static bool stack_same(const void *words, uint64_t item, const void *key)
{
	return memcmp((const uint64_t *)words + item - 1, key, sizeof(struct event_hash)) == 0;
}

void event_stacks_add(struct event_stacks *stacks, const struct event_hash *hash, const struct event_stack *stack)
{
	size_t size = offsetof(struct event_stack, pcs) + stack->depth * sizeof(stack->pcs[0]);
	size_t words = HASH_WORDS + size / sizeof(uint64_t);
	uint64_t *item;

	if (stack->depth > EVENT_STACK_MAX)
		return;
	item = hash_index_at(&stacks->by_hash, hash->part[0], stack_same, stacks->words, hash);
	if (*item)
		return;
	if (stacks->word_capacity - stacks->word_count < words) {
		stacks->word_capacity = 2 * (stacks->word_capacity + words);
		stacks->words = memory_resize(stacks->words, stacks->word_capacity, sizeof(*stacks->words));
	}
	memcpy(stacks->words + stacks->word_count, hash, sizeof(*hash));
	memcpy(stacks->words + stacks->word_count + HASH_WORDS, stack, size);
	*item = stacks->word_count + 1;
	stacks->word_count += words;
}

const struct event_stack *event_stacks_find(const struct event_stacks *stacks, const struct event_hash *hash)
{
	uint64_t item = hash_index_get(&stacks->by_hash, hash->part[0], stack_same, stacks->words, hash);

	return item ? (const void *)(stacks->words + item - 1 + HASH_WORDS) : NULL;
}

void event_stacks_clear(struct event_stacks *stacks)
{
	hash_index_clear(&stacks->by_hash);
	stacks->word_count = 0;
}

void event_stacks_free(struct event_stacks *stacks)
{
	free(stacks->words);
	hash_index_free(&stacks->by_hash);
	*stacks = (struct event_stacks){0};
}
