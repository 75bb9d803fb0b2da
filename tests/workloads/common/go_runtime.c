/* SPDX-License-Identifier: BSD-2-Clause */
#include "go_runtime.h"

#include <stdlib.h>
#include <string.h>

const struct go_type go_type_int = {8, true};
const struct go_type go_type_slice = {24, false};

enum { TINY_SIZE = 16, LARGEST_CLASS = 32768, PAGE = 8192 };

/* Go's roundupsize: the size that the allocator uses for `size` bytes. */
static size_t round_up_size(size_t size)
{
	if (size > LARGEST_CLASS)
		return (size + PAGE - 1) / PAGE * PAGE;
	for (unsigned class = 1; class < GOALLOC_SIZE_CLASSES; class ++) {
		if (goalloc_class_size(class) >= size)
			return goalloc_class_size(class);
	}
	abort();
}

/* Counts an object before it is allocated, so that counts are never too low. */
static void *runtime_mallocgc(size_t size, bool noscan, struct go_site *site) GO_FUNCTION("runtime.mallocgc");
static void *runtime_mallocgc(size_t size, bool noscan, struct go_site *site)
{
	void *object;

	atomic_fetch_add_explicit(&site->objects, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&site->bytes, noscan && size < TINY_SIZE ? size : round_up_size(size),
				  memory_order_relaxed);
	object = noscan ? goalloc_noscan_at(size, &site->at) : goalloc_scan_at(size, &site->at);
	if (!object)
		abort();
	go_keep_frame();
	return object;
}

__attribute__((noipa)) void *runtime_newobject(const struct go_type *type, struct go_site *site)
{
	void *object = runtime_mallocgc(type->size, type->noscan, site);

	go_keep_frame();
	return object;
}

__attribute__((noipa)) void *runtime_makeslice(const struct go_type *type, int64_t length, int64_t capacity,
					       struct go_site *site)
{
	void *array;

	if (length < 0 || length > capacity)
		abort();
	array = runtime_mallocgc(type->size * (size_t)capacity, type->noscan, site);
	go_keep_frame();
	return array;
}

/* Go's nextslicecap. */
static int64_t next_capacity(int64_t new_length, int64_t old_capacity)
{
	const int64_t threshold = 256;
	int64_t capacity = old_capacity;

	if (new_length > 2 * old_capacity)
		return new_length;
	if (old_capacity < threshold)
		return 2 * old_capacity;
	while (capacity < new_length)
		capacity += (capacity + 3 * threshold) >> 2;
	return capacity;
}

__attribute__((noipa)) struct go_slice runtime_growslice(void *array, int64_t new_length, int64_t old_capacity,
							 int64_t count, const struct go_type *type,
							 struct go_site *site)
{
	size_t bytes = round_up_size((size_t)next_capacity(new_length, old_capacity) * type->size);
	struct go_slice slice = {NULL, new_length, (int64_t)(bytes / type->size)};

	slice.array = runtime_mallocgc(bytes, type->noscan, site);
	if (new_length > count)
		memcpy(slice.array, array, (size_t)(new_length - count) * type->size);
	return slice;
}

__attribute__((noipa)) const void *runtime_convT64(uint64_t value, struct go_site *site)
{
	static uint64_t small[256]; /* the runtime's staticuint64s */
	uint64_t *object;

	if (value < 256) {
		small[value] = value;
		return &small[value];
	}
	object = runtime_mallocgc(sizeof(*object), true, site);
	*object = value;
	return object;
}
