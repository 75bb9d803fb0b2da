/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/command_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/printable.h"

/* Whether a shell takes the word as it is, wherever it stands. */
static bool is_plain(const char *word)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_";

	return *word && word[strspn(word, safe)] == 0;
}

/* 'it'\''s' */
static void put_quoted(FILE *stream, const char *word)
{
	putc('\'', stream);
	for (; *word; word++) {
		if (*word == '\'')
			fputs("'\\'", stream);
		putc(*word, stream);
	}
	putc('\'', stream);
}

/* $'\x1b[31m': every byte that is not plain ASCII is an escape of two digits. Bash reads no more than two, but a shell
 * that reads more must find none, so a digit that follows is an escape as well. */
static void put_escaped(FILE *stream, const char *word)
{
	bool escaped = false;

	fputs("$'", stream);
	for (; *word; word++) {
		unsigned char byte = (unsigned char)*word;
		bool digit = strchr("0123456789abcdefABCDEF", byte) != NULL;

		if (byte < 0x20 || byte > 0x7e || (escaped && digit)) {
			fprintf(stream, "\\x%02x", byte);
			escaped = true;
			continue;
		}
		if (byte == '\'' || byte == '\\')
			putc('\\', stream);
		putc(byte, stream);
		escaped = false;
	}
	putc('\'', stream);
}

char *command_line_text(const char *const *words)
{
	char *text;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	if (!stream)
		memory_out();
	for (const char *const *word = words; word && *word; word++) {
		if (word != words)
			putc(' ', stream);
		if (is_plain(*word))
			fputs(*word, stream);
		else if (printable_is(*word, strlen(*word)))
			put_quoted(stream, *word);
		else
			put_escaped(stream, *word);
	}
	if (fclose(stream))
		memory_out();
	return text;
}
