/* SPDX-License-Identifier: BSD-2-Clause */
#include "escape/escape_cut.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Fewer characters of a word may be anything. */
enum { KNOWN = 3 };

bool cut_explanation(struct span text)
{
	static const struct {
		struct span begin, end;
	} lines[] = {{SPAN("  flow: "), SPAN(":")}, {SPAN("    from "), SPAN(") at ")}};

	for (size_t i = 0; i < COUNT(lines); i++) {
		if (span_starts(text, lines[i].begin))
			return span_find(span_from(text, lines[i].begin.length), lines[i].end) < 0;
		if (text.length >= KNOWN && span_starts(lines[i].begin, text))
			return true;
	}
	return false;
}

/* Whether a message ends within its verdict: "x escapes to he", "moved to h". */
static bool is_begun_verdict(struct span text)
{
	static const struct span begins[] = {
		SPAN("moved to heap: "), SPAN("leaking param: "),   SPAN("leaking param content: "),
		SPAN("can inline "),	 SPAN("inlining call to "), SPAN("cannot inline "),
	};
	static const struct span ends[] = {SPAN(" escapes to heap"), SPAN(" does not escape")};

	for (size_t i = 0; i < COUNT(begins); i++) {
		if (text.length >= KNOWN && span_starts(begins[i], text))
			return true;
	}
	for (size_t i = 0; i < COUNT(ends); i++) {
		for (size_t length = KNOWN; length < ends[i].length; length++) {
			if (span_ends(text, span_to(ends[i], length)))
				return true;
		}
	}
	return false;
}

/* Whether a line ends within the position: in the path, or in the numbers behind it. */
static bool is_begun_position(struct span line, struct span path)
{
	struct span numbers;

	if (line.length <= path.length)
		/* `go build -v` prints import paths, which may be the beginning of others. */
		return line.length > 1 && line.length < path.length && path.text[line.length] != '/' &&
		       span_starts(path, line);
	if (!span_starts(line, path) || line.text[path.length] != ':')
		return false;
	numbers = span_from(line, path.length);
	for (size_t i = 0; i < numbers.length; i++) {
		if (!strchr("0123456789: ", numbers.text[i]))
			return false;
	}
	return true;
}

bool cut_message(struct span line, struct span likely, const char *package)
{
	struct position position;
	struct span text;

	if (position_split(line, likely, &position, &text) && text.length)
		return cut_explanation(text) || is_begun_verdict(text);
	return is_begun_position(line, likely) ||
	       (package && is_begun_position(line, (struct span){package, strlen(package)}));
}
