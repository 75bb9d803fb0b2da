/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/frames.h"

#include <string.h>

#include "base/hash.h"

/* Prefixes of symbols that belong to the runtime. internal/bytealg.MakeNoZero is in runtime/slice.go. */
static const char *const runtime_prefixes[] = {
	"runtime.", "internal/runtime/",     "runtime/internal/",
	"reflect.", "internal/reflectlite.", "internal/bytealg.MakeNoZero",
};

/* The runtime's only generic function that allocates for its caller; it is compiled into the caller's package. */
static const char instantiated[] = "runtime.AddCleanup[";

/* The same as regular expressions. pprof cuts names at their first parenthesis, so a method of package runtime is
 * `runtime.` to it. */
const char frames_pprof_drop[] = "(runtime|internal/reflectlite|reflect)\\..*|internal/runtime/.*|runtime/internal/.*|"
				 "internal/bytealg\\.MakeNoZero";

/* Runtime functions that call the program: for deferred calls, callbacks from C and settings, and calls by
 * reflection. */
const char frames_pprof_keep[] =
	"runtime\\.(gopanic|goPanic.*|panic.*|sigpanic.*|Goexit|deferreturn|deferCallSave|reflectcall.*|call[0-9]+|"
	"cgocall.*|cgocallback.*|asmcgocall.*|debugCall.*|godebug.*|corostart|coroswitch.*)|"
	"reflect\\.(Value\\.(Call|CallSlice|call|Seq.*)|callMethod|callReflect|makeFuncStub|methodValueCall|rangeNum.*)";

bool frames_is_runtime(const char *function)
{
	/* most functions are the program's, and none of these begin as the prefixes do */
	if (!function || (function[0] != 'r' && function[0] != 'i') ||
	    strncmp(function, instantiated, sizeof(instantiated) - 1) == 0)
		return false;
	for (size_t i = 0; i < sizeof(runtime_prefixes) / sizeof(runtime_prefixes[0]); i++) {
		if (strncmp(function, runtime_prefixes[i], strlen(runtime_prefixes[i])) == 0)
			return true;
	}
	return false;
}

/*
 * The runtime's own work, which an allocation may have to do first. What is allocated in it is not attributable to the
 * line that happened to allocate next. Starting the collector creates its workers; waiting for it, or waking a thread,
 * creates descriptors.
 */
static const char *const own_work[] = {
	"runtime.gcStart", "runtime.gcAssistAlloc",	    "runtime.startm",
	"runtime.newm",	   "runtime.startTheWorldWithSema", "runtime.stopTheWorldWithSema",
};

static bool is_own_work(const char *function)
{
	for (size_t i = 0; i < sizeof(own_work) / sizeof(own_work[0]); i++) {
		if (strcmp(function, own_work[i]) == 0)
			return true;
	}
	return false;
}

/* A location that is known only by its source position comes first, before the frames that called the allocator; then
 * the runtime's frames follow it. */
static const char *call_after(const struct profile_stack *stack)
{
	const char *call = NULL;

	for (uint32_t i = 1; i < stack->depth; i++) {
		const struct profile_location *location = profile_stack_at(stack, i);

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
		const struct profile_location *location = profile_stack_at(stack, i);

		for (uint32_t j = 0; j < location->frame_count; j++) {
			const char *function = location->frames[j].function;

			if (frames_is_runtime(function)) {
				if (is_own_work(function))
					return false;
				call = function;
				continue;
			}
			if (i == 0 && location->address == 0 && !call)
				call = call_after(stack);
			/* Go 1.27 compiles new(T) to a call of a copy of mallocgc for that size */
			if (call && strncmp(call, "runtime.mallocgc", strlen("runtime.mallocgc")) == 0)
				call = "runtime.newobject";
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

/* Returns the dot between a Go symbol's import path and its name; NULL if it has no package. */
static const char *package_dot(const char *function)
{
	const char *last_slash = NULL, *dot;

	/* Slashes after a bracket belong to type arguments or receivers. */
	for (const char *c = function; *c && *c != '[' && *c != '(' && *c != '{'; c++) {
		if (*c == '/')
			last_slash = c;
	}
	dot = strchr(last_slash ? last_slash : function, '.');
	return dot == function ? NULL : dot;
}

const char *frames_local_name(const char *function)
{
	const char *dot = package_dot(function);

	return dot ? dot + 1 : function;
}

uint64_t frames_plain_hash(const char *name)
{
	uint64_t hash = 1;
	int depth = 0;

	for (; *name; name++) {
		depth += *name == '[';
		if (!depth)
			hash = hash_fold(hash, (unsigned char)*name);
		depth -= *name == ']' && depth;
	}
	return hash;
}

size_t frames_package(const char *function, char *package, size_t size)
{
	const char *dot = function ? package_dot(function) : NULL;
	size_t length = 0;

	if (function && size)
		package[0] = 0;
	if (!dot || size == 0)
		return 0;
	for (const char *c = function; c < dot; c++) {
		char byte = *c;

		/* The linker escapes dots in the last element, and unusual bytes, as %xx. */
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

const char *frames_fold_name(const char *function, char *name, size_t size)
{
	static const char range[] = "-range";
	size_t length = 0;

	while (*function && length + 1 < size) {
		if (strncmp(function, range, sizeof(range) - 1) == 0 && function[sizeof(range) - 1] >= '0' &&
		    function[sizeof(range) - 1] <= '9') {
			function += sizeof(range) - 1;
			function += strspn(function, "0123456789");
			continue;
		}
		name[length++] = *function++;
	}
	name[length] = 0;
	return name;
}

/* Compares two names, ignoring type arguments in brackets. */
static bool same_name(const char *a, const char *b)
{
	for (;;) {
		const char **sides[] = {&a, &b};

		for (int i = 0; i < 2; i++) {
			int depth = 0;

			while (**sides[i] == '[' || (depth && **sides[i])) {
				depth += (**sides[i] == '[') - (**sides[i] == ']');
				(*sides[i])++;
			}
		}
		if (*a != *b)
			return false;
		if (!*a)
			return true;
		a++;
		b++;
	}
}

bool frames_is_named(const char *function, const char *name)
{
	const char *slash = NULL;

	if (!function)
		return false;
	for (const char *c = function; *c && *c != '[' && *c != '('; c++) {
		if (*c == '/')
			slash = c;
	}
	return same_name(function, name) || (slash && same_name(slash + 1, name));
}
