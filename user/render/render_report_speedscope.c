/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reports for speedscope.app, according to its file-format-schema.json: all frames once, then for each measured value a
 * "sampled" profile, whose samples are stacks of frame indices, root first.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "base/hash_table.h"
#include "render/render_report.h"
#include "text/json_writer.h"

/* Frames by the properties that speedscope distinguishes. */
struct frame {
	UT_hash_handle hh;
	struct {
		const char *function, *file;
		uint64_t line, address;
	} key;
	int64_t index;
};

struct frames {
	struct frame *table;
	int64_t count;
};

static int64_t frame_index(struct frames *frames, struct json_writer *writer, const struct profile_location *location,
			   const struct profile_frame *frame)
{
	struct frame *found, wanted = {0};
	char address[32];

	if (frame) {
		wanted.key.function = frame->function;
		wanted.key.file = frame->file;
		wanted.key.line = frame->line;
	} else {
		wanted.key.address = location->address;
	}
	HASH_FIND(hh, frames->table, &wanted.key, sizeof(wanted.key), found);
	if (found || !writer)
		return found ? found->index : 0;
	found = memory_allocate(sizeof(*found));
	*found = wanted;
	found->index = frames->count++;
	HASH_ADD(hh, frames->table, key, sizeof(found->key), found);
	snprintf(address, sizeof(address), "%#llx", (unsigned long long)location->address);
	json_write_newline(writer);
	json_write_object(writer, NULL);
	json_write_text(writer, "name", frame && frame->function ? frame->function : address);
	if (frame && frame->file)
		json_write_text(writer, "file", frame->file);
	if (frame && frame->line)
		json_write_integer(writer, "line", frame->line);
	json_write_object_end(writer);
	return found->index;
}

/* Calls frame_index() for each frame, root first. With `to_samples`, writes the indices there; otherwise new frames. */
static void each_frame(struct frames *frames, struct json_writer *writer, const struct profile_stack *stack,
		       bool to_samples)
{
	for (uint32_t i = stack->depth; i-- > 0;) {
		const struct profile_location *location = profile_stack_at(stack, i);
		uint32_t count = location->frame_count;

		for (uint32_t j = count ? count : 1; j-- > 0;) {
			const struct profile_frame *frame = count ? &location->frames[j] : NULL;

			if (to_samples)
				json_write_integer(writer, NULL, frame_index(frames, NULL, location, frame));
			else
				frame_index(frames, writer, location, frame);
		}
	}
}

static void write_profile(struct frames *frames, struct json_writer *writer, const struct report *report,
			  enum profile_value value)
{
	int64_t sum = 0;

	json_write_newline(writer);
	json_write_object(writer, NULL);
	json_write_text(writer, "type", "sampled");
	json_write_text(writer, "name", profile_values[value].plural);
	json_write_text(writer, "unit", profile_values[value].kinds & VALUE_IN_BYTES ? "bytes" : "none");
	json_write_array(writer, "samples");
	for (size_t i = 0; i < report->row_count; i++) {
		if (report->rows[i].values[value] <= 0)
			continue;
		json_write_newline(writer);
		json_write_array(writer, NULL);
		each_frame(frames, writer, report->rows[i].stack, true);
		json_write_array_end(writer);
	}
	json_write_array_end(writer);
	json_write_array(writer, "weights");
	for (size_t i = 0; i < report->row_count; i++) {
		if (report->rows[i].values[value] <= 0)
			continue;
		json_write_integer(writer, NULL, report->rows[i].values[value]);
		sum = add_saturated(sum, report->rows[i].values[value]);
	}
	json_write_array_end(writer);
	json_write_integer(writer, "startValue", 0);
	json_write_integer(writer, "endValue", sum);
	json_write_object_end(writer);
}

void render_report_speedscope(FILE *stream, const struct report *report, const struct report_style *style)
{
	const char *target = report->profile->target;
	struct frames frames = {0};
	struct json_writer writer;
	struct frame *frame, *next;
	int64_t first = 0;

	(void)style;
	json_writer_begin(&writer, stream);
	json_write_object(&writer, NULL);
	json_write_text(&writer, "$schema", "https://www.speedscope.app/file-format-schema.json");
	json_write_text(&writer, "name", target ? target : "allocations");
	json_write_text(&writer, "exporter", "escapement " ESCAPEMENT_VERSION);
	json_write_object(&writer, "shared");
	json_write_array(&writer, "frames");
	for (size_t i = 0; i < report->row_count; i++)
		each_frame(&frames, &writer, report->rows[i].stack, false);
	json_write_array_end(&writer);
	json_write_object_end(&writer);
	json_write_array(&writer, "profiles");
	for (int i = profile_next_shown(report->profile, -1), written = 0; i < VALUE_COUNT;
	     i = profile_next_shown(report->profile, i)) {
		if (!(report->measured & 1u << i))
			continue;
		write_profile(&frames, &writer, report, (enum profile_value)i);
		if (i == (int)report->sort)
			first = written;
		written++;
	}
	json_write_array_end(&writer);
	json_write_integer(&writer, "activeProfileIndex", first);
	json_write_object_end(&writer);
	json_writer_end(&writer);
	HASH_ITER (hh, frames.table, frame, next) {
		HASH_DEL(frames.table, frame);
		free(frame);
	}
}
