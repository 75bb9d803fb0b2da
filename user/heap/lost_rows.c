/* SPDX-License-Identifier: BSD-2-Clause */
#include "heap/lost_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash_index.h"
#include "base/memory.h"
#include "runtime/goalloc_objects.h"

enum {
	PASSES = 3, /* over the table, which the running process may change meanwhile */
	SLOTS_AT_ONCE = 1 << 16,
	ROWS_MAX = 1 << 20,
};

#define CAPACITY_MAX (UINT64_C(1) << 31)

/* A lost object that the table has. */
struct hit {
	size_t lost; /* index */
	uint64_t object, row;
};

struct reading {
	struct lost_rows *rows;
	const struct lost_objects *lost;
	const struct target *target;
	struct hash_index by_address; /* of lost objects: index + 1 */
	struct hash_index row_index;  /* rows by address: index + 1 */
	struct hit *hits;
	size_t hit_count, hit_capacity, item_capacity;
};

static int refuse(struct error *refusal, const char *field, uint64_t value)
{
	return error_set(refusal, STATUS_CANNOT_MEASURE, "its libgoalloc heap profile has %s = %llu", field,
			 (unsigned long long)value);
}

/* --- the table --- */

/* A tiny object is found by its block. */
static void look_up(struct reading *reading, const struct goalloc_object_slot *slot)
{
	uint64_t lost = hash_index_get(&reading->by_address, slot->object, NULL, NULL, NULL);

	if (!lost && slot->object % GOALLOC_TINY_BYTES) {
		lost = hash_index_get(&reading->by_address, slot->object - slot->object % GOALLOC_TINY_BYTES, NULL,
				      NULL, NULL);
		lost = lost && reading->lost->items[lost - 1].tiny ? lost : 0;
	}
	if (!lost)
		return;
	if (reading->hit_count == reading->hit_capacity) {
		reading->hit_capacity = 2 * reading->hit_capacity + 1024;
		reading->hits = memory_resize(reading->hits, reading->hit_capacity, sizeof(*reading->hits));
	}
	reading->hits[reading->hit_count++] = (struct hit){lost - 1, slot->object, slot->row};
}

static int read_table(struct reading *reading, uint64_t pointer, struct error *refusal)
{
	struct goalloc_object_slot *slots;
	uint64_t table, capacity = 0;
	int status = 0;

	reading->hit_count = 0;
	if (target_read(reading->target, pointer, &table, sizeof(table)) ||
	    (table && target_read(reading->target, table, &capacity, sizeof(capacity))))
		return -1;
	if (capacity > CAPACITY_MAX)
		return refuse(refusal, "slots", capacity);
	slots = memory_allocate(SLOTS_AT_ONCE * sizeof(*slots));
	memory_allow_bytes(reading->target->reader, CAPACITY_MAX * sizeof(*slots), MEMORY_ELAPSED_SECONDS);
	for (uint64_t i = 0, count; !status && i < capacity; i += count) {
		count = capacity - i < SLOTS_AT_ONCE ? capacity - i : SLOTS_AT_ONCE;
		status = target_read(reading->target,
				     table + offsetof(struct goalloc_object_slots, slots) + i * sizeof(*slots), slots,
				     count * sizeof(*slots));
		for (uint64_t j = 0; !status && j < count; j++) {
			if (slots[j].object)
				look_up(reading, &slots[j]);
		}
	}
	free(slots);
	return status;
}

/* Returns the objects that the table should have, if every object was sampled. */
static uint64_t expected(const struct lost_objects *lost)
{
	uint64_t objects = 0;

	for (size_t i = 0; i < lost->count; i++)
		objects += lost->items[i].tiny ? lost->items[i].tiny : 1;
	return objects;
}

/* Reads the table again where it was changed meanwhile, and does not have all objects. */
static int find_hits(struct reading *reading, const struct goalloc_layout *layout, struct error *refusal)
{
	struct goalloc_heap_profile before, after = {0};
	struct goalloc_search search;
	int status = -1;

	if (goalloc_search_read(&search, layout, reading->target, refusal))
		return -1;
	for (int i = 0; i < PASSES; i++) {
		if (target_read(reading->target, layout->heap_profile, &before, sizeof(before)))
			return -1;
		reading->rows->rate = before.rate;
		if (!before.rate || !reading->lost->count)
			return 0;
		status = read_table(reading, search.objects, refusal);
		if (target_read(reading->target, layout->heap_profile, &after, sizeof(after)))
			return -1;
		if (!status && (after.sequence == before.sequence || reading->hit_count >= expected(reading->lost)))
			break;
	}
	return status;
}

/* --- rows --- */

static int check_row(const struct goalloc_row *row, struct error *refusal)
{
	if (row->depth > GOALLOC_STACK_MAX)
		return refuse(refusal, "depth", row->depth);
	if (!GOALLOC_OBJECT_SIZE(row->key) || GOALLOC_OBJECT_SPAN_CLASS(row->key) >= SPAN_CLASSES)
		return refuse(refusal, "key", row->key);
	return 0;
}

/* Returns the row's index + 1, which is read if it is new; 0 on failure. */
static uint32_t row_at(struct reading *reading, uint64_t address, struct error *refusal)
{
	struct lost_rows *rows = reading->rows;
	uint64_t *index = hash_index_at(&reading->row_index, address, NULL, NULL, NULL);
	struct goalloc_row head, *row;

	if (*index)
		return (uint32_t)*index;
	*index = rows->row_count + 1;
	if (rows->row_count == ROWS_MAX) {
		refuse(refusal, "more rows than", ROWS_MAX);
		return 0;
	}
	if (target_read(reading->target, address, &head, sizeof(head)) || check_row(&head, refusal))
		return 0;
	row = memory_zeroed(1, sizeof(head) + head.depth * sizeof(row->pcs[0]));
	*row = head;
	rows->rows = memory_resize(rows->rows, rows->row_count + 1, sizeof(*rows->rows));
	rows->rows[rows->row_count++] = row;
	if (head.depth &&
	    target_read(reading->target, address + sizeof(head), row->pcs, head.depth * sizeof(row->pcs[0])))
		return 0;
	return (uint32_t)rows->row_count;
}

static void add_item(struct reading *reading, const struct lost_object *lost, uint64_t bytes, uint32_t row)
{
	struct lost_rows *rows = reading->rows;

	if (rows->count == reading->item_capacity) {
		reading->item_capacity = 2 * reading->item_capacity + 1024;
		rows->items = memory_resize(rows->items, reading->item_capacity, sizeof(*rows->items));
	}
	rows->items[rows->count++] = (struct lost_item){bytes, row, lost->span_class, lost->indirect};
}

static int compare_hits(const void *a, const void *b)
{
	const struct hit *left = a, *right = b;

	return left->lost != right->lost ? (left->lost > right->lost) - (left->lost < right->lost)
					 : (left->object > right->object) - (left->object < right->object);
}

/* Makes items of a lost object: itself, or the tiny objects that are known of it, and its rest. */
static int add_items(struct reading *reading, size_t index, size_t *hit, struct error *refusal)
{
	const struct lost_object *lost = &reading->lost->items[index];
	uint64_t bytes = lost->bytes;
	uint32_t left = lost->tiny ? lost->tiny : 1;

	for (; *hit < reading->hit_count && reading->hits[*hit].lost == index; ++*hit) {
		const struct hit *found = &reading->hits[*hit];
		uint64_t size = bytes;
		uint32_t row;

		/* an object that has moved in the table meanwhile was found twice */
		if (!left || (*hit && found[-1].object == found->object))
			continue;
		row = row_at(reading, found->row, refusal);
		if (!row)
			return -1;
		if (lost->tiny)
			size = GOALLOC_OBJECT_SIZE(reading->rows->rows[row - 1]->key);
		size = size < bytes ? size : bytes;
		add_item(reading, lost, size, row);
		bytes -= size;
		left--;
	}
	if (left)
		add_item(reading, lost, bytes, 0);
	return 0;
}

int lost_rows_read(struct lost_rows *rows, const struct lost_objects *lost, const struct goalloc_layout *layout,
		   const struct target *target, struct error *refusal)
{
	struct reading reading = {.rows = rows, .lost = lost, .target = target};
	size_t hit = 0;
	int status;

	memset(rows, 0, sizeof(*rows));
	refusal->text[0] = 0;
	target_allow(target);
	for (size_t i = 0; i < lost->count; i++)
		*hash_index_at(&reading.by_address, lost->items[i].address, NULL, NULL, NULL) = i + 1;
	status = find_hits(&reading, layout, refusal);
	target_allow(target);
	if (!status && reading.hit_count)
		qsort(reading.hits, reading.hit_count, sizeof(*reading.hits), compare_hits);
	for (size_t i = 0; i < lost->count && !status; i++)
		status = add_items(&reading, i, &hit, refusal);
	hash_index_free(&reading.by_address);
	hash_index_free(&reading.row_index);
	free(reading.hits);
	return status ? -1 : 0;
}

void lost_rows_free(struct lost_rows *rows)
{
	for (size_t i = 0; i < rows->row_count; i++)
		free(rows->rows[i]);
	free(rows->rows);
	free(rows->items);
}
