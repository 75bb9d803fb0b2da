/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See marks.h.
 *
 * An object's page, its bit and its copy are in different cache lines, which are rarely in the cache. Therefore references pass
 * through a short queue between the moment that these lines are requested and the moment that they are used.
 */
#include "heap/marks.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

enum {
	STEPS = 4096,	   /* between two looks at the time */
	SCAN_BYTES = 1024, /* of an object that are looked at at a time, so that a long one does not fill the list */
	QUEUE_LENGTH = 16,
};

/* A part of an object that is to be looked at; `bit`: the object's number. */
struct reference {
	uint64_t start, limit;
	uint64_t bit;
	bool scans, used;
};

struct part {
	uint64_t start, limit;
};

struct marks {
	const struct heap_image *image;
	/* Bits by object. reached: by a root, or free. visited, indirect: in the second pass, of those not reached. */
	uint64_t *reached, *visited, *indirect;
	uint64_t lost; /* second pass: number of the object that is followed, + 1; 0 in the first */
	struct reference queue[QUEUE_LENGTH];
	unsigned queue_at;
	struct part *work;
	size_t work_count, work_capacity;
	const struct goalloc_span **spans; /* all objects of which are to be marked */
	size_t span_count, span_capacity;
	int64_t deadline_ns;
	unsigned steps; /* since the time was looked at */
	bool late;
};

static bool is_set(const uint64_t *bits, uint64_t bit)
{
	return bits[bit / 64] >> bit % 64 & 1;
}

/* Returns whether it was set. */
static bool set_bit(uint64_t *bits, uint64_t bit)
{
	uint64_t mask = UINT64_C(1) << bit % 64;
	bool was = bits[bit / 64] & mask;

	bits[bit / 64] |= mask;
	return was;
}

struct marks *marks_new(const struct heap_image *image)
{
	struct marks *marks = memory_zeroed(1, sizeof(*marks));
	size_t words = image->objects->number / 64 + 1;

	marks->image = image;
	marks->reached = memory_zeroed(words, sizeof(*marks->reached));
	marks->visited = memory_zeroed(words, sizeof(*marks->visited));
	marks->indirect = memory_zeroed(words, sizeof(*marks->indirect));
	if (image->objects->number)
		memcpy(marks->reached, image->objects->free, image->objects->number / 8);
	return marks;
}

void marks_free(struct marks *marks)
{
	if (!marks)
		return;
	free(marks->reached);
	free(marks->visited);
	free(marks->indirect);
	free(marks->work);
	free(marks->spans);
	free(marks);
}

/* --- references --- */

/* Finds the object that the address points into. */
static inline bool find_object(const struct marks *marks, uint64_t address, struct reference *found)
{
	const struct heap_image *image = marks->image;
	uint32_t span_index, index;
	const struct goalloc_span *span;

	if (!heap_image_covers(image, address))
		return false;
	span_index = heap_image_span(image, address);
	if (!span_index)
		return false;
	span = &image->objects->spans[span_index - 1];
	/* a span of several objects is short: 32 bits are enough for an offset, and faster to divide */
	index = span->elements == 1 ? 0 : (uint32_t)(address - span->start) / (uint32_t)span->size;
	if (index >= span->elements)
		return false;
	found->start = span->start + index * span->size;
	found->limit = found->start + span->size;
	found->bit = span->first + index;
	found->scans = goalloc_span_scans(span);
	return true;
}

static void push(struct marks *marks, uint64_t start, uint64_t limit)
{
	if (marks->work_count == marks->work_capacity) {
		marks->work_capacity = 2 * marks->work_capacity + 4096;
		marks->work = memory_resize(marks->work, marks->work_capacity, sizeof(*marks->work));
	}
	marks->work[marks->work_count++] = (struct part){start, limit};
}

static void mark(struct marks *marks, const struct reference *object)
{
	if (!marks->lost) {
		if (set_bit(marks->reached, object->bit))
			return;
	} else {
		if (is_set(marks->reached, object->bit) || object->bit == marks->lost - 1)
			return;
		set_bit(marks->indirect, object->bit);
		if (set_bit(marks->visited, object->bit))
			return;
	}
	if (object->scans)
		push(marks, object->start, object->limit);
}

/* Queues what a word refers to, if it does, and marks the oldest of the queue instead. */
static inline void note_word(struct marks *marks, uint64_t word)
{
	struct reference *slot = &marks->queue[marks->queue_at % QUEUE_LENGTH], oldest = *slot, found;

	if (!find_object(marks, word, &found))
		return;
	__builtin_prefetch(&(marks->lost ? marks->visited : marks->reached)[found.bit / 64], 1);
	if (found.scans) {
		const uint64_t *words = heap_image_words(marks->image, found.start);

		if (words)
			__builtin_prefetch(words);
	}
	found.used = true;
	*slot = found;
	marks->queue_at++;
	if (oldest.used)
		mark(marks, &oldest);
}

static void empty_queue(struct marks *marks)
{
	for (unsigned i = 0; i < QUEUE_LENGTH; i++) {
		struct reference object = marks->queue[i];

		marks->queue[i].used = false;
		if (object.used)
			mark(marks, &object);
	}
}

void marks_words(struct marks *marks, const uint64_t *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		note_word(marks, words[i]);
	empty_queue(marks);
}

void marks_span(struct marks *marks, const struct goalloc_span *span)
{
	if (marks->span_count == marks->span_capacity) {
		marks->span_capacity = 2 * marks->span_capacity + 64;
		marks->spans = memory_resize(marks->spans, marks->span_capacity, sizeof(*marks->spans));
	}
	marks->spans[marks->span_count++] = span;
}

void marks_set_free(struct marks *marks, uint64_t address)
{
	struct reference object;

	if (find_object(marks, address, &object))
		set_bit(marks->reached, object.bit);
}

uint64_t marks_object_end(const struct marks *marks, uint64_t address)
{
	struct reference object;

	return find_object(marks, address, &object) ? object.limit : 0;
}

/* --- following --- */

static bool is_late(struct marks *marks)
{
	if (!marks->late && ++marks->steps % STEPS == 0)
		marks->late = monotonic_ns() > marks->deadline_ns;
	return marks->late;
}

/* Looks at the words of a part of an object, page by page: copies of neighbours need not be neighbours. */
static void scan(struct marks *marks, uint64_t start, uint64_t limit)
{
	for (uint64_t end; start < limit; start = end) {
		const uint64_t *words = heap_image_words(marks->image, start);

		end = (start / GOALLOC_PAGE + 1) * GOALLOC_PAGE;
		end = end < limit ? end : limit;
		for (size_t i = 0; words && i < (end - start) / sizeof(*words); i++)
			note_word(marks, words[i]);
	}
}

static void drain(struct marks *marks)
{
	while ((marks->work_count || (empty_queue(marks), marks->work_count)) && !is_late(marks)) {
		struct part part = marks->work[--marks->work_count];
		uint64_t end;

		/* most of a long object may never have been written */
		if (part.limit - part.start > GOALLOC_PAGE)
			part.start = heap_image_next_copy(marks->image, part.start);
		if (part.start >= part.limit)
			continue;
		end = part.limit - part.start > SCAN_BYTES ? part.start + SCAN_BYTES : part.limit;
		if (end < part.limit)
			push(marks, end, part.limit);
		scan(marks, part.start, end);
	}
}

/* Whether any of an object was copied: the others have nothing to follow. */
static bool has_copy(const struct heap_image *image, uint64_t start, uint64_t limit)
{
	if (limit - start > GOALLOC_PAGE)
		return heap_image_next_copy(image, start) < limit;
	return heap_image_words(image, start) || heap_image_words(image, limit - 1);
}

/* Follows the references of each lost object that no other lost one has led to before. */
static void follow_lost(struct marks *marks, const struct goalloc_span *span)
{
	for (uint32_t i = 0; i < span->elements && !is_late(marks); i++) {
		uint64_t bit = span->first + i, start;

		if (is_set(marks->reached, bit) || set_bit(marks->visited, bit) || !goalloc_span_scans(span))
			continue;
		start = span->start + i * span->size;
		if (!has_copy(marks->image, start, start + span->size))
			continue;
		marks->lost = bit + 1;
		push(marks, start, start + span->size);
		drain(marks);
	}
}

static void mark_span(struct marks *marks, const struct goalloc_span *span)
{
	for (uint32_t i = 0; i < span->elements && !is_late(marks); i++) {
		note_word(marks, span->start + i * span->size);
		drain(marks);
	}
}

int marks_follow(struct marks *marks, int64_t deadline_ns)
{
	const struct goalloc_objects *objects = marks->image->objects;

	marks->deadline_ns = deadline_ns;
	drain(marks);
	for (size_t i = 0; i < marks->span_count; i++)
		mark_span(marks, marks->spans[i]);
	for (size_t i = 0; i < objects->span_count && !is_late(marks); i++)
		follow_lost(marks, &objects->spans[i]);
	return marks->late ? -1 : 0;
}

bool marks_find_lost(const struct marks *marks, uint64_t address, struct marks_lost *lost)
{
	struct reference object;

	if (!find_object(marks, address, &object) || is_set(marks->reached, object.bit))
		return false;
	lost->span = &marks->image->objects->spans[heap_image_span(marks->image, address) - 1];
	lost->index = (uint32_t)(object.bit - lost->span->first);
	lost->indirect = is_set(marks->indirect, object.bit);
	return true;
}

void marks_lost(const struct marks *marks, void (*visit)(void *context, const struct marks_lost *lost), void *context)
{
	const struct goalloc_objects *objects = marks->image->objects;

	for (size_t i = 0; i < objects->span_count; i++) {
		const struct goalloc_span *span = &objects->spans[i];

		for (uint32_t j = 0; j < span->elements; j++) {
			struct marks_lost lost = {span, j, false};

			if (is_set(marks->reached, span->first + j))
				continue;
			lost.indirect = is_set(marks->indirect, span->first + j);
			visit(context, &lost);
		}
	}
}
