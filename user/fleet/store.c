/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/store.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/quantity.h"
#include "fleet/agent_config.h"
#include "fleet/clickhouse.h"

enum { ROWS_MAX = 100000, BUILDS_MAX = 10000, TIMEOUT_S = 60 };
static const char scheme[] = "clickhouse://";

/* What a URL says. */
struct question {
	char *user, *host, *port, *database; /* NULL: not given */
	char *service, *build, *machine;
	int64_t since, until; /* seconds since 1970; 0: not given */
	bool tls;
};

bool store_is_url(const char *text)
{
	return strncmp(text, scheme, sizeof(scheme) - 1) == 0;
}

/* --- the URL --- */

static void question_clear(struct question *question)
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

/* --- the queries --- */

static void put_condition(FILE *stream, const struct question *question)
{
	const struct {
		const char *column, *value;
	} texts[] = {{"service", question->service}, {"build", question->build}, {"host", question->machine}};

	fputs(" WHERE 1", stream);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!texts[i].value)
			continue;
		fprintf(stream, " AND %s = ", texts[i].column);
		clickhouse_put_text(stream, texts[i].value);
	}
	if (question->since)
		fprintf(stream, " AND toUnixTimestamp(time) >= %" PRId64, question->since);
	if (question->until)
		fprintf(stream, " AND toUnixTimestamp(time) < %" PRId64, question->until);
}

/* What has an interval in the store. */
static const char *const estimated[] = {"objects", "bytes"};

/* The values of a profile, in their order: sums, null if none was measured. */
static void put_sums(FILE *stream)
{
	for (int value = -1; (value = profile_value_next(value, VALUE_SHOWN)) < VALUE_COUNT;)
		fprintf(stream, ", sum(%s)", profile_values[value].key);
}

static void put_builds_query(FILE *stream, const struct question *question)
{
	fputs("SELECT build, module, runtime, any(comm), any(executable), min(window), "
	      "sum(seconds), max(rate), min(rate), sum(lost_events), sum(lost_stacks), sum(check_objects), "
	      "sum(check_difference), sum(check_bound)",
	      stream);
	put_sums(stream);
	fprintf(stream, " FROM %s.windows FINAL", question->database);
	put_condition(stream, question);
	fprintf(stream, " GROUP BY build, module, runtime ORDER BY build, module, runtime LIMIT %d FORMAT TabSeparated",
		BUILDS_MAX);
}

/* Squares of the distances to the ends of intervals add up over independent windows. No upper end is an infinite one. */
static void put_sites_query(FILE *stream, const struct question *question)
{
	fputs("SELECT build, function, file, line, via", stream);
	for (size_t i = 0; i < sizeof(estimated) / sizeof(estimated[0]); i++) {
		const char *value = estimated[i];

		fprintf(stream,
			", sum(pow(toFloat64(%s) - %s_low, 2)), "
			"if(countIf(%s_high IS NULL) > 0, inf, sum(pow(toFloat64(%s_high) - %s, 2)))",
			value, value, value, value, value);
	}
	put_sums(stream);
	fprintf(stream, " FROM %s.sites FINAL", question->database);
	put_condition(stream, question);
	fprintf(stream,
		" GROUP BY build, function, file, line, via ORDER BY sum(bytes) DESC, function, line LIMIT %d FORMAT TabSeparated",
		ROWS_MAX);
}

/* --- the answers --- */

/* Takes the next cell of a row of TabSeparated and undoes its escapes, in place. NULL at the end of the row, and for a null. */
static char *next_cell(char **row)
{
	char *cell = *row, *to = cell;

	if (!cell)
		return NULL;
	for (char *from = cell;; from++) {
		if (*from == '\t' || !*from) {
			*row = *from ? from + 1 : NULL;
			*to = 0;
			break;
		}
		if (*from == '\\' && from[1]) {
			from++;
			if (*from == 'N' && to == cell && (!from[1] || from[1] == '\t')) {
				*row = from[1] ? from + 2 : NULL;
				return NULL;
			}
			*to++ = *from == 't'   ? '\t'
				: *from == 'n' ? '\n'
				: *from == 'r' ? '\r'
				: *from == '0' ? ' '
					       : *from;
		} else {
			*to++ = *from;
		}
	}
	return cell;
}

/* A count; nothing else that a server may answer becomes one. */
static int64_t number(const char *cell)
{
	int64_t value = cell && isdigit((unsigned char)*cell) ? strtoll(cell, NULL, 10) : VALUE_UNMEASURED;

	return value < 0 ? VALUE_UNMEASURED : value;
}

static double real(const char *cell)
{
	const double greatest = 1e15; /* beyond that nothing is measured, and sums would not fit */
	double value = cell ? strtod(cell, NULL) : 0;

	return value >= 0 ? fmin(value, greatest) : 0;
}

static const char *text(struct profile *profile, const char *cell)
{
	return cell && *cell ? profile_string(profile, cell) : NULL;
}

static void take_values(char **row, int64_t *values)
{
	for (int value = 0; value < VALUE_COUNT; value++)
		values[value] = VALUE_UNMEASURED;
	for (int value = -1; (value = profile_value_next(value, VALUE_SHOWN)) < VALUE_COUNT;)
		values[value] = number(next_cell(row));
}

/* A row of the first query is a process of the profile; its number is that of the row, from 1. */
static void take_build(struct profile *profile, char *row)
{
	struct profile_process *process = profile_process_add(profile, (int)profile->process_count + 1);
	const char *build = next_cell(&row), *difference;
	int64_t begun, finest, coarsest;

	process->build_id = profile_string(profile, build ? build : "");
	process->module = text(profile, next_cell(&row));
	process->runtime = text(profile, next_cell(&row));
	process->comm = text(profile, next_cell(&row));
	process->executable = text(profile, next_cell(&row));
	begun = number(next_cell(&row));
	if (!profile->start_ns || begun < profile->start_ns)
		profile->start_ns = begun;
	profile->duration_ns = add_saturated(profile->duration_ns, (int64_t)(fmin(real(next_cell(&row)), 9e9) * 1e9));
	coarsest = number(next_cell(&row));
	finest = number(next_cell(&row));
	profile->rate = coarsest > profile->rate ? coarsest : profile->rate;
	profile->rows_exact &= finest == 1 && coarsest == 1;
	process->lost_events = number(next_cell(&row));
	process->lost_stacks = number(next_cell(&row));
	process->check.objects = number(next_cell(&row));
	process->check.present = process->check.objects != VALUE_UNMEASURED;
	process->check.source = "counters of the runtimes";
	difference = next_cell(&row);
	process->check.difference =
		difference && *difference == '-' ? -(int64_t)real(difference + 1) : (int64_t)real(difference);
	process->check.bound = number(next_cell(&row));
	take_values(&row, process->totals);
}

/* The process of a build; if modules of one build differ, which no compiler makes, the first. 0: none. */
static int process_of(const struct profile *profile, const char *build)
{
	for (size_t i = 0; i < profile->process_count; i++) {
		if (strcmp(profile->processes[i].build_id, build) == 0)
			return profile->processes[i].pid;
	}
	return 0;
}

/* The square of a distance; INFINITY if there is no end at such a distance. */
static double square(const char *cell)
{
	return cell && strcmp(cell, "inf") == 0 ? INFINITY : real(cell);
}

/*
 * The samples that are behind an interval, about: of n objects each seen with probability k / n, k being the samples, the
 * variance is n (n - k) / k. Half of a 95 % interval is 1.96 standard deviations.
 */
static int64_t samples_of(int64_t objects, const struct profile_ends *ends)
{
	double n = (double)objects;
	double half = (sqrt(ends->objects_low) + sqrt(ends->objects_high)) / 2;

	return objects <= 0 ? 0 : (int64_t)fmax(1, round(n * n / (pow(half / 1.96, 2) + n)));
}

static void take_site(struct profile *profile, char *row)
{
	struct profile_frame owner = {0}, via = {0};
	const struct profile_location *locations[2];
	struct profile_key key = {.span_class = SPAN_CLASS_UNKNOWN};
	int64_t values[VALUE_COUNT];
	uint32_t depth = 0;
	const char *build;
	int64_t line;
	struct profile_ends ends;

	build = next_cell(&row);
	key.pid = process_of(profile, build ? build : "");
	owner.function = text(profile, next_cell(&row));
	owner.file = text(profile, next_cell(&row));
	line = number(next_cell(&row));
	owner.line = line > 0 && line <= INT32_MAX ? (uint32_t)line : 0;
	via.function = text(profile, next_cell(&row));
	ends.objects_low = square(next_cell(&row));
	ends.objects_high = square(next_cell(&row));
	ends.bytes_low = square(next_cell(&row));
	ends.bytes_high = square(next_cell(&row));
	profile->rows_exact &= ends.objects_low <= 0 && ends.objects_high <= 0;
	take_values(&row, values);
	for (int value = 0; value < VALUE_COUNT; value++) {
		if (values[value] != VALUE_UNMEASURED)
			profile->row_measured |= 1u << value;
		else
			values[value] = 0;
	}
	values[VALUE_SAMPLES] = samples_of(values[VALUE_OBJECTS], &ends);
	if (via.function)
		locations[depth++] = profile_location(profile, 0, NULL, &via, 1);
	locations[depth++] = profile_location(profile, 0, NULL, &owner, owner.function ? 1 : 0);
	key.stack = profile_stack(profile, locations, depth, false);
	profile_add_ends(profile, profile_add(profile, &key, values), &ends);
}

/* The cells of a row that has some columns and a profile's values. */
static int cells_with(int columns)
{
	for (int value = -1; (value = profile_value_next(value, VALUE_SHOWN)) < VALUE_COUNT;)
		columns++;
	return columns;
}

static int cells_of(const char *row)
{
	int cells = 1;

	for (; *row; row++)
		cells += *row == '\t';
	return cells;
}

/* One of the queries: how it is put and its answer taken, and what that has at most. */
struct query {
	void (*put)(FILE *stream, const struct question *question);
	void (*take)(struct profile *profile, char *row);
	int columns, limit; /* beside the values; rows */
};

/* Asks, and takes each row of the answer. Returns the number of rows, or -1 with an error. */
static int ask(const struct agent_clickhouse *store, const char *password, const struct question *question,
	       const struct query *query, struct profile *profile, struct error *error)
{
	char *asked, *answer, *rest, *row;
	size_t length;
	FILE *stream = open_memstream(&asked, &length);
	int rows = 0, cells = cells_with(query->columns);

	if (!stream)
		memory_out();
	query->put(stream, question);
	if (fclose(stream))
		memory_out();
	answer = rest = clickhouse_select(store, password, asked, error);
	free(asked);
	if (!answer)
		return error_prefix(error, "clickhouse at %s", store->url);
	while (rows < query->limit && (row = strsep(&rest, "\n"))) {
		if (!*row)
			continue;
		if (cells_of(row) != cells) { /* such as an error in the middle of the answer */
			error_set(error, STATUS_CANNOT_MEASURE,
				  "clickhouse at %s: row %d of its answer has %d cells, and %d were asked for",
				  store->url, rows + 1, cells_of(row), cells);
			rows = -1;
			break;
		}
		query->take(profile, row);
		rows++;
	}
	free(answer);
	return rows;
}

static int ask_all(const struct agent_clickhouse *store, const char *password, const struct question *question,
		   struct profile *profile, struct error *error)
{
	static const struct query build_query = {put_builds_query, take_build, 14, BUILDS_MAX},
				  site_query = {put_sites_query, take_site, 9, ROWS_MAX};
	int builds = ask(store, password, question, &build_query, profile, error), sites;

	if (builds < 0)
		return -1;
	if (!builds)
		return error_set(error, STATUS_USAGE, "the store has no window of what was asked for");
	sites = ask(store, password, question, &site_query, profile, error);
	if (sites < 0)
		return -1;
	profile->row_measured |= profile->rows_exact ? 0 : 1u << VALUE_SAMPLES;
	if (sites == ROWS_MAX || builds == BUILDS_MAX)
		profile_warn(profile, "only the greatest %d rows were taken: ask for one service or build",
			     sites == ROWS_MAX ? ROWS_MAX : BUILDS_MAX);
	return 0;
}

struct profile *store_profile(const char *url, struct error *error)
{
	struct question question = {0};
	struct agent_clickhouse store = {.timeout = TIMEOUT_S};
	char *password = NULL;
	struct profile *profile = NULL;

	if (take_url(&question, url, error)) {
		if (!strchr(url, '@')) /* there may be a password before it */
			error_prefix(error, "'%s'", url);
		question_clear(&question);
		return NULL;
	}
	store.user = question.user;
	store.url = memory_format("http%s://%s:%s/", question.tls ? "s" : "", question.host,
				  question.port	 ? question.port
				  : question.tls ? "8443"
						 : "8123");
	if (clickhouse_password(&store, &password, error) == 0) {
		profile = profile_new();
		profile->tool_version = ESCAPEMENT_VERSION;
		profile->target = profile_string(profile, url);
		profile->totals_exact = profile->rows_exact = true;
		if (ask_all(&store, password, &question, profile, error)) {
			profile_free(profile);
			profile = NULL;
		}
	}
	free(password);
	free(store.url);
	question_clear(&question);
	return profile;
}
