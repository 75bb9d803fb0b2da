/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/fleet_profiles.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "fleet/cells.h"
#include "profile/pprof.h"

static const char columns[] = "window,number,pid,started,host,service,build,comm,executable,runtime,heap";
enum { COLUMNS = 11 };

/* --- writing --- */

static void copy_process(struct profile *to, const struct profile_process *from)
{
	struct profile_process *process = profile_process_add(to, from->pid);

	process->comm = profile_string(to, from->comm);
	process->executable = profile_path(to, from->executable);
	process->build_id = profile_string(to, from->build_id);
	process->runtime = profile_string(to, from->runtime);
	process->module = profile_string(to, from->module);
	process->package = profile_string(to, from->package);
	memcpy(process->totals, from->totals, sizeof(process->totals));
	process->lost_events = from->lost_events;
	process->lost_stacks = from->lost_stacks;
}

static const struct profile_location *copy_location(struct profile *to, const struct profile_location *from)
{
	struct profile_frame *frames = memory_zeroed(from->frame_count + 1, sizeof(*frames));
	struct profile_mapping mapping;
	const struct profile_location *copy;

	for (uint32_t i = 0; i < from->frame_count; i++) {
		frames[i] = from->frames[i];
		frames[i].file = profile_path(to, from->frames[i].file);
	}
	if (from->mapping) {
		mapping = *from->mapping;
		mapping.file = profile_path(to, from->mapping->file);
	}
	copy = profile_location(to, from->address, from->mapping ? profile_mapping(to, &mapping) : NULL, frames,
				from->frame_count);
	free(frames);
	return copy;
}

/* Without span class, type and process, samples of one stack become one. */
static void copy_sample(struct profile *to, const struct profile_sample *from)
{
	const struct profile_stack *stack = from->key.stack;
	const struct profile_location **locations = memory_zeroed(stack->depth + 1, sizeof(*locations));
	struct profile_key key = {.span_class = SPAN_CLASS_UNKNOWN};

	for (uint32_t i = 0; i < stack->depth; i++)
		locations[i] = copy_location(to, profile_stack_at(stack, i));
	key.stack = profile_stack(to, locations, stack->depth, stack->truncated);
	profile_add(to, &key, from->values);
	free(locations);
}

static struct profile *copy_of(const struct profile *profile, bool redact)
{
	struct profile *copy = profile_new();

	copy->redacted = redact;
	copy->tool_version = ESCAPEMENT_VERSION;
	copy->rate = profile->rate;
	copy->start_ns = profile->start_ns;
	copy->duration_ns = profile->duration_ns;
	copy->snapshot = profile->snapshot;
	copy->collections = profile->collections;
	copy->totals_exact = profile->totals_exact;
	copy->rows_exact = profile->rows_exact;
	copy->rows_least = profile->rows_least;
	copy->written = 1u << profile_objects(profile) | 1u << profile_bytes(profile);
	copy->row_measured = profile->row_measured & copy->written;
	if (profile->process_count)
		copy_process(copy, profile->processes);
	for (size_t i = 0; i < profile->sample_count; i++)
		copy_sample(copy, profile->samples[i]);
	profile_drop_unmeasured(copy);
	return copy;
}

static void put_row(FILE *stream, const struct fleet_profile *of)
{
	const uint64_t numbers[] = {of->window, of->number, of->pid, of->started};
	const char *const texts[] = {of->host, of->service, of->build, of->comm, of->executable, of->runtime};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		fprintf(stream, "%llu\t", (unsigned long long)numbers[i]);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cell_put(stream, texts[i]);
		fputc('\t', stream);
	}
	fprintf(stream, "%d\n", of->heap);
}

void fleet_profile_write(FILE *stream, const struct fleet_profile *of, const struct profile *profile, bool redact)
{
	struct profile *copy = copy_of(profile, redact);
	char *part;
	size_t length, size;
	FILE *whole = open_memstream(&part, &length);
	uint8_t *bytes;

	if (!whole)
		memory_out();
	if (copy->row_measured == copy->written) {
		bytes = pprof_pack(copy, &size);
		put_row(whole, of);
		fwrite(bytes, 1, size, whole);
		free(bytes);
	}
	if (fclose(whole))
		memory_out();
	if (length)
		spooled_write(stream, SPOOLED_PROFILE, 1, columns, part, length);
	free(part);
	profile_free(copy);
}

/* --- reading --- */

static const char *text_of(const char *cell)
{
	return cell ? cell : "";
}

static uint64_t number_of(const char *cell)
{
	return cell ? strtoull(cell, NULL, 10) : 0;
}

static int take_row(char *row, struct fleet_profile *profile)
{
	char *cells[COLUMNS];

	for (int i = 0; i < COLUMNS; i++) {
		bool missing = !row;

		cells[i] = cell_next(&row);
		if (missing)
			return -1;
	}
	profile->window = number_of(cells[0]);
	profile->number = number_of(cells[1]);
	profile->pid = number_of(cells[2]);
	profile->started = number_of(cells[3]);
	profile->host = text_of(cells[4]);
	profile->service = text_of(cells[5]);
	profile->build = text_of(cells[6]);
	profile->comm = text_of(cells[7]);
	profile->executable = text_of(cells[8]);
	profile->runtime = text_of(cells[9]);
	profile->heap = number_of(cells[10]);
	return 0;
}

int fleet_profile_next(const char **at, const char *limit, struct fleet_profile *profile, char **row)
{
	struct spooled_part part;
	const char *end;
	int more;

	*row = NULL;
	do
		more = spooled_next(at, limit, &part);
	while (more > 0 && !spooled_is(&part, SPOOLED_PROFILE));
	if (more <= 0)
		return more;
	end = memchr(part.bytes, '\n', part.size);
	/* of another release, with other columns: there is none yet */
	if (!end || (size_t)part.columns_length != strlen(columns) ||
	    memcmp(part.columns, columns, strlen(columns)) != 0)
		return -1;
	*row = memory_text_of(part.bytes, (size_t)(end - part.bytes));
	profile->bytes = end + 1;
	profile->size = (size_t)(part.bytes + part.size - profile->bytes);
	return take_row(*row, profile) ? -1 : 1;
}

void fleet_profile_id(const struct fleet_profile *profile, uint8_t id[16])
{
	uint64_t first = hash_fold(hash_bytes(profile->host, strlen(profile->host)), profile->window);
	uint64_t second = hash_fold(first, profile->number + 1);
	uint64_t halves[2] = {first, second};

	memcpy(id, halves, sizeof(halves));
}
