/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads arbitrary bytes as compiler output that tools have wrapped (events of `go build -json`, lines of -json=0 logs,
 * prefixes). The result must not depend on how the input is split into pieces. fuzz_escape.c tests the parser itself.
 */
#include <string.h>

#include "escape/escape.h"
#include "escape/escape_input.h"
#include "require.h"

static struct escape_output *parse(const char *text, size_t size, size_t piece)
{
	struct escape_parser *parser = escape_parser_new();
	struct escape_input *input = escape_input_new(parser);

	for (size_t at = 0; at < size; at += piece)
		escape_input_feed(input, text + at, piece < size - at ? piece : size - at);
	escape_input_finish(input);
	return escape_parser_finish(parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct escape_output *whole = parse((const char *)bytes, size, size + 1);
	struct escape_output *pieces = parse((const char *)bytes, size, size ? bytes[0] % 7 + 1 : 1);
	REQUIRE(whole->annotation_count == pieces->annotation_count);
	REQUIRE(memcmp(whole->counts, pieces->counts, sizeof(whole->counts)) == 0);
	REQUIRE(whole->line_count == pieces->line_count);
	escape_free(whole);
	escape_free(pieces);
	return 0;
}
