/* SPDX-License-Identifier: BSD-2-Clause */
/* Renders audits as lists for other programs: a Markdown table, quickfix lines for editors, CSV. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/printable.h"
#include "audit/audit_place.h"
#include "render/render_audit.h"
#include "render/render_audit_page.h"

/* A step summary may have 1 MiB; the text after the rows needs some of it. */
enum { MARKDOWN_MAX = 900 << 10 };

static void put_value(FILE *stream, int64_t value)
{
	if (value == VALUE_UNMEASURED)
		putc('-', stream);
	else
		fprintf(stream, "%" PRId64, value);
}

static void put_position(FILE *stream, const struct audit_row *row, enum text_language language)
{
	uint32_t line, column;
	const char *file = audit_place(row, &line, &column);

	text_put(stream, language, file ? file : "(unknown)");
	if (line)
		fprintf(stream, ":%" PRIu32, line);
	if (line && column)
		fprintf(stream, ":%" PRIu32, column);
}

/* The compiler's words, or why there are none, and the call of what it says nothing about. */
static void put_words(FILE *stream, const struct audit_row *row, enum text_language language)
{
	text_put(stream, language, audit_row_words(row));
	if (row->callee) {
		fputs(": ", stream);
		text_put(stream, language, row->callee);
	}
}

static void put_markdown_row(const struct audit_row *row, FILE *stream)
{
	fputs("| ", stream);
	put_value(stream, row->values[VALUE_OBJECTS]);
	fputs(" | ", stream);
	put_value(stream, row->values[VALUE_BYTES]);
	fputs(" | ", stream);
	put_position(stream, row, TEXT_MARKDOWN);
	fputs(" | ", stream);
	text_put(stream, TEXT_MARKDOWN, row->site.function ? row->site.function : "");
	fputs(" | ", stream);
	put_words(stream, row, TEXT_MARKDOWN);
	fputs(" |\n", stream);
}

static void put_share(const struct audit *audit, const struct audit_sum *sum, FILE *stream)
{
	int64_t bytes = sum->values[VALUE_BYTES], all = audit->whole[VALUE_BYTES];

	if (bytes != VALUE_UNMEASURED && all > 0)
		fprintf(stream, ", %.1f %% of the bytes", 100 * (double)bytes / (double)all);
	fputs(".\n", stream);
}

/* Writes the sums of a verdict's rows, and what the verdict means. */
static void put_markdown_section(const struct audit *audit, int verdict, FILE *stream)
{
	const struct audit_sum *sum = &audit->sums[verdict];

	fprintf(stream, "\n### %s\n\n%s: %" PRIu64 " row%s", audit_verdict_name(verdict),
		audit_verdict_meaning(audit, verdict), sum->rows, sum->rows == 1 ? "" : "s");
	if (audit_verdict_allocates(verdict))
		put_share(audit, sum, stream);
	else
		fputs(".\n", stream);
}

/* Writes the rows of a verdict as a table, as far as they fit. Returns how many do not. */
static size_t put_markdown_rows(const struct audit *audit, int verdict, size_t *written, FILE *stream)
{
	size_t left_out = 0;
	bool begun = false;

	for (size_t i = 0; i < audit->row_count; i++) {
		const struct audit_row *row = &audit->rows[i];
		char *text = NULL;
		size_t length = 0;
		FILE *memory;

		if (audit_row_counts_as(row) != verdict)
			continue;
		memory = open_memstream(&text, &length);
		if (!memory)
			memory_out();
		if (!begun)
			fputs("\n| objects | bytes | site | function | compiler |\n|---:|---:|---|---|---|\n", memory);
		put_markdown_row(row, memory);
		if (fclose(memory))
			memory_out();
		if (left_out || *written + length > MARKDOWN_MAX) {
			left_out++;
		} else {
			begun = true;
			*written += length;
			fwrite(text, 1, length, stream);
		}
		free(text);
	}
	return left_out;
}

/* All verdicts, each with its rows; those that do not allocate, of which there may be thousands, only if asked for. Of what no
 * line of the program allocates there is the sum only, as in the text, unless it is asked for: nobody can change it. */
void render_audit_markdown(const struct audit *audit, const struct render_audit_options *options, FILE *stream)
{
	size_t written = 0, left_out = 0;
	char *head = audit_head_text(audit);

	fprintf(stream, "## Heap allocations and escape analysis\n\n%s\n\n", head);
	free(head);
	for (int i = 0; i < AUDIT_VERDICT_COUNT; i++)
		fprintf(stream, "%s%" PRIu64 " %s", i ? ", " : "", audit->sums[i].rows, audit_verdict_name(i));
	fputs("\n", stream);
	for (int verdict = 0; verdict < AUDIT_VERDICT_COUNT + (options->verdicts != 0); verdict++) {
		if (options->verdicts ? !(options->verdicts & 1U << verdict) : !audit->sums[verdict].rows)
			continue;
		put_markdown_section(audit, verdict, stream);
		if (options->verdicts || audit_verdict_allocates(verdict))
			left_out += put_markdown_rows(audit, verdict, &written, stream);
		else
			fprintf(stream, "`--verdict %s` lists them.\n", audit_verdict_name(verdict));
	}
	if (!options->verdicts && audit->sums[AUDIT_OUTSIDE].rows) {
		fprintf(stream, "\n### %s\n\n%s", audit_verdict_name(AUDIT_OUTSIDE),
			audit_verdicts[AUDIT_OUTSIDE].meaning);
		put_share(audit, &audit->sums[AUDIT_OUTSIDE], stream);
	}
	if (left_out)
		fprintf(stream, "\n%zu more rows do not fit here.\n", left_out);
}

void render_audit_quickfix(const struct audit *audit, const struct render_audit_options *options, FILE *stream)
{
	(void)options;
	for (size_t i = 0; i < audit->row_count; i++) {
		const struct audit_row *row = &audit->rows[i];

		if (audit_row_is_outside(row)) /* nowhere to go to */
			continue;
		put_position(stream, row, TEXT_TERMINAL);
		fprintf(stream, ": %s: ", audit_verdict_name(row->verdict));
		put_words(stream, row, TEXT_TERMINAL);
		if (row->values[VALUE_OBJECTS] > 0) {
			fputs(" (", stream);
			put_value(stream, row->values[VALUE_OBJECTS]);
			fputs(" objects", stream);
			if (row->values[VALUE_BYTES] != VALUE_UNMEASURED)
				fprintf(stream, ", %" PRId64 " bytes", row->values[VALUE_BYTES]);
			putc(')', stream);
		}
		putc('\n', stream);
	}
}

static void put_field(FILE *stream, const char *text)
{
	text_put(stream, TEXT_CSV, text ? text : "");
	putc(',', stream);
}

/* The distinct subjects that a row may be about. */
static void put_subjects(FILE *stream, const struct audit_row *row)
{
	uint32_t count = row->annotation_count - row->linked_count;
	char *text = memory_text("");

	for (uint32_t i = 0; i < count; i++) {
		bool repeated = false;
		char *longer;

		for (uint32_t j = 0; j < i; j++)
			repeated |= row->annotations[i]->subject == row->annotations[j]->subject;
		if (repeated)
			continue;
		longer = memory_format("%s%s%s", text, i ? " or " : "", row->annotations[i]->subject);
		free(text);
		text = longer;
	}
	put_field(stream, text);
	free(text);
}

static void put_number_field(FILE *stream, int64_t value, bool known, const char *end)
{
	if (known)
		fprintf(stream, "%" PRId64, value);
	fputs(end, stream);
}

void render_audit_csv(const struct audit *audit, const struct render_audit_options *options, FILE *stream)
{
	(void)options;
	fputs("verdict,file,line,column,function,runtime_call,callee,type,kind,subject,reason,shared,", stream);
	for (int i = profile_value_next(-1, VALUE_SHOWN); i < VALUE_COUNT; i = profile_value_next(i, VALUE_SHOWN))
		fprintf(stream, "%s,", profile_values[i].key);
	fputs("objects_low,objects_high,bytes_low,bytes_high,tiny_objects\r\n", stream);
	for (size_t i = 0; i < audit->row_count; i++) {
		const struct audit_row *row = &audit->rows[i];
		const struct escape_annotation *annotation = row->annotation_count ? row->annotations[0] : NULL;

		put_field(stream, audit_verdict_name(row->verdict));
		put_field(stream, row->file);
		put_number_field(stream, row->site.line, row->site.line != 0, ",");
		put_number_field(stream, row->site.column, row->site.column != 0, ",");
		put_field(stream, row->site.function);
		put_field(stream, row->runtime_call);
		put_field(stream, row->callee);
		put_field(stream, row->type);
		put_field(stream, annotation ? escape_kind_name(annotation->kind) : "");
		put_subjects(stream, row);
		put_field(stream, row->reason);
		fputs(row->shared ? "true," : "false,", stream);
		for (int j = profile_value_next(-1, VALUE_SHOWN); j < VALUE_COUNT;
		     j = profile_value_next(j, VALUE_SHOWN))
			put_number_field(stream, row->values[j], row->values[j] != VALUE_UNMEASURED, ",");
		put_number_field(stream, row->objects_low, row->objects_low != VALUE_UNMEASURED, ",");
		put_number_field(stream, row->objects_high, row->objects_high != VALUE_UNMEASURED, ",");
		put_number_field(stream, row->bytes_low, row->bytes_low != VALUE_UNMEASURED, ",");
		put_number_field(stream, row->bytes_high, row->bytes_high != VALUE_UNMEASURED, ",");
		put_number_field(stream, 0, !row->tiny_unknown, "\r\n");
	}
}
