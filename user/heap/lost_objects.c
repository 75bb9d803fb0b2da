/* SPDX-License-Identifier: BSD-2-Clause */
#include "heap/lost_objects.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "heap/process_roots.h"
#include "runtime/goalloc_spans.h"
#include "runtime/heap_span.h"

enum {
	STOPS = 10,   /* to find all threads outside of libgoalloc */
	FAILURES = 5, /* of which so many may fail otherwise */
	PAUSE_NS = 1000000,
	OTHER_BYTES = 1 << 30,	   /* of roots and descriptions of spans, at most */
	BYTES_A_SECOND = 16 << 20, /* of its memory are followed on a slow machine */
};

struct lost_search {
	struct lost_objects *lost;
	const struct goalloc_layout *layout;
	struct target *target;
	struct resident *resident;
	int64_t left_ns; /* of the time for which the process may be stopped */
	struct goalloc_objects objects;
	struct heap_image image;
	struct marks *marks;
	bool stopped; /* the last attempt has stopped it */
	bool again;   /* a thread is inside libgoalloc */
	bool last;    /* attempt */
	struct glibc glibc;
	struct error *refusal;
};

static void forget(struct lost_search *search)
{
	marks_free(search->marks);
	search->marks = NULL;
	heap_image_clear(&search->image);
	goalloc_objects_free(&search->objects);
}

/* --- before the stop --- */

/* Asks for as much memory as the copy is likely to take. */
static int reserve(struct lost_search *search, struct error *refusal)
{
	struct goalloc_objects estimated = {0};
	struct heap_span *spans;
	size_t count;
	int status = goalloc_spans_read(search->layout, search->target, &spans, &count, refusal);

	estimated.spans = memory_zeroed(count + 1, sizeof(*estimated.spans));
	for (size_t i = 0; i < count && !status; i++) {
		if (spans[i].state == HEAP_SPAN_IN_USE)
			estimated.spans[estimated.span_count++] =
				(struct goalloc_span){.start = spans[i].start,
						      .limit = spans[i].start + spans[i].pages * GOALLOC_PAGE,
						      .span_class = spans[i].span_class};
	}
	if (!status)
		status = heap_image_reserve(&search->image, heap_image_estimate(&estimated, search->resident),
					    search->lost->memory, refusal);
	if (search->target->reader->spent && !refusal->text[0])
		status = error_set(refusal, STATUS_CANNOT_MEASURE,
				   "finding which of its memory has contents takes too long");
	free(estimated.spans);
	free(spans);
	return status;
}

/* --- during it --- */

/* Of a block from which a cache allocates, all objects may be free. */
static void mark_held_blocks(struct lost_search *search)
{
	const struct goalloc_objects *objects = &search->objects;

	for (size_t i = 0; i < objects->held_count; i++) {
		uint64_t address = objects->held[i];
		const struct goalloc_span *span = goalloc_span_at(objects, address);
		uint64_t index = span ? (address - span->start) / GOALLOC_TINY_BYTES : 0;
		const struct goalloc_block *block =
			span && index < span->elements ? goalloc_block_at(objects, span, (uint32_t)index) : NULL;

		if (block && !block->live)
			marks_set_free(search->marks, address);
	}
}

/* What the debug level keeps of freed objects. */
static int mark_queue(struct lost_search *search)
{
	const struct goalloc_search *published = &search->objects.search;
	size_t length = published->queue ? published->queue_length : 0;
	uint64_t *queue = memory_zeroed(length + 1, sizeof(*queue));
	int status = length ? target_read(search->target, published->queue, queue, length * sizeof(*queue)) : 0;

	for (size_t i = 0; !status && i < length; i++) {
		if (queue[i])
			marks_set_free(search->marks, queue[i]);
	}
	free(queue);
	return status;
}

static int read_stopped(void *context, struct stopped_threads *stopped)
{
	struct lost_search *search = context;
	struct error *refusal = search->refusal;
	struct goalloc_search published;

	search->stopped = true;
	search->lost->stops++;
	/* What was resident before may have changed. */
	resident_forget(search->resident);
	if (target_refresh(search->target, refusal) ||
	    goalloc_search_read(&published, search->layout, search->target, refusal))
		return -1;
	search->again = process_is_inside(search->target, stopped, &published);
	search->lost->inside = search->again;
	if (search->again && !search->last)
		return -1;
	if (goalloc_objects_read(&search->objects, search->layout, search->target, search->lost->memory, refusal) ||
	    heap_image_map(&search->image, &search->objects, search->lost->memory, refusal))
		return -1;
	search->marks = marks_new(&search->image);
	mark_held_blocks(search);
	if (mark_queue(search) || process_roots_mark(search->marks, &search->objects, search->target, stopped,
						     search->resident, &search->glibc))
		return -1;
	return heap_image_copy(&search->image, search->target, search->resident, refusal);
}

/* Stops the process once. */
static int try_once(struct lost_search *search, bool last, struct error *refusal)
{
	int64_t duration;
	int status;

	refusal->text[0] = 0;
	search->refusal = refusal;
	search->last = last;
	search->stopped = search->again = false;
	memory_allow_bytes(search->target->reader, 2 * search->image.reserved + OTHER_BYTES,
			   (double)search->left_ns / 1e9);
	status = stopped_threads_with(search->target, search->left_ns, read_stopped, search, &duration, refusal);
	search->lost->stopped_ns += duration;
	search->left_ns -= duration;
	if (status)
		forget(search);
	return status;
}

static int stop_and_copy(struct lost_search *search, struct error *refusal)
{
	const struct timespec pause = {0, PAUSE_NS};
	int failures = 0;

	for (int i = 1; i <= STOPS; i++) {
		if (try_once(search, i == STOPS, refusal) == 0)
			return 0;
		if (!search->stopped)
			return -1;
		if (search->target->reader->spent || search->left_ns <= 0)
			return error_set(
				refusal, STATUS_CANNOT_MEASURE,
				"copying what may hold references takes longer than it may be stopped (--max-stop)");
		if (!search->again && (refusal->cause || ++failures == FAILURES))
			return -1;
		nanosleep(&pause, NULL);
	}
	return -1;
}

/* --- after it --- */

/* Returns the tiny objects of a lost object, NULL if it is an ordinary one. */
static struct goalloc_block *block_of(const struct lost_search *search, const struct marks_lost *found)
{
	return goalloc_block_at(&search->objects, found->span, found->index);
}

static void count_lost(void *context, const struct marks_lost *found)
{
	struct lost_search *search = context;
	const struct goalloc_block *block = block_of(search, found);

	search->lost->count += block ? block->live : 1;
}

double lost_objects_seconds(const struct lost_objects *lost)
{
	return MEMORY_ELAPSED_SECONDS + (double)lost->memory / BYTES_A_SECOND;
}

static int follow(struct lost_search *search, struct error *refusal)
{
	double seconds = lost_objects_seconds(search->lost);

	if (marks_follow(search->marks, monotonic_ns() + (int64_t)(seconds * 1e9)))
		return error_set(refusal, STATUS_CANNOT_MEASURE, "following its references takes longer than %.0f s",
				 seconds);
	marks_lost(search->marks, count_lost, search);
	return 0;
}

int lost_objects_find(struct lost_objects *lost, const struct goalloc_layout *layout, struct target *target,
		      double seconds, struct error *refusal)
{
	struct lost_search *search = memory_zeroed(1, sizeof(*search));

	memset(lost, 0, sizeof(*lost));
	*search = (struct lost_search){
		.lost = lost, .layout = layout, .target = target, .left_ns = (int64_t)(seconds * 1e9)};
	lost->search = search;
	lost->memory = resident_private(target);
	refusal->text[0] = 0;
	search->resident = resident_new(target);
	if (process_roots_glibc(target, &search->glibc, refusal))
		return -1;
	refusal->text[0] = 0;
	return reserve(search, refusal) || stop_and_copy(search, refusal) || follow(search, refusal) ? -1 : 0;
}

/* A tiny object is found by its block; every other one only by its beginning. */
static bool find(const struct lost_search *search, uint64_t address, struct marks_lost *found)
{
	const struct goalloc_block *block;

	if (!search->marks || !marks_find_lost(search->marks, address, found))
		return false;
	block = block_of(search, found);
	return block ? block->live && !(block->taken >> address % GOALLOC_TINY_BYTES & 1)
		     : address == found->span->start + found->index * found->span->size;
}

bool lost_objects_has(const struct lost_objects *lost, uint64_t address)
{
	struct marks_lost found;

	return find(lost->search, address, &found);
}

bool lost_objects_take(struct lost_objects *lost, uint64_t address, uint64_t requested, struct lost_object *object)
{
	struct lost_search *search = lost->search;
	struct marks_lost found;
	struct goalloc_block *block;

	if (!find(search, address, &found))
		return false;
	*object = (struct lost_object){found.span->size, found.span->span_class, found.indirect};
	block = block_of(search, &found);
	lost->count--;
	if (!block) {
		marks_set_free(search->marks, address);
		return true;
	}
	object->bytes = requested < block->bytes ? requested : block->bytes;
	block->bytes = (uint8_t)(block->bytes - object->bytes);
	block->live--;
	block->taken = (uint16_t)(block->taken | 1u << address % GOALLOC_TINY_BYTES);
	if (!block->live)
		marks_set_free(search->marks, address);
	return true;
}

struct rest {
	const struct lost_search *search;
	struct lost_counts *counts;
};

static void add_rest(void *context, const struct marks_lost *found)
{
	struct rest *rest = context;
	const struct goalloc_block *block = block_of(rest->search, found);

	if (block && !block->live)
		return;
	rest->counts->of[found->span->span_class][found->indirect].objects++;
	rest->counts->of[found->span->span_class][found->indirect].bytes += block ? block->bytes : found->span->size;
}

void lost_objects_rest(const struct lost_objects *lost, struct lost_counts *counts)
{
	struct rest rest = {lost->search, counts};

	memset(counts, 0, sizeof(*counts));
	if (lost->search->marks)
		marks_lost(lost->search->marks, add_rest, &rest);
}

void lost_objects_free(struct lost_objects *lost)
{
	if (!lost->search)
		return;
	forget(lost->search);
	heap_image_free(&lost->search->image);
	resident_free(lost->search->resident);
	free(lost->search);
}
