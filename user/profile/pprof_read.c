/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a pprof file from an untrusted source: sizes are bounded before memory is allocated, and each index and
 * identifier is checked before it is followed.
 *
 * The file is read twice. Samples may refer to anything that comes after them, and may be far more than fit into memory
 * unpacked. Therefore the first pass reads everything else, and the second adds the samples to the profile one by one. Strings,
 * functions and locations, of which there may be hundreds of thousands, are read from their bytes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "profile/pprof.h"
#include "base/arena.h"
#include "base/count.h"
#include "base/memory.h"
#include "profile/estimates.h"
#include "profile/pprof_format.h"
#include "profile/pprof_read_samples.h"
#include "profile/pprof_source.h"
#include "profile/pprof_tables.h"
#include "profile/size_class.h"

/* Limit for the unpacked contents of a file other than its samples, which are a few times as large as in the file. */
#define MESSAGE_BYTES_MAX ((size_t)2 << 30)

size_t pprof_memory_max;

typedef Perftools__Profiles__Profile Message;

struct reader {
	struct pprof_source *source;
	const Message *message;
	struct profile *profile;
	struct pprof_tables tables;
	struct pprof_columns columns;
	char types[256]; /* the names of all sample types, for a message */
};

/* --- everything but the samples, unpacked --- */

struct budget {
	struct arena *memory;
	size_t left;
	bool exceeded;
};

/* The memory that memory_allocate() needs for this size: many tiny allocations need a multiple of their sizes. */
static size_t heap_bytes(size_t size)
{
	const size_t least = 4 * sizeof(void *), unit = 2 * sizeof(void *);

	size = (size + sizeof(void *) + unit - 1) / unit * unit;
	return size < least ? least : size;
}

static void *budget_allocate(void *data, size_t size)
{
	struct budget *budget = data;

	if (size > budget->left || heap_bytes(size) > budget->left) {
		budget->exceeded = true;
		return NULL;
	}
	budget->left -= heap_bytes(size);
	return arena_allocate(budget->memory, size);
}

static void budget_free(void *data, void *memory)
{
	(void)data;
	(void)memory; /* its arena is freed as a whole */
}

/* Reads everything but the samples, and unpacks what has no table of its own: in `memory`, which the caller frees like
 * the parts, also if the result is NULL. */
static Message *unpack(struct pprof_source *source, size_t max, struct pprof_parts *parts, struct arena *memory)
{
	struct budget budget = {.memory = memory, .left = max};
	ProtobufCAllocator allocator = {budget_allocate, budget_free, &budget};
	Message *message = NULL;
	size_t tables;

	if (pprof_parts_read(parts, source))
		return NULL;
	tables = pprof_parts_memory(parts);
	if (tables < max) {
		budget.left -= tables;
		message = perftools__profiles__profile__unpack(&allocator, parts->others.size, parts->others.bytes);
	}
	if (!message && (tables >= max || budget.exceeded)) {
		pprof_source_too_large(source, PPROF_REST_TOO_LARGE, max >> 20);
	} else if (!message || !message->n_sample_type || !parts->strings.count) {
		pprof_source_truncated(source);
		message = NULL;
	}
	return message;
}

/* --- profile --- */

/* Returns 1 if it has the types of a heap profile of Go, 0 if not, or -1 with an error. */
static int has_go_heap_types(struct reader *reader)
{
	static const char *const types[] = {"alloc_objects", "alloc_space", "inuse_objects", "inuse_space"};
	const Message *message = reader->message;
	const char *name;

	if (!message->period_type)
		return 0;
	if (pprof_tables_string(&reader->tables, message->period_type->type, &name))
		return -1;
	if (message->n_sample_type != 4 || message->period <= 0 || !name || strcmp(name, "space") != 0)
		return 0;
	for (int i = 0; i < 4; i++) {
		if (pprof_tables_string(&reader->tables, message->sample_type[i]->type, &name))
			return -1;
		if (!name || strcmp(name, types[i]) != 0)
			return 0;
	}
	return 1;
}

/* Returns the factor from that unit (pprof's name) to ours; 0 if it measures something else. */
static int64_t unit_factor(const char *unit, const char *wanted)
{
	static const struct {
		const char *name;
		int64_t factor;
	} units[] = {
		{"byte", 1},
		{"b", 1},
		{"kilobyte", INT64_C(1) << 10},
		{"kbyte", INT64_C(1) << 10},
		{"kb", INT64_C(1) << 10},
		{"kib", INT64_C(1) << 10},
		{"megabyte", INT64_C(1) << 20},
		{"mbyte", INT64_C(1) << 20},
		{"mb", INT64_C(1) << 20},
		{"mib", INT64_C(1) << 20},
		{"gigabyte", INT64_C(1) << 30},
		{"gbyte", INT64_C(1) << 30},
		{"gb", INT64_C(1) << 30},
		{"gib", INT64_C(1) << 30},
	};
	size_t length = strlen(unit);

	if (strcmp(unit, wanted) == 0)
		return 1;
	if (strcmp(wanted, "bytes") != 0)
		return 0;
	length -= length > 2 && unit[length - 1] == 's';
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strlen(units[i].name) == length && strncasecmp(units[i].name, unit, length) == 0)
			return units[i].factor;
	}
	return 0;
}

/* Returns the mean bytes between samples, which are known only if the period is in bytes. */
static int read_period(struct reader *reader)
{
	const Message *message = reader->message;
	const char *unit;

	if (!message->period_type || message->period <= 0)
		return 0;
	if (pprof_tables_string(&reader->tables, message->period_type->unit, &unit))
		return -1;
	if (!unit || __builtin_mul_overflow(message->period, unit_factor(unit, "bytes"), &reader->columns.period))
		reader->columns.period = 0;
	return 0;
}

/* A profile counts what was allocated; a heap snapshot may only have what was alive. */
static int check_types(const struct reader *reader, bool snapshot)
{
	if (reader->columns.index[VALUE_OBJECTS] >= 0 || reader->columns.index[VALUE_BYTES] >= 0 || snapshot)
		return 0;
	return error_set(
		reader->source->error, STATUS_USAGE,
		"profile '%s' does not measure allocations: it has %s, but neither alloc_objects nor alloc_space",
		reader->source->name, reader->types);
}

static int read_types(struct reader *reader)
{
	const Message *message = reader->message;
	int go_heap;

	for (int value = 0; value < VALUE_COUNT; value++)
		reader->columns.index[value] = -1;
	for (size_t i = 0; i < message->n_sample_type; i++) {
		const char *name, *unit;
		size_t length = strlen(reader->types);

		if (pprof_tables_string(&reader->tables, message->sample_type[i]->type, &name) ||
		    pprof_tables_string(&reader->tables, message->sample_type[i]->unit, &unit))
			return -1;
		unit = unit ? unit : "";
		for (int value = 0; value < VALUE_COUNT && name; value++) {
			int64_t factor = unit_factor(unit, profile_values[value].pprof_unit);

			if (strcmp(name, profile_values[value].pprof_type) != 0)
				continue;
			if (!factor && (value == VALUE_OBJECTS || value == VALUE_BYTES))
				return error_set(reader->source->error, STATUS_USAGE,
						 "profile '%s' has %s in '%s', which is no unit that is known",
						 reader->source->name, name, unit);
			if (!factor)
				continue;
			if (reader->columns.index[value] >= 0) {
				if (pprof_tables_concatenated(&reader->tables))
					return -1;
				return error_set(reader->source->error, STATUS_USAGE,
						 "profile '%s' has %s twice, and does not say which of them counts",
						 reader->source->name, name);
			}
			reader->columns.index[value] = (int)i;
			reader->profile->stored |= 1u << value;
			reader->columns.unit[value] = factor;
		}
		snprintf(reader->types + length, sizeof(reader->types) - length, "%s%s", i ? ", " : "",
			 name ? name : "");
	}
	go_heap = has_go_heap_types(reader);
	if (go_heap < 0 || read_period(reader))
		return -1;
	reader->columns.heap_types = go_heap;
	reader->columns.go_heap = go_heap && reader->columns.period > 0;
	return check_types(reader, reader->columns.index[VALUE_LIVE_BYTES] >= 0 ||
					   reader->columns.index[VALUE_LOST_BYTES] >= 0);
}

/* Reads the comments if they are ours. Returns whether they are, or -1. */
static int read_comments(struct reader *reader)
{
	const Message *message = reader->message;
	bool ours = false;

	reader->profile->rate = RATE_UNKNOWN; /* until a comment says it */
	for (size_t pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < message->n_comment; i++) {
			const char *comment;

			if (pprof_tables_string(&reader->tables, message->comment[i], &comment))
				return -1;
			if (!comment)
				continue;
			if (pass == 0) {
				ours |= pprof_comment_is_signature(comment);
			} else if (ours && pprof_comment_read(reader->profile, comment, reader->source->error)) {
				error_prefix(reader->source->error, "profile '%s' is malformed", reader->source->name);
				return -1;
			}
		}
	}
	return ours;
}

/* Whether a heap profile of Go has objects of 16 bytes, which may be blocks of tiny objects. */
static bool has_blocks(const struct profile *profile)
{
	for (size_t i = 0; i < profile->sample_count; i++) {
		if (estimates_size_class(profile->samples[i]) == span_class_size_class(TINY_SPAN_CLASS))
			return true;
	}
	return false;
}

/*
 * Go publishes what was allocated with the end of a collection, so a heap profile ends up to two collections before it was
 * written. `go test -memprofile` collects first: if its own allocations, from just before that, are in the file, then so is
 * all that came before them.
 */
static bool has_last_collection(const struct profile *profile)
{
	for (size_t i = 0; i < profile->locations->count; i++) {
		const struct profile_location *location = profile->locations->table[i];

		for (uint32_t j = 0; j < location->frame_count; j++) {
			const char *function = location->frames[j].function;

			if (function && strcmp(function, "testing.(*M).writeProfiles") == 0)
				return true;
		}
	}
	return false;
}

/* What is missing from a heap profile of Go is in no row, and in no total. */
static void conclude_go_heap(struct profile *profile)
{
	if (has_last_collection(profile))
		return;
	profile_warn(
		profile,
		"Go's heap profile ends with the last collection that was over when it was written: what was allocated "
		"later is in no number%s",
		profile->rate == 1 ? ", so that all are lower bounds" : "");
	profile->rows_least = profile->rate == 1;
	profile->rows_exact = false;
}

/* Completes a file by another tool, which has no processes and totals: one process, whose totals are the sums of its
 * rows. */
static void complete_foreign(struct reader *reader)
{
	const Message *message = reader->message;
	struct profile *profile = reader->profile;
	struct profile_process *process;
	bool says_rate;

	for (int value = 0; value < VALUE_COUNT; value++) {
		if (reader->columns.index[value] >= 0)
			profile->row_measured |= 1u << value;
	}
	/* pprof gives these types, and the period 1, also to what it has converted from a heap profile that says no rate */
	says_rate = reader->columns.period > 1 || reader->columns.go_heap || !reader->columns.heap_types;
	profile->rate = reader->columns.period && says_rate ? reader->columns.period : RATE_UNKNOWN;
	/* at rate 1 every block has a sample; where there is none, there was no tiny object */
	profile->tiny_in_blocks = reader->columns.go_heap && (profile->rate != 1 || has_blocks(profile));
	profile->rows_exact = profile->rate == 1;
	if (reader->columns.go_heap) {
		profile->row_measured |= 1u << VALUE_SAMPLES;
		conclude_go_heap(profile);
	}
	profile->totals_exact = profile_is_exact(profile);
	process = profile_process_add(profile, 0);
	if (message->n_mapping) {
		const struct profile_mapping *mapping = pprof_tables_mapping(&reader->tables, message->mapping[0]->id);

		process->executable = mapping->file;
		process->build_id = mapping->build_id;
		profile->target = mapping->file;
	}
	for (int value = 0; value < VALUE_COUNT; value++) {
		if (!(profile->row_measured & 1u << value))
			continue;
		process->totals[value] = 0;
		for (size_t i = 0; i < profile->sample_count; i++) {
			if (__builtin_add_overflow(process->totals[value], profile->samples[i]->values[value],
						   &process->totals[value]))
				process->totals[value] = INT64_MAX;
		}
	}
}

static bool is_in_go_file(const struct pprof_function *function)
{
	size_t length = function->file ? strlen(function->file) : 0;

	return length >= 3 && strcmp(function->file + length - 3, ".go") == 0;
}

static bool has_go_name(const struct pprof_function *function)
{
	return function->name &&
	       (strncmp(function->name, "runtime.", 8) == 0 || strncmp(function->name, "main.", 5) == 0);
}

/* Whether a function is in a source file of Go, or nothing was sampled; names tell in a profile that has no files any more. pprof
 * gives the types of Go's heap profiles to those of gperftools and jemalloc, too. */
static bool may_be_of_go(const struct pprof_tables *tables)
{
	bool files = false, names = false;

	for (size_t i = 0; i < tables->functions.count; i++) {
		const struct pprof_function *function = &tables->function_list[i];

		if (is_in_go_file(function))
			return true;
		files |= function->file && *function->file;
		names |= has_go_name(function);
	}
	return tables->parts->sample_count == 0 || (names && !files);
}

/* Another tool has left out rows: what the totals and the check are of is not in the file. */
static void forget_totals(struct profile *profile, enum profile_value value, int64_t in_file, int64_t recorded)
{
	profile_warn(profile,
		     "another tool has changed this profile (go tool pprof -proto?): its rows have %" PRId64
		     " %s of the %" PRId64 " that were recorded",
		     in_file, profile_values[value].plural, recorded);
	for (size_t i = 0; i < profile->process_count; i++) {
		struct profile_process *process = &profile->processes[i];

		memset(&process->check, 0, sizeof(process->check));
		for (int of = 0; of < VALUE_COUNT; of++) {
			process->totals[of] = VALUE_UNMEASURED;
			for (int class = 0; class < SPAN_CLASSES; class ++)
				process->class_totals[class][of] = VALUE_UNMEASURED;
		}
	}
	profile->totals_exact = profile->rows_exact = false;
	profile->rows_least = true;
}

/* What the samples of a file should add up to, and how far from that they may be. */
struct sum {
	int64_t recorded, apart;
};

/*
 * Files without the sums that they were written with, which are older, have them if every allocation was counted: the totals, which
 * may be of another instant, and of which something may be lost or unexplained. VALUE_UNMEASURED if not known.
 */
static struct sum sum_of(const struct profile *profile, enum profile_value value)
{
	const struct profile_check check = profile_check(profile);
	int64_t totals[VALUE_COUNT];

	if (profile->written_sums[value] != VALUE_UNMEASURED)
		return (struct sum){profile->written_sums[value], 0};
	if (value != VALUE_OBJECTS || !profile->totals_exact || !profile->rows_exact || profile->snapshot ||
	    !(profile->row_measured & 1u << value) || profile_lost_events(profile) || profile_unexplained(profile))
		return (struct sum){VALUE_UNMEASURED, 0};
	profile_totals(profile, totals);
	return (struct sum){totals[value], check.present ? check.bound : 0};
}

/* pprof adds durations up, too. Ours is rounded to milliseconds. */
static bool is_longer_than_written(const struct reader *reader)
{
	static const double rounding = 0.0005001;
	const double written = reader->profile->written_seconds;

	return written >= 0 && (double)reader->message->duration_nanos / 1e9 > written + rounding;
}

/* Other tools that leave out rows, or add profiles up, keep our comments. */
static int check_sums(const struct reader *reader)
{
	struct profile *profile = reader->profile;
	bool added_up = is_longer_than_written(reader);
	int64_t in_file[VALUE_COUNT];

	profile_sums(profile, in_file);
	for (int value = 0; value < VALUE_COUNT && !added_up; value++) {
		const struct sum sum = sum_of(profile, value);

		if (sum.recorded == VALUE_UNMEASURED)
			continue;
		added_up = in_file[value] > add_saturated(sum.recorded, sum.apart);
		if (add_saturated(in_file[value], sum.apart) < sum.recorded && !profile->rows_least) {
			forget_totals(profile, value, in_file[value], sum.recorded);
			break;
		}
	}
	if (!added_up)
		return 0;
	return error_set(reader->source->error, STATUS_USAGE,
			 "profile '%s' is of recordings that another tool has added up (go tool pprof -proto?): give "
			 "one of them",
			 reader->source->name);
}

static int read_profile(struct reader *reader, size_t memory_max)
{
	const Message *message = reader->message;
	struct profile *profile = reader->profile;
	int ours;

	if (reader->tables.parts->strings.bytes[0])
		return pprof_source_malformed(reader->source, "its first string is not empty");
	if (read_types(reader) || pprof_tables_read(&reader->tables))
		return -1;
	reader->columns.go_heap = reader->columns.go_heap && may_be_of_go(&reader->tables);
	if (pprof_read_samples(&reader->tables, &reader->columns, memory_max))
		return -1;
	profile->start_ns = message->time_nanos;
	profile->duration_ns = message->duration_nanos;
	ours = read_comments(reader);
	if (ours < 0 || check_types(reader, profile->snapshot))
		return -1;
	if (reader->columns.live_falls) {
		if (profile->snapshot)
			return pprof_source_malformed(reader->source, "a number of objects in use is negative");
		profile->stored &= ~(1u << VALUE_LIVE_OBJECTS | 1u << VALUE_LIVE_BYTES);
	}
	if (ours)
		return check_sums(reader);
	complete_foreign(reader);
	return 0;
}

/* Half of the machine's memory. */
static size_t memory_max(void)
{
	return pprof_memory_max ? pprof_memory_max
				: (size_t)sysconf(_SC_PHYS_PAGES) / 2 * (size_t)sysconf(_SC_PAGESIZE);
}

/* Frames and mappings are redacted as they are added; the words of the command line are one text in the file. */
static void redact_descriptions(struct profile *profile)
{
	char *program = memory_text(profile->target ? profile->target : "");

	program[strcspn(program, " ")] = 0;
	if (profile->target)
		profile->target = profile_path(profile, program);
	if (profile->command)
		profile->command = profile->target;
	free(program);
	for (size_t i = 0; i < profile->process_count; i++)
		profile->processes[i].executable = profile_path(profile, profile->processes[i].executable);
}

static struct profile *read_source(struct pprof_source *source, bool redacted)
{
	size_t max = memory_max(), rest_max = max < MESSAGE_BYTES_MAX ? max : MESSAGE_BYTES_MAX;
	struct reader reader = {.source = source};
	struct pprof_parts parts = {0};
	struct arena memory = {0};
	Message *message = unpack(source, rest_max, &parts, &memory);

	if (!message)
		goto done;
	reader.message = message;
	reader.profile = profile_new();
	reader.profile->redacted = redacted;
	profile_expect(reader.profile, parts.locations.count, parts.sample_count);
	reader.tables = (struct pprof_tables){.source = source,
					      .parts = &parts,
					      .message = message,
					      .profile = reader.profile,
					      .memory_max = rest_max};
	if (read_profile(&reader, max)) {
		profile_free(reader.profile);
		reader.profile = NULL;
	}
	if (redacted && reader.profile)
		redact_descriptions(reader.profile);
	if (reader.profile)
		profile_settle(reader.profile);
	pprof_tables_free(&reader.tables);
done:
	pprof_parts_free(&parts);
	arena_free(&memory);
	return reader.profile;
}

struct profile *pprof_parse(const void *bytes, size_t size, const char *name, struct error *error)
{
	struct pprof_source source;

	return pprof_source_memory(&source, bytes, size, name, error) ? NULL : read_source(&source, false);
}

/* `failed`: whether the source could not be opened. */
static struct profile *read_and_close(struct pprof_source *source, int failed, bool redacted)
{
	struct profile *profile = failed ? NULL : read_source(source, redacted);

	pprof_source_close(source);
	return profile;
}

struct profile *pprof_read(const char *path, struct error *error)
{
	struct pprof_source source;

	return read_and_close(&source, pprof_source_open(&source, path, memory_max(), error), false);
}

struct profile *pprof_read_file(int file, const char *name, struct error *error)
{
	struct pprof_source source;

	return read_and_close(&source, pprof_source_file(&source, file, name, memory_max(), error), false);
}

struct profile *pprof_read_redacted(const char *path, struct error *error)
{
	struct pprof_source source;

	return read_and_close(&source, pprof_source_open(&source, path, memory_max(), error), true);
}

struct profile *pprof_read_recording(const char *path, struct error *error)
{
	struct profile *profile = pprof_read(path, error);

	if (!profile || !profile->snapshot)
		return profile;
	error_set(
		error, STATUS_USAGE,
		"profile '%s' is a heap snapshot: it says what was alive, not what was allocated; 'escapement report' prints it",
		path);
	profile_free(profile);
	return NULL;
}
