/* SPDX-License-Identifier: BSD-2-Clause */
#include "heap/heap_image.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/memory.h"
#include "base/search.h"
#include "target/procfs.h"

#define RANGE_MAX (UINT64_C(4) << 40) /* bytes from the first object to the last: their table has 8 bytes for 8 KiB */

enum {
	MORE_EIGHTHS = 9, /* of the estimate are reserved: the process runs on until it is stopped */
	LEAST = 4 << 20,  /* bytes, a multiple of GOALLOC_PAGE */
	PIECES = 1024,
	GIANT = 64 << 20,      /* bytes of a span that is not in the table */
	TABLE_FREE = 48 << 20, /* bytes that the table may take, beside a share of the process's memory: */
	TABLE_SHARE = 16,
	TABLE_PAGE = 4096,    /* bytes in which it gets memory */
	COPY_FREE = 64 << 20, /* bytes that may be copied, beside so much of the process's memory: */
	COPY_SHARE = 4,	      /* pages that were only read are no memory of it, and may be many */
};

/* --- memory --- */

static void *map_memory(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static bool take_available(void *context, const char *line)
{
	return sscanf(line, "MemAvailable: %" SCNu64, (uint64_t *)context) != 1;
}

int heap_image_reserve(struct heap_image *image, uint64_t bytes, uint64_t memory, struct error *error)
{
	uint64_t kilobytes = 0;

	if (bytes > COPY_FREE + COPY_SHARE * memory)
		return error_set(error, STATUS_CANNOT_MEASURE,
				 "what may hold pointers is %" PRIu64 " MiB, far more than the %" PRIu64
				 " MiB of memory that it has",
				 bytes >> 20, memory >> 20);
	bytes = bytes / 8 * MORE_EIGHTHS / GOALLOC_PAGE * GOALLOC_PAGE + LEAST;
	procfs_lines(PROCFS_MACHINE, "meminfo", take_available, &kilobytes);
	if (kilobytes && bytes / 1024 > kilobytes / 2)
		return error_set(error, STATUS_CANNOT_MEASURE,
				 "the copy of what may hold pointers takes %" PRIu64
				 " MiB, which is more than half of the %" PRIu64 " MiB that are available",
				 bytes >> 20, kilobytes >> 10);
	image->bytes = map_memory(bytes);
	if (!image->bytes)
		memory_out();
	image->reserved = bytes;
	madvise(image->bytes, bytes, MADV_HUGEPAGE);
	for (uint64_t at = 0; at < bytes; at += 4096)
		image->bytes[at] = 1;
	return 0;
}

void heap_image_clear(struct heap_image *image)
{
	if (image->pages)
		munmap(image->pages, image->pages_mapped);
	free(image->giants);
	free(image->runs);
	image->pages = NULL;
	image->giants = NULL;
	image->runs = NULL;
	image->giant_count = image->run_count = image->run_capacity = 0;
	image->used = 0;
}

void heap_image_free(struct heap_image *image)
{
	heap_image_clear(image);
	if (image->bytes)
		munmap(image->bytes, image->reserved);
	image->bytes = NULL;
}

/* --- the table --- */

static bool is_giant(const struct goalloc_span *span)
{
	return span->elements == 1 && span->limit - span->start >= GIANT;
}

/* Returns the bytes of memory that the table of pages takes without giants. */
static uint64_t table_bytes(const struct heap_image *image)
{
	uint64_t bytes = 0, end = 0;

	for (size_t i = 0; i < image->objects->span_count; i++) {
		const struct goalloc_span *span = &image->objects->spans[i];
		uint64_t first, last;

		if (is_giant(span))
			continue;
		first = (span->start - image->low) / GOALLOC_PAGE * sizeof(*image->pages) / TABLE_PAGE;
		last = (span->limit - 1 - image->low) / GOALLOC_PAGE * sizeof(*image->pages) / TABLE_PAGE + 1;
		first = first > end ? first : end;
		end = last;
		bytes += (last - first) * TABLE_PAGE;
	}
	return bytes;
}

static void fill_table(struct heap_image *image)
{
	const struct goalloc_objects *objects = image->objects;

	for (size_t i = 0; i < objects->span_count; i++)
		image->giant_count += is_giant(&objects->spans[i]);
	image->giants = memory_zeroed(image->giant_count + 1, sizeof(*image->giants));
	image->giant_count = 0;
	for (size_t i = 0; i < objects->span_count; i++) {
		const struct goalloc_span *span = &objects->spans[i];

		if (is_giant(span))
			image->giants[image->giant_count++] = (uint32_t)i + 1;
		for (uint64_t at = span->start; at < span->limit && !is_giant(span); at += GOALLOC_PAGE)
			image->pages[(at - image->low) / GOALLOC_PAGE].span = (uint32_t)i + 1;
	}
}

static bool giant_ends_before(const void *items, size_t index, const void *key)
{
	const struct heap_image *image = items;

	return image->objects->spans[image->giants[index] - 1].limit <= *(const uint64_t *)key;
}

uint32_t heap_image_giant(const struct heap_image *image, uint64_t address)
{
	size_t at = search_place(0, image->giant_count, giant_ends_before, image, &address);

	return at < image->giant_count && image->objects->spans[image->giants[at] - 1].start <= address
		       ? image->giants[at]
		       : 0;
}

int heap_image_map(struct heap_image *image, const struct goalloc_objects *objects, uint64_t memory,
		   struct error *refusal)
{
	image->objects = objects;
	image->low = image->high = 0;
	if (!objects->span_count)
		return 0;
	image->low = objects->spans[0].start;
	image->high = objects->spans[objects->span_count - 1].limit;
	if (image->high - image->low > RANGE_MAX)
		return error_set(refusal, STATUS_CANNOT_MEASURE,
				 "its objects are from %#" PRIx64 " to %#" PRIx64 ", farther apart than is searched",
				 image->low, image->high);
	if (table_bytes(image) > TABLE_FREE + memory / TABLE_SHARE)
		return error_set(refusal, STATUS_CANNOT_MEASURE,
				 "its %zu spans are strewn over %" PRIu64 " MiB, more than the %" PRIu64
				 " MiB of memory that it has can fill",
				 objects->span_count, (image->high - image->low) >> 20, memory >> 20);
	image->pages_mapped = (image->high - image->low) / GOALLOC_PAGE * sizeof(*image->pages);
	image->pages = map_memory(image->pages_mapped);
	if (!image->pages)
		memory_out();
	fill_table(image);
	return 0;
}

/* --- the copy --- */

/* Pieces to be read together. */
struct batch {
	const struct target *target;
	struct target_piece pieces[PIECES];
	size_t count;
};

static int flush(struct batch *batch)
{
	int status = batch->count ? target_read_pieces(batch->target, batch->pieces, batch->count) : 0;

	batch->count = 0;
	return status;
}

static int add_piece(struct batch *batch, uint64_t start, uint8_t *to, uint64_t bytes)
{
	batch->pieces[batch->count++] = (struct target_piece){start, to, bytes};
	return batch->count == PIECES ? flush(batch) : 0;
}

static void add_run(struct heap_image *image, uint64_t start, uint64_t limit)
{
	struct heap_run *last = image->run_count ? &image->runs[image->run_count - 1] : NULL;

	if (last && last->limit == start) {
		last->limit = limit;
		return;
	}
	if (image->run_count == image->run_capacity) {
		image->run_capacity = 2 * image->run_capacity + 4096;
		image->runs = memory_resize(image->runs, image->run_capacity, sizeof(*image->runs));
	}
	image->runs[image->run_count++] = (struct heap_run){start, limit};
}

static bool run_ends_before(const void *items, size_t index, const void *key)
{
	return ((const struct heap_run *)items)[index].limit <= *(const uint64_t *)key;
}

uint64_t heap_image_next_copy(const struct heap_image *image, uint64_t address)
{
	size_t at = search_place(0, image->run_count, run_ends_before, image->runs, &address);

	if (at == image->run_count)
		return UINT64_MAX;
	return image->runs[at].start > address ? image->runs[at].start : address;
}

/* Gives places to the pages of [start, end), of which none has one, and makes zeros of what is outside of it. Returns where the
 * copy of `start` belongs; NULL if there is no room. */
static uint8_t *place_run(struct heap_image *image, uint64_t start, uint64_t end)
{
	uint64_t before = start % GOALLOC_PAGE, after = (GOALLOC_PAGE - end % GOALLOC_PAGE) % GOALLOC_PAGE;
	uint64_t bytes = before + (end - start) + after;
	uint8_t *to = image->bytes + image->used;

	if (bytes > image->reserved - image->used)
		return NULL;
	for (uint64_t at = 0; at < bytes; at += GOALLOC_PAGE)
		image->pages[(start + at - image->low) / GOALLOC_PAGE].place =
			(uint32_t)((image->used + at) / GOALLOC_PAGE) + 1;
	add_run(image, start - before, end + after);
	memset(to, 0, before);
	memset(to + bytes - after, 0, after);
	image->used += bytes;
	return to + before;
}

/* A page of the heap is two or more pages of the kernel, which may be in different runs. */
static int copy_run(struct heap_image *image, struct batch *batch, uint64_t start, uint64_t end, struct error *refusal)
{
	uint8_t *to = (uint8_t *)(uintptr_t)heap_image_words(image, start);

	if (to) {
		uint64_t next = (start / GOALLOC_PAGE + 1) * GOALLOC_PAGE;

		next = next < end ? next : end;
		if (add_piece(batch, start, to, next - start))
			return -1;
		start = next;
	}
	if (start == end)
		return 0;
	to = place_run(image, start, end);
	if (!to)
		return error_set(refusal, STATUS_CANNOT_MEASURE,
				 "it has grown too much while it was about to be stopped");
	return add_piece(batch, start, to, end - start);
}

/* Returns the first of the spans from `at` on that may hold pointers, with those that directly follow it: [*start, *limit). */
static size_t next_spans(const struct goalloc_objects *objects, size_t at, uint64_t *start, uint64_t *limit)
{
	while (at < objects->span_count && !goalloc_span_scans(&objects->spans[at]))
		at++;
	if (at == objects->span_count)
		return at;
	*start = objects->spans[at].start;
	*limit = objects->spans[at].limit;
	while (++at < objects->span_count && objects->spans[at].start == *limit &&
	       goalloc_span_scans(&objects->spans[at]))
		*limit = objects->spans[at].limit;
	return at;
}

int heap_image_copy(struct heap_image *image, const struct target *target, struct resident *resident,
		    struct error *refusal)
{
	struct batch *batch = memory_zeroed(1, sizeof(*batch));
	uint64_t start = 0, limit = 0, end;
	int status = 0;

	batch->target = target;
	for (size_t at = 0; !status && at < image->objects->span_count;) {
		start = limit = 0;
		at = next_spans(image->objects, at, &start, &limit);
		for (; !status && start < limit && resident_next(resident, &start, limit, &end); start = end)
			status = copy_run(image, batch, start, end, refusal);
	}
	status = status || flush(batch) || target->reader->spent ? -1 : 0;
	free(batch);
	return status;
}

uint64_t heap_image_estimate(const struct goalloc_objects *objects, struct resident *resident)
{
	uint64_t start, limit, end, bytes = 0;

	for (size_t at = 0; at < objects->span_count;) {
		start = limit = 0;
		at = next_spans(objects, at, &start, &limit);
		for (; start < limit && resident_next(resident, &start, limit, &end); start = end)
			bytes += (end + GOALLOC_PAGE - 1) / GOALLOC_PAGE * GOALLOC_PAGE -
				 start / GOALLOC_PAGE * GOALLOC_PAGE;
	}
	return bytes;
}
