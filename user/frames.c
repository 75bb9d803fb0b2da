/* SPDX-License-Identifier: BSD-2-Clause */
#include "frames.h"

#include <string.h>

/* Symbols that start like this are the runtime's. internal/bytealg.MakeNoZero lives in runtime/slice.go. */
static const char *const runtime_prefixes[] = {
	"runtime.", "internal/runtime/", "runtime/internal/", "reflect.", "internal/reflectlite.",
	"internal/bytealg.MakeNoZero",
};

bool frames_is_runtime(const char *function)
{
	if (!function)
		return false;
	for (size_t i = 0; i < sizeof(runtime_prefixes) / sizeof(runtime_prefixes[0]); i++) {
		if (strncmp(function, runtime_prefixes[i], strlen(runtime_prefixes[i])) == 0)
			return true;
	}
	return false;
}

/* A location that is known by its source position only stands first, before the frames that called the allocator:
 * then the runtime's frames follow it. */
static const char *call_after(const struct profile_stack *stack)
{
	const char *call = NULL;

	for (uint32_t i = 1; i < stack->depth; i++) {
		const struct profile_location *location = stack->locations[i];

		for (uint32_t j = 0; j < location->frame_count; j++) {
			if (!frames_is_runtime(location->frames[j].function))
				return call;
			call = location->frames[j].function;
		}
	}
	return call;
}

bool frames_site(const struct profile_stack *stack, struct frames_site *site)
{
	const char *call = NULL;

	for (uint32_t i = 0; i < stack->depth; i++) {
		const struct profile_location *location = stack->locations[i];

		for (uint32_t j = 0; j < location->frame_count; j++) {
			const char *function = location->frames[j].function;

			if (frames_is_runtime(function)) {
				call = function;
				continue;
			}
			if (i == 0 && location->address == 0 && !call)
				call = call_after(stack);
			*site = (struct frames_site){i, j, call};
			return true;
		}
	}
	return false;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

size_t frames_package(const char *function, char *package, size_t size)
{
	const char *end = function, *last_slash = NULL, *dot;
	size_t length = 0;

	if (!function || size == 0)
		return 0;
	package[0] = 0;
	/* Slashes after a bracket are in type arguments or receivers. */
	for (; *end && *end != '[' && *end != '(' && *end != '{'; end++) {
		if (*end == '/')
			last_slash = end;
	}
	dot = strchr(last_slash ? last_slash : function, '.');
	if (!dot || dot == function)
		return 0;
	for (const char *c = function; c < dot; c++) {
		char byte = *c;

		/* The linker writes dots of the last element, and odd bytes, as %xx. */
		if (byte == '%' && dot - c > 2 && hex_digit(c[1]) >= 0 && hex_digit(c[2]) >= 0) {
			byte = (char)(hex_digit(c[1]) << 4 | hex_digit(c[2]));
			c += 2;
		}
		if (length + 1 >= size || byte == 0)
			return package[0] = 0, 0;
		package[length++] = byte;
	}
	package[length] = 0;
	return length;
}
