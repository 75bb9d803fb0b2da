/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/goalloc_objects.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/search.h"
#include "base/unaligned.h"
#include "runtime/goalloc_spans.h"

enum {
	SPAN_BYTES_MAX =
		2 * GOALLOC_SPAN_BYTES, /* of small objects; a span has less than GOALLOC_SPAN_BYTES, or Go's length */
	WORDS_MAX = SPAN_BYTES_MAX / 8 / 64, /* of bits of such a span */
	CACHES_MAX = 1 << 17,
};

/* A process may say that it has any number of objects without having memory for them. Each of these is allowed as often as `free`
 * says, beside one for so many bytes that the process really has: fewer than it takes in an honest one. */
struct bound {
	const char *what;
	uint64_t free, bytes;
};
enum what { OBJECTS, BLOCKS, SPANS, STACKS, RECORDS };
static const struct bound bounds[] = {
	[OBJECTS] = {"objects", 1 << 26, 8},  [BLOCKS] = {"blocks of tiny objects", 1 << 23, 8},
	[SPANS] = {"spans", 1 << 19, 4096},   [STACKS] = {"stacks", 1 << 19, 1024},
	[RECORDS] = {"records", 1 << 20, 32},
};

struct reading {
	struct goalloc_objects *objects;
	const struct goalloc_layout *layout;
	const struct target *target;
	struct memory_blocks *memory;
	uint64_t has; /* bytes of memory */
	size_t span_capacity, free_capacity, block_capacity, stack_capacity, argument_capacity;
};

static void *room(void *items, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity)
		return items;
	*capacity = 2 * *capacity + 64;
	return memory_resize(items, *capacity, size);
}

static int refuse(struct error *refusal, const char *what, uint64_t address)
{
	return error_set(refusal, STATUS_CANNOT_MEASURE, "its libgoalloc has %s at %#llx", what,
			 (unsigned long long)address);
}

/* Refuses more than the process can have. */
static int check_count(const struct reading *reading, enum what what, uint64_t count, struct error *refusal)
{
	const struct bound *bound = &bounds[what];

	if (count <= bound->free + reading->has / bound->bytes)
		return 0;
	return error_set(refusal, STATUS_CANNOT_MEASURE,
			 "its libgoalloc has more than %llu %s, for which its %llu MiB of memory are too few",
			 (unsigned long long)(bound->free + reading->has / bound->bytes), bound->what,
			 (unsigned long long)(reading->has >> 20));
}

/* --- which objects are free --- */

static uint64_t pointer_at(const uint8_t *raw, uint32_t offset)
{
	return load_u64(raw + offset);
}

/* Fills in a bit per object of a span of small ones. */
static int read_free(struct reading *reading, const uint8_t *raw, uint64_t *free, size_t words)
{
	const struct goalloc_search *search = &reading->objects->search;
	uint64_t bits[2 * WORDS_MAX];
	uint32_t window = load_u16(raw + search->span_free_index) / 64;

	if (memory_blocks_read(reading->memory, pointer_at(raw, search->span_free_bits), bits, 16 * words))
		return -1;
	for (size_t i = 0; i < words; i++)
		free[i] = (bits[2 * i] & UINT32_MAX) | bits[2 * i + 1] << 32;
	if (!pointer_at(raw, search->span_owner))
		return 0;
	if (memory_blocks_read(reading->memory, pointer_at(raw, search->span_alloc_bits), bits, 8 * words))
		return -1;
	for (size_t i = 0; i < words; i++)
		free[i] |= ~bits[i];
	if (window > 0 && window <= words)
		free[window - 1] |= pointer_at(raw, search->span_window) | pointer_at(raw, search->span_held);
	return 0;
}

/* Reads the counts of the span's blocks, all at once. */
static int read_blocks(struct reading *reading, uint64_t address, struct goalloc_span *span, struct error *refusal)
{
	struct goalloc_objects *objects = reading->objects;
	uint16_t counts[SPAN_BYTES_MAX / GOALLOC_TINY_BYTES];

	if (!address)
		return 0;
	if (span->elements > sizeof(counts) / sizeof(counts[0]))
		return refuse(refusal, "a span of tiny objects that is none", span->start);
	if (check_count(reading, BLOCKS, objects->block_count + span->elements, refusal) ||
	    memory_blocks_read(reading->memory, address, counts, span->elements * sizeof(counts[0])))
		return -1;
	while (objects->block_count + span->elements > reading->block_capacity) {
		reading->block_capacity = 2 * reading->block_capacity + 4096;
		objects->blocks = memory_resize(objects->blocks, reading->block_capacity, sizeof(*objects->blocks));
	}
	for (uint32_t i = 0; i < span->elements; i++)
		objects->blocks[objects->block_count + i] =
			(struct goalloc_block){.live = (uint8_t)counts[i], .bytes = (uint8_t)(counts[i] >> 8)};
	span->tiny = (uint32_t)objects->block_count + 1;
	objects->block_count += span->elements;
	return 0;
}

static int take_objects(struct reading *reading, uint64_t address, const uint8_t *raw, const struct heap_span *from,
			struct error *refusal)
{
	struct goalloc_objects *objects = reading->objects;
	uint64_t bytes = from->pages * GOALLOC_PAGE;
	bool small = raw[reading->layout->span_state] == GOALLOC_STATE_SMALL;
	size_t words = small ? ((size_t)from->elements + 63) / 64 : 1;
	struct goalloc_span span = {
		.start = from->start,
		.limit = from->start + bytes,
		.size = from->element_size,
		.first = objects->number,
		.address = address,
		.elements = small ? from->elements : 1,
		.span_class = from->span_class,
	};

	if (small && (bytes > SPAN_BYTES_MAX || !from->elements || from->span_class < 2))
		return refuse(refusal, "a span of small objects that is none", from->start);
	if (check_count(reading, OBJECTS, objects->number + 64 * words, refusal) ||
	    check_count(reading, SPANS, objects->span_count + 1, refusal))
		return -1;
	if (!small)
		span.size = bytes;
	if (small && from->span_class == reading->layout->tiny_span_class &&
	    read_blocks(reading, pointer_at(raw, objects->search.span_tiny), &span, refusal))
		return -1;
	while (objects->number / 64 + words > reading->free_capacity) {
		reading->free_capacity = 2 * reading->free_capacity + 4096;
		objects->free = memory_resize(objects->free, reading->free_capacity, sizeof(*objects->free));
	}
	objects->free[objects->number / 64] = 0;
	if (small && read_free(reading, raw, objects->free + objects->number / 64, words))
		return -1;
	if (span.elements % 64)
		objects->free[objects->number / 64 + words - 1] |= ~((UINT64_C(1) << span.elements % 64) - 1);
	objects->number += 64 * words;
	objects->spans = room(objects->spans, objects->span_count, &reading->span_capacity, sizeof(*objects->spans));
	objects->spans[objects->span_count++] = span;
	return 0;
}

/* --- what the library refers to --- */

static int take_stacks(struct reading *reading, const uint8_t *raw, const struct heap_span *from, struct error *refusal)
{
	struct goalloc_objects *objects = reading->objects;
	unsigned class = raw[reading->layout->span_class];
	uint64_t idle = load_u64(raw + objects->search.span_idle_stacks);
	uint64_t bytes = from->pages * GOALLOC_PAGE, size;

	if (class >= 64 || GOALLOC_STACK_BYTES(class) > bytes || bytes / GOALLOC_STACK_BYTES(class) > 64)
		return refuse(refusal, "a span of stacks that is none", from->start);
	size = GOALLOC_STACK_BYTES(class);
	for (unsigned i = 0; i < bytes / size; i++) {
		if (idle >> i & 1)
			continue;
		if (check_count(reading, STACKS, objects->stack_count + 1, refusal))
			return -1;
		objects->stacks =
			room(objects->stacks, objects->stack_count, &reading->stack_capacity, sizeof(*objects->stacks));
		objects->stacks[objects->stack_count++] =
			(struct goalloc_range){from->start + i * size, from->start + (i + 1) * size};
	}
	return 0;
}

static int take_records(struct reading *reading, const uint8_t *raw, struct error *refusal)
{
	struct goalloc_objects *objects = reading->objects;
	const struct goalloc_search *search = &objects->search;
	uint64_t at = pointer_at(raw, search->span_specials);

	while (at) {
		uint64_t argument;

		if (check_count(reading, RECORDS, objects->argument_count + 1, refusal))
			return -1;
		if (memory_blocks_read(reading->memory, at + search->special_argument, &argument, sizeof(argument)) ||
		    memory_blocks_read(reading->memory, at + search->special_next, &at, sizeof(at)))
			return -1;
		objects->arguments = room(objects->arguments, objects->argument_count, &reading->argument_capacity,
					  sizeof(*objects->arguments));
		objects->arguments[objects->argument_count++] = argument;
	}
	return 0;
}

static int take_span(void *context, uint64_t address, const uint8_t *raw, const struct heap_span *span,
		     struct error *refusal)
{
	struct reading *reading = context;

	if (span->state == HEAP_SPAN_MANUAL)
		return take_stacks(reading, raw, span, refusal);
	if (span->state != HEAP_SPAN_IN_USE || !span->pages)
		return 0;
	return take_objects(reading, address, raw, span, refusal) || take_records(reading, raw, refusal) ? -1 : 0;
}

static int read_held(struct reading *reading, struct error *refusal)
{
	struct goalloc_objects *objects = reading->objects;
	const struct goalloc_layout *layout = reading->layout;
	size_t capacity = 0;
	uint64_t address;

	if (!layout->ended)
		return refuse(refusal, "no list of its caches", layout->search);
	if (target_read(reading->target, layout->caches, &address, sizeof(address)))
		return -1;
	for (size_t steps = 0; address; steps++) {
		struct goalloc_cache place;
		uint64_t block = 0;

		if (steps == CACHES_MAX)
			return refuse(refusal, "a list of caches without an end", address);
		if (memory_blocks_read(reading->memory, address, &place, sizeof(place)) ||
		    (place.state & 1 && memory_blocks_read(reading->memory, place.cache + objects->search.cache_tiny,
							   &block, sizeof(block))))
			return -1;
		address = place.next;
		if (!block)
			continue;
		objects->held = room(objects->held, objects->held_count, &capacity, sizeof(*objects->held));
		objects->held[objects->held_count++] = block;
	}
	return 0;
}

/* --- all together --- */

static int compare_spans(const void *a, const void *b)
{
	const struct goalloc_span *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

static bool ends_before(const void *items, size_t index, const void *key)
{
	return ((const struct goalloc_span *)items)[index].limit <= *(const uint64_t *)key;
}

static int compare_numbers(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static int put_in_order(struct goalloc_objects *objects, struct error *refusal)
{
	if (objects->span_count)
		qsort(objects->spans, objects->span_count, sizeof(*objects->spans), compare_spans);
	if (objects->held_count)
		qsort(objects->held, objects->held_count, sizeof(*objects->held), compare_numbers);
	for (size_t i = 1; i < objects->span_count; i++) {
		if (objects->spans[i - 1].limit > objects->spans[i].start)
			return refuse(refusal, "two spans", objects->spans[i].start);
	}
	return 0;
}

const struct goalloc_span *goalloc_span_at(const struct goalloc_objects *objects, uint64_t address)
{
	size_t at = search_place(0, objects->span_count, ends_before, objects->spans, &address);

	return at < objects->span_count && objects->spans[at].start <= address ? &objects->spans[at] : NULL;
}

/* A cache counts itself in the block from which it allocates. */
static void uncount_caches(struct goalloc_objects *objects)
{
	for (size_t i = 0; i < objects->held_count; i++) {
		uint64_t address = objects->held[i];
		const struct goalloc_span *span = goalloc_span_at(objects, address);
		uint64_t index = span ? (address - span->start) / GOALLOC_TINY_BYTES : 0;
		struct goalloc_block *block =
			span && index < span->elements ? goalloc_block_at(objects, span, (uint32_t)index) : NULL;

		if (block && block->live)
			block->live--;
	}
}

int goalloc_objects_read(struct goalloc_objects *objects, const struct goalloc_layout *layout,
			 const struct target *target, uint64_t memory, struct error *refusal)
{
	struct reading reading = {.objects = objects, .layout = layout, .target = target, .has = memory};
	int status;

	memset(objects, 0, sizeof(*objects));
	refusal->text[0] = 0;
	if (goalloc_search_read(&objects->search, layout, target, refusal))
		return -1;
	reading.memory = memory_blocks_new(target->reader);
	status = goalloc_spans_walk(layout, target, reading.memory, objects->search.span_size, take_span, &reading,
				    refusal);
	status = status || read_held(&reading, refusal) ? -1 : 0;
	memory_blocks_free(reading.memory);
	if (status || put_in_order(objects, refusal))
		return -1;
	uncount_caches(objects);
	return 0;
}

void goalloc_objects_free(struct goalloc_objects *objects)
{
	free(objects->spans);
	free(objects->free);
	free(objects->blocks);
	free(objects->stacks);
	free(objects->arguments);
	free(objects->held);
	memset(objects, 0, sizeof(*objects));
}
