/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/audit_instance.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "audit/audit_calls.h"

static const char shape[] = "go.shape.";

/* Of an expression with more shapes, the first ones decide: nobody writes such. Each is looked up in the whole name. */
enum { SHAPES_MOST = 16 };

static const char *end_of_list(const char *list)
{
	const char *end = list + call_argument_length(list);

	while (*end == ',')
		end += 1 + call_argument_length(end + 1);
	return end;
}

/* Whether pprof has written the profile: it takes what is in parentheses out of names. */
static bool is_shortened(const char *list, size_t length)
{
	return !memchr(list, '(', length) && (memmem(list, length, "func", strlen("func")) ||
					      memmem(list, length, "interface { ", strlen("interface { ")));
}

const char *audit_instance(const char *function)
{
	const char *last = NULL, *end = NULL;

	for (const char *list = function ? strchr(function, '[') : NULL; list; list = strchr(end, '[')) {
		last = list + 1;
		end = end_of_list(last);
	}
	if (!last || !memmem(last, (size_t)(end - last), shape, strlen(shape)) ||
	    is_shortened(last, (size_t)(end - last)))
		return NULL;
	return last;
}

/* Whether a type ends here: that of func(int) is no part of func(int) string. */
static bool is_end_of_type(const char *text)
{
	return strchr(",;()]{}", *text) || strncmp(text, " }", 2) == 0 || strncmp(text, " \"", 2) == 0;
}

/* Returns the length of the type argument that an expression has here; 0 if it has none of the list. */
static size_t argument_at(const char *text, const char *list)
{
	for (;;) {
		const size_t length = call_argument_length(list);

		if (length && strncmp(text, list, length) == 0 && is_end_of_type(text + length))
			return length;
		if (list[length] != ',')
			return 0;
		list += length + 1;
	}
}

static bool is_in_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c & 0x80;
}

/* Whether this bracket begins the type arguments of something else (node[…]), not the length or key of a type. */
static bool begins_arguments(const char *subject, const char *bracket)
{
	const char *name = bracket;

	while (name > subject && is_in_name(name[-1]))
		name--;
	return name < bracket && strncmp(name, "map[", strlen("map[")) != 0;
}

int audit_instance_fits(const char *subject, const char *instance)
{
	const char *counted = subject, *said = subject;
	int depth = 0, fit = 2;

	for (int i = 0; instance && i < SHAPES_MOST && (said = strstr(said, shape)); i++) {
		size_t length = argument_at(said, instance);

		for (; counted < said; counted++) {
			if (*counted == '[')
				depth += depth || begins_arguments(subject, counted);
			else
				depth -= *counted == ']' && depth;
		}
		if (!length && !depth)
			return 0;
		if (!length)
			fit = 1;
		said += length ? length : strlen(shape);
	}
	return fit;
}
