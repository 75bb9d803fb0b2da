/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/goalloc_spans.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/unaligned.h"
#include "goalloc_contract.h"

enum { SPANS_MAX = 1 << 20, TRIES = 8 };

#define ADDRESS_MAX (UINT64_C(1) << 48)

static const uint8_t states[] = {
	[GOALLOC_STATE_FREE] = HEAP_SPAN_FREE,
	[GOALLOC_STATE_SMALL] = HEAP_SPAN_IN_USE,
	[GOALLOC_STATE_LARGE] = HEAP_SPAN_IN_USE,
	[GOALLOC_STATE_STACKS] = HEAP_SPAN_MANUAL,
};

static int take_span(const struct goalloc_layout *layout, const uint8_t *raw, struct heap_span *span,
		     struct error *refusal)
{
	uint8_t state = raw[layout->span_state];

	*span = (struct heap_span){
		.start = load_u64(raw + layout->span_base),
		.pages = load_u64(raw + layout->span_pages),
		.state = state < sizeof(states) ? states[state] : HEAP_SPAN_DEAD,
	};
	if (span->state == HEAP_SPAN_DEAD)
		return 0;
	if (span->state == HEAP_SPAN_IN_USE)
		span->span_class = raw[layout->span_class];
	if (span->state == HEAP_SPAN_FREE)
		span->released = load_u64(raw + layout->span_released);
	if (span->span_class >= SPAN_CLASSES || span->start % GOALLOC_PAGE || span->start >= ADDRESS_MAX ||
	    span->pages > ADDRESS_MAX / GOALLOC_PAGE || span->released > span->pages)
		return error_set(
			refusal, STATUS_CANNOT_MEASURE,
			"its libgoalloc has a span at %#llx of %llu pages, state %u, class %u, %llu pages released",
			(unsigned long long)span->start, (unsigned long long)span->pages, state, span->span_class,
			(unsigned long long)span->released);
	span->element_size = layout->class_sizes[span->span_class / 2];
	if (span->state == HEAP_SPAN_IN_USE && !span->element_size)
		span->element_size = span->pages * GOALLOC_PAGE;
	if (span->element_size)
		span->elements = (uint32_t)(span->pages * GOALLOC_PAGE / span->element_size);
	return 0;
}

/* Reads it again if it is inconsistent, because the process may be changing it. */
static int read_span(const struct goalloc_layout *layout, const struct target *target, struct memory_blocks *memory,
		     uint64_t address, uint8_t *raw, size_t size, struct heap_span *span, struct error *refusal)
{
	if (memory_blocks_read(memory, address, raw, size))
		return -1;
	for (int i = 0; take_span(layout, raw, span, refusal); i++) {
		if (i == TRIES || target_read(target, address, raw, size))
			return -1;
	}
	refusal->text[0] = 0;
	return 0;
}

/* Bytes of a span that have all fields. */
static size_t size_of(const struct goalloc_layout *layout)
{
	const uint32_t ends[] = {layout->span_base + 8,	    layout->span_link + 8,  layout->span_pages + 8,
				 layout->span_released + 8, layout->span_state + 1, layout->span_class + 1};
	size_t size = 0;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		size = ends[i] > size ? ends[i] : size;
	return size;
}

/* Follows the list; dead spans are steps, too. */
int goalloc_spans_walk(const struct goalloc_layout *layout, const struct target *target, struct memory_blocks *memory,
		       size_t least, goalloc_span_visitor *visit, void *context, struct error *refusal)
{
	size_t size = size_of(layout);
	uint8_t raw[GOALLOC_SPAN_MAX];
	uint64_t address;

	size = size > least ? size : least;
	if (!layout->spans)
		return error_set(refusal, STATUS_CANNOT_MEASURE,
				 "its libgoalloc is of an earlier version, which does not publish its spans");
	if (target_read(target, layout->spans, &address, sizeof(address)))
		return -1;
	for (int steps = 0; address; steps++) {
		struct heap_span span;

		if (steps == SPANS_MAX)
			return error_set(refusal, STATUS_CANNOT_MEASURE,
					 "its libgoalloc description leads by span_link to more than %d spans",
					 SPANS_MAX);
		if (read_span(layout, target, memory, address, raw, size, &span, refusal))
			return -1;
		if (span.state != HEAP_SPAN_DEAD && visit(context, address, raw, &span, refusal))
			return -1;
		address = load_u64(raw + layout->span_link);
	}
	return 0;
}

/* A list of spans while they are read. */
struct span_list {
	struct heap_span *items;
	size_t count, capacity;
};

static int take(void *context, uint64_t address, const uint8_t *raw, const struct heap_span *span,
		struct error *refusal)
{
	struct span_list *list = context;

	(void)address, (void)raw, (void)refusal;
	if (list->count == list->capacity) {
		list->capacity = 2 * list->capacity + 64;
		list->items = memory_resize(list->items, list->capacity, sizeof(*list->items));
	}
	list->items[list->count++] = *span;
	return 0;
}

int goalloc_spans_read(const struct goalloc_layout *layout, const struct target *target, struct heap_span **items,
		       size_t *count, struct error *refusal)
{
	struct memory_blocks *memory;
	struct span_list list = {0};
	int status;

	refusal->text[0] = 0;
	target_allow(target);
	memory = memory_blocks_new(target->reader);
	status = goalloc_spans_walk(layout, target, memory, 0, take, &list, refusal);
	*items = list.items;
	*count = list.count;
	memory_blocks_free(memory);
	if (status && target->reader->spent && !refusal->text[0])
		error_set(refusal, STATUS_CANNOT_MEASURE, "reading the spans of its libgoalloc takes too long");
	if (*count)
		qsort(*items, *count, sizeof(**items), heap_span_compare);
	return status;
}
