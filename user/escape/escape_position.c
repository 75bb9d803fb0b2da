/* SPDX-License-Identifier: BSD-2-Clause */
#include "escape/escape_position.h"

#include <string.h>

bool span_starts(struct span span, struct span prefix)
{
	return span.length >= prefix.length && memcmp(span.text, prefix.text, prefix.length) == 0;
}

bool span_ends(struct span span, struct span suffix)
{
	return span.length >= suffix.length &&
	       memcmp(span.text + span.length - suffix.length, suffix.text, suffix.length) == 0;
}

ptrdiff_t span_find(struct span span, struct span needle)
{
	const char *at = span.text, *end = span.text + span.length;

	/* Messages are short and the needles begin with a rare character, so a more elaborate search would be
	 * slower. */
	while ((size_t)(end - at) >= needle.length &&
	       (at = memchr(at, needle.text[0], (size_t)(end - at) - needle.length + 1))) {
		if (memcmp(at, needle.text, needle.length) == 0)
			return at - span.text;
		at++;
	}
	return -1;
}

ptrdiff_t span_find_last(struct span span, struct span needle)
{
	if (span.length < needle.length)
		return -1;
	for (const char *end = span.text + span.length - needle.length + 1;;) {
		const char *found = memrchr(span.text, needle.text[0], (size_t)(end - span.text));

		if (!found)
			return -1;
		if (memcmp(found, needle.text, needle.length) == 0)
			return found - span.text;
		end = found;
	}
}

struct span span_from(struct span span, size_t offset)
{
	return (struct span){span.text + offset, span.length - offset};
}

struct span span_to(struct span span, size_t offset)
{
	return (struct span){span.text, offset};
}

static bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

/* Reads a number at `*at` and moves `*at` past it. Fails if the number is too large for a line or column. */
static bool read_number(const char **at, const char *end, uint32_t *number)
{
	const char *next = *at;
	uint64_t value = 0;

	for (; next < end && is_digit(*next) && value <= UINT32_MAX; next++)
		value = value * 10 + (uint64_t)(*next - '0');
	*number = (uint32_t)value;
	if (next == *at || value > UINT32_MAX)
		return false;
	*at = next;
	return true;
}

/* Reads "LINE[:COLUMN]: " at `colon + 1`. */
static bool read_numbers(const char *colon, const char *end, struct position *position, const char **rest)
{
	const char *at = colon + 1;

	position->column = 0;
	if (!read_number(&at, end, &position->line) || at == end || *at != ':')
		return false;
	at++;
	if (at < end && is_digit(*at)) {
		if (!read_number(&at, end, &position->column) || at == end || *at != ':')
			return false;
		at++;
	}
	if (at == end || *at != ' ')
		return false;
	*rest = at + 1;
	return true;
}

static const struct span unknown = SPAN("<unknown line number>");

bool position_split(struct span text, struct span likely, struct position *position, struct span *rest)
{
	const char *end = text.text + text.length;
	const char *colon, *behind;

	if (span_starts(text, unknown) && span_starts(span_from(text, unknown.length), SPAN(": "))) {
		*position = (struct position){.path = span_to(text, unknown.length)};
		*rest = span_from(text, unknown.length + 2);
		return true;
	}
	if (likely.length && text.length > likely.length && text.text[likely.length] == ':' &&
	    span_starts(text, likely))
		colon = text.text + likely.length;
	else
		colon = text.length && *text.text == ':' ? NULL : memchr(text.text, ':', text.length);
	for (; colon; colon = memchr(colon + 1, ':', (size_t)(end - colon - 1))) {
		if (!read_numbers(colon, end, position, &behind))
			continue;
		position->path = span_to(text, (size_t)(colon - text.text));
		*rest = (struct span){behind, (size_t)(end - behind)};
		return true;
	}
	return false;
}

/* Returns the colon before the number that ends at `end`; NULL if there is none. */
static const char *number_before(const char *start, const char *end)
{
	const char *at = end;

	while (at > start && is_digit(at[-1]))
		at--;
	return at < end && at > start && at[-1] == ':' ? at - 1 : NULL;
}

bool position_at_end(struct span text, struct position *position)
{
	const char *end = text.text + text.length;
	const char *last = number_before(text.text, end), *first, *at;
	uint32_t number;

	if (span_ends(text, unknown)) {
		*position = (struct position){.path = span_from(text, text.length - unknown.length)};
		return true;
	}
	if (!last)
		return false;
	at = last + 1;
	if (!read_number(&at, end, &number))
		return false;
	first = number_before(text.text, last);
	position->line = number;
	position->column = 0;
	if (first) {
		position->column = number;
		at = first + 1;
		if (!read_number(&at, last, &position->line))
			return false;
	}
	position->path = span_to(text, (size_t)((first ? first : last) - text.text));
	return position->path.length > 0;
}

static bool is_separator(char c)
{
	return c == '/' || c == '\\';
}

struct span position_normalize(struct span path, char *buffer)
{
	static const struct span build = SPAN("go-build"), work = SPAN("$WORK");
	ptrdiff_t found;
	size_t at;

	if (path.length > 2 && path.text[0] == '.' && is_separator(path.text[1]))
		return span_from(path, 2);
	found = span_find(path, build);
	if (found < 0)
		return path;
	at = (size_t)found + build.length;
	while (at < path.length && is_digit(path.text[at]))
		at++;
	/* The directory of one package follows, such as b001. */
	if (at + 2 >= path.length || !is_separator(path.text[at]) || path.text[at + 1] != 'b')
		return path;
	for (at += 2; at < path.length && is_digit(path.text[at]);)
		at++;
	if (at >= path.length || !is_separator(path.text[at]))
		return path;
	memcpy(buffer, work.text, work.length);
	memcpy(buffer + work.length, path.text + at, path.length - at);
	return (struct span){buffer, work.length + path.length - at};
}
