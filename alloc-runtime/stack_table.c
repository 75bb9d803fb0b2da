/* SPDX-License-Identifier: BSD-2-Clause */
/* See stack_table.h. */
#include "stack_table.h"

#include <string.h>

#include "sys.h"

enum { FirstRows = 1 << 12 };

uint64_t hash_words(uint64_t hash, const uint64_t *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15;
		hash ^= hash >> 29;
	}
	return hash;
}

/* `head`: the row without its addresses. */
static uint64_t hash(const struct goalloc_row *head, const uint64_t *pcs)
{
	const uint64_t words[] = {head->key, head->site, head->depth};

	return hash_words(hash_words(1, words, sizeof words / sizeof *words), pcs, head->depth);
}

/* Returns the place of the row, or of the free entry where it belongs. */
static struct goalloc_row **find(struct goalloc_row **rows, size_t capacity, const struct goalloc_row *head,
				 const uint64_t *pcs)
{
	size_t at = hash(head, pcs) & (capacity - 1);

	for (; rows[at]; at = (at + 1) & (capacity - 1)) {
		const struct goalloc_row *row = rows[at];

		if (row->key == head->key && row->site == head->site && row->depth == head->depth &&
		    row->truncated == head->truncated && memcmp(row->pcs, pcs, head->depth * sizeof *pcs) == 0)
			break;
	}
	return &rows[at];
}

static bool make_room(struct stack_table *table)
{
	size_t capacity = table->capacity ? 2 * table->capacity : FirstRows, former = table->capacity;
	struct goalloc_row **rows, **old = table->rows;

	if (2 * (table->used + 1) <= table->capacity)
		return true;
	rows = sysAlloc(capacity * sizeof *rows);
	if (!rows)
		return false;
	for (size_t i = 0; i < former; i++) {
		if (old[i])
			*find(rows, capacity, old[i], old[i]->pcs) = old[i];
	}
	__atomic_store_n(&table->rows, rows, __ATOMIC_RELEASE);
	__atomic_store_n(&table->capacity, capacity, __ATOMIC_RELEASE);
	if (old)
		sysFree(old, former * sizeof *old);
	return true;
}

/* Appends the row to a chunk, complete before `used` covers it. */
static struct goalloc_row *append(struct stack_table *table, const struct goalloc_row *head, const uint64_t *pcs)
{
	size_t size = sizeof *head + head->depth * sizeof *pcs;
	struct goalloc_row_chunk *chunk = table->chunks;
	struct goalloc_row *row;

	if (!chunk || size > GOALLOC_ROW_CHUNK - sizeof *chunk - chunk->used) {
		chunk = sysAlloc(GOALLOC_ROW_CHUNK);
		if (!chunk)
			return NULL;
		chunk->next = (uintptr_t)table->chunks;
		__atomic_store_n(&table->chunks, chunk, __ATOMIC_RELEASE);
	}
	row = (struct goalloc_row *)(void *)((char *)(chunk + 1) + chunk->used);
	*row = *head;
	memcpy(row->pcs, pcs, head->depth * sizeof *pcs);
	__atomic_store_n(&chunk->used, chunk->used + size, __ATOMIC_RELEASE);
	return row;
}

struct goalloc_row *stack_table_row(struct stack_table *table, uint64_t key, uint64_t stack)
{
	const struct goalloc_stack *record = (const void *)(uintptr_t)(stack - GOALLOC_STACK_HEAD);
	static const uint64_t no_frames[1]; /* not NULL, which memcmp() and memcpy() do not take, also for no bytes */
	const uint64_t *pcs = stack ? record->pcs : no_frames;
	struct goalloc_row head = {.key = key}, **row;

	if (stack) {
		head.site = record->site;
		head.truncated = record->truncated;
		head.depth = record->depth;
	}
	if (!make_room(table))
		return NULL;
	row = find(table->rows, table->capacity, &head, pcs);
	if (!*row && (*row = append(table, &head, pcs)))
		table->used++;
	return *row;
}

void stack_table_forget(struct stack_table *table)
{
	if (table->rows)
		sysFree(table->rows, table->capacity * sizeof *table->rows);
	*table = (struct stack_table){0};
}
