/* SPDX-License-Identifier: BSD-2-Clause */
#include "heap/trigger.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quantity.h"

enum { SECONDS_MAX = 24 * 3600 };
static const double seconds_min = 0.01; /* memory is read less often than that anyway */

struct parser {
	const char *text, *at;
	const char *reported; /* where the error is */
	struct error *error;
};

static void skip_blanks(struct parser *parser)
{
	parser->at += strspn(parser->at, " \t");
}

/* Takes a mark if it is next. */
static bool take(struct parser *parser, char mark)
{
	skip_blanks(parser);
	if (*parser->at != mark)
		return false;
	parser->at++;
	return true;
}

static int __attribute__((format(printf, 2, 3))) expected(struct parser *parser, const char *format, ...)
{
	char what[64];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	skip_blanks(parser);
	parser->reported = parser->at;
	return error_set(parser->error, STATUS_USAGE, "expected %s", what);
}

/* Cuts the word that is next into `word`. Returns its length; 0 if there is none, or none that fits. */
static size_t next_word(struct parser *parser, const char *letters, char word[32])
{
	size_t length;

	skip_blanks(parser);
	length = strspn(parser->at, letters);
	if (length >= 32)
		length = 0;
	memcpy(word, parser->at, length);
	word[length] = 0;
	return length;
}

#define NAME_LETTERS	 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define QUANTITY_LETTERS NAME_LETTERS "0123456789.-"

/* PERCENT, if that is what stands there: 1. Otherwise 0, or -1 for one that is out of range. */
static int parse_percent(struct parser *parser, struct trigger_condition *condition, double most)
{
	char word[32], *end;
	size_t length = next_word(parser, QUANTITY_LETTERS, word);
	double percent = length ? strtod(word, &end) : 0;

	if (!length || *end || parser->at[length] != '%')
		return 0;
	if (!(percent > 0 && percent <= most))
		return expected(parser, "a percentage from 0 to %g", most);
	condition->share = percent / 100;
	parser->at += length + 1;
	return 1;
}

static int parse_size(struct parser *parser, struct trigger_condition *condition, const char *what)
{
	char word[32];
	size_t length = next_word(parser, QUANTITY_LETTERS, word);

	if (!length || quantity_bytes(word, &condition->bytes) || condition->bytes < 1)
		return expected(parser, "%s", what);
	parser->at += length;
	return 0;
}

static int parse_time(struct parser *parser, struct trigger_condition *condition)
{
	char word[32];
	size_t length = next_word(parser, QUANTITY_LETTERS, word);

	if (!length || quantity_seconds(word, &condition->seconds) || !(condition->seconds >= seconds_min) ||
	    condition->seconds > SECONDS_MAX)
		return expected(parser, "a time from 10ms to a day, such as 10s");
	parser->at += length;
	return 0;
}

static int parse_rss(struct parser *parser, struct trigger_condition *condition)
{
	int percent;

	if (take(parser, '>')) {
		condition->kind = TRIGGER_RSS;
		return parse_size(parser, condition, "a size, such as 2g");
	}
	if (!take(parser, '+'))
		return expected(parser, "'>' or '+' after 'rss'");
	condition->kind = TRIGGER_GROWTH;
	percent = parse_percent(parser, condition, 1e6);
	if (percent < 0 || (!percent && parse_size(parser, condition, "a size or a percentage, such as 20%")))
		return -1;
	if (!take(parser, '/'))
		return expected(parser, "'/' and a time, such as /10s");
	return parse_time(parser, condition);
}

static int parse_cgroup(struct parser *parser, struct trigger_condition *condition)
{
	int percent;

	if (!take(parser, '>'))
		return expected(parser, "'>' after 'cgroup'");
	condition->kind = TRIGGER_CGROUP;
	percent = parse_percent(parser, condition, 100);
	return percent > 0 ? 0 : percent < 0 ? -1 : expected(parser, "a percentage, such as 90%%");
}

static int parse_condition(struct parser *parser, struct trigger_condition *condition)
{
	char word[32];
	size_t length = next_word(parser, NAME_LETTERS, word);
	const char *start = parser->at;
	int status;

	if (strcmp(word, "rss") != 0 && strcmp(word, "cgroup") != 0 && strcmp(word, "oom") != 0)
		return expected(parser, "'rss', 'cgroup' or 'oom'");
	parser->at += length;
	if (word[0] == 'o')
		condition->kind = TRIGGER_OOM;
	status = word[0] == 'r' ? parse_rss(parser, condition) : word[0] == 'c' ? parse_cgroup(parser, condition) : 0;
	if (!status)
		snprintf(condition->text, sizeof(condition->text), "%.*s", (int)(parser->at - start), start);
	return status;
}

static int parse(struct parser *parser, struct trigger *trigger)
{
	for (;;) {
		char word[32];

		if (trigger->count == TRIGGER_CONDITIONS_MAX)
			return expected(parser, "no more than %d conditions", TRIGGER_CONDITIONS_MAX);
		if (parse_condition(parser, &trigger->conditions[trigger->count]))
			return -1;
		trigger->count++;
		skip_blanks(parser);
		if (!*parser->at)
			return 0;
		if (take(parser, ','))
			continue;
		if (next_word(parser, NAME_LETTERS, word) != 2 || strcmp(word, "or") != 0)
			return expected(parser, "',' or 'or' before the next condition");
		parser->at += 2;
	}
}

int trigger_parse(const char *text, struct trigger *trigger, size_t *position, struct error *error)
{
	struct parser parser = {.text = text, .at = text, .reported = text, .error = error};
	int status;

	memset(trigger, 0, sizeof(*trigger));
	status = parse(&parser, trigger);
	*position = (size_t)(parser.reported - text);
	return status;
}

bool trigger_has(const struct trigger *trigger, enum trigger_kind kind)
{
	for (size_t i = 0; i < trigger->count; i++) {
		if (trigger->conditions[i].kind == kind)
			return true;
	}
	return false;
}
