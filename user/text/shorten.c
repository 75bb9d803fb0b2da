/* SPDX-License-Identifier: BSD-2-Clause */
#include "text/shorten.h"

#include <stdio.h>
#include <string.h>

const char *shorten_path(const char *path, size_t width)
{
	const char *slash;

	while (strlen(path) > width && (slash = strchr(path + 1, '/')) && slash[1])
		path = slash + 1;
	return path;
}

const char *shorten_function(const char *function)
{
	const char *start = function;

	/* Slashes after a bracket belong to type arguments or receivers. */
	for (const char *c = function; *c && *c != '(' && *c != '[' && *c != '{'; c++) {
		if (*c == '/')
			start = c + 1;
	}
	return start;
}

/* Cuts `text` to `width` bytes, between characters. Dots mark the cut if there is space for them. */
static void cut(char *text, size_t width)
{
	size_t dots = width >= 8 ? 2 : 0, end = width - dots;

	if (strlen(text) <= width)
		return;
	while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
		end--;
	strcpy(text + end, dots ? ".." : "");
}

/* The least width that remains of a function's name beside its position, and of the name after "via". */
enum { FUNCTION_MIN = 12, VIA_MIN = 8 };

const char *shorten_position(char *text, size_t size, const char *function, const char *file, uint32_t line,
			     size_t width)
{
	char number[16] = "", name[512];
	size_t room, position;

	if (width >= size)
		width = size - 1;
	if (!function && !file) {
		snprintf(text, size, "(unknown)");
		cut(text, width);
		return text;
	}
	if (!file) {
		snprintf(text, size, "%s", strlen(function) > width ? shorten_function(function) : function);
		cut(text, width);
		return text;
	}
	if (line)
		snprintf(number, sizeof(number), ":%u", line);
	snprintf(name, sizeof(name), "%s", function ? function : "");
	/* Shortens first the path, to its last component; then the function's package; then the function. */
	position = strlen(shorten_path(file, 0)) + strlen(number) + 1;
	if (strlen(name) + position > width)
		snprintf(name, sizeof(name), "%s", function ? shorten_function(function) : "");
	if (strlen(name) + position > width)
		cut(name, width > position + FUNCTION_MIN ? width - position : FUNCTION_MIN);
	room = strlen(name) + 1 + strlen(number);
	snprintf(text, size, "%s%s%s%s", name, *name ? " " : "", shorten_path(file, width > room ? width - room : 0),
		 number);
	cut(text, width);
	return text;
}

const char *shorten_site(char *text, size_t size, const char *function, const char *file, uint32_t line,
			 const char *via, size_t width)
{
	static const char between[] = "  via ";
	const char *owner = function;
	char tail[512], number[16];
	size_t length, room, name, position;

	if (!via)
		return shorten_position(text, size, function, file, line, width);
	if (width >= size)
		width = size - 1;
	/* Where the code is matters most, and a line may have several rows, which only "via" tells apart: directories and the
	 * function's package go first, then most of its name, then all of it, and then "via". */
	snprintf(number, sizeof(number), ":%u", line);
	position = file ? strlen(shorten_path(file, 0)) + strlen(number) : 0;
	name = function ? strlen(shorten_function(function)) + 1 : 0;
	if (name + position + sizeof(between) - 1 + VIA_MIN > width && name > FUNCTION_MIN)
		name = FUNCTION_MIN + 1;
	if (name + position + sizeof(between) - 1 + VIA_MIN > width && file) {
		function = NULL;
		name = 0;
	}
	if (name + position + sizeof(between) - 1 + VIA_MIN > width)
		return shorten_position(text, size, owner, file, line, width);
	room = width - name - position - (sizeof(between) - 1);
	snprintf(tail, sizeof(tail), "%s", strlen(via) > room ? shorten_function(via) : via);
	cut(tail, room);
	room = strlen(tail) + sizeof(between) - 1;
	shorten_position(text, size, function, file, line, width - room);
	length = strlen(text);
	snprintf(text + length, size - length, "%s%s", between, tail);
	cut(text, width);
	return text;
}

const char *shorten_command(char text[SHORTEN_COMMAND_SIZE], const char *command)
{
	static const char more[] = " ...";
	size_t room = SHORTEN_COMMAND_SIZE - sizeof(more), kept = room;

	if (strlen(command) < SHORTEN_COMMAND_SIZE)
		return strcpy(text, command);
	while (kept && command[kept] != ' ')
		kept--;
	for (kept = kept ? kept : room; ((unsigned char)command[kept] & 0xc0) == 0x80;)
		kept--;
	memcpy(text, command, kept);
	strcpy(text + kept, more);
	return text;
}
