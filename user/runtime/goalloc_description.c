/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/goalloc_description.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "goalloc_contract.h"

enum place { IN_CACHE, IN_SPAN };

#define FROM(field) offsetof(struct goalloc_description, field)
#define TO(field)   offsetof(struct goalloc_layout, field)

/* Every offset in the description: the member that it becomes, and the size of the field that must fit there. */
static const struct offset_row {
	const char *name;
	size_t from, to;
	enum place place;
	uint32_t extent; /* bytes */
} offset_rows[] =
	{
		{"cache_next", FROM(cache_next), TO(cache_next), IN_CACHE, 8},
		{"cache_sequence", FROM(cache_sequence), TO(cache_sequence), IN_CACHE, sizeof(struct goalloc_sequence)},
		{"cache_alloc", FROM(cache_alloc), TO(cache_alloc), IN_CACHE, 8 * SPAN_CLASSES},
		{"cache_class_counters", FROM(cache_class_counters), TO(cache_class_counters), IN_CACHE,
		 sizeof(struct goalloc_class_counters) * SPAN_CLASSES},
		{"cache_pending", FROM(cache_pending), TO(cache_pending), IN_CACHE,
		 sizeof(struct goalloc_pending) * SPAN_CLASSES},
		{"cache_tiny_objects", FROM(cache_tiny_objects), TO(cache_tiny_objects), IN_CACHE, 8},
		{"cache_tiny_blocks", FROM(cache_tiny_blocks), TO(cache_tiny_blocks), IN_CACHE, 8},
		{"cache_tiny_bytes", FROM(cache_tiny_bytes), TO(cache_tiny_bytes), IN_CACHE, 8},
		{"span_alloc_count", FROM(span_alloc_count), TO(span_alloc_count), IN_SPAN, 8},
		{"span_alloc_count_before_cache", FROM(span_alloc_count_before_cache),
		 TO(span_alloc_count_before_cache), IN_SPAN, 8},
		{"span_base", FROM(span_base), TO(span_base), IN_SPAN, 8},
},
  later_rows[] = {
	  /* of what earlier versions do not publish */
	  {"span_link", FROM(span_link), TO(span_link), IN_SPAN, 8},
	  {"span_pages", FROM(span_pages), TO(span_pages), IN_SPAN, 8},
	  {"span_released", FROM(span_released), TO(span_released), IN_SPAN, 8},
	  {"span_state", FROM(span_state), TO(span_state), IN_SPAN, 1},
	  {"span_class", FROM(span_class), TO(span_class), IN_SPAN, 1},
};

/* The sizes of a description without them, of one that has them but ends before version 2, and of the first of version 2. */
enum {
	FIRST_SIZE = offsetof(struct goalloc_description, heap_profile),
	LATER_SIZE = offsetof(struct goalloc_description, ended),
	SECOND_SIZE = offsetof(struct goalloc_description, search),
};

/* Sets the reason of a refusal; the caller, which has the process's name, puts that in front. */
static int refuse(struct error *refusal, const char *field, uint64_t value, const char *expected)
{
	return error_set(refusal, STATUS_CANNOT_MEASURE, "its libgoalloc description has %s = %llu, which must be %s",
			 field, (unsigned long long)value, expected);
}

static int check_offset(const struct offset_row *row, const struct goalloc_description *raw,
			struct goalloc_layout *layout, struct error *refusal)
{
	uint32_t limit = row->place == IN_CACHE ? layout->cache_size : GOALLOC_SPAN_MAX;
	uint32_t alignment = row->place == IN_CACHE ? 8 : 1;
	uint32_t value;

	memcpy(&value, (const char *)raw + row->from, sizeof(value));
	if (value > limit || row->extent > limit - value)
		return refuse(refusal, row->name, value,
			      row->place == IN_CACHE ? "an offset inside cache_size" : "an offset below 4096");
	if (value % alignment)
		return refuse(refusal, row->name, value, "a multiple of 8");
	memcpy((char *)layout + row->to, &value, sizeof(value));
	return 0;
}

static int check(const struct goalloc_description *raw, struct goalloc_layout *layout, struct error *refusal)
{
	uint32_t width = raw->span_alloc_count_width;
	char expected[64];

	uint32_t least = raw->version == 1 ? FIRST_SIZE : SECOND_SIZE;

	snprintf(expected, sizeof(expected), "1 to %d, the versions that this escapement reads",
		 GOALLOC_DESCRIPTION_VERSION);
	if (raw->version < 1 || raw->version > GOALLOC_DESCRIPTION_VERSION)
		return refuse(refusal, "version", raw->version, expected);
	snprintf(expected, sizeof(expected), "%u or more", least);
	if (raw->size < least)
		return refuse(refusal, "size", raw->size, expected);
	snprintf(expected, sizeof(expected), "%d", SPAN_CLASSES);
	if (raw->span_classes != SPAN_CLASSES)
		return refuse(refusal, "span_classes", raw->span_classes, expected);
	if (raw->tiny_span_class >= SPAN_CLASSES)
		return refuse(refusal, "tiny_span_class", raw->tiny_span_class, "less than span_classes");
	if (raw->cache_size > GOALLOC_CACHE_MAX)
		return refuse(refusal, "cache_size", raw->cache_size, "at most 65536");
	if (width != 2 && width != 4 && width != 8)
		return refuse(refusal, "span_alloc_count_width", width, "2, 4 or 8");
	layout->heap_counters = raw->heap_counters;
	layout->caches = raw->caches;
	layout->cache_size = raw->cache_size;
	layout->span_count_width = width;
	layout->tiny_span_class = raw->tiny_span_class;
	layout->ended = layout->heap_profile = layout->spans = layout->search = 0;
	for (size_t i = 0; i < sizeof(offset_rows) / sizeof(offset_rows[0]); i++) {
		if (check_offset(&offset_rows[i], raw, layout, refusal))
			return -1;
	}
	return 0;
}

/* The same for what earlier versions do not publish. */
static int check_later(const struct goalloc_description *raw, struct goalloc_layout *layout, struct error *refusal)
{
	for (size_t i = 0; i < sizeof(later_rows) / sizeof(later_rows[0]); i++) {
		if (check_offset(&later_rows[i], raw, layout, refusal))
			return -1;
	}
	layout->heap_profile = raw->heap_profile;
	layout->spans = raw->spans;
	if (raw->version > 1)
		layout->ended = raw->ended;
	if (raw->size >= sizeof(*raw))
		layout->search = raw->search;
	return 0;
}

static int check_sizes(const uint16_t sizes[SIZE_CLASSES], struct error *refusal)
{
	char field[32];

	for (int class = 0; class < SIZE_CLASSES; class ++) {
		snprintf(field, sizeof(field), "class_sizes[%d]", class);
		if (class == 0 ? sizes[0] != 0 : sizes[class] <= sizes[class - 1])
			return refuse(refusal, field, sizes[class], class == 0 ? "0" : "more than the one before");
		if (sizes[class] > GOALLOC_OBJECT_MAX)
			return refuse(refusal, field, sizes[class], "at most 32768");
	}
	return 0;
}

/* How much of a description of that size is known. */
static size_t size_known(uint32_t size)
{
	return size >= sizeof(struct goalloc_description) ? sizeof(struct goalloc_description)
	       : size >= SECOND_SIZE			  ? SECOND_SIZE
							  : LATER_SIZE;
}

int goalloc_layout_read(struct goalloc_layout *layout, const struct target *target, uint64_t address, bool *ready,
			struct error *refusal)
{
	struct goalloc_description raw;
	uint32_t size;

	*ready = false;
	if (target_read(target, address, &raw, FIRST_SIZE))
		return -1;
	size = raw.size;
	if (size >= LATER_SIZE && target_read(target, address, &raw, size_known(size)))
		return -1;
	raw.size = size; /* so much was read, whatever it has become meanwhile */
	if (check(&raw, layout, refusal) || (size >= LATER_SIZE && check_later(&raw, layout, refusal)))
		return -1;
	if (!raw.class_sizes || !raw.heap_counters || !raw.caches || (raw.version > 1 && !raw.ended))
		return 0;
	if (target_read(target, raw.class_sizes, layout->class_sizes, sizeof(layout->class_sizes)) ||
	    check_sizes(layout->class_sizes, refusal))
		return -1;
	*ready = true;
	return 0;
}

/* --- what a search for lost objects needs --- */

enum { QUEUE_MAX = 1 << 20, RECORD_MAX = 256 };

int goalloc_search_read(struct goalloc_search *search, const struct goalloc_layout *layout, const struct target *target,
			struct error *refusal)
{
	if (!layout->search)
		return error_set(
			refusal, STATUS_CANNOT_MEASURE,
			"its libgoalloc is of an earlier version, which does not publish which objects are free");
	if (target_read(target, layout->search, search, sizeof(*search)))
		return -1;
	if (search->size < sizeof(*search))
		return refuse(refusal, "search.size", search->size, "that of version 2, or more");
	if (search->span_size > GOALLOC_SPAN_MAX)
		return refuse(refusal, "search.span_size", search->span_size, "at most 4096");
	if (search->queue_length > QUEUE_MAX)
		return refuse(refusal, "search.queue_length", search->queue_length, "at most 1048576");

	const struct {
		const char *name;
		uint32_t offset, limit;
	} offsets[] = {
		{"search.span_owner", search->span_owner, search->span_size},
		{"search.span_alloc_bits", search->span_alloc_bits, search->span_size},
		{"search.span_free_bits", search->span_free_bits, search->span_size},
		{"search.span_window", search->span_window, search->span_size},
		{"search.span_held", search->span_held, search->span_size},
		{"search.span_free_index", search->span_free_index, search->span_size},
		{"search.span_tiny", search->span_tiny, search->span_size},
		{"search.span_specials", search->span_specials, search->span_size},
		{"search.span_idle_stacks", search->span_idle_stacks, search->span_size},
		{"search.special_next", search->special_next, RECORD_MAX},
		{"search.special_argument", search->special_argument, RECORD_MAX},
		{"search.cache_tiny", search->cache_tiny, layout->cache_size},
	};

	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		if (offsets[i].limit < sizeof(uint64_t) || offsets[i].offset > offsets[i].limit - sizeof(uint64_t))
			return refuse(refusal, offsets[i].name, offsets[i].offset, "an offset in its struct");
	}
	return 0;
}
