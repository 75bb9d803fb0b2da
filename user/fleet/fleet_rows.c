/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/fleet_rows.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text_compare.h"
#include "fleet/cells.h"
#include "fleet/fleet_profiles.h"
#include "fleet/heap_rows.h"
#include "fleet/judge.h"
#include "fleet/spooled.h"
#include "audit/audit_join.h"
#include "profile/profile_part.h"
#include "profile/report.h"

#define FLEET_TYPE_FLEET_NUMBER	 uint64_t
#define FLEET_TYPE_FLEET_TIME	 uint64_t
#define FLEET_TYPE_FLEET_TEXT	 const char *
#define FLEET_TYPE_FLEET_SECONDS double
#define FLEET_TYPE_FLEET_COUNT	 int64_t
#define FLEET_TYPE_FLEET_SIGNED	 int64_t
#define FLEET_TYPE_FLEET_VALUES	 const int64_t *

#define MEMBER(kind, name, meaning) FLEET_TYPE_##kind name;
struct windows_row {
	FLEET_WINDOWS(MEMBER)
};
struct sites_row {
	FLEET_SITES(MEMBER)
};
struct heap_row {
	FLEET_HEAP(MEMBER)
};
#undef MEMBER

#define WINDOWS_COLUMN(kind, name, meaning) {kind, #name, meaning, offsetof(struct windows_row, name)},
#define SITES_COLUMN(kind, name, meaning)   {kind, #name, meaning, offsetof(struct sites_row, name)},
#define HEAP_COLUMN(kind, name, meaning)    {kind, #name, meaning, offsetof(struct heap_row, name)},
static const struct fleet_column windows_columns[] = {FLEET_WINDOWS(WINDOWS_COLUMN){0}};
static const struct fleet_column sites_columns[] = {FLEET_SITES(SITES_COLUMN){0}};
static const struct fleet_column heap_columns[] = {FLEET_HEAP(HEAP_COLUMN){0}};

const struct fleet_table fleet_tables[FLEET_TABLES] = {
	[FLEET_TABLE_WINDOWS] = {SPOOLED_WINDOWS, windows_columns, FLEET_PLACE_OF_WINDOWS},
	[FLEET_TABLE_SITES] = {SPOOLED_SITES, sites_columns, FLEET_PLACE_OF_SITES},
	[FLEET_TABLE_HEAP] = {SPOOLED_HEAP, heap_columns, NULL},
};

void fleet_columns(const struct fleet_table *table,
		   void (*each)(void *context, enum fleet_kind kind, const char *name, const char *meaning),
		   void *context)
{
	for (const struct fleet_column *column = table->columns; column->name; column++) {
		if (column->kind != FLEET_VALUES) {
			each(context, column->kind, column->name, column->meaning);
			continue;
		}
		for (int value = -1; (value = profile_value_next(value, VALUE_SHOWN)) < VALUE_COUNT;)
			each(context, FLEET_COUNT, profile_values[value].key, column->meaning);
	}
}

static void put_count(FILE *stream, int64_t count, int64_t none)
{
	if (count == none)
		fputs("\\N", stream);
	else
		fprintf(stream, "%" PRId64, count);
}

static void put_values(FILE *stream, const int64_t *values)
{
	const char *separator = "";

	for (int value = -1; (value = profile_value_next(value, VALUE_SHOWN)) < VALUE_COUNT; separator = "\t") {
		fputs(separator, stream);
		put_count(stream, values[value], VALUE_UNMEASURED);
	}
}

static void put_row(FILE *stream, const struct fleet_table *table, const void *row)
{
	for (const struct fleet_column *column = table->columns; column->name; column++) {
		const void *member = (const char *)row + column->offset;

		switch (column->kind) {
		case FLEET_NUMBER:
		case FLEET_TIME:
			fprintf(stream, "%" PRIu64, *(const uint64_t *)member);
			break;
		case FLEET_TEXT:
			cell_put(stream, *(const char *const *)member);
			break;
		case FLEET_SECONDS:
			fprintf(stream, "%.6f", *(const double *)member);
			break;
		case FLEET_COUNT:
			put_count(stream, *(const int64_t *)member, VALUE_UNMEASURED);
			break;
		case FLEET_SIGNED:
			put_count(stream, *(const int64_t *)member, FLEET_NONE);
			break;
		case FLEET_VALUES:
			put_values(stream, *(const int64_t *const *)member);
			break;
		case FLEET_KINDS:
			break;
		}
		fputc(column[1].name ? '\t' : '\n', stream);
	}
}

enum { HEAP_S = 30 }; /* the heap snapshots of a window may take so long together */

/* The tables of a window being written. */
struct writer {
	int64_t heap_ns; /* that they have taken until now */
	const struct fleet_window *window;
	struct judge *judge;
	struct {
		FILE *stream;
		char *text;
		size_t length;
		uint64_t rows;
	} tables[FLEET_TABLES];
	FILE *profiles; /* the window, where they come before the tables; NULL: no store takes them */
	uint64_t profile_count;
};

/* The join needs whole paths, so it is the rows that are redacted. */
static const char *shown_path(const struct writer *writer, const char *path)
{
	return writer->window->config->redact ? text_base_name(path) : path;
}

static void put_process(struct writer *writer, const struct profile_process *process, int64_t rate,
			const struct window_target *target, const char *service)
{
	const struct profile_check *check = &process->check;
	const struct windows_row row = {
		.window = writer->window->id,
		.time = writer->window->time,
		.host = writer->window->config->host,
		.row = writer->tables[FLEET_TABLE_WINDOWS].rows++,
		.service = service,
		.build = process->build_id,
		.pid = (uint64_t)process->pid,
		.started = target->started,
		.comm = process->comm,
		.executable = shown_path(writer, process->executable),
		.module = process->module,
		.runtime = process->runtime,
		.seconds = target->seconds,
		.cpu_seconds = target->cpu_seconds,
		.overhead_seconds = target->overhead_seconds,
		.rate = rate > 0 ? (uint64_t)rate : 0,
		.values = process->totals,
		.check_objects = check->present ? check->objects : VALUE_UNMEASURED,
		.check_difference = check->present ? check->difference : FLEET_NONE,
		.check_bound = check->present ? check->bound : VALUE_UNMEASURED,
		.check_outside = check->present ? check->outside : VALUE_UNMEASURED,
		.lost_events = process->lost_events,
		.lost_stacks = process->lost_stacks,
		.forked = process->forked,
		.dropped = writer->window->dropped,
	};

	put_row(writer->tables[FLEET_TABLE_WINDOWS].stream, &fleet_tables[FLEET_TABLE_WINDOWS], &row);
}

/* Adds what all rows of a process have, and puts the row. */
static void put_site(struct writer *writer, const struct profile_process *process, const char *service,
		     struct sites_row *row)
{
	row->window = writer->window->id;
	row->time = writer->window->time;
	row->host = writer->window->config->host;
	row->row = writer->tables[FLEET_TABLE_SITES].rows++;
	row->service = service;
	row->build = process->build_id;
	row->pid = (uint64_t)process->pid;
	row->file = shown_path(writer, row->file);
	put_row(writer->tables[FLEET_TABLE_SITES].stream, &fleet_tables[FLEET_TABLE_SITES], row);
}

static void put_report_row(struct writer *writer, const struct profile_process *process, const char *service,
			   const struct report_row *from)
{
	struct interval_bounds bounds = from->bounds;
	struct sites_row row = {
		.function = from->function,
		.file = from->file,
		.line = from->line,
		.via = from->via,
		.type = from->type,
		.values = from->values,
	};

	if (!from->has_bounds) { /* counted, or not measured */
		bounds.objects_low = bounds.objects_high = from->values[VALUE_OBJECTS];
		bounds.bytes_low = bounds.bytes_high = from->values[VALUE_BYTES];
	}
	row.objects_low = bounds.objects_low;
	row.objects_high = bounds.objects_high;
	row.bytes_low = bounds.bytes_low;
	row.bytes_high = bounds.bytes_high;
	put_site(writer, process, service, &row);
}

static void put_audit_row(struct writer *writer, const struct profile_process *process, const char *service,
			  const struct audit_row *from)
{
	struct sites_row row = {
		.function = audit_row_is_outside(from) ? report_outside : from->site.function,
		.via = from->via,
		.type = from->type,
		.verdict = audit_verdict_name(from->verdict),
		.words = audit_row_words(from),
		.values = from->values,
		.objects_low = from->objects_low,
		.objects_high = from->objects_high,
		.bytes_low = from->bytes_low,
		.bytes_high = from->bytes_high,
	};

	if (from->owner) {
		row.function = from->owner->function;
		row.file = from->owner->file;
		row.line = from->owner->line;
	}
	put_site(writer, process, service, &row);
}

static void put_sites(struct writer *writer, const struct profile *part, const struct agent_watch *watch,
		      struct error *unjudged)
{
	static const struct report_selection typed = {.typed = true};
	struct audit *audit = judge_process(writer->judge, watch, part, unjudged);
	struct report *report = audit ? NULL : report_new_selected(part, BY_SITE, report_default_sort(part), 0, &typed);

	for (size_t i = 0; audit && i < audit->row_count; i++) {
		if (audit_verdict_allocates(audit->rows[i].verdict))
			put_audit_row(writer, part->processes, watch->service, &audit->rows[i]);
	}
	for (size_t i = 0; report && i < report->row_count; i++)
		put_report_row(writer, part->processes, watch->service, &report->rows[i]);
	audit_free(audit);
	report_free(report);
}

static void put_heap_row(struct writer *writer, const struct profile_process *process, const char *service,
			 const struct profile *snapshot, const struct report_row *from)
{
	struct interval_bounds bounds = from->bounds;

	if (!from->has_bounds) {
		bounds.objects_low = bounds.objects_high = from->values[VALUE_LIVE_OBJECTS];
		bounds.bytes_low = bounds.bytes_high = from->values[VALUE_LIVE_BYTES];
	}
	const struct heap_row row = {
		.window = writer->window->id,
		.time = writer->window->time,
		.host = writer->window->config->host,
		.row = writer->tables[FLEET_TABLE_HEAP].rows++,
		.service = service,
		.build = process->build_id,
		.pid = (uint64_t)process->pid,
		.collections = snapshot->collections,
		.function = from->function,
		.file = shown_path(writer, from->file),
		.line = from->line,
		.via = from->via,
		.inuse_objects = from->values[VALUE_LIVE_OBJECTS],
		.inuse_objects_low = bounds.objects_low,
		.inuse_objects_high = bounds.objects_high,
		.inuse_bytes = from->values[VALUE_LIVE_BYTES],
		.inuse_bytes_low = bounds.bytes_low,
		.inuse_bytes_high = bounds.bytes_high,
	};

	put_row(writer->tables[FLEET_TABLE_HEAP].stream, &fleet_tables[FLEET_TABLE_HEAP], &row);
}

/* NULL with an error; without one if the window is to end. */
static struct profile *take_snapshot(struct writer *writer, const struct window_target *target, struct error *error)
{
	int64_t began_ns = monotonic_ns();
	struct profile *snapshot;

	if (*writer->window->stop)
		return NULL;
	if (writer->heap_ns > HEAP_S * 1000000000LL) {
		error_set(error, STATUS_CANNOT_MEASURE, "those of other processes took more than %d s", HEAP_S);
		return NULL;
	}
	snapshot = heap_rows_snapshot(target, error);
	writer->heap_ns += monotonic_ns() - began_ns;
	return snapshot;
}

static void put_profile(struct writer *writer, const struct profile *profile, const struct profile_process *process,
			const struct window_target *target, const char *service)
{
	const struct fleet_profile of = {
		.window = writer->window->id,
		.number = writer->profile_count++,
		.pid = (uint64_t)process->pid,
		.started = target->started,
		.host = writer->window->config->host,
		.service = service,
		.build = process->build_id,
		.comm = process->comm,
		.executable = shown_path(writer, process->executable),
		.runtime = process->runtime,
		.heap = profile->snapshot,
	};

	if (writer->profiles)
		fleet_profile_write(writer->profiles, &of, profile, writer->window->config->redact);
}

static void put_heap(struct writer *writer, const struct profile_process *process, const struct window_target *target,
		     const char *service, struct error *unheaped)
{
	struct profile *snapshot = take_snapshot(writer, target, unheaped);
	struct report *report = snapshot ? report_new(snapshot, BY_SITE, report_default_sort(snapshot), 0) : NULL;

	for (size_t i = 0; report && i < report->row_count; i++)
		put_heap_row(writer, process, service, snapshot, &report->rows[i]);
	if (snapshot)
		put_profile(writer, snapshot, process, target, service);
	report_free(report);
	profile_free(snapshot);
}

static void put_part(struct writer *writer, const struct profile *profile, const struct window_target *target,
		     size_t at)
{
	const struct fleet_window *window = writer->window;
	const struct agent_watch *watch = window->watches[at];
	struct profile *part = profile_part_new(profile, target->pid);

	if (part->process_count) {
		put_process(writer, part->processes, part->rate, target, watch->service);
		put_sites(writer, part, watch, &window->unjudged[at]);
		put_profile(writer, part, part->processes, target, watch->service);
		if (window->heap)
			put_heap(writer, part->processes, target, watch->service, &window->unheaped[at]);
	}
	profile_part_free(part);
}

struct names {
	FILE *stream;
	const char *separator;
};

static void put_name(void *context, enum fleet_kind kind, const char *name, const char *meaning)
{
	struct names *names = context;

	(void)kind;
	(void)meaning;
	fprintf(names->stream, "%s%s", names->separator, name);
	names->separator = ",";
}

static void end_table(struct writer *writer, FILE *stream, int table)
{
	char *columns;
	size_t length;
	struct names names = {open_memstream(&columns, &length), ""};

	if (fclose(writer->tables[table].stream) || !names.stream)
		memory_out();
	fleet_columns(&fleet_tables[table], put_name, &names);
	if (fclose(names.stream))
		memory_out();
	spooled_write(stream, fleet_tables[table].name, writer->tables[table].rows, columns, writer->tables[table].text,
		      writer->tables[table].length);
	free(columns);
	free(writer->tables[table].text);
}

void fleet_rows_write(FILE *stream, const struct fleet_window *window, const struct profile *profile,
		      const struct window_target *targets, size_t count)
{
	struct writer writer = {.window = window,
				.judge = judge_new(profile, window->kept),
				.profiles = window->profiles ? stream : NULL};

	for (int i = 0; i < FLEET_TABLES; i++) {
		writer.tables[i].stream = open_memstream(&writer.tables[i].text, &writer.tables[i].length);
		if (!writer.tables[i].stream)
			memory_out();
	}
	for (size_t i = 0; i < count; i++) {
		if (targets[i].observed)
			put_part(&writer, profile, &targets[i], i);
	}
	judge_free(writer.judge);
	for (int i = 0; i < FLEET_TABLES; i++)
		end_table(&writer, stream, i);
}
