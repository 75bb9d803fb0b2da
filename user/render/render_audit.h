/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RENDER_AUDIT_H
#define ESCAPEMENT_RENDER_AUDIT_H

/* Renders audits for people and for other programs. Write errors stay in the stream, for the caller to check. */

#include <stdio.h>

#include "audit/audit.h"
#include "audit/audit_index.h"
#include "escape/escape_graph.h"
#include "text/json_writer.h"
#include "text/terminal.h"

/*
 * The formats. A row: name in C, name of the option, the function that renders. JSON is escapement.audit/2; SARIF 2.1.0
 * is for code scanning, Markdown for a step summary or a comment, quickfix (FILE:LINE:COLUMN: message) for editors.
 */
#define AUDIT_FORMATS(ROW)                                     \
	ROW(AUDIT_TEXT, "text", render_audit_text)             \
	ROW(AUDIT_JSON, "json", render_audit_json)             \
	ROW(AUDIT_SARIF, "sarif", render_audit_sarif)          \
	ROW(AUDIT_MARKDOWN, "markdown", render_audit_markdown) \
	ROW(AUDIT_QUICKFIX, "quickfix", render_audit_quickfix) \
	ROW(AUDIT_CSV, "csv", render_audit_csv)

#define FORMAT_ENUM(name, ...) name,
enum audit_format { AUDIT_FORMATS(FORMAT_ENUM) };
#undef FORMAT_ENUM
extern const char *const audit_format_names[]; /* NULL-terminated */

struct render_audit_options {
	bool advice; /* text and JSON: also causes and rewrites */
	bool flow;   /* text: print the compiler's whole explanation */
	/* one bit per listed verdict; 0: in text those that allocate, in Markdown escapes and contradicted */
	unsigned verdicts;
	size_t rows; /* text: number of the most expensive rows of all verdicts to list; 0: all */
	int sort;    /* the order of the rows by cost, as for audit_filter() */
	enum terminal_color color;
	const struct escape_graph *graph; /* of the audit's compiler output, for explanations in text and JSON */
};

void render_audit(const struct audit *audit, enum audit_format format, const struct render_audit_options *options,
		  FILE *stream);

/* --annotate: prints a source file with a margin of objects, bytes and the compiler's messages. `name` is the file as
 * the user gave it. Fails if it cannot be read, or nothing in the audit is about it. */
int render_audit_source(const struct audit *audit, const char *name, const struct audit_options *options, FILE *stream,
			struct error *error);

/* One function per format; render_audit() selects. Formats for programs ignore the options. */
#define FORMAT_FUNCTION(name, option, function) \
	void function(const struct audit *audit, const struct render_audit_options *options, FILE *stream);
AUDIT_FORMATS(FORMAT_FUNCTION)
#undef FORMAT_FUNCTION

/* Member "inlined_at" of a row, in JSON and in the page. */
void render_audit_inlined_at(struct json_writer *writer, const struct audit_row *row);

#endif
