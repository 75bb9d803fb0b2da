/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/store_question.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/quantity.h"
#include "fleet/agent_config.h"
#include "fleet/clickhouse.h"

static const char scheme[] = "clickhouse://";

bool question_is_url(const char *text)
{
	return strncmp(text, scheme, sizeof(scheme) - 1) == 0;
}

void question_clear(struct question *question)
{
	free(question->user);
	free(question->host);
	free(question->port);
	free(question->database);
	free(question->service);
	free(question->build);
	free(question->machine);
}

/* Decodes %NN in a part of a URL. Returns NULL if there is a % without two digits, or a NUL. */
static char *decode(const char *text, size_t length)
{
	char *decoded = memory_zeroed(length + 1, 1), *to = decoded;

	for (size_t i = 0; i < length; i++) {
		char digits[3] = "";

		if (text[i] != '%') {
			*to++ = text[i];
			continue;
		}
		if (i + 2 < length && isxdigit((unsigned char)text[i + 1]) && isxdigit((unsigned char)text[i + 2]))
			memcpy(digits, text + i + 1, 2);
		*to = (char)strtol(digits, NULL, 16);
		if (!*to++) {
			free(decoded);
			return NULL;
		}
		i += 2;
	}
	return decoded;
}

/* Parses a time ago or a date. */
static int take_time(const char *text, int64_t *seconds, struct error *error)
{
	static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"};
	double ago;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm date = {0};
		const char *end = strptime(text, forms[i], &date);

		if (end && !*end) {
			*seconds = timegm(&date);
			return 0;
		}
	}
	if (quantity_seconds(text, &ago) || ago > 1e10)
		return error_set(error, STATUS_USAGE,
				 "'%s' is neither a time ago, such as 24h, nor a date, such as 2026-11-27", text);
	*seconds = (int64_t)time(NULL) - (int64_t)ago;
	return 0;
}

static int take_parameter(struct question *question, const char *name, size_t length, char *value, struct error *error)
{
	const struct {
		const char *name;
		char **text;
		int64_t *time;
	} parameters[] = {
		{"service", &question->service, NULL}, {"build", &question->build, NULL},
		{"host", &question->machine, NULL},    {"since", NULL, &question->since},
		{"until", NULL, &question->until},
	};

	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
		if (strlen(parameters[i].name) != length || strncmp(parameters[i].name, name, length) != 0)
			continue;
		if (parameters[i].time)
			return take_time(value, parameters[i].time, error);
		free(*parameters[i].text);
		*parameters[i].text = memory_text(value);
		return 0;
	}
	if (length == 3 && strncmp(name, "tls", length) == 0 && (!strcmp(value, "yes") || !strcmp(value, "no"))) {
		question->tls = strcmp(value, "yes") == 0;
		return 0;
	}
	return error_set(error, STATUS_USAGE,
			 "unknown parameter '%.*s': expected service, build, host, since, until or tls=yes",
			 (int)length, name);
}

static int take_parameters(struct question *question, const char *text, struct error *error)
{
	while (*text) {
		size_t length = strcspn(text, "&"), name = strcspn(text, "=&");
		char *value = text[name] == '=' ? decode(text + name + 1, length - name - 1) : NULL;
		int result;

		if (!value)
			return error_set(error, STATUS_USAGE, "'%.*s' is not NAME=VALUE", (int)length, text);
		result = take_parameter(question, text, name, value, error);
		free(value);
		if (result)
			return -1;
		text += length + (text[length] == '&');
	}
	return 0;
}

static int take_url(struct question *question, const char *url, struct error *error)
{
	const char *at = url + sizeof(scheme) - 1;
	size_t authority = strcspn(at, "/?"), user = strcspn(at, "@/?");
	const char *path = at + authority, *host = at;

	if (at[user] == '@') {
		question->user = decode(at, user);
		host = at + user + 1;
		if (!question->user || strchr(question->user, ':'))
			return error_set(error, STATUS_USAGE,
					 "no password in a URL: it is in " AGENT_PASSWORD_VARIABLE
					 " of the environment");
	}
	question->host = memory_text_of(host, strcspn(host, ":/?"));
	if (host[strlen(question->host)] == ':')
		question->port = memory_text_of(host + strlen(question->host) + 1,
						(size_t)(path - host) - strlen(question->host) - 1);
	if (!*question->host || question->host[strspn(question->host, "abcdefghijklmnopqrstuvwxyz"
								      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")])
		return error_set(error, STATUS_USAGE, "'%s' is not the name or address of a host", question->host);
	if (question->port &&
	    (!*question->port || strlen(question->port) > 5 || question->port[strspn(question->port, "0123456789")]))
		return error_set(error, STATUS_USAGE, "'%s' is not a port", question->port);
	path += *path == '/';
	question->database = decode(path, strcspn(path, "?"));
	if (!question->database || !agent_config_is_name(question->database))
		return error_set(error, STATUS_USAGE,
				 "expected clickhouse://HOST[:PORT]/DATABASE?service=NAME&since=24h");
	path += strcspn(path, "?");
	return take_parameters(question, path + (*path == '?'), error);
}

int question_parse(struct question *question, const char *url, struct error *error)
{
	if (take_url(question, url, error) == 0)
		return 0;
	if (!strchr(url, '@')) /* there may be a password before it */
		error_prefix(error, "'%s'", url);
	return -1;
}

static void put_text_condition(FILE *stream, const char *column, const char *value)
{
	if (!value)
		return;
	fprintf(stream, " AND %s = ", column);
	clickhouse_put_text(stream, value);
}

/* By `time` itself, so that the store need not look into the days before and after: as a DateTime, which ends in 2106. */
static void put_time_condition(FILE *stream, const char *comparison, int64_t seconds)
{
	int64_t stored = seconds < 0 ? 0 : seconds > UINT32_MAX ? UINT32_MAX : seconds;

	if (seconds)
		fprintf(stream, " AND time %s toDateTime(%" PRId64 ")", comparison, stored);
}

void question_put_windows(FILE *stream, const struct question *question)
{
	fputs(" WHERE 1", stream);
	put_text_condition(stream, "host", question->machine);
	put_time_condition(stream, ">=", question->since);
	put_time_condition(stream, "<", question->until);
}

bool question_is_of_whole_windows(const struct question *question)
{
	return !question->service && !question->build;
}

void question_put_wanted(FILE *stream, const struct question *question)
{
	fputs("(1", stream);
	put_text_condition(stream, "service", question->service);
	put_text_condition(stream, "build", question->build);
	fputc(')', stream);
}
