/* SPDX-License-Identifier: BSD-2-Clause */
#include "text/html_writer.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/printable.h"
#include "base/string_table.h"

static void write_character(FILE *stream, char character)
{
	switch (character) {
	case '&':
		fputs("&amp;", stream);
		break;
	case '<':
		fputs("&lt;", stream);
		break;
	case '>':
		fputs("&gt;", stream);
		break;
	case '"':
		fputs("&quot;", stream);
		break;
	case '\'':
		fputs("&#39;", stream);
		break;
	default:
		fputc(character, stream);
	}
}

void html_text(FILE *stream, const char *text)
{
	size_t length = text ? strlen(text) : 0;
	char *safe = memory_zeroed(length + 1, PRINTABLE_GROWTH);
	size_t safe_length = printable_copy(safe, text ? text : "", length);

	for (size_t i = 0; i < safe_length; i++)
		write_character(stream, safe[i]);
	free(safe);
}

void html_format(FILE *stream, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	for (const char *next; (next = strstr(format, "%s")) != NULL; format = next + 2) {
		fwrite(format, 1, (size_t)(next - format), stream);
		html_text(stream, va_arg(arguments, const char *));
	}
	va_end(arguments);
	fputs(format, stream);
}
