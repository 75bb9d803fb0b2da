/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RENDER_GATE_H
#define ESCAPEMENT_RENDER_GATE_H

/* Renders gates for people and for CI systems. Write errors stay in the stream, for the caller to check. */

#include <stdbool.h>
#include <stdio.h>

#include "gate/gate.h"
#include "compare/overlay.h"
#include "escape/escape_graph.h"
#include "gate/gate_contract.h"
#include "gate/gate_stacks.h"
#include "gate/policy.h"
#include "text/json.h"

/*
 * The formats. A row: name in C, name of the option, the function that renders. JSON is escapement.gate/2, Markdown is
 * for a pull-request comment or a step summary (at most 900 KiB), HTML a page for a browser (page.h), SARIF 2.1.0 for code scanning; JUnit has one test
 * case per site; github is GitHub workflow commands, at most 10, then the text.
 */
#define GATE_FORMATS(ROW)                                    \
	ROW(GATE_TEXT, "text", render_gate_text)             \
	ROW(GATE_JSON, "json", render_gate_json)             \
	ROW(GATE_MARKDOWN, "markdown", render_gate_markdown) \
	ROW(GATE_HTML, "html", render_gate_html)             \
	ROW(GATE_SARIF, "sarif", render_gate_sarif)          \
	ROW(GATE_JUNIT, "junit", render_gate_junit)          \
	ROW(GATE_GITHUB, "github", render_gate_github)

#define FORMAT_ENUM(name, ...) name,
enum gate_format { GATE_FORMATS(FORMAT_ENUM) };
#undef FORMAT_ENUM
extern const char *const gate_format_names[]; /* NULL-terminated */

/* Where the source of a side is. */
struct gate_source {
	bool unknown;		       /* nowhere: it may be another by now */
	const char *directory;	       /* base of relative file names; NULL: the working directory */
	struct overlay_files *overlay; /* what was read instead of files; NULL */
};

/* What a page says that only the command knows. All may be 0. */
struct gate_page {
	const char *before,
		*after; /* names of the files that the sides were read from; `after` is NULL if it was run */
	bool updates;	/* `before` is a baseline, which `gate --update` writes */
	const struct policy *policy;			    /* by which the gate judged */
	const struct gate_stacks *stacks;		    /* behind the sites */
	const struct escape_graph *graphs[CALL_TREE_SIDES]; /* of the compiler's output, which the stacks refer to */
	struct gate_source sources[CALL_TREE_SIDES];
	bool no_source; /* omit source lines */
	bool redact;	/* names of files without their directories */
};

struct gate_style {
	int width; /* columns of the text */
	bool color;
	bool all;		      /* text and markdown: also unchanged sites */
	bool advisory;		      /* the result is advisory */
	const char *what;	      /* what is counted: "objects", "escapes" */
	const struct gate_page *page; /* html; NULL: as if all of it were 0 */
	int room; /* text: lines for sites that changed and do not fail; 0: as few as suit a gate that passes */
};

void render_gate(FILE *stream, const struct gate *gate, enum gate_format format, const struct gate_style *style);

/*
 * The document escapement.gate/2: {"schema", "passed", "status", "advisory", "command", "runtime", "normalize",
 * "runs", "contracts": [CONTRACT…], "sums": [{"benchmark", "benchmark_package", "worse", "before", "after"}…] (objects and bytes of what is
 * judged, by benchmark; null is the rest), "rows": [ROW…], "changes": {CHANGE: count},
 * "totals": {"before": VALUES, "after": VALUES}, "outside", "bookkeeping": {"objects", "bytes"}, "lost": {"events", "stacks", "unexplained_objects"}}. A ROW has "change",
 * "fails", "note", "how", the site's key and position, "moved_from", "before", "after" (VALUES, or null if there is no
 * site) and "allowed" growth. VALUES are objects, bytes, refills, central_grows, heap_grows, heap_grow_bytes, per
 * iteration if "normalize" is set, and objects_max and bytes_max if the runs differ. A CONTRACT has "function", "broken",
 * "calls", "objects", "bytes", "allowed" ({"objects", "bytes"}, each null or {"most", "per_call"}) and "started": the go
 * statements below the function, {"in", "file", "line", "function", "times", "objects", "bytes", "elsewhere"}.
 */
#define FORMAT_FUNCTION(name, option, function) \
	void function(FILE *stream, const struct gate *gate, const struct gate_style *style);
GATE_FORMATS(FORMAT_FUNCTION)
#undef FORMAT_FUNCTION

enum { GATE_TEXT_SIZE = 2048 };

/* Parts of a gate that several documents have. */
/* Whether the sums are of benchmarks: then the sites of each stand below its line. */
static inline bool gate_has_benchmarks(const struct gate *gate)
{
	return gate->before->benchmark_count || gate->after->benchmark_count;
}
/* A table of the sites that fail, and of others that changed as long as there is space. With benchmarks, their lines are in
 * it; without, the sums are printed before. The same in Markdown, where the sums
 * without benchmarks are a part of their own, which returns how many bytes it took, and the rows stand after `written` bytes
 * of the page. */
void render_gate_sums(FILE *stream, const struct gate *gate, const struct gate_style *style);
void render_gate_rows(FILE *stream, const struct gate *gate, const struct gate_style *style);
size_t render_gate_markdown_sums(FILE *stream, const struct gate *gate, const struct gate_style *style);
void render_gate_markdown_rows(FILE *stream, const struct gate *gate, const struct gate_style *style, size_t written);
/* Members "sums" and "rows", and "lost", of a document of a gate or a comparison. */
void gate_json_rows(struct json_document *document, const struct gate *gate);
void gate_json_lost(struct json_document *document, const struct gate *gate);
/* Of sums: in how many of their rows a value is not known. */
cJSON *gate_rows_without_object(const size_t *before, const size_t *after);
cJSON *gate_number_object(double number); /* null where not measured */

/*
 * Contracts, which each format shows before its rows; nothing if there are none. One line per contract, with what was
 * counted below its function, and in how many calls; below it the go statements with what they started, which does not
 * count. In Markdown, which returns how many bytes it took, a list; in JSON the member "contracts".
 */
void gate_contracts_text(FILE *stream, const struct gate *gate);
size_t gate_contracts_markdown(FILE *stream, const struct gate *gate);
void gate_contracts_json(struct json_document *document, const struct gate *gate);
/* "go in main.spawn started main.worker 20 times: 40 objects, 640 bytes, not counted" */
const char *gate_start_text(char text[GATE_TEXT_SIZE], const struct gate_contract_start *start);

/* Shared by the formats. */
/* The next value that is shown for a site; VALUE_COUNT after the last. */
static inline int gate_value_next(int value)
{
	return profile_value_next(value, VALUE_SHOWN);
}
/* The name of a value: "objects", or what the style calls them; "bytes", …. */
const char *gate_value_name(enum profile_value value, const struct gate_style *style);
/* Whether a value is shown for that row: it was measured on a side, and is not 0 on both. */
bool gate_row_shows(const struct gate *gate, const struct gate_row *row, enum profile_value value);
/* "12", "0.25", "-" */
const char *gate_number(char text[32], double number);
/* "12", or with the spread of the runs "12..14"; "-" where not measured. */
const char *gate_count_text(char text[72], const struct gate_counts *side, const struct gate_site *site,
			    enum profile_value value);
/* The same of the side before. A contract's limit may be "no limit"; what allocates below it has nothing before: "". */
const char *gate_before_text(char text[72], const struct gate *gate, const struct gate_row *row,
			     enum profile_value value);
/* Whether the row is a contract: what is "before" is what it allows. */
bool gate_row_is_contract(const struct gate_row *row);
/* What became of the row: "worse", "renamed", "broken" of a contract, or "below it" for what allocates below that. */
const char *gate_row_word(const struct gate_row *row);
/* "+1", "-3", "" */
const char *gate_growth_text(char text[40], const struct gate *gate, const struct gate_row *row,
			     enum profile_value value);
/* "-98 %", "+0.4 %"; "" if nothing changed or there is nothing to compare with. */
const char *gate_percent(char text[32], double before, double after);
/* "main.handle: 0 objects, 0 bytes in 20 calls (allowed: objects=0)" */
const char *gate_contract_text(char text[GATE_TEXT_SIZE], const struct gate_contract_result *result);
/* "9,812", "0.25" */
const char *gate_grouped(char text[40], double number);
enum { GATE_NAME_SIZE = 512 };
/* A line for a benchmark, or for the program: "BenchmarkX  511 -> 9 allocs/op  -98 %  9,812 -> 61 B/op". */
struct gate_sum {
	const char *package, *benchmark; /* NULL: the program's */
	int64_t iterations;		 /* of a benchmark, of the run with the fewest; 0 if unknown */
	double before[2], after[2];	 /* objects, bytes; -1 if a side does not have it */
	bool lacks;			 /* the sides lack sites that no sample hit: they cannot be compared */
	char *text;			 /* without a newline at its end */
};
struct gate_sums {
	struct gate_sum *sums;
	size_t count;
	size_t unchanged, left_out; /* benchmarks without a line of their own */
	char *note;		    /* how many sites a sum of rows lacks; NULL: none */
	int lines;		    /* that all this takes */
};
struct gate_sums *gate_sums_new(const struct gate *gate, const struct gate_style *style);
void gate_sums_free(struct gate_sums *sums);
/* The group whose sites belong below sums[i]; NULL if they belong below a later line. */
const struct gate_group *gate_sums_group(const struct gate_sums *sums, size_t i, const struct gate *gate);
void gate_sums_print_folded(FILE *stream, const struct gate_sums *sums); /* of these only how many have no line */
/* " in BenchmarkParse", with its package if there are several; "" outside of any. */
const char *gate_in_benchmark(char text[GATE_NAME_SIZE], const struct gate *gate, const struct gate_site *site);
/* What stands above the sites of a group that has no line: its benchmark, or "outside of benchmarks". */
const char *gate_group_text(char text[GATE_NAME_SIZE], const struct gate *gate, const struct gate_group *group);
/* "simple/main.go:17:2", "main.go" or "". */
const char *gate_place(char text[GATE_TEXT_SIZE], const struct gate_site *site);
/* "moved to heap: c (return)": what the compiler said and why; "" if unknown. */
const char *gate_words(char text[GATE_TEXT_SIZE], const struct gate_site *site);
/* "string": the site's type as Go people write it; NULL if unknown. */
const char *gate_type(char text[GATE_TEXT_SIZE], const struct gate_site *site);
/* A sentence: "main.boo allocates 201 objects (200 before), …". */
const char *gate_message(char text[GATE_TEXT_SIZE], const struct gate *gate, const struct gate_row *row,
			 const struct gate_style *style);
/* Returns what a moved site was before: its function, or if that is the same, what the compiler called it; else NULL. */
const char *gate_moved_from(const struct gate_row *row);
/* "1 worse, 2 better, 30 unchanged sites". */
const char *gate_changes_text(char text[GATE_TEXT_SIZE], const struct gate *gate);
/* "gate passed: 2 better, 30 unchanged sites". */
const char *gate_summary(char text[GATE_TEXT_SIZE], const struct gate *gate, const struct gate_style *style);

#endif
