/* SPDX-License-Identifier: BSD-2-Clause */
#include "escape/escape_story.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUBJECT_MAX = 40, EXPRESSION_MAX = 60 };

/* Phrases for the compiler's reasons. The first entry that is a prefix of the reason is used. */
static const struct phrase {
	const char *reason;
	const char *words;
	bool expression; /* also show the expression */
} phrases[] = {
	{"too large for stack", "is too large for the stack", false},
	{"non-constant size", "has a size that the compiler cannot know", false},
	{"send", "is sent on a channel", true},
	{"captured by a closure", "is captured by a closure that escapes", false},
	{"reference", "is captured by a closure that escapes", false},
	{"interface-converted", "is put into an interface that escapes", true},
	{"slice-literal-element", "is an element of a slice that escapes", false},
	{"array literal element", "is an element of an array that escapes", false},
	{"struct literal element", "is a field of a struct that escapes", true},
	{"map literal", "is put into a map", false},
	{"key of map put", "is a key of a map", true},
	{"append", "is appended to a slice that escapes", true},
	{"copied slice", "is copied into a slice that escapes", true},
	{"range", "is ranged over into what escapes", true},
	{"spill", "is allocated for what escapes", false},
	{"assign", "is assigned to what escapes", true},
};

bool escape_story_is_size(const char *reason)
{
	return strcmp(reason, "too large for stack") == 0 || strcmp(reason, "non-constant size") == 0;
}

/* Returns where the argument list of a call begins: at the last parenthesis that is opened outside of all others. */
static const char *arguments_of(const char *expression)
{
	const char *start = NULL;
	int depth = 0;

	for (const char *at = expression; *at; at++) {
		if (*at == '"' || *at == '`') {
			char quote = *at;

			for (at++; *at && *at != quote; at++) {
				if (quote == '"' && *at == '\\' && at[1])
					at++;
			}
			if (!*at)
				return NULL;
		} else if (*at == '(' || *at == '[' || *at == '{') {
			if (depth++ == 0 && *at == '(')
				start = at;
		} else if (*at == ')' || *at == ']' || *at == '}') {
			if (--depth == 0 && at[1] && *at == ')' && at[1] == '.')
				start = NULL; /* "(*T).M" */
		}
	}
	return depth == 0 ? start : NULL;
}

bool escape_story_callee(const char *expression, struct span *package, struct span *function)
{
	const char *arguments = arguments_of(expression);
	struct span name = {expression, arguments ? (size_t)(arguments - expression) : 0};
	const char *dot;

	*package = (struct span){expression, 0};
	*function = name;
	if (!name.length || memchr(name.text, '[', name.length) || memchr(name.text, ' ', name.length) ||
	    memchr(name.text, '{', name.length))
		return false;
	if (*name.text == '(')
		return true; /* a method in this package */
	dot = memchr(name.text, '.', name.length);
	if (dot) {
		*package = span_to(name, (size_t)(dot - name.text));
		*function = span_from(name, package->length + 1);
	}
	return function->length > 0;
}

/* Returns an expression, shortened if it is too long to read. */
static char *shorten(const char *text, size_t most)
{
	size_t length = strlen(text);
	char *shortened;

	if (length > most) {
		length = most - 3;
		while (length && ((unsigned char)text[length] & 0xc0) == 0x80)
			length--;
	}
	shortened = memory_format("%.*s%s", (int)length, text, text[length] ? "..." : "");
	return shortened;
}

static const struct phrase *find_phrase(const char *reason)
{
	for (size_t i = 0; i < sizeof(phrases) / sizeof(*phrases); i++) {
		if (strncmp(phrases[i].reason, reason, strlen(phrases[i].reason)) == 0)
			return &phrases[i];
	}
	return NULL;
}

/* Describes what happens to the subject, without the place. */
static char *predicate(const struct escape_annotation *annotation, const struct escape_step *step,
		       enum escape_cause cause, const struct escape_annotation *callee)
{
	const struct phrase *phrase = find_phrase(step->reason);
	char *expression = shorten(step->expression, EXPRESSION_MAX), *text;
	const char *to = annotation->flows[annotation->flow_count - 1].to, *arguments;

	if (strncmp(step->reason, "return", 6) == 0) {
		text = memory_format("is returned%s%s (%s, ", annotation->function ? " by " : "",
				     annotation->function ? annotation->function : "", expression);
	} else if (strcmp(step->reason, "call parameter") == 0 && strncmp(step->expression, "append(", 7) == 0) {
		text = memory_format("is appended to a slice that escapes (%s, ", expression);
	} else if (strcmp(step->reason, "call parameter") == 0) {
		arguments = arguments_of(step->expression);
		text = memory_format("is passed to %.*s%s%s (", arguments ? (int)(arguments - step->expression) : 60,
				     step->expression, callee ? ", which leaks its parameter " : ", which leaks it",
				     callee ? callee->subject : "");
	} else if (strncmp(step->reason, "assign", 6) == 0 && cause == ESCAPE_CAUSE_OUTLIVES) {
		text = memory_format("is assigned to %s, which outlives it (%s, ", to, expression);
	} else if (strncmp(step->reason, "assign", 6) == 0 && strcmp(to, "{heap}") == 0) {
		text = memory_format("is stored in the heap (%s, ", expression);
	} else if (strncmp(step->reason, "assign", 6) == 0 && *to != '{') {
		text = memory_format("is assigned to %s, which escapes (%s, ", to, expression);
	} else if (phrase) {
		text = memory_format("%s (%s%s", phrase->words, phrase->expression ? expression : "",
				     phrase->expression ? ", " : "");
	} else {
		text = memory_format("escapes by %s (%s, ", step->reason, expression);
	}
	free(expression);
	return text;
}

char *escape_story(const struct escape_annotation *annotation, const struct escape_step *step, enum escape_cause cause,
		   const struct escape_annotation *callee)
{
	bool same_file, named = strlen(annotation->subject) <= SUBJECT_MAX;
	char *what, *text;

	if (!step)
		return NULL;
	same_file = step->file == annotation->file || strcmp(step->file, annotation->file) == 0;
	what = predicate(annotation, step, cause, callee);
	text = memory_format("%s %s%s%s%" PRIu32 ")", named ? annotation->subject : "it", what,
			     same_file ? "" : step->file, same_file ? "line " : ":", step->line);
	free(what);
	return text;
}
