/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/goalloc_rows.h"

#include <stdlib.h>

#include "base/memory.h"
#include "runtime/runtime.h"

enum {
	CHUNK_ROWS = GOALLOC_ROW_CHUNK - sizeof(struct goalloc_row_chunk),
	CHUNKS_MAX = 96, /* bytes of one heap profile: 96 MiB, 200,000 stacks of 50 frames */
	TRIES = 20,
	OBJECT_BITS = 48, /* of the size of an object */
};

static int refuse(struct error *refusal, const char *field, uint64_t value)
{
	return error_set(refusal, STATUS_CANNOT_MEASURE, "its libgoalloc heap profile has %s = %llu", field,
			 (unsigned long long)value);
}

/* Whether the row at `next` is one; its size is added to *next. */
static int check_row(struct goalloc_rows *rows, size_t *next, struct error *refusal)
{
	struct goalloc_row *row = (struct goalloc_row *)(void *)(rows->bytes + *next);
	size_t left = rows->size - *next;
	uint64_t *counts;

	if (left < sizeof(*row) || row->depth > GOALLOC_STACK_MAX ||
	    row->depth * sizeof(row->pcs[0]) > left - sizeof(*row))
		return refuse(refusal, "depth", left < sizeof(*row) ? 0 : row->depth);
	if (!GOALLOC_OBJECT_SIZE(row->key) || GOALLOC_OBJECT_SIZE(row->key) >> OBJECT_BITS ||
	    GOALLOC_OBJECT_SPAN_CLASS(row->key) >= SPAN_CLASSES)
		return refuse(refusal, "key", row->key);
	counts = row->counts;
	if (counts[GOALLOC_ROW_ALLOCATED] > HEAP_COUNT_MAX || counts[GOALLOC_ROW_FREED] > counts[GOALLOC_ROW_ALLOCATED])
		return refuse(refusal, "more objects freed than allocated, or too many: freed",
			      counts[GOALLOC_ROW_FREED]);
	*next += sizeof(*row) + row->depth * sizeof(row->pcs[0]);
	return 0;
}

/* Appends the rows of a chunk. Its rows end where `used` says, which is read first: what is added later is left out. */
static int read_chunk(struct goalloc_rows *rows, const struct target *target, uint64_t address, uint64_t *next_chunk,
		      struct error *refusal)
{
	struct goalloc_row_chunk head;
	size_t next = rows->size;

	if (target_read(target, address, &head, sizeof(head)))
		return -1;
	if (head.used > CHUNK_ROWS)
		return refuse(refusal, "chunk.used", head.used);
	rows->bytes = memory_resize(rows->bytes, rows->size + head.used + 1, 1);
	if (head.used && target_read(target, address + sizeof(head), rows->bytes + rows->size, head.used))
		return -1;
	rows->size += head.used;
	while (next < rows->size) {
		if (check_row(rows, &next, refusal))
			return -1;
	}
	*next_chunk = head.next;
	return 0;
}

static int read_chunks(struct goalloc_rows *rows, const struct target *target, uint64_t address, struct error *refusal)
{
	rows->size = 0;
	for (int i = 0; address; i++) {
		if (i == CHUNKS_MAX)
			return refuse(refusal, "more chunks than", CHUNKS_MAX);
		if (read_chunk(rows, target, address, &address, refusal))
			return -1;
	}
	return 0;
}

/* Reads until nothing changed meanwhile. After some tries, or when another would not fit into the reader's budget, takes what
 * there is, and says how much did. */
int goalloc_rows_read(struct goalloc_rows *rows, const struct goalloc_layout *layout, const struct target *target,
		      struct error *refusal)
{
	struct goalloc_heap_profile before, after;

	*rows = (struct goalloc_rows){0};
	refusal->text[0] = 0;
	if (!layout->heap_profile)
		return 0;
	if (target_read(target, layout->heap_profile, &before, sizeof(before)))
		return -1;
	for (int i = 0; i < TRIES && before.rate; i++, before = after) {
		if (read_chunks(rows, target, before.chunks, refusal) ||
		    target_read(target, layout->heap_profile, &after, sizeof(after)))
			return -1;
		rows->changed = (after.sequence + 1) / 2 - before.sequence / 2;
		if (!rows->changed || target->reader->bytes < 2 * rows->size)
			break;
	}
	rows->rate = before.rate;
	rows->lost = before.lost;
	if (before.rate > (UINT64_C(1) << 40) || before.lost > HEAP_COUNT_MAX)
		return refuse(refusal, before.lost > HEAP_COUNT_MAX ? "lost" : "rate",
			      before.lost > HEAP_COUNT_MAX ? before.lost : before.rate);
	return 0;
}

const struct goalloc_row *goalloc_rows_next(struct goalloc_rows *rows)
{
	const struct goalloc_row *row;

	if (rows->next == rows->size)
		return NULL;
	row = (const struct goalloc_row *)(void *)(rows->bytes + rows->next);
	rows->next += sizeof(*row) + row->depth * sizeof(row->pcs[0]);
	return row;
}

void goalloc_rows_free(struct goalloc_rows *rows)
{
	free(rows->bytes);
}
