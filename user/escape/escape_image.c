/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An image is a head, then tables of rows in the order of enum table, then texts. Rows refer to texts by where they begin: behind
 * a NUL, as the first byte is one; 0 is NULL. What an annotation has of flows, and a flow of steps, follows what the one before has.
 */
#include "escape/escape_image.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/memory.h"
#include "base/pointer_map.h"
#include "base/printable.h"
#include "base/string_table.h"
#include "escape/escape_parser.h"

/* That with numbers of 8 bytes comes first, so that all rows are aligned. */
enum table { UNRECOGNIZED, FAILURES, ANNOTATIONS, FLOWS, STEPS, PACKAGES, TABLES };

struct head {
	uint64_t lines, bytes; /* of the compiler's text */
	uint32_t rows[TABLES]; /* how many each table has */
	uint32_t cut, zero;
};

enum { EXPLAINED_ONLY = 1, TRUNCATED = 2 };

struct annotation {
	uint32_t package, file, function, subject, detail, text;
	uint32_t line, column;
	uint32_t flows, kind, flags;
};

struct flow {
	uint32_t to, from;
	int32_t derefs;
	uint32_t steps;
};

struct step {
	uint32_t expression, reason, file;
	uint32_t line, column;
};

struct unrecognized {
	uint64_t line_number;
	uint32_t text, zero;
};

struct package {
	uint32_t path;
};

struct failure {
	uint32_t package, text;
};

static const size_t row_sizes[TABLES] = {
	[UNRECOGNIZED] = sizeof(struct unrecognized),
	[FAILURES] = sizeof(struct failure),
	[ANNOTATIONS] = sizeof(struct annotation),
	[FLOWS] = sizeof(struct flow),
	[STEPS] = sizeof(struct step),
	[PACKAGES] = sizeof(struct package),
};

/* ---- writing ---- */

struct writer {
	FILE *stream, *texts;
	uint32_t text_size;
	size_t left;		  /* of the bytes that an image may have */
	bool full;		  /* there are more texts than have room in it: no more are kept */
	struct pointer_map known; /* where interned texts are: each is there once */
};

static uint32_t append_text(struct writer *writer, const char *text)
{
	size_t size = strlen(text) + 1;
	uint32_t at = writer->text_size;

	writer->full |= size > writer->left || size > UINT32_MAX - at;
	if (writer->full)
		return 0;
	fwrite(text, 1, size, writer->texts);
	writer->left -= size;
	writer->text_size += (uint32_t)size;
	return at;
}

static uint32_t interned(struct writer *writer, const char *text)
{
	uint32_t *at;

	if (!text || writer->full)
		return 0;
	at = pointer_map_at(&writer->known, text);
	if (*at == POINTER_MAP_NONE)
		*at = append_text(writer, text);
	return *at;
}

static void write_annotation(struct writer *writer, const struct escape_annotation *from)
{
	const struct annotation row = {
		.package = interned(writer, from->package),
		.file = interned(writer, from->file),
		.function = interned(writer, from->function),
		.subject = interned(writer, from->subject),
		.detail = interned(writer, from->detail),
		.text = append_text(writer, from->text),
		.line = from->line,
		.column = from->column,
		.flows = from->flow_count,
		.kind = from->kind,
		.flags = (from->explained_only ? EXPLAINED_ONLY : 0) | (from->truncated ? TRUNCATED : 0),
	};

	fwrite(&row, sizeof(row), 1, writer->stream);
}

static void write_flow(struct writer *writer, const struct escape_flow *from)
{
	const struct flow row = {interned(writer, from->to), interned(writer, from->from), from->derefs,
				 from->step_count};

	fwrite(&row, sizeof(row), 1, writer->stream);
}

static void write_steps(struct writer *writer, const struct escape_flow *flow)
{
	for (uint32_t i = 0; i < flow->step_count; i++) {
		const struct escape_step *from = &flow->steps[i];
		const struct step row = {interned(writer, from->expression), interned(writer, from->reason),
					 interned(writer, from->file), from->line, from->column};

		fwrite(&row, sizeof(row), 1, writer->stream);
	}
}

static void write_explanations(struct writer *writer, const struct escape_output *output,
			       void (*write)(struct writer *writer, const struct escape_flow *flow))
{
	for (size_t i = 0; i < output->annotation_count && !writer->full; i++) {
		for (uint32_t j = 0; j < output->annotations[i].flow_count; j++)
			write(writer, &output->annotations[i].flows[j]);
	}
}

/* Annotations may share an explanation, which each has as its own in an image. Counts no further than `most`. */
static void count_rows(const struct escape_output *output, size_t most, uint64_t rows[TABLES])
{
	rows[UNRECOGNIZED] = output->unrecognized_count;
	rows[FAILURES] = output->failure_count;
	rows[ANNOTATIONS] = output->annotation_count;
	rows[PACKAGES] = output->package_count;
	rows[FLOWS] = rows[STEPS] = 0;
	for (size_t i = 0; i < output->annotation_count && rows[FLOWS] <= most && rows[STEPS] <= most; i++) {
		rows[FLOWS] += output->annotations[i].flow_count;
		for (uint32_t j = 0; j < output->annotations[i].flow_count; j++)
			rows[STEPS] += output->annotations[i].flows[j].step_count;
	}
}

static int write_head(struct writer *writer, const struct escape_output *output)
{
	struct head head = {.lines = output->line_count, .bytes = output->byte_count};
	uint64_t rows[TABLES];

	count_rows(output, writer->left, rows);
	if (writer->left < sizeof(head) + 1)
		return -1;
	writer->left -= sizeof(head) + 1;
	fputc(0, writer->texts);
	for (int i = 0; i < TABLES; i++) {
		if (rows[i] > writer->left / row_sizes[i])
			return -1;
		writer->left -= rows[i] * row_sizes[i];
		head.rows[i] = (uint32_t)rows[i];
	}
	head.cut = interned(writer, output->cut);
	fwrite(&head, sizeof(head), 1, writer->stream);
	return 0;
}

static void write_tables(struct writer *writer, const struct escape_output *output)
{
	for (size_t i = 0; i < output->unrecognized_count; i++) {
		const struct unrecognized row = {output->unrecognized[i].line_number,
						 interned(writer, output->unrecognized[i].text), 0};

		fwrite(&row, sizeof(row), 1, writer->stream);
	}
	for (size_t i = 0; i < output->failure_count; i++) {
		const struct failure row = {interned(writer, output->failures[i].package),
					    interned(writer, output->failures[i].text)};

		fwrite(&row, sizeof(row), 1, writer->stream);
	}
	for (size_t i = 0; i < output->annotation_count && !writer->full; i++)
		write_annotation(writer, &output->annotations[i]);
	write_explanations(writer, output, write_flow);
	write_explanations(writer, output, write_steps);
	for (size_t i = 0; i < output->package_count; i++) {
		const struct package row = {interned(writer, output->packages[i])};

		fwrite(&row, sizeof(row), 1, writer->stream);
	}
}

int escape_image_write(FILE *stream, const struct escape_output *output, size_t most)
{
	struct writer writer = {.stream = stream, .text_size = 1, .left = most};
	char *texts;
	size_t size;
	int result;

	writer.texts = open_memstream(&texts, &size);
	if (!writer.texts)
		memory_out();
	result = write_head(&writer, output);
	if (!result)
		write_tables(&writer, output);
	if (fclose(writer.texts))
		memory_out();
	if (writer.full)
		result = -1;
	if (!result)
		fwrite(texts, 1, size, stream);
	free(texts);
	pointer_map_free(&writer.known);
	return result;
}

/* ---- reading ---- */

struct reader {
	const char *texts;
	size_t text_size;
	bool wrong; /* something was, and is NULL or 0 in its place */
};

static const char *optional(struct reader *reader, uint32_t at)
{
	if (!at)
		return NULL;
	if (at < reader->text_size && !reader->texts[at - 1])
		return reader->texts + at;
	reader->wrong = true;
	return NULL;
}

static const char *text(struct reader *reader, uint32_t at)
{
	const char *found = optional(reader, at);

	reader->wrong |= !found;
	return found;
}

/* Takes `count` of `*left` rows; none if there are fewer. */
static uint32_t take(struct reader *reader, uint32_t count, uint32_t *left)
{
	if (count > *left) {
		reader->wrong = true;
		return 0;
	}
	*left -= count;
	return count;
}

static bool are_printable(const char *texts, size_t size)
{
	for (const char *at = texts, *end = texts + size; at < end;) {
		size_t length = strlen(at); /* the last byte is a NUL */

		if (!printable_is(at, length))
			return false;
		at += length + 1;
	}
	return true;
}

/* Fills in where the rows of each table are, and the texts. */
static bool find_tables(struct reader *reader, const struct head *head, size_t size, const void *tables[TABLES])
{
	const char *at = (const char *)(head + 1), *end = (const char *)head + size;

	for (int i = 0; i < TABLES; i++) {
		if (head->rows[i] > (size_t)(end - at) / row_sizes[i])
			return false;
		tables[i] = at;
		at += head->rows[i] * row_sizes[i];
	}
	reader->texts = at;
	reader->text_size = (size_t)(end - at);
	return at < end && !*at && !end[-1] && are_printable(at, reader->text_size);
}

static void read_annotation(struct reader *reader, const struct annotation *row, struct escape_annotation *to)
{
	*to = (struct escape_annotation){
		.package = optional(reader, row->package),
		.file = text(reader, row->file),
		.function = optional(reader, row->function),
		.subject = text(reader, row->subject),
		.detail = optional(reader, row->detail),
		.text = text(reader, row->text),
		.line = row->line,
		.column = row->column,
		.kind = row->kind < ESCAPE_KIND_COUNT ? row->kind : 0,
		.explained_only = row->flags & EXPLAINED_ONLY,
		.truncated = row->flags & TRUNCATED,
	};
	reader->wrong |= row->kind >= ESCAPE_KIND_COUNT || (to->subject && !*to->subject);
}

static struct escape_step *read_steps(struct reader *reader, const struct step *rows, uint32_t count,
				      struct arena *memory)
{
	struct escape_step *steps = arena_allocate(memory, (count + (size_t)1) * sizeof(*steps));

	for (uint32_t i = 0; i < count; i++)
		steps[i] = (struct escape_step){text(reader, rows[i].expression), text(reader, rows[i].reason),
						optional(reader, rows[i].file), rows[i].line, rows[i].column};
	return steps;
}

static struct escape_flow *read_flows(struct reader *reader, const struct flow *rows, uint32_t count,
				      const struct escape_step *steps, uint32_t step_count, struct arena *memory)
{
	struct escape_flow *flows = arena_allocate(memory, (count + (size_t)1) * sizeof(*flows));

	for (uint32_t i = 0; i < count; i++) {
		flows[i] = (struct escape_flow){text(reader, rows[i].to), text(reader, rows[i].from), rows[i].derefs,
						take(reader, rows[i].steps, &step_count), steps};
		reader->wrong |= rows[i].derefs < -1;
		steps += flows[i].step_count;
	}
	return flows;
}

static void read_annotations(struct reader *reader, const struct head *head, const void *const tables[TABLES],
			     struct escape_output *output)
{
	struct arena *memory = &escape_output_strings(output)->arena;
	const struct annotation *rows = tables[ANNOTATIONS];
	uint32_t left = head->rows[FLOWS];
	const struct escape_step *steps = read_steps(reader, tables[STEPS], head->rows[STEPS], memory);
	const struct escape_flow *flows = read_flows(reader, tables[FLOWS], left, steps, head->rows[STEPS], memory);

	output->annotation_count = head->rows[ANNOTATIONS];
	output->annotations =
		memory_resize(output->annotations, output->annotation_count, sizeof(*output->annotations));
	for (size_t i = 0; i < output->annotation_count; i++) {
		struct escape_annotation *to = &output->annotations[i];

		read_annotation(reader, &rows[i], to);
		to->flow_count = take(reader, rows[i].flows, &left);
		to->flows = to->flow_count ? flows : NULL;
		flows += to->flow_count;
		output->counts[to->kind]++;
	}
}

static void read_others(struct reader *reader, const struct head *head, const void *const tables[TABLES],
			struct escape_output *output)
{
	const struct unrecognized *unrecognized = tables[UNRECOGNIZED];
	const struct failure *failures = tables[FAILURES];
	const struct package *packages = tables[PACKAGES];

	output->unrecognized_count = head->rows[UNRECOGNIZED];
	output->unrecognized = memory_zeroed(output->unrecognized_count, sizeof(*output->unrecognized));
	for (size_t i = 0; i < output->unrecognized_count; i++)
		output->unrecognized[i] =
			(struct escape_unrecognized){unrecognized[i].line_number, text(reader, unrecognized[i].text)};
	output->failure_count = head->rows[FAILURES];
	output->failures = memory_zeroed(output->failure_count, sizeof(*output->failures));
	for (size_t i = 0; i < output->failure_count; i++)
		output->failures[i] =
			(struct escape_failure){text(reader, failures[i].package), optional(reader, failures[i].text)};
	output->package_count = head->rows[PACKAGES];
	output->packages = memory_zeroed(output->package_count, sizeof(*output->packages));
	for (size_t i = 0; i < output->package_count; i++)
		output->packages[i] = text(reader, packages[i].path);
}

struct escape_output *escape_image_read(const void *bytes, size_t size)
{
	const struct head *head = bytes;
	const void *tables[TABLES];
	struct reader reader = {0};
	struct escape_output *output;

	if (size < sizeof(*head) || !find_tables(&reader, head, size, tables))
		return NULL;
	output = escape_parser_finish(escape_parser_new());
	output->line_count = head->lines;
	output->byte_count = head->bytes;
	output->cut = optional(&reader, head->cut);
	read_annotations(&reader, head, tables, output);
	read_others(&reader, head, tables, output);
	if (!reader.wrong)
		return output;
	escape_free(output);
	return NULL;
}
