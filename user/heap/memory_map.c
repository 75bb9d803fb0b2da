/* SPDX-License-Identifier: BSD-2-Clause */
#include "heap/memory_map.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/kernel-page-flags.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/count.h"
#include "base/memory.h"
#include "base/search.h"
#include "heap/process.h"
#include "profile/size_class.h"
#include "runtime/go_spans.h"
#include "target/procfs.h"

#define PAGE		  UINT64_C(4096)
#define PAGEMAP_PRESENT	  (UINT64_C(1) << 63)
#define PAGEMAP_EXCLUSIVE (UINT64_C(1) << 56) /* mapped once */
#define PAGEMAP_FRAME	  ((UINT64_C(1) << 55) - 1)

enum {
	PAGES_AT_ONCE = 4096,
	MAPPINGS_MAX = 1 << 17,
};

#define LINE_ROW(name, ...) [name] = {__VA_ARGS__},
const struct memory_line_row memory_lines[MEMORY_LINE_COUNT] = {MEMORY_LINES(LINE_ROW)};

/* A mapping with something resident in it. */
struct resident {
	uint64_t start, limit;
	int64_t rss;
	enum memory_line line; /* the line for what is not part of the heap */
};

struct reader {
	struct heap_process *process;
	struct memory_map *map;
	struct heap_span *spans; /* by address */
	size_t span_count;
	uint64_t *arenas; /* numbers of the arenas that have, or have had, a span; ascending */
	size_t arena_count;
	struct resident *mappings;
	size_t mapping_count, capacity;
	bool has_c;		   /* libc is mapped, so anonymous memory may belong to it */
	bool has_names;		   /* the runtime names its mappings */
	uint64_t executable_limit; /* the end of its last mapping; anonymous memory that follows directly is its data */
	int pagemap;
	int page_flags;	     /* /proc/kpageflags, -1 if it cannot be opened */
	uint64_t zero_frame; /* of the page of zeros that was met last; 0 if none was */
};

/* --- the kernel's list --- */

static bool is_executable(const struct reader *reader, const char *path)
{
	const char *executable = reader->process->target->executable;
	size_t length = strlen(executable);

	return strncmp(path, executable, length) == 0 && (!path[length] || strcmp(path + length, " (deleted)") == 0);
}

static enum memory_line line_of(struct reader *reader, const struct target_mapping *mapping, const char *path)
{
	if (mapping->inode) {
		if (!is_executable(reader, path))
			return MEMORY_FILES;
		reader->executable_limit = mapping->limit;
		return MEMORY_EXECUTABLE;
	}
	if (strncmp(path, "[anon: Go:", 10) == 0)
		return MEMORY_RUNTIME;
	if (strcmp(path, "[heap]") == 0)
		return MEMORY_C_HEAP;
	if (*path)
		return MEMORY_OTHER;
	if (mapping->start == reader->executable_limit) {
		reader->executable_limit = mapping->limit;
		return MEMORY_EXECUTABLE;
	}
	return reader->has_c || reader->has_names ? MEMORY_OTHER : MEMORY_RUNTIME;
}

static bool note_names(void *context, const char *line)
{
	struct reader *reader = context;

	reader->has_c |= strstr(line, "/libc.so") || strstr(line, "/libc-") || strstr(line, "/ld-musl");
	reader->has_names |= strstr(line, "[anon: Go:") != NULL;
	return true;
}

static bool take_line(void *context, const char *line)
{
	struct reader *reader = context;
	struct target_mapping mapping;
	const char *path;
	int64_t kilobytes;

	if (target_parse_mapping(line, &mapping, &path)) {
		if (reader->mapping_count == reader->capacity) {
			reader->capacity = 2 * reader->capacity + 64;
			reader->mappings = memory_resize(reader->mappings, reader->capacity, sizeof(*reader->mappings));
		}
		reader->mappings[reader->mapping_count++] =
			(struct resident){mapping.start, mapping.limit, 0, line_of(reader, &mapping, path)};
		return reader->mapping_count < MAPPINGS_MAX;
	}
	if (reader->mapping_count && sscanf(line, "Rss: %" SCNd64, &kilobytes) == 1) {
		reader->mappings[reader->mapping_count - 1].rss = kilobytes << 10;
		reader->map->total += kilobytes << 10;
	} else if (sscanf(line, "Swap: %" SCNd64, &kilobytes) == 1) {
		reader->map->swapped += kilobytes << 10;
	}
	return true;
}

/* --- pages of the heap --- */

static bool ends_before(const void *items, size_t index, const void *key)
{
	const struct heap_span *span = (const struct heap_span *)items + index;

	return span->start + span->pages * GO_PAGE_SIZE <= *(const uint64_t *)key;
}

/* Returns the first span that ends after the address. */
static size_t span_behind(const struct reader *reader, uint64_t address)
{
	return search_place(0, reader->span_count, ends_before, reader->spans, &address);
}

static int compare_numbers(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static bool is_arena(const struct reader *reader, uint64_t address)
{
	const uint64_t arena = address / GO_ARENA_BYTES;

	return reader->arena_count &&
	       bsearch(&arena, reader->arenas, reader->arena_count, sizeof(arena), compare_numbers);
}

static void add_page(struct reader *reader, uint64_t address, size_t *at)
{
	const struct heap_span *span;
	enum memory_line line = MEMORY_HEAP_IDLE;

	while (*at < reader->span_count &&
	       reader->spans[*at].start + reader->spans[*at].pages * GO_PAGE_SIZE <= address)
		(*at)++;
	span = *at < reader->span_count ? &reader->spans[*at] : NULL;
	if (span && span->start <= address)
		line = span->state == HEAP_SPAN_IN_USE ? MEMORY_HEAP_IN_USE : MEMORY_STACKS;
	reader->map->rss[line] += (int64_t)PAGE;
}

/*
 * Whether smaps counts the page. It does not count the kernel's page of zeros, which is mapped where memory was read before it was
 * written, or where a huge page that was split had nothing but zeros. Who may not see that page's flags cannot tell it from
 * pages that a fork shares: these are then unknown.
 */
static bool is_resident(struct reader *reader, uint64_t entry)
{
	uint64_t frame = entry & PAGEMAP_FRAME, flags;

	if (!(entry & PAGEMAP_PRESENT) || entry & PAGEMAP_EXCLUSIVE)
		return entry & PAGEMAP_PRESENT;
	if (!frame || frame == reader->zero_frame ||
	    pread(reader->page_flags, &flags, sizeof(flags), (off_t)(frame * sizeof(flags))) != sizeof(flags))
		return false;
	if (!(flags >> KPF_ZERO_PAGE & 1))
		return true;
	reader->zero_frame = frame;
	return false;
}

/* Counts the resident pages of a piece of the heap; returns their bytes. */
static int64_t add_pages(struct reader *reader, uint64_t start, uint64_t limit)
{
	size_t at = span_behind(reader, start);
	uint64_t entries[PAGES_AT_ONCE];
	int64_t bytes = 0;

	for (uint64_t address = start; address < limit;) {
		size_t wanted = (size_t)((limit - address) / PAGE);
		ssize_t got;

		wanted = wanted < PAGES_AT_ONCE ? wanted : PAGES_AT_ONCE;
		got = pread(reader->pagemap, entries, wanted * sizeof(*entries),
			    (off_t)(address / PAGE * sizeof(*entries)));
		if (got < (ssize_t)sizeof(*entries))
			break;
		for (size_t i = 0; i < (size_t)got / sizeof(*entries); i++, address += PAGE) {
			if (!is_resident(reader, entries[i]))
				continue;
			add_page(reader, address, &at);
			bytes += (int64_t)PAGE;
		}
	}
	return bytes;
}

/* A mapping may contain arenas of the heap, other memory, or both. */
static void add_mapping(struct reader *reader, const struct resident *mapping)
{
	int64_t found = 0;
	bool heap = false;

	for (uint64_t start = mapping->start, limit; start < mapping->limit; start = limit) {
		limit = (start / GO_ARENA_BYTES + 1) * GO_ARENA_BYTES;
		limit = limit < mapping->limit ? limit : mapping->limit;
		if (!is_arena(reader, start))
			continue;
		heap = true;
		found += add_pages(reader, start, limit);
	}
	reader->map->rss[heap ? MEMORY_UNKNOWN : mapping->line] += mapping->rss - found;
}

static void add_mappings(struct reader *reader)
{
	for (size_t i = 0; i < reader->mapping_count; i++) {
		const struct resident *mapping = &reader->mappings[i];

		if (mapping->rss && (mapping->line == MEMORY_RUNTIME || mapping->line == MEMORY_OTHER))
			add_mapping(reader, mapping);
		else
			reader->map->rss[mapping->line] += mapping->rss;
	}
}

/* --- spans --- */

static void add_to(int64_t *sum, int64_t number)
{
	*sum = add_saturated(*sum, number);
}

static void add_classes(struct reader *reader)
{
	for (size_t i = 0; i < reader->span_count; i++) {
		const struct heap_span *span = &reader->spans[i];
		struct memory_class *class = &reader->map->classes[span_class_size_class(span->span_class)];
		int64_t size = (int64_t)span->element_size, room = size * span->elements;
		int64_t bytes = (int64_t)(span->pages * GO_PAGE_SIZE);

		if (span->state != HEAP_SPAN_IN_USE)
			continue;
		class->spans++;
		class->objects += span->allocated;
		add_to(&class->span_bytes, bytes);
		add_to(&class->bytes, size * span->allocated);
		add_to(&class->free_bytes, room - size * span->allocated);
		add_to(&class->tail_bytes, bytes - room);
	}
}

static void note_arenas(struct reader *reader)
{
	size_t capacity = 0;

	for (size_t i = 0; i < reader->span_count; i++) {
		const struct heap_span *span = &reader->spans[i];
		uint64_t bytes = span->state != HEAP_SPAN_DEAD && span->pages ? span->pages * GO_PAGE_SIZE : 1;
		uint64_t arena = span->start / GO_ARENA_BYTES;
		uint64_t noted = reader->arena_count ? reader->arenas[reader->arena_count - 1] + 1 : 0;

		arena = arena > noted ? arena : noted;
		for (; span->start && arena <= (span->start + bytes - 1) / GO_ARENA_BYTES; arena++) {
			if (reader->arena_count == capacity) {
				capacity = 2 * capacity + 64;
				reader->arenas = memory_resize(reader->arenas, capacity, sizeof(*reader->arenas));
			}
			reader->arenas[reader->arena_count++] = arena;
		}
	}
}

/* Keeps the spans that are in use: those that have gone may lie where others are now. */
static void drop_unused(struct reader *reader)
{
	size_t kept = 0;

	for (size_t i = 0; i < reader->span_count; i++) {
		const struct heap_span *span = &reader->spans[i];

		if ((span->state == HEAP_SPAN_IN_USE || span->state == HEAP_SPAN_MANUAL) && span->pages)
			reader->spans[kept++] = reader->spans[i];
	}
	reader->span_count = kept;
}

static int cannot_read(const struct reader *reader, const char *why, struct error *error)
{
	const struct target *target = reader->process->target;

	return error_set(error, STATUS_CANNOT_MEASURE, "cannot read the memory of process %d (%s): %s", target->pid,
			 target->comm, why);
}

static int read_all(struct reader *reader, struct error *error)
{
	struct heap_process *process = reader->process;
	struct error refusal;
	char path[64], why[512];

	/* before any read of its memory, which could make pages resident */
	if (procfs_lines(process->target->tid, "maps", note_names, reader) <= 0 ||
	    procfs_lines(process->target->tid, "smaps", take_line, reader) <= 0)
		return cannot_read(reader, "its mappings are gone, it has ended", error);
	snprintf(path, sizeof(path), "/proc/%d/pagemap", process->target->tid);
	reader->pagemap = open(path, O_RDONLY | O_CLOEXEC);
	if (reader->pagemap < 0)
		return cannot_read(reader, "its pagemap cannot be opened", error);
	reader->page_flags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	if (process->runtime->spans(process, &reader->spans, &reader->span_count, &refusal)) {
		target_unreadable(process->target, why, sizeof(why));
		return cannot_read(reader, refusal.text[0] ? refusal.text : why, error);
	}
	note_arenas(reader);
	add_classes(reader);
	for (int line = 0; line < MEMORY_LINE_COUNT; line++)
		reader->map->says[line] = VALUE_UNMEASURED;
	process->runtime->says(process, reader->spans, reader->span_count, reader->map);
	drop_unused(reader);
	add_mappings(reader);
	return 0;
}

int memory_map_read(struct heap_process *process, struct memory_map *map, struct error *error)
{
	struct reader reader = {.process = process, .map = map, .pagemap = -1, .page_flags = -1};
	int status;

	memset(map, 0, sizeof(*map));
	status = read_all(&reader, error);
	if (reader.pagemap >= 0)
		close(reader.pagemap);
	if (reader.page_flags >= 0)
		close(reader.page_flags);
	free(reader.spans);
	free(reader.arenas);
	free(reader.mappings);
	return status;
}
