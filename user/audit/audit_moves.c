/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/audit_moves.h"

#include <stdlib.h>
#include <string.h>

#include "audit/audit_calls.h"
#include "base/memory.h"
#include "base/search.h"
#include "escape/escape_files.h"
#include "profile/frames.h"

static int by_key(const void *a, const void *b)
{
	const struct audit_move *x = a, *y = b;

	if (x->file != y->file)
		return (uintptr_t)x->file < (uintptr_t)y->file ? -1 : 1;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

static void append(struct move_table *table, const char *file, uint64_t key, size_t place)
{
	if (table->count == table->capacity) {
		table->capacity = table->capacity ? 2 * table->capacity : 64;
		table->list = memory_resize(table->list, table->capacity, sizeof(*table->list));
	}
	table->list[table->count++] = (struct audit_move){file, key, (uint32_t)place};
}

/* An explanation may pass a line several times. */
static void sort(struct move_table *table)
{
	size_t kept = 0;

	if (table->count)
		qsort(table->list, table->count, sizeof(*table->list), by_key);
	for (size_t i = 0; i < table->count; i++) {
		if (!kept || by_key(&table->list[kept - 1], &table->list[i]) != 0)
			table->list[kept++] = table->list[i];
	}
	table->count = kept;
}

static void add_lines(struct move_table *table, const struct escape_annotation *annotation, const char *file,
		      size_t place)
{
	for (uint32_t i = 0; i < annotation->flow_count; i++) {
		const struct escape_flow *flow = &annotation->flows[i];

		for (uint32_t j = 0; j < flow->step_count; j++) {
			if (flow->steps[j].line && strcmp(flow->steps[j].file, annotation->file) == 0)
				append(table, file, flow->steps[j].line, place);
		}
	}
}

static void add_function(struct move_table *table, const char *name, const char *file, size_t place)
{
	const char *dot = escape_instance_dot(name);

	append(table, file, frames_plain_hash(name), place);
	if (dot)
		append(table, file, frames_plain_hash(dot + 1), place);
}

struct audit_moves *audit_moves_new(const struct escape_output *output, const struct audit_index *index)
{
	static const struct call move = {.family = CALL_MOVE};
	const struct audit_positions all = audit_index_all(index);
	struct audit_moves *moves = memory_zeroed(1, sizeof(*moves));

	moves->index = index;
	for (size_t i = 0; i < all.count; i++) {
		const struct escape_annotation *annotation = &output->annotations[all.first[i].annotation];
		const char *file;

		if (annotation->kind != ESCAPE_ESCAPES || !call_fits(&move, annotation))
			continue;
		file = audit_index_annotated_file(index, annotation->file);
		add_lines(&moves->by_line, annotation, file, i);
		if (annotation->function)
			add_function(&moves->by_function, annotation->function, file, i);
	}
	sort(&moves->by_line);
	sort(&moves->by_function);
	return moves;
}

void audit_moves_free(struct audit_moves *moves)
{
	if (!moves)
		return;
	free(moves->by_line.list);
	free(moves->by_function.list);
	free(moves);
}

static bool is_before(const void *list, size_t index, const void *key)
{
	return by_key((const struct audit_move *)list + index, key) < 0;
}

static struct audit_moved find(const struct audit_moves *moves, const struct move_table *table,
			       const struct profile_frame *frame, uint64_t key)
{
	struct audit_move first = {.file = audit_index_file(moves->index, frame->file), .key = key};
	struct audit_move last = {.file = first.file, .key = key, .place = UINT32_MAX};
	size_t low, high;

	if (!first.file || !table->count)
		return (struct audit_moved){NULL, 0};
	low = search_place(0, table->count, is_before, table->list, &first);
	high = search_place(low, table->count, is_before, table->list, &last);
	return (struct audit_moved){table->list + low, high - low};
}

struct audit_moved audit_moves_at_line(const struct audit_moves *moves, const struct profile_frame *frame)
{
	return find(moves, &moves->by_line, frame, frame->line);
}

struct audit_moved audit_moves_in_function(const struct audit_moves *moves, const struct profile_frame *frame)
{
	if (!frame->function)
		return (struct audit_moved){NULL, 0};
	return find(moves, &moves->by_function, frame, frames_plain_hash(frames_local_name(frame->function)));
}
