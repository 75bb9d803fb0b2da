/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RENDER_COMPARE_H
#define ESCAPEMENT_RENDER_COMPARE_H

/* Comparisons for people and for programs. Write errors stay in the stream, for its owner to find. */

#include <stdio.h>

#include "compare/comparison.h"
#include "render/render_gate.h"

/* The formats; a row: name in C, name of the option, the function that renders. Markdown is for a pull-request comment, HTML
 * a page for a browser (page.h). */
#define COMPARE_FORMATS(ROW)                                       \
	ROW(COMPARE_TEXT, "text", render_compare_text)             \
	ROW(COMPARE_JSON, "json", render_compare_json)             \
	ROW(COMPARE_MARKDOWN, "markdown", render_compare_markdown) \
	ROW(COMPARE_HTML, "html", render_compare_html)

#define FORMAT_ENUM(name, ...) name,
enum compare_format { COMPARE_FORMATS(FORMAT_ENUM) };
#undef FORMAT_ENUM
extern const char *const compare_format_names[]; /* NULL-terminated */

void render_compare(FILE *stream, const struct comparison *comparison, enum compare_format format,
		    const struct gate_style *style);

/*
 * The document escapement.compare/1: {"schema", "verdict", "command", "sides": [SIDE, SIDE] (before and after: "name",
 * "runtime", "runs", "totals", "collections", "collections_per_second", "collections_cpu_percent"), "benchmarks":
 * [{"name", "before", "after"}…] (allocs and bytes an operation; null on a side that does not have it), "compiler":
 * {"new", "gone", "changed"} or null, "words": [{"change", "text", "was", "file", "line", "column", "function",
 * "times_before", "times_after", "copies" (the same at inlined copies of the function), "before", "after"}…] (what the compiler
 * says differently, with objects and bytes of its sites, null if it has none),
 * "sums" and "rows" as in escapement.gate/2, "lost"}.
 */
#define FORMAT_FUNCTION(name, option, function) \
	void function(FILE *stream, const struct comparison *comparison, const struct gate_style *style);
COMPARE_FORMATS(FORMAT_FUNCTION)
#undef FORMAT_FUNCTION

/* What the formats share; texts that the caller frees. */
/* "&point{...} no longer escapes to the heap: 100,000 -> 0 objects". `quote` stands around what is quoted of the source. */
char *compare_words_text(const struct comparison_words *words, const char *quote);
/* "main.go:8:41, mk", "main.go:8:41, mk, and 3 inlined copies" */
char *compare_words_place(const struct comparison_words *words);
/* "refills 232 -> 36, heap grown 4.0 -> 4.0 MiB"; NULL if nothing was measured. */
char *compare_allocator_text(const struct comparison *comparison);
/* "41 -> 2 collections a second, 9 -> 0.5 % of the CPU"; NULL if nothing was measured. */
char *compare_collector_text(const struct comparison *comparison);

#endif
