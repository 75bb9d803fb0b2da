/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RENDER_AUDIT_H
#define ESCAPEMENT_RENDER_AUDIT_H

/* Audits for people and for other programs. Write errors stay in the stream, for the caller to see. */

#include <stdio.h>

#include "audit/audit.h"
#include "audit/audit_index.h"
#include "escape/escape_graph.h"
#include "text/terminal.h"

enum audit_format {
	AUDIT_TEXT,
	AUDIT_JSON,	/* escapement.audit/2 */
	AUDIT_SARIF,	/* SARIF 2.1.0, for code scanning */
	AUDIT_MARKDOWN, /* for a step summary or a comment */
	AUDIT_QUICKFIX, /* FILE:LINE:COLUMN: message, for editors */
	AUDIT_CSV,
};
extern const char *const audit_format_names[]; /* NULL-terminated */

struct render_audit_options {
	bool flow;	   /* text: print the compiler's whole explanation */
	unsigned verdicts; /* bit per verdict whose rows text and markdown list; 0: escapes and contradicted */
	enum terminal_color color;
	const struct escape_graph *graph; /* of the audit's compiler output: text and JSON tell its stories */
};

void render_audit(const struct audit *audit, enum audit_format format, const struct render_audit_options *options,
		  FILE *stream);

/* --annotate: a source file with a margin of objects, bytes and the compiler's words. `name` is the file as the
 * user gave it. Fails where it cannot be read, or nothing in the audit is about it. */
int render_audit_source(const struct audit *audit, const char *name, const struct audit_options *options, FILE *stream,
			struct error *error);

/* One each; render_audit() picks. Formats for programs have no use for the options. */
void render_audit_text(const struct audit *audit, const struct render_audit_options *options, FILE *stream);
void render_audit_json(const struct audit *audit, const struct render_audit_options *options, FILE *stream);
void render_audit_sarif(const struct audit *audit, const struct render_audit_options *options, FILE *stream);
void render_audit_markdown(const struct audit *audit, const struct render_audit_options *options, FILE *stream);
void render_audit_quickfix(const struct audit *audit, const struct render_audit_options *options, FILE *stream);
void render_audit_csv(const struct audit *audit, const struct render_audit_options *options, FILE *stream);
#endif
