/* SPDX-License-Identifier: BSD-2-Clause */
#include "utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char replacement[] = "\xef\xbf\xbd";

/* Bytes of the valid sequence at `text` (RFC 3629), 0 where there is none. */
static size_t sequence_length(const unsigned char *text)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t least; /* a smaller number has a shorter sequence, and must use it */
	} shapes[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

	for (size_t more = 0; more < sizeof(shapes) / sizeof(shapes[0]); more++) {
		uint32_t code;

		if ((text[0] & shapes[more].mask) != shapes[more].lead)
			continue;
		code = text[0] & (unsigned char)~shapes[more].mask;
		for (size_t i = 1; i <= more; i++) {
			if ((text[i] & 0xc0) != 0x80)
				return 0;
			code = code << 6 | (text[i] & 0x3f);
		}
		return code < shapes[more].least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)
			       ? 0
			       : more + 1;
	}
	return 0;
}

char *utf8_repair(const char *text)
{
	const unsigned char *from = (const unsigned char *)text;
	size_t length;
	char *copy, *to;

	while (*from && (length = sequence_length(from)))
		from += length;
	if (!*from)
		return NULL;
	copy = to = malloc(strlen(text) * (sizeof(replacement) - 1) + 1);
	if (!copy)
		abort();
	for (from = (const unsigned char *)text; *from;) {
		length = sequence_length(from);
		if (length) {
			memcpy(to, from, length);
			to += length;
			from += length;
		} else {
			memcpy(to, replacement, sizeof(replacement) - 1);
			to += sizeof(replacement) - 1;
			from++;
		}
	}
	*to = 0;
	return copy;
}
