/* SPDX-License-Identifier: BSD-2-Clause */
#include "text/wrap.h"

#include <stdbool.h>
#include <string.h>

enum { LEAST_ROOM = 8 };

size_t wrap_width(const char *text, size_t length)
{
	size_t width = 0;

	for (size_t i = 0; i < length; i++)
		width += ((unsigned char)text[i] & 0xc0) != 0x80;
	return width;
}

size_t wrap_prefix(const char *text, size_t width)
{
	size_t length = 0;

	while (text[length] && text[length] != '\n') {
		if (((unsigned char)text[length] & 0xc0) != 0x80 && !width--)
			break;
		length++;
	}
	return length;
}

/* Whether a line may end here: "95 %" stays together. */
static bool is_gap(const char *text)
{
	return *text == ' ' && text[1] != '%';
}

static size_t place_to_break(const char *text, size_t length, enum wrap_rule rule)
{
	while (length && !is_gap(text + length) &&
	       (rule != WRAP_NAMES || (text[length - 1] != '/' && text[length - 1] != ',')))
		length--;
	return length;
}

size_t wrap_line(const char *text, size_t width, enum wrap_rule rule)
{
	size_t length = wrap_prefix(text, width), place;

	if (!text[length] || text[length] == '\n' || is_gap(text + length))
		return length;
	place = place_to_break(text, length, rule);
	switch (rule) {
	case WRAP_WORDS:
		return place ? place : strcspn(text, " \n");
	case WRAP_NAMES: /* narrow columns: better inside a name than most of a line empty */
		return place > length / 3 ? place : length;
	default:
		return place ? place : length;
	}
}

void wrap_print(FILE *stream, const char *text, size_t indent, size_t width, enum wrap_rule rule)
{
	size_t room = width > indent + LEAST_ROOM ? width - indent : LEAST_ROOM;

	while (*text) {
		size_t length = wrap_line(text, room, rule);

		fprintf(stream, "%.*s", (int)length, text);
		text += length;
		text += strspn(text, " \n");
		if (*text)
			fprintf(stream, "\n%*s", (int)indent, "");
	}
}
