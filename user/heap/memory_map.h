/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_MEMORY_MAP_H
#define ESCAPEMENT_MEMORY_MAP_H

/*
 * Divides the resident memory of a process with a heap into lines: /proc/PID/smaps says how much of each mapping is resident,
 * /proc/PID/pagemap which of its pages, and the runtime's spans what is on these pages. The lines add up to the sum of Rss
 * in smaps; what none of the three explains has a line of its own.
 *
 * The process is not stopped: while it allocates, the three sources are read milliseconds apart, and what changed in
 * between is in the last line.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "profile/profile.h"

struct heap_process;

/* A row: name in C, key, and what it is. In the order in which they are shown. */
#define MEMORY_LINES(ROW)                                                                                  \
	ROW(MEMORY_HEAP_IN_USE, "heap_in_use", "heap in use: objects, and free room between them")         \
	ROW(MEMORY_HEAP_IDLE, "heap_idle", "heap idle: free pages, not given back to the system yet")      \
	ROW(MEMORY_HEAP_RELEASED, "heap_released", "heap released: free pages, given back")                \
	ROW(MEMORY_STACKS, "stacks", "stacks of goroutines or coroutines, and work of the collector")      \
	ROW(MEMORY_RUNTIME, "runtime", "the runtime's own tables")                                         \
	ROW(MEMORY_EXECUTABLE, "executable", "the executable: code and data")                              \
	ROW(MEMORY_FILES, "files", "libraries and other mapped files")                                     \
	ROW(MEMORY_C_HEAP, "c_heap", "C's heap ([heap])")                                                  \
	ROW(MEMORY_OTHER, "other", "other mappings: C, its threads' stacks, what the program maps itself") \
	ROW(MEMORY_UNKNOWN, "unknown", "unknown: changed meanwhile, or read and never written")

#define MEMORY_LINE_NAME(name, ...) name,
enum memory_line { MEMORY_LINES(MEMORY_LINE_NAME) MEMORY_LINE_COUNT };
#undef MEMORY_LINE_NAME

struct memory_line_row {
	const char *key, *text;
};
extern const struct memory_line_row memory_lines[MEMORY_LINE_COUNT];

/* Objects of one size class; large ones are class 0. */
struct memory_class {
	int64_t spans, span_bytes;
	int64_t objects, bytes; /* allocated, or free and not swept yet; bytes of their size class */
	int64_t free_bytes;	/* room for more objects */
	int64_t tail_bytes;	/* of spans, where no whole object fits */
};

struct memory_map {
	int64_t rss[MEMORY_LINE_COUNT];	 /* resident bytes; their sum is that of smaps */
	int64_t says[MEMORY_LINE_COUNT]; /* bytes as the runtime counts them; VALUE_UNMEASURED if it does not */
	int64_t total;			 /* the sum of Rss in smaps */
	int64_t swapped;		 /* the sum of Swap there: not in any line */
	struct memory_class classes[SIZE_CLASSES];
};

/* Returns -1 if it cannot be read. */
int memory_map_read(struct heap_process *process, struct memory_map *map, struct error *error);

#endif
