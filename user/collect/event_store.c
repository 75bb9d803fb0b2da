/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/event_store.h"

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

enum { FIRST_SLOTS = 256 };

static void *grown(void *items, uint32_t *capacity, size_t size)
{
	if (*capacity > UINT32_MAX / 2)
		memory_out();
	*capacity = *capacity ? 2 * *capacity : 64;
	return memory_resize(items, *capacity, size);
}

/* --- the tree --- */

static uint64_t run_hash(const uint64_t *run)
{
	return hash_bytes(run, (1 + HEAD_COUNT(run[0])) * sizeof(*run));
}

static void node_slots_grow(struct event_store *store)
{
	uint32_t count = store->node_slot_count ? 2 * store->node_slot_count : FIRST_SLOTS;

	free(store->node_slots);
	store->node_slots = memory_zeroed(count, sizeof(*store->node_slots));
	store->node_slot_count = count;
	for (uint32_t i = NODE_FIRST; i < store->word_count; i += 1 + HEAD_COUNT(store->words[i])) {
		uint64_t slot = run_hash(store->words + i) & (count - 1);

		while (store->node_slots[slot])
			slot = (slot + 1) & (count - 1);
		store->node_slots[slot] = i;
	}
}

static uint32_t words_add(struct event_store *store, const uint64_t *words, uint32_t count)
{
	if (store->word_capacity - store->word_count < count)
		store->words = grown(store->words, &store->word_capacity, sizeof(*store->words));
	memcpy(store->words + store->word_count, words, count * sizeof(*words));
	store->word_count += count;
	return store->word_count - count;
}

/* Returns the node of that run. */
static uint32_t node_of(struct event_store *store, const uint64_t *run)
{
	uint32_t words = 1 + HEAD_COUNT(run[0]);
	uint64_t slot;

	if (3 * (uint64_t)store->node_slot_count <= 4 * (uint64_t)store->node_count)
		node_slots_grow(store);
	slot = run_hash(run) & (store->node_slot_count - 1);
	while (store->node_slots[slot]) {
		const uint64_t *known = store->words + store->node_slots[slot];

		if (known[0] == run[0] && memcmp(known, run, words * sizeof(*run)) == 0)
			return store->node_slots[slot];
		slot = (slot + 1) & (store->node_slot_count - 1);
	}
	store->node_count++;
	return store->node_slots[slot] = words_add(store, run, words);
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

static uint64_t row_hash(const struct event_row *row)
{
	uint64_t hash = hash_fold(row->stack, (uint64_t)row->kind << 48 | (uint64_t)row->span_class << 32);

	return hash_fold(hash_fold(hash, row->site), row->type);
}

static bool row_same(const struct event_row *a, const struct event_row *b)
{
	return a->stack == b->stack && a->type == b->type && a->site == b->site && a->kind == b->kind &&
	       a->span_class == b->span_class;
}

static void row_slots_grow(struct event_store *store)
{
	uint32_t count = store->row_slot_count ? 2 * store->row_slot_count : FIRST_SLOTS;

	free(store->row_slots);
	store->row_slots = memory_zeroed(count, sizeof(*store->row_slots));
	store->row_slot_count = count;
	for (uint32_t i = 0; i < store->row_count; i++) {
		uint64_t slot = row_hash(&store->rows[i]) & (count - 1);

		while (store->row_slots[slot])
			slot = (slot + 1) & (count - 1);
		store->row_slots[slot] = i + 1;
	}
}

static struct event_row *row_at(struct event_store *store, const struct event_row *row)
{
	uint64_t slot;

	if (3 * (uint64_t)store->row_slot_count <= 4 * (uint64_t)store->row_count)
		row_slots_grow(store);
	slot = row_hash(row) & (store->row_slot_count - 1);
	while (store->row_slots[slot]) {
		struct event_row *found = &store->rows[store->row_slots[slot] - 1];

		if (row_same(found, row))
			return found;
		slot = (slot + 1) & (store->row_slot_count - 1);
	}
	if (store->row_count == store->row_capacity)
		store->rows = grown(store->rows, &store->row_capacity, sizeof(*store->rows));
	store->rows[store->row_count++] = *row;
	store->row_slots[slot] = store->row_count;
	return &store->rows[store->row_count - 1];
}

/* --- stacks that will be looked up by their hash --- */

struct known_stack {
	struct event_hash hash;
	uint32_t leaf; /* NODE_NONE: free */
};

static bool has_stack(const struct event_key *key)
{
	return key->stack.part[0] || key->stack.part[1];
}

/* Returns the slot of that hash, or the empty slot in which to insert it. */
static struct known_stack *known_at(const struct event_store *store, const struct event_hash *hash)
{
	uint64_t slot = hash->part[0] & (store->known_capacity - 1);

	while (store->known[slot].leaf && memcmp(&store->known[slot].hash, hash, sizeof(*hash)) != 0)
		slot = (slot + 1) & (store->known_capacity - 1);
	return &store->known[slot];
}

static void remember(struct event_store *store, const struct event_hash *hash, uint32_t leaf)
{
	struct known_stack *known;

	if (2 * (uint64_t)store->known_count >= store->known_capacity) {
		struct known_stack *before = store->known;
		uint32_t count = store->known_capacity;

		store->known_capacity = count ? 2 * count : FIRST_SLOTS;
		store->known = memory_zeroed(store->known_capacity, sizeof(*store->known));
		for (uint32_t i = 0; i < count; i++) {
			if (before[i].leaf)
				*known_at(store, &before[i].hash) = before[i];
		}
		free(before);
	}
	known = known_at(store, hash);
	store->known_count += !known->leaf;
	*known = (struct known_stack){*hash, leaf};
}

bool event_store_add(struct event_store *store, const struct event_key *key, const struct event_stack *stack,
		     const struct event_sums *sums)
{
	struct event_row row = {.site = key->site,
				.type = key->type,
				.stack = leaf_of(store, stack),
				.kind = key->kind,
				.span_class = key->span_class};
	struct event_row *stored;

	if (stack && key->kind == EVENT_REFILL && has_stack(key))
		remember(store, &key->stack, row.stack);
	else if (!stack && has_stack(key) && store->known_count)
		row.stack = known_at(store, &key->stack)->leaf;
	stored = row_at(store, &row);
	stored->sums.events += sums->events;
	stored->sums.count += sums->count;
	stored->sums.bytes += sums->bytes;
	stored->sums.weight += sums->weight;
	stored->sums.objects_q20 += sums->objects_q20;
	stored->sums.squares_q4 += sums->squares_q4;
	return row.stack || !has_stack(key);
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
	free(store->row_slots);
	free(store->node_slots);
	*store = (struct event_store){0};
}

/* --- stacks by their hash --- */

enum { HASH_WORDS = sizeof(struct event_hash) / sizeof(uint64_t) };

/* Returns the slot of that stack, or the empty slot in which to insert it. The hash is as good as random. */
static size_t stack_slot(const struct event_stacks *stacks, const struct event_hash *hash)
{
	size_t slot = hash->part[0] & (stacks->slot_count - 1);

	while (stacks->slots[slot] && memcmp(stacks->words + stacks->slots[slot] - 1, hash, sizeof(*hash)) != 0)
		slot = (slot + 1) & (stacks->slot_count - 1);
	return slot;
}

static void stack_slots_grow(struct event_stacks *stacks)
{
	size_t *before = stacks->slots, count = stacks->slot_count;

	stacks->slot_count = count ? 2 * count : FIRST_SLOTS;
	stacks->slots = memory_zeroed(stacks->slot_count, sizeof(*stacks->slots));
	for (size_t i = 0; i < count; i++) {
		if (before[i])
			stacks->slots[stack_slot(stacks, (void *)(stacks->words + before[i] - 1))] = before[i];
	}
	free(before);
}

void event_stacks_add(struct event_stacks *stacks, const struct event_hash *hash, const struct event_stack *stack)
{
	size_t size = offsetof(struct event_stack, pcs) + stack->depth * sizeof(stack->pcs[0]);
	size_t words = HASH_WORDS + size / sizeof(uint64_t), slot;

	if (stack->depth > EVENT_STACK_MAX)
		return;
	if (3 * stacks->slot_count <= 4 * stacks->count)
		stack_slots_grow(stacks);
	slot = stack_slot(stacks, hash);
	if (stacks->slots[slot])
		return;
	if (stacks->word_capacity - stacks->word_count < words) {
		stacks->word_capacity = 2 * (stacks->word_capacity + words);
		stacks->words = memory_resize(stacks->words, stacks->word_capacity, sizeof(*stacks->words));
	}
	memcpy(stacks->words + stacks->word_count, hash, sizeof(*hash));
	memcpy(stacks->words + stacks->word_count + HASH_WORDS, stack, size);
	stacks->slots[slot] = stacks->word_count + 1;
	stacks->word_count += words;
	stacks->count++;
}

const struct event_stack *event_stacks_find(const struct event_stacks *stacks, const struct event_hash *hash)
{
	size_t slot;

	if (!stacks->count)
		return NULL;
	slot = stack_slot(stacks, hash);
	return stacks->slots[slot] ? (const void *)(stacks->words + stacks->slots[slot] - 1 + HASH_WORDS) : NULL;
}

void event_stacks_clear(struct event_stacks *stacks)
{
	if (stacks->count)
		memset(stacks->slots, 0, stacks->slot_count * sizeof(*stacks->slots));
	stacks->count = stacks->word_count = 0;
}

void event_stacks_free(struct event_stacks *stacks)
{
	free(stacks->words);
	free(stacks->slots);
	*stacks = (struct event_stacks){0};
}
