/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/audit_value.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* How expressions begin that end with the bracket after it; the first match wins. */
static const struct {
	const char *prefix;
	unsigned kinds;
} calls[] = {
	{"string(", KIND_STRING},
	{"([]", KIND_SLICE},
	{"[]", KIND_SLICE},
	{"make([]", KIND_SLICE},
	{"make(map", KIND_POINTER},
	{"make(chan", KIND_POINTER},
	{"make(<-chan", KIND_POINTER},
	{"new(", KIND_POINTER},
	{"append(", KIND_SLICE},
	{"len(", KIND_NUMBER},
	{"cap(", KIND_NUMBER},
	{"copy(", KIND_NUMBER},
	{"real(", KIND_NUMBER},
	{"imag(", KIND_NUMBER},
	{"complex(", KIND_NUMBER},
	{"min(", KIND_NUMBER | KIND_STRING},
	{"max(", KIND_NUMBER | KIND_STRING},
	{"bool(", KIND_BOOL},
	{"int(", KIND_NUMBER},
	{"int8(", KIND_NUMBER},
	{"int16(", KIND_NUMBER},
	{"int32(", KIND_NUMBER},
	{"int64(", KIND_NUMBER},
	{"rune(", KIND_NUMBER},
	{"uint(", KIND_NUMBER},
	{"uint8(", KIND_NUMBER},
	{"byte(", KIND_NUMBER},
	{"uint16(", KIND_NUMBER},
	{"uint32(", KIND_NUMBER},
	{"uint64(", KIND_NUMBER},
	{"uintptr(", KIND_NUMBER},
	{"float32(", KIND_NUMBER},
	{"float64(", KIND_NUMBER},
	{"complex64(", KIND_NUMBER},
	{"complex128(", KIND_NUMBER},
};

/* A part of an expression. */
struct part {
	const char *text;
	size_t length;
};

static bool begins(struct part part, const char *prefix)
{
	size_t length = strlen(prefix);

	return part.length >= length && memcmp(part.text, prefix, length) == 0;
}

static bool ends(struct part part, char end)
{
	return part.length && part.text[part.length - 1] == end;
}

/* The end of a literal in quotes, or of what is in brackets; the next byte if there is neither. */
static size_t skip(struct part part, size_t at)
{
	char quote = part.text[at];
	int depth = 0;

	if (strchr("\"`'", quote)) {
		for (at++; at < part.length && part.text[at] != quote; at++)
			at += part.text[at] == '\\' && quote != '`';
		return at < part.length ? at + 1 : part.length;
	}
	if (!strchr("([{", quote))
		return at + 1;
	while (at < part.length) {
		char c = part.text[at];

		if (strchr("\"`'", c)) {
			at = skip(part, at);
			continue;
		}
		depth += (strchr("([{", c) != NULL) - (strchr(")]}", c) != NULL);
		at++;
		if (depth == 0)
			break;
	}
	return at;
}

/* The length of a binary operator, with the blanks around it, that begins there; 0 if there is none. */
static size_t operator_length(struct part part, size_t at)
{
	size_t end = at + 1;

	if (part.text[at] != ' ')
		return 0;
	while (end < part.length && strchr("+-*/%&|^<>=!", part.text[end]))
		end++;
	return end > at + 1 && end < part.length && part.text[end] == ' ' ? end + 1 - at : 0;
}

/* Whether an operator's result is a bool. Otherwise it has its operands' type. */
static bool compares(const char *sign)
{
	return sign[0] == '=' || sign[0] == '!' || ((sign[0] == '<' || sign[0] == '>') && sign[1] != sign[0]) ||
	       ((sign[0] == '&' || sign[0] == '|') && sign[1] == sign[0]);
}

/* What stands behind a name: "[1:2]" is a part of a string or of a slice, "[1]" an element of any type. */
static bool slices(struct part part)
{
	size_t at = 0, last = 0;

	while (at < part.length) {
		last = at;
		at = skip(part, at);
	}
	if (!part.length || part.text[last] != '[')
		return false;
	for (at = last + 1; at < part.length; at = skip(part, at)) {
		if (part.text[at] == ':')
			return true;
	}
	return false;
}

/* Whether the first bracket with something before it is closed by the last byte: not so in "int(x).String()". */
static bool is_one_call(struct part part)
{
	for (size_t at = 0; at < part.length; at = skip(part, at)) {
		if (part.text[at] == '(' && at)
			return skip(part, at) == part.length;
	}
	return false;
}

static unsigned kinds_of_operand(struct part part)
{
	if (!part.length)
		return KIND_ANY;
	if (isdigit((unsigned char)part.text[0]) || strchr("-+^'", part.text[0]))
		return KIND_NUMBER;
	if (part.text[0] == '!')
		return KIND_BOOL;
	if (part.text[0] == '&' || begins(part, "func literal"))
		return KIND_POINTER;
	if (strchr("\"`", part.text[0]) && skip(part, 0) == part.length)
		return KIND_STRING;
	if (ends(part, '}')) {
		if (begins(part, "map["))
			return KIND_POINTER;
		if (begins(part, "[]"))
			return KIND_SLICE;
		return part.text[0] == '[' ? KIND_COMPOSITE : KIND_COMPOSITE | KIND_SLICE | KIND_POINTER;
	}
	if (ends(part, ')') && is_one_call(part)) {
		for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
			if (begins(part, calls[i].prefix))
				return calls[i].kinds;
		}
	}
	return ends(part, ']') && slices(part) ? KIND_STRING | KIND_SLICE : KIND_ANY;
}

unsigned value_kinds(const char *expression)
{
	struct part whole = {expression, strlen(expression)};
	unsigned kinds = KIND_ANY;
	size_t at = 0, start = 0;

	while (at < whole.length) {
		size_t length = operator_length(whole, at);

		if (!length) {
			at = skip(whole, at);
			continue;
		}
		if (compares(&expression[at + 1]))
			return KIND_BOOL;
		kinds &= kinds_of_operand((struct part){expression + start, at - start});
		kinds &= expression[at + 1] == '+' ? KIND_NUMBER | KIND_STRING : KIND_NUMBER;
		/* the number of bits of a shift has a type of its own */
		if (expression[at + 1] == '<' || expression[at + 1] == '>')
			return KIND_NUMBER;
		at = start = at + length;
	}
	return kinds & kinds_of_operand((struct part){expression + start, whole.length - start});
}
