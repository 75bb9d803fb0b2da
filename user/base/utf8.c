/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const char replacement[] = "\xef\xbf\xbd";

size_t utf8_decode(const char *text, size_t length, uint32_t *code)
{
	/* smaller code points must use a shorter sequence */
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char lead = (unsigned char)text[0];
	size_t bytes = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;

	*code = bytes == 1 ? lead : lead & (0x7fu >> bytes);
	if (!bytes || bytes > length)
		return 0;
	for (size_t i = 1; i < bytes; i++) {
		if (((unsigned char)text[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | ((unsigned char)text[i] & 0x3f);
	}
	return *code < least[bytes] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff) ? 0 : bytes;
}

char *utf8_repair(const char *text)
{
	const char *from = text, *end = text + strlen(text);
	uint32_t code;
	size_t length;
	char *copy, *to;

	while (from < end && (length = utf8_decode(from, (size_t)(end - from), &code)))
		from += length;
	if (from == end)
		return NULL;
	copy = to = memory_allocate((size_t)(end - text) * (sizeof(replacement) - 1) + 1);
	for (from = text; from < end;) {
		length = utf8_decode(from, (size_t)(end - from), &code);
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
