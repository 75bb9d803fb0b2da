/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/render_growth.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "profile/size_class.h"
#include "text/json.h"
#include "text/shorten.h"
#include "text/table.h"
#include "text/terminal.h"

enum { KEY_WIDTH = 4096, NUMBERS_WIDTH = 48, KEY_MIN = 24 };

static double seconds_of(const struct growth *growth)
{
	return (double)(growth->to_ns - growth->from_ns) / 1e9;
}

static int64_t per_hour(const struct growth *growth, const struct growth_row *row)
{
	double seconds = seconds_of(growth);

	return seconds > 0 ? (int64_t)((double)row->grown_bytes / seconds * 3600) : VALUE_UNMEASURED;
}

/* Bytes with their sign. */
static const char *change(char text[TERMINAL_NUMBER_SIZE + 1], int64_t bytes)
{
	text[0] = bytes < 0 ? '-' : '+';
	terminal_bytes(text + 1, bytes < 0 ? -bytes : bytes);
	return text;
}

static void print_head(FILE *stream, const struct growth *growth, const struct profile *last,
		       const struct terminal_style *style)
{
	char bytes[TERMINAL_NUMBER_SIZE], grown[TERMINAL_NUMBER_SIZE + 1];

	if (last->target)
		fprintf(stream, "target    %s%s%s\n", style->bold, last->target, style->reset);
	fprintf(stream, "growth    %zu snapshot%s in %.3g s", growth->snapshots, growth->snapshots == 1 ? "" : "s",
		seconds_of(growth));
	if (growth->snapshots && growth->last_collection != VALUE_UNMEASURED)
		fprintf(stream, ", collections %" PRId64 " to %" PRId64, growth->first_collection,
			growth->last_collection);
	fputc('\n', stream);
	if (growth->repeated)
		fprintf(stream, "          %zu more %s of the same collection as the one before\n", growth->repeated,
			growth->repeated == 1 ? "was" : "were");
	if (growth->uncollected)
		fprintf(stream, "          %zu more %s from before the first collection\n", growth->uncollected,
			growth->uncollected == 1 ? "was" : "were");
	fprintf(stream, "in use    %s, %s\n", terminal_bytes(bytes, growth->bytes), change(grown, growth->grown_bytes));
}

static const char *key_text(const struct growth *growth, const struct growth_row *row, char *text, size_t size,
			    size_t width)
{
	if (growth->by == BY_TYPE)
		snprintf(text, size, "%s", row->type ? row->type : "(unknown)");
	else if (growth->by == BY_SIZE_CLASS && span_class_size_class(row->span_class))
		snprintf(text, size, "%" PRId64, size_class_bytes(span_class_size_class(row->span_class)));
	else if (growth->by == BY_SIZE_CLASS)
		snprintf(text, size, "large");
	else
		shorten_site(text, size, row->function, row->file, row->line, row->via, width);
	return text;
}

static size_t key_width(const struct growth_style *style)
{
	return style->width > NUMBERS_WIDTH + KEY_MIN ? (size_t)style->width - NUMBERS_WIDTH : KEY_MIN;
}

static void print_rows(FILE *stream, const struct growth *growth, const struct growth_row *rows, size_t count,
		       const struct growth_style *style)
{
	static const struct table_column columns[] = {
		{"GROWN", COLUMN_NUMBER},  {"PER HOUR", COLUMN_NUMBER}, {"RISES", COLUMN_NUMBER},
		{"IN USE", COLUMN_NUMBER}, {"SITE", COLUMN_TEXT},
	};
	struct table *table = table_new(stream, columns, sizeof(columns) / sizeof(columns[0]));
	size_t shown = style->top && style->top < count ? style->top : count;
	size_t width = key_width(style);

	for (size_t i = 0; i < shown; i++) {
		const struct growth_row *row = &rows[i];
		char grown[TERMINAL_NUMBER_SIZE + 1], hour[TERMINAL_NUMBER_SIZE], in_use[TERMINAL_NUMBER_SIZE];
		char rises[16], key[KEY_WIDTH];
		const char *cells[] = {change(grown, row->grown_bytes), terminal_bytes(hour, per_hour(growth, row)),
				       rises, terminal_bytes(in_use, row->bytes),
				       key_text(growth, row, key, sizeof(key), width)};

		snprintf(rises, sizeof(rises), "%.0f%%", 100 * row->rises);
		table_add(table, cells);
	}
	table_print(table);
	if (shown < count)
		fprintf(stream, "... %zu more; --top 0 shows all\n", count - shown);
}

/* Rows that may be a leak. */
static void print_unknown(FILE *stream, const struct growth *growth, const struct growth_style *style)
{
	size_t more = growth->snapshots + growth->snapshots / 2;

	if (growth->grow_count)
		fputc('\n', stream);
	fprintf(stream,
		"not known yet: %zu %s gained, and a cache that fills looks the same as a leak in %zu snapshots;\n"
		"more tell them apart (--interval 30s --count %zu)\n",
		growth->unknown_count, growth->unknown_count == 1 ? "site" : "sites", growth->snapshots,
		more > GROWTH_ORDER_FROM ? more : GROWTH_ORDER_FROM + 1);
	print_rows(stream, growth, &growth->rows[growth->grow_count], growth->unknown_count, style);
}

void render_growth_text(FILE *stream, const struct growth *growth, const struct profile *last,
			const struct growth_style *style)
{
	print_head(stream, growth, last, terminal_style(style->color));
	if (growth->snapshots < 2) {
		fprintf(stream, "\nnot known: growth needs two snapshots%s\n",
			last->collections == VALUE_UNMEASURED
				? ""
				: " of different collections; an idle program\ncollects every two minutes");
		return;
	}
	fputc('\n', stream);
	if (growth->grow_count)
		print_rows(stream, growth, growth->rows, growth->grow_count, style);
	if (growth->unknown_count)
		print_unknown(stream, growth, style);
	if (!growth->grow_count && !growth->unknown_count)
		fprintf(stream,
			"no growth: what the sites gained is within what chance, or filling and emptying, explains\n");
}

/* What the row is grouped by. */
static cJSON *json_key(const struct growth *growth, const struct growth_row *row)
{
	cJSON *object = json_object();

	if (growth->by == BY_TYPE) {
		json_add_text(object, "type", row->type);
	} else if (growth->by == BY_SIZE_CLASS) {
		json_add_value(object, "size_class", size_class_bytes(span_class_size_class(row->span_class)));
	} else {
		json_add_text(object, "file", row->file);
		json_add_position(object, "line", row->line);
		json_add_text(object, "function", row->function);
		json_add_text(object, "via", row->via);
	}
	return object;
}

static cJSON *json_row(const struct growth *growth, const struct growth_row *row)
{
	cJSON *object = json_key(growth, row);

	json_add_integer(object, "inuse_objects", row->objects);
	json_add_integer(object, "inuse_bytes", row->bytes);
	json_add_integer(object, "grown_objects", row->grown_objects);
	json_add_integer(object, "grown_bytes", row->grown_bytes);
	json_add_integer(object, "bytes_per_hour", per_hour(growth, row));
	json_add(object, "rises", cJSON_CreateNumber(row->rises));
	json_add(object, "tau", cJSON_CreateNumber(row->tau));
	json_add(object, "deviations", cJSON_CreateNumber(row->deviations));
	json_add(object, "chance", cJSON_CreateNumber(row->chance));
	json_add(object, "grows",
		 row->verdict == GROWTH_UNKNOWN ? cJSON_CreateNull()
						: cJSON_CreateBool(row->verdict == GROWTH_CERTAIN));
	return object;
}

static cJSON *json_target(const struct profile *last)
{
	cJSON *target = json_object();

	json_add_text(target, "command", last->target);
	json_add_integer(target, "pid", last->process_count ? last->processes[0].pid : 0);
	return target;
}

static cJSON *json_collections(const struct growth *growth)
{
	cJSON *collections;

	if (growth->last_collection == VALUE_UNMEASURED)
		return cJSON_CreateNull();
	collections = json_array();
	json_append(collections, json_integer(growth->first_collection));
	json_append(collections, json_integer(growth->last_collection));
	return collections;
}

void render_growth_json(FILE *stream, const struct growth *growth, const struct profile *last)
{
	struct json_document document;
	cJSON *totals = json_object();

	json_add_integer(totals, "inuse_bytes", growth->bytes);
	json_add_integer(totals, "grown_bytes", growth->grown_bytes);
	json_document_begin(&document, stream, "escapement.growth/1");
	json_document_member(&document, "target", json_target(last));
	json_document_member(&document, "snapshots", json_integer((int64_t)growth->snapshots));
	json_document_member(&document, "repeated", json_integer((int64_t)growth->repeated));
	json_document_member(&document, "uncollected", json_integer((int64_t)growth->uncollected));
	json_document_member(&document, "collections", json_collections(growth));
	json_document_member(&document, "seconds", cJSON_CreateNumber(seconds_of(growth)));
	json_document_member(&document, "ordered", cJSON_CreateBool(growth->snapshots >= GROWTH_ORDER_FROM));
	json_document_member(&document, "totals", totals);
	json_document_rows_begin(&document, "rows");
	for (size_t i = 0; i < growth->row_count; i++)
		json_document_row(&document, json_row(growth, &growth->rows[i]));
	json_document_rows_end(&document);
	json_document_end(&document);
}

/* --- heap time --- */

static void print_heap_time_head(FILE *stream, const struct heap_time *time, const struct terminal_style *style)
{
	const struct growth *growth = time->growth;
	char bytes[TERMINAL_NUMBER_SIZE];

	if (time->last->target)
		fprintf(stream, "target    %s%s%s\n", style->bold, time->last->target, style->reset);
	fprintf(stream, "observed  %zu collection%s in %.3g s, %" PRId64 " to %" PRId64 ", %zu missed\n",
		growth->snapshots, growth->snapshots == 1 ? "" : "s", seconds_of(growth), growth->first_collection,
		growth->last_collection, growth->missed);
	if (time->since_start < 0) {
		fprintf(stream, "collector its share of the CPU time could not be read\n");
	} else {
		fprintf(stream, "collector %.1f %% of its CPU time since its start", 100 * time->since_start);
		if (time->meanwhile >= 0)
			fprintf(stream, ", %.1f %% meanwhile", 100 * time->meanwhile);
		fputc('\n', stream);
	}
	fprintf(stream, "marked    %s each time, %s\n",
		terminal_bytes(bytes, growth->heap_time / (int64_t)growth->snapshots),
		time->last->rows_exact ? "exactly" : "estimated from samples");
}

static void print_heap_time_rows(FILE *stream, const struct growth *growth, const struct growth_style *style)
{
	static const struct table_column columns[] = {{"HEAP TIME", COLUMN_NUMBER},
						      {"%", COLUMN_NUMBER},
						      {"EACH TIME", COLUMN_NUMBER},
						      {"SITE", COLUMN_TEXT}};
	struct table *table = table_new(stream, columns, sizeof(columns) / sizeof(columns[0]));
	size_t width = key_width(style), count = 0, shown;

	while (count < growth->row_count && growth->rows[count].heap_time)
		count++;
	shown = style->top && style->top < count ? style->top : count;
	for (size_t i = 0; i < shown; i++) {
		const struct growth_row *row = &growth->rows[i];
		char sum[TERMINAL_NUMBER_SIZE], mean[TERMINAL_NUMBER_SIZE], share[16], key[KEY_WIDTH];
		const char *cells[] = {terminal_bytes(sum, row->heap_time), share,
				       terminal_bytes(mean, row->heap_time / (int64_t)growth->snapshots),
				       key_text(growth, row, key, sizeof(key), width)};

		snprintf(share, sizeof(share), "%.1f", 100 * (double)row->heap_time / (double)growth->heap_time);
		table_add(table, cells);
	}
	table_print(table);
	if (shown < count)
		fprintf(stream, "... %zu more; --top 0 shows all\n", count - shown);
}

void render_heap_time_text(FILE *stream, const struct heap_time *time, const struct growth_style *style)
{
	print_heap_time_head(stream, time, terminal_style(style->color));
	fputc('\n', stream);
	if (time->growth->heap_time)
		print_heap_time_rows(stream, time->growth, style);
	else
		fprintf(stream, "nothing that was sampled has survived a collection\n");
	fprintf(stream, "\nHeap time is bytes times collections that they survived: what the collector marks.\n");
}

/* A share from 0 to 1; null if it is not known. */
static cJSON *json_share(double share)
{
	return share < 0 ? cJSON_CreateNull() : cJSON_CreateNumber(share);
}

static cJSON *json_heap_time_row(const struct growth *growth, const struct growth_row *row)
{
	cJSON *object = json_key(growth, row);

	json_add_integer(object, "heap_time", row->heap_time);
	json_add_integer(object, "inuse_objects", row->objects);
	json_add_integer(object, "inuse_bytes", row->bytes);
	return object;
}

void render_heap_time_json(FILE *stream, const struct heap_time *time)
{
	const struct growth *growth = time->growth;
	struct json_document document;
	cJSON *totals = json_object(), *collector = json_object();

	json_add(collector, "since_start", json_share(time->since_start));
	json_add(collector, "meanwhile", json_share(time->meanwhile));
	json_add_integer(totals, "heap_time", growth->heap_time);
	json_add_integer(totals, "inuse_bytes", growth->bytes);
	json_document_begin(&document, stream, "escapement.heap-time/1");
	json_document_member(&document, "target", json_target(time->last));
	json_document_member(&document, "collections", json_collections(growth));
	json_document_member(&document, "observed", json_integer((int64_t)growth->snapshots));
	json_document_member(&document, "missed", json_integer((int64_t)growth->missed));
	json_document_member(&document, "seconds", cJSON_CreateNumber(seconds_of(growth)));
	json_document_member(&document, "exact", cJSON_CreateBool(time->last->rows_exact));
	json_document_member(&document, "collector", collector);
	json_document_member(&document, "totals", totals);
	json_document_rows_begin(&document, "rows");
	for (size_t i = 0; i < growth->row_count; i++)
		json_document_row(&document, json_heap_time_row(growth, &growth->rows[i]));
	json_document_rows_end(&document);
	json_document_end(&document);
}
