/* SPDX-License-Identifier: BSD-2-Clause */
#include "escape/escape.h"

#include <string.h>

#include "base/text_compare.h"

static const char *const kind_names[ESCAPE_KIND_COUNT] = {
	[ESCAPE_MOVED_TO_HEAP] = "moved-to-heap",
	[ESCAPE_ESCAPES] = "escapes",
	[ESCAPE_DOES_NOT_ESCAPE] = "does-not-escape",
	[ESCAPE_LEAKING_PARAM] = "leaking-param",
	[ESCAPE_LEAKING_PARAM_CONTENT] = "leaking-param-content",
	[ESCAPE_LEAKING_PARAM_TO_RESULT] = "leaking-param-to-result",
	[ESCAPE_CAN_INLINE] = "can-inline",
	[ESCAPE_CANNOT_INLINE] = "cannot-inline",
	[ESCAPE_INLINED_CALL] = "inlined-call",
	[ESCAPE_ZERO_COPY_CONVERSION] = "zero-copy-conversion",
	[ESCAPE_SELF_ASSIGNMENT_IGNORED] = "self-assignment-ignored",
	[ESCAPE_UNSAFE_UINTPTR] = "unsafe-uintptr",
	[ESCAPE_CAPTURED] = "captured",
	[ESCAPE_DEVIRTUALIZED] = "devirtualized",
	[ESCAPE_BOUNDS_CHECK_ELIDED] = "bounds-check-elided",
	[ESCAPE_MUTATION] = "mutation",
	[ESCAPE_NOTE] = "note",
};

const char *escape_kind_name(enum escape_kind kind)
{
	return kind_names[kind];
}

int escape_kind_parse(const char *name)
{
	for (int i = 0; i < ESCAPE_KIND_COUNT; i++) {
		if (strcmp(kind_names[i], name) == 0)
			return i;
	}
	return -1;
}

const char escape_result_words[] =
	"~r0, ~r1, ...: the compiler's names for the first, the second, ... result of a function, if it has none "
	"(~R0, ...: of a call that is inlined)";

bool escape_names_result(const char *text)
{
	for (const char *at = text; (at = strchr(at, '~')); at++) {
		if ((at[1] == 'r' || at[1] == 'R') && at[2] >= '0' && at[2] <= '9')
			return true;
	}
	return false;
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);

	return length >= tail && strcmp(text + length - tail, end) == 0;
}

bool escape_of_generated_main(const struct escape_annotation *annotation)
{
	return annotation->package && ends_with(annotation->package, ".test") &&
	       (strcmp(text_base_name(annotation->file), "_testmain.go") == 0 || !ends_with(annotation->file, ".go"));
}
