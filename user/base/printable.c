/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/printable.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* The length of the printable character at `text`, 0 if there is none. */
static size_t character(const unsigned char *text, size_t length)
{
	size_t bytes;
	uint32_t code;

	if (text[0] < 0x80)
		return (text[0] >= 0x20 && text[0] != 0x7f) || text[0] == '\t';
	bytes = utf8_decode((const char *)text, length, &code);
	if (!bytes || code < 0xa0)
		return 0;
	/* Bidirectional controls make text look like other text. */
	if ((code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0x2028 ||
	    code == 0x2029)
		return 0;
	return bytes;
}

/* Whether these eight are plain: none below 0x20, none above 0x7e. */
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

		/* Eight at once; the last eight again with some that were looked at before. */
		if (length >= 8 && is_plain(end - at >= 8 ? at : end - 8)) {
			if (end - at <= 8)
				return true;
			at += 8;
			continue;
		}
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
