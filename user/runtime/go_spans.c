/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/go_spans.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/unaligned.h"
#include "profile/profile.h"
#include "runtime/go_code.h"
#include "target/memory_blocks.h"

enum {
	SPANS_MAX = 16 << 20, /* of 8 KiB at least: 128 GiB of small objects */
	SPAN_READ = 160,
	TRIES = 8,
	ELEMENTS_MAX = 1 << 16,
};

#define ADDRESS_MAX (UINT64_C(1) << 48)

void go_spans_init(struct go_spans *spans, const struct go_binary *binary, uint64_t bias)
{
	uint64_t all = go_code_all_spans(binary);

	spans->layout = binary->version->heap;
	spans->all = all ? all + bias : 0;
}

/* What Go's runtime stores (src/runtime/mheap.go: mSpanState) is the same number. */
_Static_assert(HEAP_SPAN_DEAD == 0 && HEAP_SPAN_IN_USE == 1 && HEAP_SPAN_MANUAL == 2,
	       "as mSpanDead, mSpanInUse, mSpanManual");

/* nelems became 16 bits wide when it moved before offset 56. */
static uint64_t elements_of(const struct go_heap_layout *layout, const uint8_t *raw)
{
	return layout->span_elements < 56 ? load_u16(raw + layout->span_elements)
					  : load_u64(raw + layout->span_elements);
}

static int take_span(const struct go_heap_layout *layout, const uint8_t *raw, struct heap_span *span,
		     struct error *refusal)
{
	uint64_t elements = elements_of(layout, raw);

	span->start = load_u64(raw + layout->span_start);
	span->pages = load_u64(raw + layout->span_pages);
	span->span_class = raw[layout->span_class];
	span->state = raw[layout->span_class + 1];
	if (span->state != HEAP_SPAN_IN_USE) /* what it holds of objects is left over from before */
		elements = 0;
	span->elements = (uint32_t)elements;
	span->allocated = elements ? load_u16(raw + layout->span_alloc_count) : 0;
	span->element_size = elements ? load_u64(raw + layout->span_element_size) : 0;
	if (span->state == HEAP_SPAN_DEAD ||
	    (span->state <= HEAP_SPAN_MANUAL && span->span_class < SPAN_CLASSES && span->start % GO_PAGE_SIZE == 0 &&
	     span->start < ADDRESS_MAX && span->pages <= ADDRESS_MAX / GO_PAGE_SIZE && elements <= ELEMENTS_MAX &&
	     span->allocated <= elements && span->element_size <= span->pages * GO_PAGE_SIZE))
		return 0;
	return error_set(refusal, STATUS_CANNOT_MEASURE,
			 "its Go runtime has a span at %#llx of %llu pages, state %u, class %u, %u of %llu objects of "
			 "%llu bytes",
			 (unsigned long long)span->start, (unsigned long long)span->pages, span->state,
			 span->span_class, span->allocated, (unsigned long long)elements,
			 (unsigned long long)span->element_size);
}

/* Reads it again if it is inconsistent, because the process may be initialising it. */
static int read_span(const struct go_spans *spans, const struct target *target, struct memory_blocks *memory,
		     uint64_t address, struct heap_span *span, struct error *refusal)
{
	uint8_t raw[SPAN_READ];

	if (memory_blocks_read(memory, address, raw, sizeof(raw)))
		return -1;
	for (int i = 0; take_span(&spans->layout, raw, span, refusal); i++) {
		if (i == TRIES || target_read(target, address, raw, sizeof(raw)))
			return -1;
	}
	refusal->text[0] = 0;
	return 0;
}

int go_spans_read(const struct go_spans *spans, const struct target *target, struct heap_span **items, size_t *count,
		  struct error *refusal)
{
	uint64_t slice[2], *addresses;
	struct memory_blocks *memory;
	int status;

	*items = NULL;
	*count = 0;
	refusal->text[0] = 0;
	target_allow(target);
	if (!spans->all || target_read(target, spans->all, slice, sizeof(slice)))
		return -1;
	if (slice[1] > SPANS_MAX)
		return error_set(refusal, STATUS_CANNOT_MEASURE, "its Go runtime has %llu spans, more than %d",
				 (unsigned long long)slice[1], SPANS_MAX);
	addresses = memory_zeroed(slice[1] + 1, sizeof(*addresses));
	*items = memory_zeroed(slice[1] + 1, sizeof(**items));
	memory = memory_blocks_new(target->reader);
	status = target_read(target, slice[0], addresses, slice[1] * sizeof(*addresses));
	for (uint64_t i = 0; i < slice[1] && !status; i++)
		status = read_span(spans, target, memory, addresses[i], &(*items)[(*count)++], refusal);
	memory_blocks_free(memory);
	free(addresses);
	if (status && target->reader->spent && !refusal->text[0])
		error_set(refusal, STATUS_CANNOT_MEASURE, "reading the spans of its Go runtime takes too long");
	qsort(*items, *count, sizeof(**items), heap_span_compare);
	return status;
}
