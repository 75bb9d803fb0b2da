/* SPDX-License-Identifier: BSD-2-Clause */
/* Data that a hostile process may write into memory that an observer reads: every field at its limits, and endless
 * lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "goalloc_fixture.h"
#include "runtime/goalloc_counters.h"
#include "runtime/goalloc_rows.h"
#include "runtime/goalloc_spans.h"
#include "skip.h"

static struct memory_fixture memory;

static struct goalloc_description *description(void)
{
	return fixture_at(&memory, DESCRIPTION);
}

static void one_cache(void)
{
	goalloc_fixture(&memory);
}

static struct heap_counters sums;
static struct error refusal;

static int read_counters(void)
{
	const struct goalloc_telling telling = {.every_object = true};
	struct goalloc_counters counters = {.description = DESCRIPTION};
	int status = goalloc_counters_read(&counters, &memory.target, &telling, &sums, &refusal);

	goalloc_counters_free(&counters);
	return status;
}

static void refused(const char *words)
{
	assert_int_equal(read_counters(), -1);
	if (!strstr(refusal.text, words))
		fail_msg("'%s' is not in '%s'", words, refusal.text);
	assert_int_equal(refusal.status, STATUS_CANNOT_MEASURE);
}

enum { CACHES_MAX = 131072 };

static size_t reads_done;

static ssize_t copy_and_count(void *context, const struct target_piece *pieces, size_t count)
{
	reads_done++;
	return fixture_copy(context, pieces, count);
}

/* A list without an end ends by its length, or on a slow machine by the time that reading may take, if that is over before so
 * many caches are read. */
static void refused_as_endless(void)
{
	memory.reader.copy = copy_and_count;
	reads_done = 0;
	assert_int_equal(read_counters(), -1);
	if (!strstr(refusal.text, "its list of caches has more than 131072") &&
	    (!strstr(refusal.text, "takes too long") || reads_done > CACHES_MAX + 100))
		fail_msg("'%s' after %zu reads", refusal.text, reads_done);
	assert_int_equal(refusal.status, STATUS_CANNOT_MEASURE);
}

static void an_honest_process_is_counted(void **state)
{
	(void)state;
	one_cache();
	assert_int_equal(read_counters(), 0);
	assert_int_equal(sums.classes[10].objects, 7);
	assert_int_equal(sums.classes[10].bytes, 7 * 40);
}

static void every_offset_is_held_to_its_bound(void **state)
{
	static const struct {
		size_t field;
		const char *name;
		uint32_t last; /* the largest accepted value */
	} rows[] = {
		{offsetof(struct goalloc_description, cache_next), "cache_next", 16384 - 8},
		{offsetof(struct goalloc_description, cache_sequence), "cache_sequence", 16384 - 8},
		{offsetof(struct goalloc_description, cache_alloc), "cache_alloc", 16384 - 8 * SPAN_CLASSES},
		{offsetof(struct goalloc_description, cache_class_counters), "cache_class_counters",
		 16384 - 48 * SPAN_CLASSES},
		{offsetof(struct goalloc_description, cache_pending), "cache_pending", 16384 - 32 * SPAN_CLASSES},
		{offsetof(struct goalloc_description, cache_tiny_objects), "cache_tiny_objects", 16384 - 8},
		{offsetof(struct goalloc_description, cache_tiny_blocks), "cache_tiny_blocks", 16384 - 8},
		{offsetof(struct goalloc_description, cache_tiny_bytes), "cache_tiny_bytes", 16384 - 8},
		{offsetof(struct goalloc_description, span_alloc_count), "span_alloc_count", 4096 - 8},
		{offsetof(struct goalloc_description, span_alloc_count_before_cache), "span_alloc_count_before_cache",
		 4096 - 8},
		{offsetof(struct goalloc_description, span_base), "span_base", 4096 - 8},
		{offsetof(struct goalloc_description, span_link), "span_link", 4096 - 8},
		{offsetof(struct goalloc_description, span_pages), "span_pages", 4096 - 8},
		{offsetof(struct goalloc_description, span_released), "span_released", 4096 - 8},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint32_t bad[] = {rows[i].last + 8, rows[i].last + 4, 0x80000000, 0xffffffff, 0xfffffff8};
		char *field;

		one_cache();
		field = (char *)description() + rows[i].field;
		memcpy(field, &rows[i].last, sizeof(rows[i].last));
		read_counters();
		assert_string_equal(refusal.text, "");
		for (size_t j = 0; j < sizeof(bad) / sizeof(bad[0]); j++) {
			one_cache();
			memcpy(field, &bad[j], sizeof(bad[j]));
			refused(rows[i].name);
		}
	}
}

static void widths_classes_and_sizes_are_checked(void **state)
{
	uint16_t *sizes = fixture_at(&memory, SIZES);

	(void)state;
	for (uint32_t width = 0; width < 20; width++) {
		one_cache();
		description()->span_alloc_count_width = width;
		if (width == 2 || width == 4 || width == 8)
			assert_int_equal(read_counters(), 0);
		else
			refused("span_alloc_count_width");
	}
	one_cache();
	description()->cache_size = GOALLOC_CACHE_MAX + 1;
	refused("cache_size");
	one_cache();
	description()->tiny_span_class = SPAN_CLASSES;
	refused("tiny_span_class");
	one_cache();
	sizes[0] = 1;
	refused("class_sizes[0]");
	one_cache();
	sizes[9] = sizes[8];
	refused("class_sizes[9]");
	one_cache();
	sizes[SIZE_CLASSES - 1] = GOALLOC_OBJECT_MAX + 1;
	refused("class_sizes[67]");
}

static void counters_that_no_process_reaches_are_refused(void **state)
{
	const uint64_t large = UINT64_C(1) << 57, many = UINT64_C(1) << 50;

	(void)state;
	one_cache();
	memcpy(fixture_at(&memory, CACHE + 2048 + 48 * 10), &large, sizeof(large));
	refused("class_counters.objects = 144115188075855872");
	one_cache();
	memcpy(fixture_at(&memory, CACHE + 2048 + 48 * 100), &many, sizeof(many)); /* 2^50 objects of 400 bytes */
	refused("span class 100");
	one_cache();
	memcpy(fixture_at(&memory, CACHE + 16008), &large, sizeof(large));
	refused("tiny_blocks");
	one_cache();
	memcpy(fixture_at(&memory, HEAP + 8), &large, sizeof(large));
	refused("heap_grow_bytes");
	one_cache();
	memcpy(fixture_at(&memory, SPAN + 8), &large, sizeof(large));
	refused("alloc_count");
}

static void a_list_without_an_end_is_refused(void **state)
{
	uint64_t cache = CACHE;

	(void)state;
	one_cache();
	memcpy(fixture_at(&memory, CACHE), &cache, sizeof(cache)); /* the cache is its own successor */
	refused_as_endless();
}

/* ---- version 2: caches of ended threads are folded while an observer reads ---- */

enum { PLACE = 0x16000, ENDED = 0x17000, SUMS = 0x50000, OTHER_SUMS = 0x60000 };

/* One cache, whose thread has ended after it allocated 7 objects; threads before it allocated 100. */
static void one_ended_cache(void)
{
	const uint64_t place = PLACE, seven = 7, hundred = 100, none = 0;

	goalloc_fixture(&memory);
	description()->version = 2;
	description()->ended = ENDED;
	*(struct goalloc_cache *)fixture_at(&memory, PLACE) =
		(struct goalloc_cache){.cache = CACHE, .state = 2 << 1 | 1};
	*(struct goalloc_ended *)fixture_at(&memory, ENDED) = (struct goalloc_ended){2, {SUMS, OTHER_SUMS}};
	memcpy(fixture_at(&memory, LIST), &place, sizeof(place));
	memcpy(fixture_at(&memory, CACHE + 16 + 8 * 10), &none, sizeof(none));
	memcpy(fixture_at(&memory, CACHE + 2048 + 48 * 10), &seven, sizeof(seven));
	memcpy(fixture_at(&memory, SUMS + 2048 + 48 * 10), &hundred, sizeof(hundred));
}

/* The steps of a fold, in the library's order, and the place's next thread. */
static void fold_step(int step)
{
	struct goalloc_cache *place = fixture_at(&memory, PLACE);
	struct goalloc_ended *ended = fixture_at(&memory, ENDED);
	const uint64_t sum = 107;

	switch (step) {
	case 0:
		place->state = 3 << 1;
		break;
	case 1:
		memcpy(fixture_at(&memory, OTHER_SUMS + 2048 + 48 * 10), &sum, sizeof(sum));
		break;
	case 2:
		ended->folds = 3;
		break;
	case 3:
		memset(fixture_at(&memory, CACHE), 0, 16384);
		break;
	case 4:
		place->state = 3 << 1 | 1;
		break;
	default:
		break;
	}
}

static int reads_left, step, steps_at_once;

static ssize_t copy_while_folding(void *context, const struct target_piece *pieces, size_t count)
{
	if (reads_left-- <= 0)
		for (int i = 0; i < steps_at_once; i++)
			fold_step(step++);
	return fixture_copy(context, pieces, count);
}

static void a_fold_at_any_moment_of_a_reading_changes_no_total(void **state)
{
	(void)state;
	for (steps_at_once = 1; steps_at_once <= 5; steps_at_once++) {
		for (int reads = 0; reads < 30; reads++) {
			one_ended_cache();
			memory.reader.copy = copy_while_folding;
			reads_left = reads;
			step = 0;
			assert_int_equal(read_counters(), 0);
			assert_int_equal(sums.classes[10].objects, 107);
			assert_int_equal(sums.in_flight, 0);
		}
	}
}

/* `state` names a fold that never comes; links lead in a circle. */
static void folds_that_never_end_widen_the_bound_and_lists_end(void **state)
{
	struct goalloc_cache *place = fixture_at(&memory, PLACE);

	(void)state;
	one_ended_cache();
	place->state = UINT64_MAX;
	assert_int_equal(read_counters(), 0);
	assert_true(sums.in_flight > 0);
	one_ended_cache();
	place->next = PLACE;
	refused_as_endless();
	one_ended_cache();
	((struct goalloc_ended *)fixture_at(&memory, ENDED))->sums[0] = 8;
	assert_int_equal(read_counters(), -1);
	one_ended_cache();
	description()->size = offsetof(struct goalloc_description, ended);
	refused("size");
	one_ended_cache();
	description()->version = 3;
	refused("version");
}

/* A process of many threads is no broken description. */
static void more_living_threads_than_are_read_are_refused_in_these_words(void **state)
{
	enum { THREADS = (128 << 20) / 16384 + 1, PLACES = 0x80000 };
	struct goalloc_cache *places = fixture_at(&memory, PLACES);
	const uint64_t first = PLACES;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip_because("what a sanitizer adds to reading 128 MiB takes longer than a reader may");
#endif
	one_ended_cache();
	for (uint64_t i = 0; i < THREADS; i++)
		places[i] = (struct goalloc_cache){i + 1 < THREADS ? PLACES + (i + 1) * sizeof(*places) : 0, CACHE, 1};
	memcpy(fixture_at(&memory, LIST), &first, sizeof(first));
	refused("it has 8193 caches of living threads; at most 8192 are read");
}

static int copies;

static ssize_t counted_copy(void *context, const struct target_piece *pieces, size_t count)
{
	copies++;
	return fixture_copy(context, pieces, count);
}

/* The process determines which piece fails: looking for it must not cost a call for each. */
static void the_piece_that_fails_is_known_from_one_copy(void **state)
{
	static struct target_piece pieces[MEMORY_BATCH];
	char buffer[8], why[128];

	(void)state;
	for (size_t failing = 0; failing < MEMORY_BATCH; failing += MEMORY_BATCH / 3) {
		for (size_t i = 0; i < MEMORY_BATCH; i++)
			pieces[i] = (struct target_piece){FIXTURE_BASE + i, buffer, i % 8};
		pieces[failing] = (struct target_piece){0x8000 + failing, buffer, 8};
		one_cache();
		memory.reader.copy = counted_copy;
		copies = 0;
		assert_int_equal(target_read_pieces(&memory.target, pieces, MEMORY_BATCH), -1);
		assert_int_equal(errno, EFAULT);
		assert_int_equal(copies, 1);
		assert_int_equal(memory.reader.failed_at, 0x8000 + failing);
		target_unreadable(&memory.target, why, sizeof(why));
		assert_non_null(strstr(why, "has no memory"));
	}
}

static void a_reader_stops_when_its_budget_is_spent(void **state)
{
	char buffer[4096];
	uint64_t reads = 0;

	(void)state;
	one_cache();
	while (target_read(&memory.target, FIXTURE_BASE, buffer, sizeof(buffer)) == 0)
		reads++;
	assert_int_equal(errno, ETIME);
	assert_int_equal(reads, MEMORY_BYTES / sizeof(buffer));
	assert_int_equal(target_read(&memory.target, FIXTURE_BASE, buffer, 1), -1);
	target_unreadable(&memory.target, buffer, sizeof(buffer));
	assert_non_null(strstr(buffer, "it takes too long")); /* and has not ended */
	target_allow(&memory.target);
	assert_int_equal(target_read(&memory.target, FIXTURE_BASE, buffer, 1), 0);
}

static void strings_end_at_their_buffer_or_before_memory_does(void **state)
{
	char buffer[64];

	(void)state;
	fixture_init(&memory);
	memset(memory.bytes, 'x', sizeof(memory.bytes));
	assert_int_equal(target_read_string(&memory.target, FIXTURE_BASE, buffer, sizeof(buffer)), 0);
	assert_int_equal(strlen(buffer), sizeof(buffer) - 1);
	assert_int_equal(target_read_string(&memory.target, FIXTURE_BASE + FIXTURE_SIZE - 8, buffer, sizeof(buffer)),
			 -1);
	memory.bytes[FIXTURE_SIZE - 1] = 0;
	assert_int_equal(target_read_string(&memory.target, FIXTURE_BASE + FIXTURE_SIZE - 8, buffer, sizeof(buffer)),
			 0);
	assert_string_equal(buffer, "xxxxxxx");
}

static struct goalloc_layout layout;

static void read_layout(void)
{
	bool ready;

	refusal.text[0] = 0;
	assert_int_equal(goalloc_layout_read(&layout, &memory.target, DESCRIPTION, &ready, &refusal), 0);
	assert_true(ready);
}

/* Reads the rows; -1 if they are refused. */
static int read_rows(int *count)
{
	struct goalloc_rows rows;
	int status;

	read_layout();
	status = goalloc_rows_read(&rows, &layout, &memory.target, &refusal);
	for (*count = 0; !status && goalloc_rows_next(&rows);)
		++*count;
	goalloc_rows_free(&rows);
	return status;
}

static void rows_are_checked_one_by_one(void **state)
{
	const struct goalloc_row_chunk *chunk = fixture_at(&memory, CHUNK);
	struct goalloc_row *row = (struct goalloc_row *)(chunk + 1);
	const struct {
		void *field;
		uint64_t value;
		const char *name;
	} bad[] = {
		{&row->depth, GOALLOC_STACK_MAX + 1, "depth"},
		{&row->depth, 3, "depth"},
		{&row->depth, UINT64_MAX, "depth"},
		{&row->counts[GOALLOC_ROW_FREED], 10, "freed = 10"},
		{&row->counts[GOALLOC_ROW_ALLOCATED], UINT64_MAX, "freed"},
		{&row->key, GOALLOC_PACK_OBJECT(40, SPAN_CLASSES), "key"},
		{&row->key, UINT64_MAX, "key"},
		{&row->key, GOALLOC_PACK_OBJECT(0, 10), "key"},
		{fixture_at(&memory, CHUNK + 8), GOALLOC_ROW_CHUNK, "used"},
		{fixture_at(&memory, CHUNK), CHUNK, "more chunks"},
		{fixture_at(&memory, PROFILE), UINT64_MAX, "rate"},
	};
	int count;

	(void)state;
	one_cache();
	assert_int_equal(read_rows(&count), 0);
	assert_int_equal(count, 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		one_cache();
		memcpy(bad[i].field, &bad[i].value, sizeof(bad[i].value));
		assert_int_equal(read_rows(&count), -1);
		if (!strstr(refusal.text, bad[i].name))
			fail_msg("'%s' is not in '%s'", bad[i].name, refusal.text);
	}
}

static void spans_are_checked_and_their_list_ends(void **state)
{
	const struct {
		uint64_t offset, value;
		const char *words;
	} bad[] = {
		{24, 4096, "a span at 0x1000"},
		{24, UINT64_C(1) << 50, "a span at"},
		{40, UINT64_MAX, "pages"},
		{56, GOALLOC_STATE_SMALL | 200 << 8, "class 200"},
		{32, SPAN, "more than 1048576 spans"},
	};
	struct heap_span *spans;
	size_t count;

	(void)state;
	one_cache();
	read_layout();
	assert_int_equal(goalloc_spans_read(&layout, &memory.target, &spans, &count, &refusal), 0);
	assert_int_equal(count, 1);
	assert_int_equal(spans[0].elements, 8192 / 40);
	free(spans);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		one_cache();
		read_layout();
		memcpy(fixture_at(&memory, SPAN + bad[i].offset), &bad[i].value, sizeof(bad[i].value));
		assert_int_equal(goalloc_spans_read(&layout, &memory.target, &spans, &count, &refusal), -1);
		if (!strstr(refusal.text, bad[i].words))
			fail_msg("'%s' is not in '%s'", bad[i].words, refusal.text);
		free(spans);
	}
}

static void a_span_in_the_first_page_cannot_be_read(void **state)
{
	const uint64_t low = 64;
	struct heap_span *spans;
	size_t count;

	(void)state;
	one_cache();
	read_layout();
	memcpy(fixture_at(&memory, SPANS), &low, sizeof(low));
	assert_int_equal(goalloc_spans_read(&layout, &memory.target, &spans, &count, &refusal), -1);
	assert_string_equal(refusal.text, "");
	free(spans);
}

static void an_earlier_version_publishes_neither(void **state)
{
	struct heap_span *spans;
	size_t many;
	int count;

	(void)state;
	one_cache();
	description()->size = offsetof(struct goalloc_description, heap_profile);
	assert_int_equal(read_rows(&count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(goalloc_spans_read(&layout, &memory.target, &spans, &many, &refusal), -1);
	assert_non_null(strstr(refusal.text, "earlier version"));
	assert_int_equal(read_counters(), 0);
}

static ssize_t copy_and_grow(void *context, const struct target_piece *pieces, size_t count)
{
	ssize_t copied = fixture_copy(context, pieces, count);

	description()->size = sizeof(struct goalloc_description);
	description()->version = 2;
	return copied;
}

/* What it had not published when it was first looked at was not read. */
static void a_description_that_grows_while_it_is_read_has_what_was_read(void **state)
{
	struct goalloc_layout described;
	bool ready;

	(void)state;
	one_cache();
	description()->size = offsetof(struct goalloc_description, ended);
	memory.reader.copy = copy_and_grow;
	assert_int_equal(goalloc_layout_read(&described, &memory.target, DESCRIPTION, &ready, &refusal), -1);
	assert_non_null(strstr(refusal.text, "size = 136, which must be 144 or more"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_honest_process_is_counted),
		cmocka_unit_test(every_offset_is_held_to_its_bound),
		cmocka_unit_test(widths_classes_and_sizes_are_checked),
		cmocka_unit_test(a_description_that_grows_while_it_is_read_has_what_was_read),
		cmocka_unit_test(counters_that_no_process_reaches_are_refused),
		cmocka_unit_test(a_list_without_an_end_is_refused),
		cmocka_unit_test(rows_are_checked_one_by_one),
		cmocka_unit_test(spans_are_checked_and_their_list_ends),
		cmocka_unit_test(a_span_in_the_first_page_cannot_be_read),
		cmocka_unit_test(an_earlier_version_publishes_neither),
		cmocka_unit_test(a_fold_at_any_moment_of_a_reading_changes_no_total),
		cmocka_unit_test(folds_that_never_end_widen_the_bound_and_lists_end),
		cmocka_unit_test(more_living_threads_than_are_read_are_refused_in_these_words),
		cmocka_unit_test(the_piece_that_fails_is_known_from_one_copy),
		cmocka_unit_test(a_reader_stops_when_its_budget_is_spent),
		cmocka_unit_test(strings_end_at_their_buffer_or_before_memory_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
