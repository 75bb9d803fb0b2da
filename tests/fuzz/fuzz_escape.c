/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parses arbitrary bytes as compiler output. The parser must not crash (under the address and undefined-behaviour
 * sanitizers). The result must not depend on how the input is split into pieces, counts must add up, no line may be
 * used twice, and no text of the result may control a terminal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "escape/escape.h"
#include "escape/escape_functions.h"
#include "escape/escape_parser.h"
#include "escape/go_source.h"
#include "base/printable.h"
#include "require.h"

static void require_printable(const char *text)
{
	REQUIRE(!text || printable_is(text, strlen(text)));
}

static void check_flows(const struct escape_annotation *a)
{
	for (uint32_t f = 0; f < a->flow_count; f++) {
		REQUIRE(a->flows[f].to && a->flows[f].from && a->flows[f].derefs >= -1);
		require_printable(a->flows[f].to);
		require_printable(a->flows[f].from);
		for (uint32_t s = 0; s < a->flows[f].step_count; s++) {
			require_printable(a->flows[f].steps[s].expression);
			require_printable(a->flows[f].steps[s].reason);
			require_printable(a->flows[f].steps[s].file);
		}
	}
}

static void check(const struct escape_output *output, size_t lines)
{
	uint64_t counts[ESCAPE_KIND_COUNT] = {0}, sum = 0, last = 0;

	for (size_t i = 0; i < output->annotation_count; i++) {
		const struct escape_annotation *a = &output->annotations[i];

		counts[a->kind]++;
		REQUIRE(a->file && a->subject && *a->subject && a->text);
		require_printable(a->package);
		require_printable(a->file);
		require_printable(a->subject);
		require_printable(a->detail);
		require_printable(a->function);
		require_printable(a->text);
		check_flows(a);
	}
	for (int kind = 0; kind < ESCAPE_KIND_COUNT; kind++) {
		REQUIRE(counts[kind] == output->counts[kind]);
		sum += counts[kind];
	}
	REQUIRE(sum == output->annotation_count);
	REQUIRE(sum + output->unrecognized_count <= lines);
	REQUIRE(output->line_count == lines);
	for (size_t i = 0; i < output->unrecognized_count; i++) {
		REQUIRE(output->unrecognized[i].line_number > last && output->unrecognized[i].line_number <= lines);
		last = output->unrecognized[i].line_number;
		require_printable(output->unrecognized[i].text);
	}
}

static size_t count_lines(const char *text, size_t size)
{
	size_t lines = 0;

	for (size_t i = 0; i < size; i++)
		lines += text[i] == '\n';
	return lines + (size && text[size - 1] != '\n');
}

static struct escape_output *parse(const char *text, size_t size, size_t piece)
{
	struct escape_parser *parser = escape_parser_new();

	for (size_t at = 0; at < size; at += piece)
		escape_parser_feed(parser, text + at, size - at < piece ? size - at : piece);
	return escape_parser_finish(parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct escape_output *whole, *pieces;
	struct source_functions functions;
	const char *text;

	if (!size)
		return 0;
	text = (const char *)data + 1;
	size--;
	whole = parse(text, size, size + 1);
	check(whole, count_lines(text, size));
	if (data[0] & 1) {
		pieces = parse(text, size, (size_t)(data[0] >> 3) + 1);
		check(pieces, count_lines(text, size));
		REQUIRE(pieces->annotation_count == whole->annotation_count);
		REQUIRE(pieces->unrecognized_count == whole->unrecognized_count);
		for (size_t i = 0; i < whole->annotation_count; i++)
			REQUIRE(strcmp(whole->annotations[i].text, pieces->annotations[i].text) == 0);
		escape_free(pieces);
	}
	if (data[0] & 2) {
		escape_name_functions(whole, NULL);
		check(whole, count_lines(text, size));
	}
	escape_free(whole);
	if (data[0] & 4) {
		go_source_scan(text, size, &functions);
		for (size_t i = 0; i < functions.count; i++)
			REQUIRE(functions.functions[i].name && functions.functions[i].line);
		go_functions_free(&functions);
	}
	return 0;
}
