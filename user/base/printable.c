/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/printable.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* Characters that reorder text, end lines, or are invisible, and so make text look like other text. */
static bool is_deceptive(uint32_t code)
{
	static const uint32_t ranges[][2] = {
		{0x061c, 0x061c}, {0x200b, 0x200b}, {0x200e, 0x200f}, {0x2028, 0x202e},
		{0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f},
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (code >= ranges[i][0] && code <= ranges[i][1])
			return true;
	}
	return false;
}

/* Returns the length of the printable character at `text`, 0 if there is none. */
static size_t character(const unsigned char *text, size_t length)
{
	size_t bytes;
	uint32_t code;

	if (text[0] < 0x80)
		return (text[0] >= 0x20 && text[0] != 0x7f) || text[0] == '\t';
	bytes = utf8_decode((const char *)text, length, &code);
	if (!bytes || code < 0xa0)
		return 0;
	return is_deceptive(code) ? 0 : bytes;
}

/* Whether these eight bytes are printable ASCII: none below 0x20, none above 0x7e. */
static bool is_plain(const unsigned char *text)
{
	uint64_t word;

	memcpy(&word, text, 8);
	return !(((word - EACH_BYTE(0x20)) | (word + EACH_BYTE(0x01)) | word) & EACH_BYTE(0x80));
}

bool printable_is(const char *text, size_t length)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + length;

	while (at < end) {
		size_t bytes;

		while (end - at >= 8 && is_plain(at))
			at += 8;
		/* The last group of eight may overlap the one before. */
		if (at == end || (end - at < 8 && length >= 8 && is_plain(end - 8)))
			return true;
		bytes = character(at, (size_t)(end - at));
		if (!bytes)
			return false;
		at += bytes;
	}
	return true;
}

size_t printable_copy(char *to, const char *text, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *at = (const unsigned char *)text, *end = at + length;
	char *start = to;

	while (at < end) {
		size_t bytes = character(at, (size_t)(end - at));

		if (bytes) {
			memcpy(to, at, bytes);
			to += bytes;
			at += bytes;
			continue;
		}
		*to++ = '\\';
		*to++ = 'x';
		*to++ = digits[*at >> 4];
		*to++ = digits[*at++ & 15];
	}
	return (size_t)(to - start);
}

char *printable_string(const char *text)
{
	size_t length = strlen(text);
	char *safe = memory_allocate(length * PRINTABLE_GROWTH + 1);

	safe[printable_copy(safe, text, length)] = 0;
	return safe;
}

void printable_format(char *line, size_t size, const char *format, va_list arguments)
{
	char *raw = memory_format_list(format, arguments), *safe = printable_string(raw);
	size_t end = strlen(safe);

	if (end >= size) {
		end = size - 1;
		while (end && ((unsigned char)safe[end] & 0xc0) == 0x80) /* does not cut within a character */
			end--;
	}
	memcpy(line, safe, end);
	line[end] = 0;
	free(safe);
	free(raw);
}

/* What a character is replaced by in one language, besides the escapes and the quotes that are handled below. */
struct replacement {
	char character;
	const char *text;
};

static const struct replacement markup[] = {{'<', "&lt;"},   {'>', "&gt;"},   {'&', "&amp;"},
					    {'"', "&quot;"}, {'\'', "&#39;"}, {0, NULL}};
/* An @ would notify a user of that name. */
static const struct replacement markdown[] = {{'<', "&lt;"}, {'&', "&amp;"}, {'@', "&#64;"}, {'\t', " "}, {0, NULL}};
static const struct replacement folded[] = {{';', ":"}, {'\t', " "}, {0, NULL}};
static const struct replacement message[] = {{'%', "%25"}, {0, NULL}};
static const struct replacement property[] = {{'%', "%25"}, {',', "%2C"}, {':', "%3A"}, {0, NULL}};

static const struct language {
	const struct replacement *replacements;
	const char *escaped; /* characters that are escaped with a backslash */
} languages[] = {
	[TEXT_TERMINAL] = {NULL, ""},
	[TEXT_CSV] = {NULL, ""},
	[TEXT_FOLDED] = {folded, ""},
	[TEXT_MARKDOWN] = {markdown, "\\`*_[]|~#>!"},
	[TEXT_XML] = {markup, ""},
	[TEXT_GITHUB_MESSAGE] = {message, ""},
	[TEXT_GITHUB_PROPERTY] = {property, ""},
};

static void put_character(FILE *stream, const struct language *language, char character)
{
	for (const struct replacement *each = language->replacements; each && each->character; each++) {
		if (each->character == character) {
			fputs(each->text, stream);
			return;
		}
	}
	if (strchr(language->escaped, character))
		putc('\\', stream);
	putc(character, stream);
}

/* A cell by RFC 4180. If it begins like a formula, an apostrophe is put before it, so that no spreadsheet evaluates
 * it. */
static void put_cell(FILE *stream, const char *text)
{
	bool quoted = strpbrk(text, ",\"") != NULL;

	if (quoted)
		putc('"', stream);
	if (*text && strchr("=+-@\t", *text))
		putc('\'', stream);
	for (; *text; text++) {
		if (*text == '"')
			putc('"', stream);
		putc(*text, stream);
	}
	if (quoted)
		putc('"', stream);
}

void text_put(FILE *stream, enum text_language language, const char *text)
{
	char *safe = printable_string(text);

	if (language == TEXT_CSV) {
		put_cell(stream, safe);
	} else {
		for (const char *at = safe; *at; at++)
			put_character(stream, &languages[language], *at);
	}
	free(safe);
}
