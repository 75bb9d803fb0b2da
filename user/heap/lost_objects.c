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
	OTHER_BYTES = 1 << 30, /* of roots and descriptions of spans, at most */
};

struct search {
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

static void forget(struct search *search)
{
	marks_free(search->marks);
	search->marks = NULL;
	heap_image_clear(&search->image);
	goalloc_objects_free(&search->objects);
}

/* --- before the stop --- */

/* Asks for as much memory as the copy is likely to take. */
static int reserve(struct search *search, struct error *refusal)
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
		status = heap_image_reserve(&search->image, heap_image_estimate(&estimated, search->resident), refusal);
	free(estimated.spans);
	free(spans);
	return status;
}

/* --- during it --- */

static const struct goalloc_span *span_of(const struct search *search, uint64_t address)
{
	uint32_t span = heap_image_covers(&search->image, address) ? heap_image_page(&search->image, address)->span : 0;

	return span ? &search->objects.spans[span - 1] : NULL;
}

/* Of a block from which a cache allocates, all objects may be free. */
static int mark_held_blocks(struct search *search)
{
	for (size_t i = 0; i < search->objects.held_count; i++) {
		uint64_t block = search->objects.held[i];
		const struct goalloc_span *span = span_of(search, block);
		int count = span ? goalloc_tiny_count(span, (uint32_t)((block - span->start) / GOALLOC_TINY_BYTES),
						      search->target)
				 : 0;

		if (count < 0)
			return -1;
		if ((count & 0xff) == 1)
			marks_set_free(search->marks, block);
	}
	return 0;
}

/* What the debug level keeps of freed objects. */
static int mark_queue(struct search *search)
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
	struct search *search = context;
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
	if (goalloc_objects_read(&search->objects, search->layout, search->target, refusal) ||
	    heap_image_map(&search->image, &search->objects, refusal))
		return -1;
	search->marks = marks_new(&search->image);
	if (mark_held_blocks(search) || mark_queue(search) ||
	    process_roots_mark(search->marks, &search->objects, search->target, stopped, search->resident,
			       &search->glibc))
		return -1;
	return heap_image_copy(&search->image, search->target, search->resident, refusal);
}

/* Stops the process once. */
static int try_once(struct search *search, bool last, struct error *refusal)
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

static int stop_and_copy(struct search *search, struct error *refusal)
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

static void take_lost(void *context, const struct goalloc_span *span, uint32_t index, bool indirect)
{
	struct search *search = context;
	struct lost_objects *lost = search->lost;
	struct lost_object object = {.address = span->start + index * span->size,
				     .bytes = span->size,
				     .span_class = span->span_class,
				     .indirect = indirect};
	int count = goalloc_tiny_count(span, index, search->target);

	if (count > 0) {
		object.tiny = (uint32_t)(count & 0xff) - goalloc_block_is_held(&search->objects, object.address);
		object.bytes = (uint32_t)count >> 8;
	}
	if (lost->count == lost->capacity) {
		lost->capacity = 2 * lost->capacity + 1024;
		lost->items = memory_resize(lost->items, lost->capacity, sizeof(*lost->items));
	}
	lost->items[lost->count++] = object;
}

int lost_objects_find(struct lost_objects *lost, const struct goalloc_layout *layout, struct target *target,
		      double seconds, struct error *refusal)
{
	struct search search = {.lost = lost, .layout = layout, .target = target, .left_ns = (int64_t)(seconds * 1e9)};
	int status;

	memset(lost, 0, sizeof(*lost));
	refusal->text[0] = 0;
	search.resident = resident_new(target);
	search.glibc = process_roots_glibc(target);
	status = reserve(&search, refusal) || stop_and_copy(&search, refusal) ? -1 : 0;
	if (!status) {
		marks_follow(search.marks);
		target_allow(target);
		marks_lost(search.marks, take_lost, &search);
	}
	forget(&search);
	heap_image_free(&search.image);
	resident_free(search.resident);
	return status;
}

void lost_objects_free(struct lost_objects *lost)
{
	free(lost->items);
}
