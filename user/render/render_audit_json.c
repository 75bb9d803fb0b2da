/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>

#include "audit/advice.h"
#include "text/json_writer.h"
#include "render/render_audit.h"
#include "render/render_escapes.h"

static void write_numbers(struct json_writer *writer, const int64_t values[VALUE_COUNT])
{
	for (int i = profile_value_next(-1, VALUE_SHOWN); i < VALUE_COUNT; i = profile_value_next(i, VALUE_SHOWN))
		json_write_value(writer, profile_values[i].key, values[i]);
}

static void write_annotations(struct json_writer *writer, const struct audit_row *row, const struct escape_graph *graph)
{
	json_write_array(writer, "annotations");
	for (uint32_t i = 0; i < row->annotation_count; i++) {
		json_write_object(writer, NULL);
		render_annotation(writer, row->annotations[i], graph);
		json_write_bool(writer, "callee", i >= row->annotation_count - row->linked_count);
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
}

void render_audit_inlined_at(struct json_writer *writer, const struct audit_row *row)
{
	json_write_array(writer, "inlined_at");
	for (uint32_t i = 0; i < row->inlined_count; i++) {
		json_write_object(writer, NULL);
		json_write_text(writer, "function", row->inlined_at[i].function);
		json_write_text(writer, "file", row->inlined_files[i]);
		json_write_position(writer, "line", row->inlined_at[i].line);
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
}

/* The line that the allocation is made for; null if it has no owner, or nothing was measured. */
static void write_owner(struct json_writer *writer, const struct audit_row *row)
{
	if (!row->owner) {
		json_write_text(writer, "owner", NULL);
	} else {
		json_write_object(writer, "owner");
		json_write_text(writer, "function", row->owner->function);
		json_write_text(writer, "file", row->owner_file);
		json_write_position(writer, "line", row->owner->line);
		json_write_object_end(writer);
	}
	json_write_text(writer, "via", row->via);
}

/* null if the cause is unknown, or nothing needs to be done. */
static void write_advice(struct json_writer *writer, const struct audit *audit, const struct audit_row *row)
{
	const struct advice *advice = advice_for(row);
	char *proof;

	if (!advice) {
		json_write_text(writer, "advice", NULL);
		return;
	}
	json_write_object(writer, "advice");
	json_write_text(writer, "cause", advice->cause);
	json_write_array(writer, "rewrites");
	for (size_t i = 0; i < sizeof(advice->rewrites) / sizeof(*advice->rewrites) && advice->rewrites[i]; i++)
		json_write_text(writer, NULL, advice->rewrites[i]);
	json_write_array_end(writer);
	proof = advice_proof(audit, row);
	json_write_text(writer, "proof", proof);
	free(proof);
	json_write_object_end(writer);
}

static void write_row(struct json_writer *writer, const struct audit *audit, const struct audit_row *row,
		      const struct render_audit_options *options)
{
	json_write_object(writer, NULL);
	json_write_text(writer, "file", row->file);
	json_write_position(writer, "line", row->site.line);
	json_write_position(writer, "column", row->site.column);
	json_write_text(writer, "function", row->site.function);
	json_write_text(writer, "runtime_call", row->runtime_call);
	json_write_text(writer, "type", row->type);
	json_write_text(writer, "callee", row->callee);
	write_owner(writer, row);
	json_write_text(writer, "verdict", audit_verdict_name(row->verdict));
	json_write_text(writer, "reason", row->reason);
	json_write_text(writer, "words", audit_row_words(row));
	json_write_bool(writer, "shared", row->shared);
	write_annotations(writer, row, options->graph);
	if (options->advice)
		write_advice(writer, audit, row);
	render_audit_inlined_at(writer, row);
	write_numbers(writer, row->values);
	if (!profile_is_exact(audit->profile)) {
		json_write_value(writer, "objects_low", row->objects_low);
		json_write_value(writer, "objects_high", row->objects_high);
		json_write_value(writer, "bytes_low", row->bytes_low);
		json_write_value(writer, "bytes_high", row->bytes_high);
		json_write_value(writer, "tiny_objects", row->tiny_unknown ? VALUE_UNMEASURED : 0);
	}
	json_write_object_end(writer);
}

static void write_lost(struct json_writer *writer, int64_t events, int64_t stacks)
{
	json_write_object(writer, "lost");
	json_write_integer(writer, "events", events);
	json_write_integer(writer, "stacks", stacks);
	json_write_object_end(writer);
}

static void write_bursts(struct json_writer *writer, const struct profile_bursts *bursts)
{
	if (!bursts->present) {
		json_write_null(writer, "bursts");
		return;
	}
	json_write_object(writer, "bursts");
	json_write_integer(writer, "count", bursts->count);
	json_write_integer(writer, "full_ns", bursts->full_ns);
	json_write_integer(writer, "covered_ns", bursts->covered_ns);
	json_write_integer(writer, "recorded_ns", bursts->recorded_ns);
	json_write_object_end(writer);
}

static void write_target(struct json_writer *writer, const struct profile *profile)
{
	json_write_object(writer, "target");
	json_write_text(writer, "command", profile->target);
	json_write_array(writer, "processes");
	for (size_t i = 0; i < profile->process_count; i++) {
		const struct profile_process *process = &profile->processes[i];

		json_write_object(writer, NULL);
		json_write_value(writer, "pid", process->pid ? process->pid : VALUE_UNMEASURED);
		json_write_text(writer, "comm", process->comm);
		json_write_text(writer, "executable", process->executable);
		json_write_text(writer, "build_id", process->build_id);
		json_write_text(writer, "runtime", process->runtime);
		write_bursts(writer, &process->bursts);
		write_lost(writer, process->lost_events, process->lost_stacks);
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
	json_write_object_end(writer);
}

static void write_head(struct json_writer *writer, const struct audit *audit)
{
	const struct profile *profile = audit->profile;

	json_write_text(writer, "schema", "escapement.audit/2");
	json_write_newline(writer);
	write_target(writer, profile);
	json_write_newline(writer);
	json_write_object(writer, "exact");
	json_write_bool(writer, "totals", profile->totals_exact && profile_is_exact(profile));
	json_write_bool(writer, "rows", profile_is_exact(profile));
	json_write_object_end(writer);
	json_write_newline(writer);
	json_write_value(writer, "rate", profile->rate); /* null where it is not known */
	json_write_newline(writer);
	json_write_object(writer, "totals");
	write_numbers(writer, audit->totals);
	json_write_object_end(writer);
	json_write_newline(writer);
	json_write_object(writer, "rows_without");
	for (int i = profile_value_next(-1, VALUE_SHOWN); i < VALUE_COUNT; i = profile_value_next(i, VALUE_SHOWN))
		json_write_integer(writer, profile_values[i].key, (int64_t)audit->unmeasured[i]);
	json_write_object_end(writer);
	json_write_newline(writer);
	json_write_object(writer, "whole");
	write_numbers(writer, audit->whole);
	json_write_object_end(writer);
}

static void write_tail(struct json_writer *writer, const struct audit *audit)
{
	json_write_newline(writer);
	json_write_object(writer, "verdicts");
	for (int i = 0; i < AUDIT_VERDICT_COUNT; i++)
		json_write_integer(writer, audit_verdict_name((enum audit_verdict)i), (int64_t)audit->verdicts[i]);
	json_write_object_end(writer);
	json_write_newline(writer);
	write_lost(writer, profile_lost_events(audit->profile), profile_lost_stacks(audit->profile));
	json_write_newline(writer);
	json_write_value(writer, "forked_processes", profile_forked(audit->profile));
	json_write_newline(writer);
	json_write_array(writer, "warnings");
	for (size_t i = 0; i < audit->profile->warning_count; i++)
		json_write_text(writer, NULL, audit->profile->warnings[i]);
	for (size_t i = 0; i < audit->warning_count; i++)
		json_write_text(writer, NULL, audit->warnings[i]);
	json_write_array_end(writer);
}

void render_audit_json(const struct audit *audit, const struct render_audit_options *options, FILE *stream)
{
	struct json_writer writer;

	json_writer_begin(&writer, stream);
	json_write_object(&writer, NULL);
	write_head(&writer, audit);
	json_write_newline(&writer);
	json_write_array(&writer, "rows");
	for (size_t i = 0; i < audit->row_count; i++) {
		json_write_newline(&writer);
		write_row(&writer, audit, &audit->rows[i], options);
	}
	json_write_newline(&writer);
	json_write_array_end(&writer);
	write_tail(&writer, audit);
	json_write_object_end(&writer);
	json_writer_end(&writer);
}
