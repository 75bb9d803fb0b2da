/* SPDX-License-Identifier: BSD-2-Clause */
#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "gate/baseline.h"
#include "gate/baseline_format.h"

enum { SIZE_MAX_MB = 256 };

/* Costs that differed between runs are null. */
static bool is_cost(enum profile_value value)
{
	return profile_values[value].kinds & VALUE_COST;
}

struct reader {
	const char *path, *text;
	size_t length;
	struct gate_counts *counts;
	struct error *error;
	uint32_t *lines; /* line numbers of the elements of "sites" */
	size_t line_count;
};

static int fail(struct reader *reader, uint32_t line, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int fail(struct reader *reader, uint32_t line, const char *format, ...)
{
	char text[sizeof(reader->error->text)];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (line)
		return error_set(reader->error, STATUS_USAGE, "%s:%u: %s", reader->path, line, text);
	return error_set(reader->error, STATUS_USAGE, "baseline '%s' %s", reader->path, text);
}

static char *read_all(const char *path, size_t *length, struct error *error)
{
	FILE *stream = fopen(path, "re");
	char *text = NULL;
	size_t capacity = 0, count;

	*length = 0;
	if (!stream && errno == ENOENT)
		return error_set(error, STATUS_USAGE, "no baseline '%s'; write one with --update", path), NULL;
	if (!stream)
		return error_set(error, STATUS_USAGE, "cannot read baseline '%s': %m", path), NULL;
	do {
		if (capacity - *length < 65536) {
			capacity = capacity ? 2 * capacity : 1 << 18;
			text = memory_resize(text, capacity, 1);
		}
		count = fread(text + *length, 1, capacity - *length - 1, stream);
		*length += count;
	} while (count && *length < (size_t)SIZE_MAX_MB << 20);
	if (ferror(stream) || *length >= (size_t)SIZE_MAX_MB << 20) {
		if (ferror(stream))
			error_set(error, STATUS_USAGE, "cannot read baseline '%s': %m", path);
		else
			error_set(error, STATUS_USAGE, "baseline '%s' is larger than %d MiB", path, SIZE_MAX_MB);
		free(text);
		text = NULL;
	} else {
		text[*length] = 0;
	}
	fclose(stream);
	return text;
}

static uint32_t line_at(const char *text, const char *at)
{
	uint32_t line = 1;

	for (; text < at; text++)
		line += *text == '\n';
	return line;
}

/* Finds the lines on which the elements of the array "sites" begin. The text is valid JSON. */
static void find_lines(struct reader *reader)
{
	const char *c = reader->text;
	uint32_t line = 1;
	int depth = 0;
	bool in_sites = false, named = false;
	size_t capacity = 0;

	for (; *c; c++) {
		if (*c == '\n')
			line++;
		if (*c == '"') {
			const char *start = c;

			for (c++; *c && *c != '"'; c++)
				c += *c == '\\' && c[1];
			if (depth == 1)
				named = c - start == 6 && strncmp(start, "\"sites", 6) == 0;
		} else if (*c == '[' || *c == '{') {
			if (*c == '[' && depth == 1)
				in_sites = named;
			if (in_sites && depth == 2) {
				if (reader->line_count == capacity) {
					capacity = capacity ? 2 * capacity : 256;
					reader->lines = memory_resize(reader->lines, capacity, sizeof(*reader->lines));
				}
				reader->lines[reader->line_count++] = line;
			}
			depth++;
		} else if (*c == ']' || *c == '}') {
			depth--;
		}
	}
}

static int whole_number(const cJSON *item, bool null_allowed, int64_t *value)
{
	if (null_allowed && cJSON_IsNull(item)) {
		*value = VALUE_UNMEASURED;
		return 0;
	}
	if (!cJSON_IsNumber(item) || item->valuedouble < 0 || item->valuedouble > 9007199254740992.0 ||
	    floor(item->valuedouble) != item->valuedouble)
		return -1;
	*value = (int64_t)item->valuedouble;
	return 0;
}

/* Where the number goes whose name is that of a value and an ending; NULL if no number has that ending. */
static int64_t *number_of(struct gate_count *count, const char *ending)
{
	if (!*ending)
		return &count->least;
	if (strcmp(ending, "_max") == 0)
		return &count->most;
	if (strcmp(ending, "_min") == 0)
		return &count->below;
	return strcmp(ending, BASELINE_ESTIMATE) == 0 ? &count->estimate : NULL;
}

/* Reads one field of a site. */
static int take_field(struct reader *reader, uint32_t line, struct gate_site *site, const cJSON *item)
{
	for (int i = 0; i < BASELINE_TEXTS; i++) {
		if (strcmp(baseline_texts[i].name, item->string) != 0)
			continue;
		if (!cJSON_IsString(item) && !cJSON_IsNull(item))
			return fail(reader, line, "\"%s\" is not text", item->string);
		*baseline_text(site, i) =
			gate_counts_string(reader->counts, cJSON_IsString(item) ? item->valuestring : NULL);
		return 0;
	}
	for (int value = baseline_next(-1); value < VALUE_COUNT; value = baseline_next(value)) {
		size_t length = strlen(profile_values[value].key);
		bool cost = is_cost(value);
		struct gate_count *count = &site->counts[value];
		int64_t *number;

		if (!baseline_is_of_sites(value) || strncmp(profile_values[value].key, item->string, length) != 0)
			continue;
		number = number_of(count, item->string + length);
		if (!number || (cost && number != &count->least))
			continue;
		if (whole_number(item, cost, number))
			return fail(reader, line, "\"%s\" is not a whole number from 0 to 2^53", item->string);
		return 0;
	}
	return fail(reader, line, "unknown field \"%s\"", item->string);
}

static int check_fields(struct reader *reader, uint32_t line, const cJSON *object)
{
	for (int i = 0; i < BASELINE_TEXTS; i++) {
		if (baseline_texts[i].required && !cJSON_GetObjectItemCaseSensitive(object, baseline_texts[i].name))
			return fail(reader, line, "a site without \"%s\"", baseline_texts[i].name);
	}
	for (int value = baseline_next(-1); value < VALUE_COUNT; value = baseline_next(value)) {
		if (baseline_is_of_sites(value) && !cJSON_GetObjectItemCaseSensitive(object, profile_values[value].key))
			return fail(reader, line, "a site without \"%s\"", profile_values[value].key);
	}
	if (cJSON_GetArraySize(object) > BASELINE_TEXTS + 4 * VALUE_COUNT)
		return fail(reader, line, "a site with too many fields");
	for (const cJSON *item = object->child; item; item = item->next) {
		for (const cJSON *other = item->next; other; other = other->next) {
			if (strcmp(item->string, other->string) == 0)
				return fail(reader, line, "\"%s\" twice in one site", item->string);
		}
	}
	return 0;
}

static int read_site(struct reader *reader, uint32_t line, const cJSON *object)
{
	struct gate_site site = {0};

	if (!cJSON_IsObject(object))
		return fail(reader, line, "a site that is not an object");
	if (check_fields(reader, line, object))
		return -1;
	for (int value = baseline_next(-1); value < VALUE_COUNT; value = baseline_next(value)) {
		site.counts[value] =
			(struct gate_count){.least = VALUE_UNMEASURED, .most = INT64_MIN, .below = INT64_MIN};
	}
	for (const cJSON *item = object->child; item; item = item->next) {
		if (take_field(reader, line, &site, item))
			return -1;
	}
	for (int i = 0; i < VALUE_COUNT; i++) {
		struct gate_count *count = &site.counts[i];

		if (count->most == INT64_MIN)
			count->most = count->least;
		if (count->most < count->least)
			return fail(reader, line, "a maximum below the minimum");
		count->below = count->below == INT64_MIN ? 0 : count->least - count->below;
		if (count->below < 0)
			return fail(reader, line, "a minimum above the count");
		if (count->estimate && (count->estimate < count->least || count->estimate > count->most))
			return fail(reader, line, "an estimate outside of its interval");
		reader->counts->estimated |= count->estimate != 0;
	}
	*gate_counts_append(reader->counts) = site;
	return 0;
}

static int read_sites(struct reader *reader, const cJSON *root)
{
	const cJSON *sites = cJSON_GetObjectItemCaseSensitive(root, "sites"), *object;
	struct gate_counts *counts = reader->counts;
	size_t index = 0;

	if (!cJSON_IsArray(sites))
		return fail(reader, 0, "has no \"sites\"");
	find_lines(reader);
	cJSON_ArrayForEach(object, sites)
	{
		uint32_t line = index < reader->line_count ? reader->lines[index]
							   : line_at(reader->text, reader->text + reader->length);

		if (read_site(reader, line, object))
			return -1;
		/* in a sorted file the line is known; other files are checked below */
		if (index && gate_site_compare(&counts->sites[index - 1], &counts->sites[index], true) == 0)
			return fail(reader, line, "the same site as on line %u", reader->lines[index - 1]);
		index++;
	}
	gate_counts_sort(counts);
	for (size_t i = 1; i < counts->site_count; i++) {
		if (gate_site_compare(&counts->sites[i - 1], &counts->sites[i], true) == 0)
			return fail(reader, 0, "has two sites '%s' of one runtime call, type and annotation",
				    counts->sites[i].function ? counts->sites[i].function : "");
	}
	return 0;
}

static int read_totals(struct reader *reader, const cJSON *root)
{
	const cJSON *totals = cJSON_GetObjectItemCaseSensitive(root, "totals");
	struct gate_counts *counts = reader->counts;
	int64_t written[VALUE_COUNT] = {0};

	if (!cJSON_IsObject(totals))
		return fail(reader, 0, "has no \"totals\"; was it cut?");
	for (int value = baseline_next(-1); value < VALUE_COUNT; value = baseline_next(value)) {
		const char *key = profile_values[value].key;
		const cJSON *item = cJSON_GetObjectItemCaseSensitive(totals, key);

		/* a baseline from before a value was added does not have it */
		if (!item && is_cost(value))
			written[value] = VALUE_UNMEASURED;
		else if (!item || whole_number(item, is_cost(value), &written[value]))
			return fail(reader, 0, "has no whole number \"%s\" in its totals", key);
		counts->totals[value] = written[value];
	}
	gate_counts_add_up(counts);
	for (enum profile_value value = VALUE_OBJECTS; value <= VALUE_BYTES; value++) {
		if (counts->totals[value] != written[value])
			return fail(reader, 0,
				    "does not add up: its sites have %lld %s, its totals say %lld; was it edited? "
				    "accept sites with 'escapement gate accept', or write it anew with --update",
				    (long long)counts->totals[value], profile_values[value].key,
				    (long long)written[value]);
	}
	return 0;
}

/* Baselines of samples that do not say what their intervals are of: in the middle, as far as anybody knows. */
static void suppose_estimates(struct gate_counts *counts)
{
	if (counts->rate == 1 || counts->estimated)
		return;
	counts->estimated = true;
	for (size_t i = 0; i < counts->site_count; i++) {
		for (enum profile_value value = VALUE_OBJECTS; value <= VALUE_BYTES; value++) {
			struct gate_count *count = &counts->sites[i].counts[value];

			if (!gate_count_steady(count))
				count->estimate = count->least + (count->most - count->least) / 2;
		}
	}
	gate_counts_add_up(counts);
}

/* Reads a member that is text or null, and may be missing. */
static int read_text(struct reader *reader, const cJSON *object, const char *name, const char **text)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	if (item && !cJSON_IsString(item) && !cJSON_IsNull(item))
		return fail(reader, 0, "has a \"%s\" that is not text", name);
	*text = gate_counts_string(reader->counts, item ? item->valuestring : NULL); /* of null: NULL */
	return 0;
}

/* Reads the benchmarks that --update printed, and counts that are not judged. Both may be missing, because they are not
 * compared. */
static int read_benchmarks(struct reader *reader, const cJSON *root)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "benchmarks"), *row;

	cJSON_ArrayForEach(row, list)
	{
		const cJSON *name = cJSON_GetObjectItemCaseSensitive(row, "name");
		const char *package = NULL;
		int64_t allocs, bytes;

		if (!cJSON_IsString(name) ||
		    whole_number(cJSON_GetObjectItemCaseSensitive(row, "allocs_per_op"), false, &allocs) ||
		    whole_number(cJSON_GetObjectItemCaseSensitive(row, "bytes_per_op"), false, &bytes))
			return fail(reader, 0, "has a benchmark without a name, allocs_per_op or bytes_per_op");
		if (read_text(reader, row, "package", &package))
			return -1;
		gate_counts_benchmark(reader->counts, &(struct gate_benchmark){
							      .name = name->valuestring,
							      .package = package,
							      .allocs = allocs,
							      .bytes = bytes,
						      });
	}
	return 0;
}

static int read_unjudged(struct reader *reader, const cJSON *root, const char *name, int64_t *values)
{
	const cJSON *object = cJSON_GetObjectItemCaseSensitive(root, name);

	if (whole_number(cJSON_GetObjectItemCaseSensitive(object, "objects"), false, &values[VALUE_OBJECTS]) ||
	    whole_number(cJSON_GetObjectItemCaseSensitive(object, "bytes"), false, &values[VALUE_BYTES]))
		return fail(reader, 0, "has no whole numbers of objects and bytes in \"%s\"", name);
	return 0;
}

/* The words of a command, which the document owns; the caller frees the array, which ends with NULL. */
static const char **command_words(const cJSON *command)
{
	const char **words = memory_zeroed((size_t)cJSON_GetArraySize(command) + 1, sizeof(*words));
	const cJSON *item;
	int count = 0;

	cJSON_ArrayForEach(item, command) words[count++] = cJSON_IsString(item) ? item->valuestring : "";
	return words;
}

/* The document has another version: says how to write it anew, with the command in it. */
static int fail_schema(struct reader *reader, const cJSON *root, const char *schema)
{
	const char **words = command_words(cJSON_GetObjectItemCaseSensitive(root, "command"));
	char *command = baseline_update_command(reader->path, words);

	fail(reader, 0, "has the schema '%.60s', but this version reads '" BASELINE_SCHEMA "'; write it anew: %s",
	     schema, command);
	free(command);
	free(words);
	return -1;
}

static int read_head(struct reader *reader, const cJSON *root)
{
	const cJSON *schema = cJSON_GetObjectItemCaseSensitive(root, "schema"), *item;
	const cJSON *command = cJSON_GetObjectItemCaseSensitive(root, "command");
	const cJSON *runtime = cJSON_GetObjectItemCaseSensitive(root, "runtime");
	const char **words;

	if (!cJSON_IsString(schema) || strncmp(schema->valuestring, "escapement.", 11) != 0)
		return fail(reader, 0, "is not a baseline: it has no \"schema\" of ours");
	if (strcmp(schema->valuestring, BASELINE_SCHEMA) != 0)
		return fail_schema(reader, root, schema->valuestring);
	if (!cJSON_IsArray(command) || (!cJSON_IsString(runtime) && !cJSON_IsNull(runtime)))
		return fail(reader, 0, "has no \"%s\"", cJSON_IsArray(command) ? "runtime" : "command");
	words = command_words(command);
	gate_counts_command(reader->counts, words);
	free(words);
	reader->counts->runtime =
		gate_counts_string(reader->counts, cJSON_IsString(runtime) ? runtime->valuestring : NULL);
	if (read_text(reader, root, "module", &reader->counts->module) ||
	    read_text(reader, root, "package", &reader->counts->package))
		return -1;
	item = cJSON_GetObjectItemCaseSensitive(root, "rate");
	if (!item || whole_number(item, false, &reader->counts->rate))
		return fail(reader, 0, "has no whole number \"rate\"");
	item = cJSON_GetObjectItemCaseSensitive(root, "normalize");
	if (cJSON_IsString(item)) {
		const cJSON *iterations = cJSON_GetObjectItemCaseSensitive(root, "iterations");

		/* a recording may be a part of a second, a nanosecond at least */
		const double least = strcmp(item->valuestring, "second") == 0 ? 1e-9 : 1;

		if (!cJSON_IsNumber(iterations) || !(iterations->valuedouble >= least) ||
		    isinf(iterations->valuedouble))
			return fail(
				reader, 0,
				"is normalized, but has no number of \"iterations\" from 1 on (of seconds, above 0)");
		reader->counts->normalize = gate_counts_string(reader->counts, item->valuestring);
		reader->counts->iterations = iterations->valuedouble;
	}
	return 0;
}

/* Whether the JSON error at `error` is that the text ends early: nothing follows, or at most the rest of a last line
 * that does not end an object. */
static bool is_cut(const struct reader *reader, const char *error)
{
	const char *limit = reader->text + reader->length;

	if (!error || error >= limit || !error[strspn(error, " \t\r\n")])
		return true;
	while (limit > error && strchr(" \t\r\n", limit[-1]))
		limit--;
	return limit[-1] != '}' && !memchr(error, '\n', (size_t)(limit - error));
}

static cJSON *parse(struct reader *reader)
{
	const char *end = NULL;
	cJSON *root;

	if (reader->length == 0)
		return fail(reader, 0, "is empty"), NULL;
	if (memchr(reader->text, 0, reader->length))
		return fail(reader, 0, "is not text"), NULL;
	root = cJSON_ParseWithLengthOpts(reader->text, reader->length + 1, &end, true);
	if (root && cJSON_IsObject(root))
		return root;
	cJSON_Delete(root);
	if (root)
		return fail(reader, 1, "a baseline is a JSON object, and this is not one"), NULL;
	if (is_cut(reader, end))
		return fail(reader, line_at(reader->text, reader->text + reader->length),
			    "the file ends in the middle: it was cut"),
		       NULL;
	return fail(reader, line_at(reader->text, end), "not JSON at '%.20s'", end), NULL;
}

struct gate_counts *baseline_read(const char *path, struct error *error)
{
	struct reader reader = {.path = path, .error = error};
	char *text = read_all(path, &reader.length, error);
	cJSON *root;
	bool failed;

	if (!text)
		return NULL;
	reader.text = text;
	root = parse(&reader);
	if (!root) {
		free(text);
		return NULL;
	}
	reader.counts = gate_counts_new();
	reader.counts->runs = 1;
	failed = read_head(&reader, root) || read_sites(&reader, root) || read_benchmarks(&reader, root) ||
		 read_unjudged(&reader, root, "outside", reader.counts->outside) ||
		 read_unjudged(&reader, root, "bookkeeping", reader.counts->bookkeeping) || read_totals(&reader, root);
	cJSON_Delete(root);
	free(text);
	free(reader.lines);
	if (!failed) {
		suppose_estimates(reader.counts);
		return reader.counts;
	}
	gate_counts_free(reader.counts);
	return NULL;
}
