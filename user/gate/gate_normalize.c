/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/gate_normalize.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NESTING_MAX = 100 };

/* Evaluates sums, products and parentheses of numbers. NAN if the text is not such an expression. */
static double sum(const char **text, int nesting);

static void skip_space(const char **text)
{
	*text += strspn(*text, " \t");
}

static double factor(const char **text, int nesting)
{
	double value;
	char *end;

	skip_space(text);
	if (**text == '(') {
		++*text;
		value = nesting < NESTING_MAX ? sum(text, nesting + 1) : NAN;
		skip_space(text);
		if (**text != ')')
			return NAN;
		++*text;
		return value;
	}
	if (!isdigit((unsigned char)**text))
		return NAN;
	value = strtod(*text, &end);
	*text = end;
	return value;
}

static double product(const char **text, int nesting)
{
	double value = factor(text, nesting);

	for (skip_space(text); **text == '*' || **text == '/'; skip_space(text)) {
		char operator= *(*text)++;
		double right = factor(text, nesting);

		value = operator== '*' ? value * right : value / right;
	}
	return value;
}

static double sum(const char **text, int nesting)
{
	double value = product(text, nesting);

	for (skip_space(text); **text == '+' || **text == '-'; skip_space(text)) {
		char operator= *(*text)++;
		double right = product(text, nesting);

		value = operator== '+' ? value + right : value - right;
	}
	return value;
}

int gate_normalizer_parse(const char *text, struct gate_normalizer *normalizer, struct error *error)
{
	const char *rest = text;
	double value;

	*normalizer = (struct gate_normalizer){.number = 1};
	if (!text)
		return 0;
	if (strcmp(text, "second") == 0) {
		normalizer->seconds = true;
		return 0;
	}
	if (!isdigit((unsigned char)text[0]) && text[0] != '(') {
		normalizer->site = text;
		return 0;
	}
	value = sum(&rest, 0);
	if (*rest || !(value >= 1) || value > 1e15 || value != floor(value))
		return error_set(error, STATUS_USAGE,
				 "cannot normalize by '%s': not an expression of numbers (+ - * / and "
				 "parentheses) whose value is a whole number from 1 on",
				 text);
	normalizer->number = value;
	return 0;
}
