/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/report_select.h"

#include <fnmatch.h>
#include <string.h>

/* Returns a Go function's name without the directories of its package's path. */
static const char *without_directories(const char *function)
{
	const char *start = function;

	/* Slashes after a bracket belong to type arguments or receivers. */
	for (const char *c = function; *c && *c != '(' && *c != '[' && *c != '{'; c++) {
		if (*c == '/')
			start = c + 1;
	}
	return start;
}

bool report_names_function(const char *name, const char *function)
{
	const char *tail;

	if (!function)
		return false;
	tail = without_directories(function);
	/* Compared literally first, because names of methods and instances contain characters that are special in
	 * globs: (*T).F, F[...]. */
	if (strcmp(name, function) == 0 || strcmp(name, tail) == 0)
		return true;
	return fnmatch(name, function, 0) == 0 || fnmatch(name, tail, 0) == 0;
}

const struct profile_frame *report_find_frame(const struct profile_stack *stack, const char *name,
					      const struct profile_frame **caller)
{
	const struct profile_frame *found = NULL;

	if (caller)
		*caller = NULL;
	for (uint32_t i = 0; i < stack->depth; i++) {
		const struct profile_location *location = profile_stack_at(stack, i);

		for (uint32_t j = 0; j < location->frame_count; j++) {
			if (found) {
				*caller = &location->frames[j];
				return found;
			}
			if (!report_names_function(name, location->frames[j].function))
				continue;
			found = &location->frames[j];
			if (!caller)
				return found;
		}
	}
	return found;
}

/* Returns a name's part behind the package and the receiver: "F" of "example.com/a.(*T).F". */
static const char *bare_name(const char *function)
{
	const char *dot = strrchr(function, '.');

	return dot ? dot + 1 : function;
}

const char *report_function_of_bare_name(const struct profile *profile, const char *name)
{
	for (size_t i = 0; i < profile->sample_count; i++) {
		const struct profile_stack *stack = profile->samples[i]->key.stack;

		for (uint32_t j = 0; stack && j < stack->depth; j++) {
			for (uint32_t k = 0; k < profile_stack_at(stack, j)->frame_count; k++) {
				const char *function = profile_stack_at(stack, j)->frames[k].function;

				if (function && strcmp(bare_name(function), name) == 0)
					return without_directories(function);
			}
		}
	}
	return NULL;
}
