/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RENDER_MEMORY_H
#define ESCAPEMENT_RENDER_MEMORY_H

/* What resident memory is, for people and programs. */

#include <stdbool.h>
#include <stdio.h>

#include "heap/memory_map.h"

/* The lines that add up to RSS. */
void render_memory_lines(FILE *stream, const struct memory_map *map, bool color);

/* The same, and the heap in use by size class, `top` rows (0: all). */
void render_memory_text(FILE *stream, const struct memory_map *map, bool color, size_t top);

/* Schema escapement.memory/1:
 *
 *   {"schema", "pid", "rss", "swapped", "lines": {KEY: {"rss", "runtime"}…}, "rows": [{"size_class", "spans",
 *   "span_bytes", "objects", "bytes", "free_bytes", "tail_bytes"}…]}
 *
 * The lines' rss add up to rss; "runtime" is what the runtime's own counter says, or null. The rows are size classes.
 */
void render_memory_json(FILE *stream, const struct memory_map *map, int pid);

#endif
