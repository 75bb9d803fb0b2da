/* SPDX-License-Identifier: BSD-2-Clause */
#include "escape/escape_prefix.h"

#include <ctype.h>
#include <string.h>

#include "base/hash.h"
#include "escape/escape_position.h"

enum {
	HEX_LEAST = 6,
	DATE_DIGITS = 8, /* of a number that is a time in itself */
};

#define HEX '\x01'

static bool is_number_byte(char c)
{
	return isdigit((unsigned char)c) || c == '.' || c == ',' || c == ':';
}

/* "./" or "../" */
static bool begins_relative_path(const char *text, size_t length)
{
	size_t points = length > 1 && text[0] == '.' ? 1 + (text[1] == '.') : 0;

	return points && points < length && text[points] == '/';
}

/* Skips digits, with points, commas and colons between and after them. */
static size_t skip_number(const char *text, size_t length)
{
	size_t at = 0;

	while (at < length && is_number_byte(text[at]) && !begins_relative_path(text + at, length - at))
		at++;
	return at;
}

/* Skips a word of hexadecimal digits that is long enough for an identifier and contains a decimal digit. Returns 0
 * for other words. */
static size_t skip_identifier(const char *text, size_t length)
{
	bool has_digit = false, has_letter = false;
	size_t at = 0;

	for (; at < length && isxdigit((unsigned char)text[at]); at++) {
		has_digit |= isdigit((unsigned char)text[at]);
		has_letter |= isalpha((unsigned char)text[at]);
	}
	if (at < HEX_LEAST || !has_digit || !has_letter || (at < length && isalnum((unsigned char)text[at])))
		return 0;
	return at;
}

/* Skips a number and the blanks before it. Returns 0 if there is none, or an identifier that begins with one. */
static size_t skip_aligned_number(const char *text, size_t length)
{
	size_t at = 0;

	while (at < length && text[at] == ' ')
		at++;
	if (at == length || !isdigit((unsigned char)text[at]) || (at && skip_identifier(text + at, length - at)))
		return 0;
	return at + skip_number(text + at, length - at);
}

bool prefix_make(struct prefix *prefix, const char *text, size_t length)
{
	*prefix = (struct prefix){.length = 0};
	for (size_t i = 0; i < length;) {
		bool word = i == 0 || !isalnum((unsigned char)text[i - 1]);
		size_t identifier = word ? skip_identifier(text + i, length - i) : 0;
		size_t number = identifier ? 0 : skip_aligned_number(text + i, length - i);

		if (prefix->length == PREFIX_MAX)
			return false;
		if (identifier) {
			prefix->pattern[prefix->length++] = HEX;
			i += identifier;
		} else if (number) {
			prefix->pattern[prefix->length++] = '0';
			i += number;
		} else {
			prefix->pattern[prefix->length++] = text[i++];
		}
	}
	return true;
}

size_t prefix_match(const struct prefix *prefix, const char *line, size_t length)
{
	size_t at = 0;

	for (size_t i = 0; i < prefix->length; i++) {
		size_t skipped = 1;

		if (at == length)
			return 0;
		if (prefix->pattern[i] == HEX)
			skipped = skip_identifier(line + at, length - at);
		else if (prefix->pattern[i] == '0')
			skipped = skip_aligned_number(line + at, length - at);
		else if (line[at] != prefix->pattern[i])
			return 0;
		if (!skipped)
			return 0;
		at += skipped;
	}
	return at;
}

bool line_begins_event(const char *line, size_t length)
{
	static const char *const starts[] = {"{\"ImportPath\":", "{\"Time\":", "{\"Action\":", "{\"log\":"};

	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
		if (length > strlen(starts[i]) && memcmp(line, starts[i], strlen(starts[i])) == 0)
			return true;
	}
	return false;
}

bool line_is_header(const char *text, size_t length)
{
	const char *space;

	if (length < 3 || memcmp(text, "# ", 2) != 0 || isspace((unsigned char)text[2]))
		return false;
	space = memchr(text + 2, ' ', length - 2);
	return !space || (space + 1 < text + length && space[1] == '[' && text[length - 1] == ']');
}

/* Whether a terminal's control sequence ends before text[at], such as the one that clears the line. */
static bool follows_control(const char *text, size_t at)
{
	if (at < 3 || !isalpha((unsigned char)text[at - 1]))
		return false;
	for (at -= 2; at > 1 && (isdigit((unsigned char)text[at]) || text[at] == ';'); at--)
		continue;
	return at >= 1 && text[at] == '[' && text[at - 1] == '\x1b';
}

size_t line_quoted_length(const char *text, size_t length)
{
	size_t at = 0;

	while (at < length && text[at] != '"' && text[at] != '\n')
		at += text[at] == '\\' && at + 1 < length ? 2 : 1;
	return at;
}

bool prefix_ends_in_quote(const char *text, size_t length)
{
	return length > 2 && text[length - 1] == '"' && text[length - 2] == '=';
}

/* Returns where a message or a header begins that is the value of a key (logfmt): msg="./a.go:1:2: ..." level=info. 0: nowhere. */
static size_t quoted_start(const char *line, size_t length)
{
	struct position position;
	struct span rest;

	for (size_t i = 3; i < length; i++) {
		struct span text = {line + i, 0};

		if (!prefix_ends_in_quote(line, i))
			continue;
		text.length = line_quoted_length(line + i, length - i);
		if (line_is_header(text.text, text.length) ||
		    position_split(text, (struct span){NULL, 0}, &position, &rest))
			return i;
	}
	return 0;
}

size_t prefix_find(const char *line, size_t length)
{
	static const char *const beginnings[] = {"./", "../", "/", "<autogenerated>"};
	struct position position;
	struct span rest;
	size_t best = quoted_start(line, length);

	if (best)
		return best;
	for (size_t i = 1; i + 2 < length; i++) {
		if (line[i] == '#' && (!isalnum((unsigned char)line[i - 1]) || follows_control(line, i)) &&
		    line_is_header(line + i, length - i))
			return i;
		if (line[i] == '{' && line_begins_event(line + i, length - i))
			return i;
	}
	if (!position_split((struct span){line, length}, (struct span){NULL, 0}, &position, &rest))
		return 0;
	for (size_t i = 1; i < position.path.length; i++) {
		if (line[i - 1] != ' ' && line[i - 1] != '\t' && line[i - 1] != '|' && line[i - 1] != ']' &&
		    !follows_control(line, i))
			continue;
		for (size_t j = 0; j < sizeof(beginnings) / sizeof(*beginnings); j++) {
			if (strncmp(line + i, beginnings[j], strlen(beginnings[j])) == 0)
				return i;
		}
		best = i;
	}
	return best;
}

/* Whether a number at `at` is part of a date, such as 2026-01-02, 02/01/2026 or "Jan  2". */
static bool is_date_part(const char *text, size_t length, size_t at, size_t digits)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	size_t after = at + digits, word = at;

	if (digits >= DATE_DIGITS)
		return true;
	if (after + 1 < length && (text[after] == '-' || text[after] == '/') && isdigit((unsigned char)text[after + 1]))
		return true;
	if (at >= 2 && (text[at - 1] == '-' || text[at - 1] == '/') && isdigit((unsigned char)text[at - 2]))
		return true;
	while (word && text[word - 1] == ' ')
		word--;
	for (size_t i = 0; word < at && word >= 3 && months[i]; i += 3) {
		if (memcmp(text + word - 3, months + i, 3) == 0)
			return true;
	}
	return false;
}

/* Whether a number of so many digits, with the points and colons between and after them, is a time. "12:" is none. */
static bool is_time(const char *text, size_t length, size_t at, size_t digits, size_t number)
{
	bool more = digits + 1 < number || (digits < number && text[at + digits] != ':');
	size_t points = 0;

	for (size_t i = at; i < at + number; i++)
		points = text[i] == ':' ? number : points + (text[i] == '.');
	if (points == 3) /* an address */
		return false;
	return number && (more || is_date_part(text, length, at, digits));
}

/* Whether a number stands alone, or behind a colon: that of a line, or a part of a second. One that names a writer is attached to a
 * name or to a sign: "go[70]", "#11", "web-2". */
static bool is_free(const char *text, size_t length, size_t at, size_t number)
{
	bool begins = !at || text[at - 1] == ' ' || text[at - 1] == ':';

	return number && begins && (at + number == length || !isalnum((unsigned char)text[at + number]));
}

uint64_t prefix_mark(const char *text, size_t length)
{
	uint64_t mark = 0;

	for (size_t at = 0, number; at < length; at += number ? number : 1) {
		size_t digits = 0;

		number = skip_number(text + at, isdigit((unsigned char)text[at]) ? length - at : 0);
		while (digits < number && isdigit((unsigned char)text[at + digits]))
			digits++;
		if (text[at] != ' ' && !is_time(text, length, at, digits, number) && !is_free(text, length, at, number))
			mark = hash_fold(mark, hash_bytes(text + at, number ? number : 1));
	}
	return mark;
}
