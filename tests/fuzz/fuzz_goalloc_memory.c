/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the data that libgoalloc publishes from memory that changes meanwhile: the description, the list of caches,
 * their spans and counters, all spans, and the heap profile. What is accepted must be possible.
 */
#include "../unit/goalloc_fixture.h"
#include "live.h"
#include "runtime/goalloc_counters.h"
#include "runtime/goalloc_rows.h"
#include "runtime/goalloc_spans.h"

static struct memory_fixture memory;
static struct heap_counters sums;

static void read_rows(const struct goalloc_layout *layout)
{
	const struct goalloc_row *row;
	struct goalloc_rows rows;
	struct error refusal;

	if (goalloc_rows_read(&rows, layout, &memory.target, &refusal) == 0) {
		while ((row = goalloc_rows_next(&rows))) {
			REQUIRE(row->depth <= GOALLOC_STACK_MAX);
			REQUIRE(row->counts[GOALLOC_ROW_FREED] <= row->counts[GOALLOC_ROW_ALLOCATED]);
			REQUIRE(GOALLOC_OBJECT_SPAN_CLASS(row->key) < SPAN_CLASSES);
		}
	}
	goalloc_rows_free(&rows);
}

static void read_spans(const struct goalloc_layout *layout)
{
	struct heap_span *spans;
	struct error refusal;
	size_t count;

	if (goalloc_spans_read(layout, &memory.target, &spans, &count, &refusal) == 0) {
		for (size_t i = 0; i < count; i++) {
			REQUIRE(spans[i].state != HEAP_SPAN_DEAD && spans[i].span_class < SPAN_CLASSES);
			REQUIRE(spans[i].released <= spans[i].pages);
			REQUIRE(i == 0 || spans[i - 1].start <= spans[i].start);
		}
	}
	free(spans);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const struct goalloc_telling telling[] = {{.every_object = true}, {.distance = 512 << 10}};
	struct goalloc_counters counters = {.description = DESCRIPTION};
	struct error refusal = {0};
	struct live_input input;

	goalloc_fixture(&memory);
	live_begin(&input, &memory, bytes, size);
	for (size_t i = 0; i < sizeof(telling) / sizeof(telling[0]); i++) {
		if (goalloc_counters_read(&counters, &memory.target, &telling[i], &sums, &refusal))
			break;
		REQUIRE(!refusal.text[0] && sums.in_flight >= 0);
		REQUIRE(heap_counters_check(&sums, &refusal) == 0);
	}
	if (counters.known) {
		read_rows(&counters.layout);
		read_spans(&counters.layout);
	}
	goalloc_counters_free(&counters);
	return 0;
}
