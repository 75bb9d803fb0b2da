/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parses arbitrary bytes as compiler output. The parser must not crash (under the address and undefined-behaviour
 * sanitizers). The result must not depend on how the input is split into pieces, counts must add up, no line may be
 * used twice, no text of the result may control a terminal, and an image has all of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "escape/escape.h"
#include "escape/escape_functions.h"
#include "escape/escape_image.h"
#include "escape/escape_parser.h"
#include "escape/go_source.h"
#include "escape_output.h"
#include "require.h"

static void check(const struct escape_output *output, size_t lines)
{
	uint64_t last = 0;

	check_output(output);
	REQUIRE(output->annotation_count + output->unrecognized_count <= lines);
	REQUIRE(output->line_count == lines);
	for (size_t i = 0; i < output->unrecognized_count; i++) {
		REQUIRE(output->unrecognized[i].line_number > last && output->unrecognized[i].line_number <= lines);
		last = output->unrecognized[i].line_number;
	}
}

/* An image has what the output has. */
static void check_image(const struct escape_output *output, size_t lines)
{
	struct escape_output *again;
	size_t size;
	char *bytes;
	FILE *stream = open_memstream(&bytes, &size);

	REQUIRE(escape_image_write(stream, output, SIZE_MAX) == 0 && fclose(stream) == 0);
	again = escape_image_read(bytes, size);
	REQUIRE(again);
	check(again, lines);
	REQUIRE(again->annotation_count == output->annotation_count);
	REQUIRE(again->unrecognized_count == output->unrecognized_count);
	REQUIRE(again->package_count == output->package_count && again->failure_count == output->failure_count);
	escape_free(again);
	free(bytes);
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
	if (data[0] & 8)
		check_image(whole, count_lines(text, size));
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
