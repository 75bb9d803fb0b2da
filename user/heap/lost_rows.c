/* SPDX-License-Identifier: BSD-2-Clause */
#include "heap/lost_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash_index.h"
#include "base/memory.h"
#include "target/resident.h"

enum {
	PASSES = 8, /* over the table, which the running process may change meanwhile */
	SLOTS_AT_ONCE = 1 << 16,
	/* What may be read beside a share of the process's memory, in which all of it is if it is honest. */
	SLOTS_FREE = 1 << 22,
	ROWS_FREE = 1 << 15,
	ROWS_MAX = 1 << 20,
	ROW_BYTES_FREE = 32 << 20,
};

/* What is lost of a row; the second item: indirectly. */
struct count {
	uint64_t objects[2], bytes[2];
};

struct reading {
	struct lost_rows *rows;
	struct lost_objects *lost;
	const struct target *target;
	struct hash_index row_index; /* rows by address: index + 1 */
	struct count *counts;	     /* by row */
	size_t row_capacity;
	uint64_t row_bytes;
	uint64_t memory; /* bytes that the process has by now: its table may have grown */
};

static int refuse(struct error *refusal, const char *field, uint64_t value)
{
	return error_set(refusal, STATUS_CANNOT_MEASURE, "its libgoalloc heap profile has %s = %llu", field,
			 (unsigned long long)value);
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

/* Makes room for one more row of so many bytes. */
static int make_room(struct reading *reading, uint64_t bytes, struct error *refusal)
{
	struct lost_rows *rows = reading->rows;
	uint64_t memory = reading->memory;

	reading->row_bytes += bytes;
	if (rows->row_count == ROWS_MAX || rows->row_count >= ROWS_FREE + memory / sizeof(struct goalloc_row))
		return refuse(refusal, "more rows than", rows->row_count);
	if (reading->row_bytes > ROW_BYTES_FREE + memory / 2)
		return refuse(refusal, "bytes of rows", reading->row_bytes);
	if (rows->row_count == reading->row_capacity) {
		reading->row_capacity = 2 * reading->row_capacity + 256;
		rows->rows = memory_resize(rows->rows, reading->row_capacity, sizeof(*rows->rows));
		reading->counts = memory_resize(reading->counts, reading->row_capacity, sizeof(*reading->counts));
	}
	return 0;
}

/* Returns the row's index + 1, which is read if it is new; 0 on failure. */
static uint32_t row_at(struct reading *reading, uint64_t address, struct error *refusal)
{
	struct lost_rows *rows = reading->rows;
	uint64_t known = hash_index_get(&reading->row_index, address, NULL, NULL, NULL);
	struct goalloc_row head, *row;

	if (known)
		return (uint32_t)known;
	if (target_read(reading->target, address, &head, sizeof(head)) || check_row(&head, refusal) ||
	    make_room(reading, sizeof(head) + head.depth * sizeof(row->pcs[0]), refusal))
		return 0;
	row = memory_zeroed(1, sizeof(head) + head.depth * sizeof(row->pcs[0]));
	*row = head;
	if (head.depth &&
	    target_read(reading->target, address + sizeof(head), row->pcs, head.depth * sizeof(row->pcs[0]))) {
		free(row);
		return 0;
	}
	reading->counts[rows->row_count] = (struct count){0};
	rows->rows[rows->row_count++] = row;
	*hash_index_at(&reading->row_index, address, NULL, NULL, NULL) = rows->row_count;
	return (uint32_t)rows->row_count;
}

/* --- the table --- */

static int look_up(struct reading *reading, const struct goalloc_object_slot *slot, struct error *refusal)
{
	struct lost_object object;
	struct count *count;
	uint32_t row;

	if (!lost_objects_has(reading->lost, slot->object))
		return 0;
	row = row_at(reading, slot->row, refusal);
	if (!row)
		return -1;
	if (!lost_objects_take(reading->lost, slot->object, GOALLOC_OBJECT_SIZE(reading->rows->rows[row - 1]->key),
			       &object))
		return 0;
	count = &reading->counts[row - 1];
	count->objects[object.indirect]++;
	count->bytes[object.indirect] += object.bytes;
	return 0;
}

static int read_table(struct reading *reading, uint64_t pointer, struct error *refusal)
{
	struct goalloc_object_slot *slots;
	uint64_t table, capacity = 0;
	int status = 0;

	if (target_read(reading->target, pointer, &table, sizeof(table)) ||
	    (table && target_read(reading->target, table, &capacity, sizeof(capacity))))
		return -1;
	reading->memory = resident_private(reading->target);
	if (capacity > SLOTS_FREE + reading->memory / sizeof(*slots))
		return refuse(refusal, "slots", capacity);
	slots = memory_allocate(SLOTS_AT_ONCE * sizeof(*slots));
	for (uint64_t i = 0, count; !status && i < capacity; i += count) {
		count = capacity - i < SLOTS_AT_ONCE ? capacity - i : SLOTS_AT_ONCE;
		status = target_read(reading->target,
				     table + offsetof(struct goalloc_object_slots, slots) + i * sizeof(*slots), slots,
				     count * sizeof(*slots));
		for (uint64_t j = 0; !status && j < count; j++) {
			if (slots[j].object)
				status = look_up(reading, &slots[j], refusal);
		}
	}
	free(slots);
	return status;
}

/* Reads the table again where it was changed meanwhile, and does not have all objects, as long as that finds more: an object that
 * moves to a place that has been read is missed by one reading, and the next one finds it. */
static int find_rows(struct reading *reading, const struct goalloc_layout *layout, struct error *refusal)
{
	struct lost_objects *lost = reading->lost;
	struct goalloc_heap_profile before, after = {0};
	struct goalloc_search search;
	int status = -1;

	if (goalloc_search_read(&search, layout, reading->target, refusal))
		return -1;
	memory_allow_bytes(reading->target->reader, UINT64_MAX, lost_objects_seconds(lost));
	for (int i = 0; i < PASSES; i++) {
		uint64_t left = lost->count;

		if (target_read(reading->target, layout->heap_profile, &before, sizeof(before)))
			return -1;
		reading->rows->rate = before.rate;
		if (!before.rate || !lost->count)
			return 0;
		refusal->text[0] = 0;
		status = read_table(reading, search.objects, refusal);
		if (target_read(reading->target, layout->heap_profile, &after, sizeof(after)))
			return -1;
		reading->rows->unsettled = after.sequence != before.sequence && lost->count;
		if (!status && (!reading->rows->unsettled || (i && lost->count == left)))
			break;
	}
	return status;
}

/* --- what is lost of each --- */

static void add_item(struct lost_rows *rows, uint64_t objects, uint64_t bytes, size_t row, unsigned span_class,
		     bool indirect)
{
	if (objects)
		rows->items[rows->count++] =
			(struct lost_item){objects, bytes, (uint32_t)row, (uint8_t)span_class, indirect};
}

static void make_items(struct reading *reading)
{
	struct lost_rows *rows = reading->rows;
	struct lost_counts rest;

	lost_objects_rest(reading->lost, &rest);
	rows->items = memory_zeroed(2 * (rows->row_count + SPAN_CLASSES), sizeof(*rows->items));
	for (int indirect = 0; indirect < 2; indirect++) {
		for (size_t i = 0; i < rows->row_count; i++)
			add_item(rows, reading->counts[i].objects[indirect], reading->counts[i].bytes[indirect], i + 1,
				 GOALLOC_OBJECT_SPAN_CLASS(rows->rows[i]->key), indirect);
		for (unsigned i = 0; i < SPAN_CLASSES; i++)
			add_item(rows, rest.of[i][indirect].objects, rest.of[i][indirect].bytes, 0, i, indirect);
	}
}

int lost_rows_read(struct lost_rows *rows, struct lost_objects *lost, const struct goalloc_layout *layout,
		   const struct target *target, struct error *refusal)
{
	struct reading reading = {.rows = rows, .lost = lost, .target = target};
	int status;

	memset(rows, 0, sizeof(*rows));
	refusal->text[0] = 0;
	target_allow(target);
	status = find_rows(&reading, layout, refusal);
	if (!status)
		make_items(&reading);
	hash_index_free(&reading.row_index);
	free(reading.counts);
	return status ? -1 : 0;
}

void lost_rows_free(struct lost_rows *rows)
{
	for (size_t i = 0; i < rows->row_count; i++)
		free(rows->rows[i]);
	free(rows->rows);
	free(rows->items);
}
