/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "pprof.h"
#include "profile.pb-c.h"

static char directory[] = "/tmp/escapement-pprof-XXXXXX";

/* A path inside the test's directory; holds until the fourth call after it. */
static const char *in_directory(const char *name)
{
	static char paths[4][128];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

static void write_file(const char *path, const void *bytes, size_t size)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static uint8_t *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "r");
	uint8_t *bytes = malloc(1 << 24);

	assert_non_null(file);
	*size = fread(bytes, 1, 1 << 24, file);
	fclose(file);
	return bytes;
}

static void write_gzip(const char *path, const void *bytes, size_t size)
{
	gzFile file = gzopen(path, "w");

	assert_int_equal(gzwrite(file, bytes, (unsigned)size), size);
	assert_int_equal(gzclose(file), Z_OK);
}

static int entries_in_directory(void)
{
	DIR *stream = opendir(directory);
	int count = 0;

	while (readdir(stream))
		count++;
	closedir(stream);
	return count - 2;
}

/* --- a profile that uses everything the format can hold --- */

static const struct profile_location *add_location(struct profile *profile, uint64_t address,
						   const struct profile_mapping *mapping,
						   const char *function, uint32_t line)
{
	struct profile_frame frames[2] = {
		{.function = "main.(*T).Inlined",
		 .file = "/src/inlined.go",
		 .line = line + 100,
		 .column = 3,
		 .start_line = 90},
		{.function = function, .file = "/src/main.go", .line = line, .column = 9, .start_line = 1},
	};

	return profile_location(profile, address, mapping, line % 2 ? frames : frames + 1, line % 2 ? 2 : 1);
}

static void fill_process(struct profile *profile, int pid, const char *comm)
{
	struct profile_process *process = profile_process_add(profile, pid);

	process->comm = profile_string(profile, comm);
	process->executable = profile_string(profile, "/usr/bin/server");
	process->build_id = profile_string(profile, "abc/def-_");
	process->runtime = profile_string(profile, "go1.24.4");
	for (int value = 0; value < VALUE_COUNT; value++)
		process->totals[value] = value == VALUE_HEAP_GROWS ? VALUE_UNMEASURED : pid * 1000 + value;
	for (int class = 0; class < SPAN_CLASSES; class ++) {
		process->class_totals[class][VALUE_OBJECTS] = class % 7 ? 0 : class + pid;
		process->class_totals[class][VALUE_BYTES] = class < 100 ? 0 : VALUE_UNMEASURED;
	}
	process->class_totals[SPAN_CLASSES - 1][VALUE_REFILLS] = INT64_MAX;
	process->check = (struct profile_check){.present = true,
						.source = profile_string(profile, "go heap statistics"),
						.objects = 123456789012345,
						.difference = -7,
						.bound = 9};
	process->lost_events = 4;
	process->lost_stacks = 5;
}

static struct profile *rich_profile(void)
{
	struct profile *profile = profile_new();
	struct profile_mapping program = {.start = 0x400000,
					  .limit = 0x800000,
					  .offset = 0x1000,
					  .file = "/usr/bin/server",
					  .build_id = "abc/def-_"};
	struct profile_mapping library = {.start = 0x7f0000000000,
					  .limit = 0x7f0000100000,
					  .file = "/usr/lib/libgoalloc.so",
					  .build_id = "00ff"};
	const struct profile_mapping *first = profile_mapping(profile, &program);
	const struct profile_mapping *second = profile_mapping(profile, &library);
	const struct profile_location *locations[4] = {
		add_location(profile, 0x7f0000000100, second, "runtime.mallocgc", 12),
		add_location(profile, 0x401000, first, "main.foo", 21),
		profile_location(profile, 0xffff800000000000, NULL, NULL, 0),
		profile_location(profile, 0, NULL,
				 &(struct profile_frame){.function = "site", .file = "s.go", .line = 3}, 1),
	};
	struct profile_key key = {.stack = profile_stack(profile, locations, 4, false),
				  .span_class = 11,
				  .pid = 41,
				  .comm = "server",
				  .type = "main.Point"};
	struct profile_key large = {
		.stack = profile_stack(profile, locations, 2, true), .span_class = 0, .pid = 42};
	struct profile_key bare = {.stack = profile_stack(profile, NULL, 0, false),
				   .span_class = SPAN_CLASS_UNKNOWN};

	profile->tool_version = profile_string(profile, "9.8.7-test");
	profile->target = profile_string(profile, "server: --text 'a\\b\nc' \x01 gr\xc3\xbc\xc3\x9f");
	profile->kernel = profile_string(profile, "6.18.0");
	profile->rate = 524288;
	profile->start_ns = 1764000000123456789;
	profile->duration_ns = 12345678901;
	profile->totals_exact = true;
	profile->row_measured = (1u << VALUE_COUNT) - 1 - (1u << VALUE_HEAP_GROWS);
	profile_warn(profile, "first %s", "warning");
	profile_warn(profile, "second: with\nnewline");
	fill_process(profile, 41, "server");
	fill_process(profile, 42, "");
	profile->processes[1].comm = NULL;
	profile->processes[1].check.present = false;
	profile_add(profile, &key, (const int64_t[VALUE_COUNT]){10, 480, 3, 2, 1, 0, 4194304});
	profile_add(profile, &large, (const int64_t[VALUE_COUNT]){1, INT64_MAX, 1, 0, 0, 0, 0});
	profile_add(profile, &bare, (const int64_t[VALUE_COUNT]){0, 0, 0, 7, 0, 0, 0});
	return profile;
}

static void assert_text_equal(const char *a, const char *b)
{
	if (a && b)
		assert_string_equal(a, b);
	else
		assert_true(!a && !b);
}

static void assert_locations_equal(const struct profile_location *a, const struct profile_location *b)
{
	assert_int_equal(a->address, b->address);
	assert_int_equal(a->frame_count, b->frame_count);
	for (uint32_t i = 0; i < a->frame_count; i++) {
		assert_text_equal(a->frames[i].function, b->frames[i].function);
		assert_text_equal(a->frames[i].file, b->frames[i].file);
		assert_int_equal(a->frames[i].line, b->frames[i].line);
		assert_int_equal(a->frames[i].column, b->frames[i].column);
		assert_int_equal(a->frames[i].start_line, b->frames[i].start_line);
	}
	assert_int_equal(!a->mapping, !b->mapping);
	if (a->mapping) {
		assert_int_equal(a->mapping->start, b->mapping->start);
		assert_int_equal(a->mapping->limit, b->mapping->limit);
		assert_int_equal(a->mapping->offset, b->mapping->offset);
		assert_text_equal(a->mapping->file, b->mapping->file);
		assert_text_equal(a->mapping->build_id, b->mapping->build_id);
	}
}

static void assert_processes_equal(const struct profile_process *a, const struct profile_process *b)
{
	assert_int_equal(a->pid, b->pid);
	assert_text_equal(a->comm, b->comm);
	assert_text_equal(a->executable, b->executable);
	assert_text_equal(a->build_id, b->build_id);
	assert_text_equal(a->runtime, b->runtime);
	assert_memory_equal(a->totals, b->totals, sizeof(a->totals));
	assert_memory_equal(a->class_totals, b->class_totals, sizeof(a->class_totals));
	assert_int_equal(a->check.present, b->check.present);
	if (a->check.present) {
		assert_text_equal(a->check.source, b->check.source);
		assert_int_equal(a->check.objects, b->check.objects);
		assert_int_equal(a->check.difference, b->check.difference);
		assert_int_equal(a->check.bound, b->check.bound);
	}
	assert_int_equal(a->lost_events, b->lost_events);
	assert_int_equal(a->lost_stacks, b->lost_stacks);
}

static void assert_profiles_equal(const struct profile *a, const struct profile *b)
{
	assert_text_equal(a->tool_version, b->tool_version);
	assert_text_equal(a->target, b->target);
	assert_text_equal(a->kernel, b->kernel);
	assert_int_equal(a->rate, b->rate);
	assert_int_equal(a->start_ns, b->start_ns);
	assert_int_equal(a->duration_ns, b->duration_ns);
	assert_int_equal(a->totals_exact, b->totals_exact);
	assert_int_equal(a->rows_exact, b->rows_exact);
	assert_int_equal(a->row_measured, b->row_measured);
	assert_int_equal(a->warning_count, b->warning_count);
	for (size_t i = 0; i < a->warning_count; i++)
		assert_string_equal(a->warnings[i], b->warnings[i]);
	assert_int_equal(a->process_count, b->process_count);
	for (size_t i = 0; i < a->process_count; i++)
		assert_processes_equal(&a->processes[i], &b->processes[i]);
	assert_int_equal(a->sample_count, b->sample_count);
	for (size_t i = 0; i < a->sample_count; i++) {
		const struct profile_sample *left = a->samples[i], *right = b->samples[i];

		assert_memory_equal(left->values, right->values, sizeof(left->values));
		assert_int_equal(left->key.span_class, right->key.span_class);
		assert_int_equal(left->key.pid, right->key.pid);
		assert_text_equal(left->key.type, right->key.type);
		assert_text_equal(left->key.comm, right->key.comm);
		assert_int_equal(left->key.stack->depth, right->key.stack->depth);
		assert_int_equal(left->key.stack->truncated, right->key.stack->truncated);
		for (uint32_t d = 0; d < left->key.stack->depth; d++)
			assert_locations_equal(left->key.stack->locations[d], right->key.stack->locations[d]);
	}
}

static void what_is_written_is_read_back_whole(void **state)
{
	struct profile *profile = rich_profile(), *back;
	struct error error = {0};

	(void)state;
	assert_int_equal(pprof_write(profile, in_directory("rich.pb.gz"), &error), 0);
	back = pprof_read(in_directory("rich.pb.gz"), &error);
	if (!back)
		fail_msg("%s", error.text);
	assert_profiles_equal(profile, back);
	profile_free(profile);
	/* And once more: what was read is as good as what was recorded. */
	assert_int_equal(pprof_write(back, in_directory("rich.pb.gz"), &error), 0);
	profile = pprof_read(in_directory("rich.pb.gz"), &error);
	assert_non_null(profile);
	assert_profiles_equal(profile, back);
	profile_free(profile);
	profile_free(back);
	unlink(in_directory("rich.pb.gz"));
}

/* --- what is not a good profile --- */

static void assert_refused(const char *path, const char *text)
{
	struct error error = {0};
	struct profile *profile = pprof_read(path, &error);

	if (profile)
		fail_msg("'%s' was read, expected: %s", path, text);
	assert_int_equal(error.status, STATUS_USAGE);
	if (!strstr(error.text, text))
		fail_msg("expected '%s' in '%s'", text, error.text);
	if (path[0] == '/' && !strstr(error.text, path))
		fail_msg("expected '%s' in '%s'", path, error.text);
}

static void bytes_are_refused(const void *bytes, size_t size, const char *text)
{
	const char *path = in_directory("bad");

	write_file(path, bytes, size);
	assert_refused(path, text);
	unlink(path);
}

static void what_is_no_profile_is_refused(void **state)
{
	static const char words[] = "goroutine 1 [running]:\nmain.main()\n";
	char zeros[1000] = {0};

	(void)state;
	assert_refused(in_directory("missing"), "No such file or directory");
	assert_refused("/tmp", "Is a directory");
	bytes_are_refused("", 0, "is empty");
	bytes_are_refused(words, sizeof(words) - 1, "is not a pprof profile");
	bytes_are_refused(zeros, sizeof(zeros), "is not a pprof profile");
	bytes_are_refused("\x1f", 1, "is not a pprof profile");
	bytes_are_refused("\x1f\x8b", 2, "truncated");
	bytes_are_refused("\x1f\x8b\x08\0\0\0\0\0\0\0\xff\xff\xff", 13, "corrupt");
	const char *path = in_directory("bad");
	write_gzip(path, "", 0);
	assert_refused(path, "is empty");
	write_gzip(path, words, sizeof(words) - 1);
	assert_refused(path, "is not a pprof profile");
	unlink(path);
}

static void every_truncation_is_refused(void **state)
{
	struct profile *profile = rich_profile();
	const char *whole = in_directory("whole"), *part = in_directory("part");
	uint8_t *packed, *plain = malloc(1 << 20);
	size_t packed_size;
	int size;
	gzFile file;

	(void)state;
	assert_int_equal(pprof_write(profile, whole, NULL), 0);
	profile_free(profile);
	packed = read_file(whole, &packed_size);
	for (size_t length = 1; length < packed_size; length += 1 + length / 16) {
		write_file(part, packed, length);
		assert_null(pprof_read(part, NULL));
		if (length >= 2)
			assert_refused(part, "truncated");
	}
	file = gzopen(whole, "r");
	size = gzread(file, plain, 1 << 20);
	gzclose(file);
	/* Not compressed, it is a profile as well, whole; cut anywhere, its strings are missing. */
	write_file(part, plain, (size_t)size);
	profile = pprof_read(part, NULL);
	assert_non_null(profile);
	profile_free(profile);
	for (int length = 1; length < size - 200; length += 1 + length / 16) {
		write_file(part, plain, (size_t)length);
		assert_refused(part, "profile '");
		write_gzip(part, plain, (size_t)length);
		assert_refused(part, "profile '");
	}
	free(packed);
	free(plain);
	unlink(whole);
	unlink(part);
}

static void no_damage_crashes_the_reader(void **state)
{
	struct profile *profile = rich_profile();
	const char *path = in_directory("damaged");
	uint8_t *plain = malloc(1 << 20), *damaged = malloc(1 << 20);
	uint64_t seed = 42;
	gzFile file;
	int size, refused = 0;

	(void)state;
	assert_int_equal(pprof_write(profile, path, NULL), 0);
	profile_free(profile);
	file = gzopen(path, "r");
	size = gzread(file, plain, 1 << 20);
	gzclose(file);
	for (int round = 0; round < 3000; round++) {
		memcpy(damaged, plain, (size_t)size);
		for (int i = 0; i <= round % 4; i++) {
			seed = seed * 6364136223846793005 + 1442695040888963407;
			damaged[(seed >> 33) % (uint64_t)size] = (uint8_t)(seed >> 25);
		}
		write_file(path, damaged, (size_t)size);
		struct error error = {0};
		profile = pprof_read(path, &error);
		if (!profile) {
			refused++;
			assert_int_equal(error.status, STATUS_USAGE);
			assert_true(error.text[0]);
		}
		profile_free(profile);
	}
	assert_in_range(refused, 300, 2900);
	free(plain);
	free(damaged);
	unlink(path);
}

/* A small message with one sample, for tests that break one thing in it. */
struct message {
	Perftools__Profiles__Profile profile;
	Perftools__Profiles__ValueType type, *types[1];
	Perftools__Profiles__Sample sample, *samples[1];
	Perftools__Profiles__Location location[2], *locations[2];
	Perftools__Profiles__Line line, *lines[1];
	Perftools__Profiles__Function function, *functions[1];
	Perftools__Profiles__Mapping mapping, *mappings[1];
	Perftools__Profiles__Label label, *labels[1];
	int64_t comments[2];
	uint64_t ids[1];
	int64_t values[2];
	char *strings[8];
};

enum {
	TEXT_EMPTY,
	TEXT_OBJECTS,
	TEXT_COUNT,
	TEXT_FUNCTION,
	TEXT_TOOL,
	TEXT_COMMENT,
	TEXT_SPAN_CLASS,
	TEXT_SPARE
};

static struct message *good_message(void)
{
	struct message *m = calloc(1, sizeof(*m));

	perftools__profiles__profile__init(&m->profile);
	perftools__profiles__value_type__init(&m->type);
	perftools__profiles__sample__init(&m->sample);
	perftools__profiles__location__init(&m->location[0]);
	perftools__profiles__location__init(&m->location[1]);
	perftools__profiles__line__init(&m->line);
	perftools__profiles__function__init(&m->function);
	perftools__profiles__mapping__init(&m->mapping);
	perftools__profiles__label__init(&m->label);
	m->type.type = TEXT_OBJECTS;
	m->type.unit = TEXT_COUNT;
	m->types[0] = &m->type;
	m->profile.n_sample_type = 1;
	m->profile.sample_type = m->types;
	m->ids[0] = 1000;
	m->values[0] = 5;
	m->sample.n_location_id = 1;
	m->sample.location_id = m->ids;
	m->sample.n_value = 1;
	m->sample.value = m->values;
	m->labels[0] = &m->label;
	m->sample.n_label = 1;
	m->sample.label = m->labels;
	m->samples[0] = &m->sample;
	m->profile.n_sample = 1;
	m->profile.sample = m->samples;
	m->line.function_id = 70;
	m->line.line = 12;
	m->lines[0] = &m->line;
	m->location[0].id = 1000;
	m->location[0].mapping_id = 9;
	m->location[0].n_line = 1;
	m->location[0].line = m->lines;
	m->location[1].id = 7;
	m->locations[0] = &m->location[0];
	m->locations[1] = &m->location[1];
	m->profile.n_location = 2;
	m->profile.location = m->locations;
	m->function.id = 70;
	m->function.name = TEXT_FUNCTION;
	m->functions[0] = &m->function;
	m->profile.n_function = 1;
	m->profile.function = m->functions;
	m->mapping.id = 9;
	m->mappings[0] = &m->mapping;
	m->profile.n_mapping = 1;
	m->profile.mapping = m->mappings;
	m->comments[0] = TEXT_TOOL;
	m->comments[1] = TEXT_COMMENT;
	m->profile.n_comment = 2;
	m->profile.comment = m->comments;
	m->strings[TEXT_EMPTY] = "";
	m->strings[TEXT_OBJECTS] = "alloc_objects";
	m->strings[TEXT_COUNT] = "count";
	m->strings[TEXT_FUNCTION] = "main.main";
	m->strings[TEXT_TOOL] = "tool: escapement 0.1.0";
	m->strings[TEXT_COMMENT] = "rate: 4096";
	m->strings[TEXT_SPAN_CLASS] = "span_class";
	m->strings[TEXT_SPARE] = "";
	m->profile.n_string_table = 8;
	m->profile.string_table = m->strings;
	return m;
}

static void write_message(struct message *m, const char *path)
{
	size_t size = perftools__profiles__profile__get_packed_size(&m->profile);
	uint8_t *bytes = malloc(size);

	perftools__profiles__profile__pack(&m->profile, bytes);
	write_file(path, bytes, size);
	free(bytes);
	free(m);
}

static void message_is_refused(struct message *m, const char *text)
{
	const char *path = in_directory("message");

	write_message(m, path);
	assert_refused(path, text);
	unlink(path);
}

static void identifiers_need_not_be_dense(void **state)
{
	const char *path = in_directory("message");
	struct error error = {0};

	(void)state;
	write_message(good_message(), path);
	struct profile *profile = pprof_read(path, &error);
	if (!profile)
		fail_msg("%s", error.text);
	assert_int_equal(profile->sample_count, 1);
	assert_int_equal(profile->rate, 4096);
	assert_int_equal(profile->samples[0]->values[VALUE_OBJECTS], 5);
	assert_string_equal(profile->samples[0]->key.stack->locations[0]->frames[0].function, "main.main");
	profile_free(profile);
	unlink(path);
}

#define REFUSED(field, value, text)                                                                          \
	do {                                                                                                 \
		struct message *m = good_message();                                                          \
		m->field = (value);                                                                          \
		message_is_refused(m, text);                                                                 \
	} while (0)

static void wrong_indices_are_refused(void **state)
{
	(void)state;
	REFUSED(function.name, 8, "string 8 of 8");
	REFUSED(function.name, -1, "string -1 of 8");
	REFUSED(function.filename, INT64_MAX, "string 9223372036854775807 of 8");
	REFUSED(type.unit, INT64_MIN, "string -9223372036854775808 of 8");
	REFUSED(mapping.build_id, 99, "string 99 of 8");
	REFUSED(label.key, 99, "string 99 of 8");
	REFUSED(comments[1], 99, "string 99 of 8");
	REFUSED(strings[TEXT_EMPTY], "x", "first string is not empty");
	REFUSED(ids[0], 8, "no location has id 8");
	REFUSED(ids[0], UINT64_MAX, "no location has id 18446744073709551615");
	REFUSED(ids[0], 0, "no location has id 0");
	REFUSED(line.function_id, 71, "no function has id 71");
	REFUSED(location[0].mapping_id, 1, "no mapping has id 1");
	REFUSED(location[1].id, 1000, "two locations have id 1000");
	REFUSED(location[1].id, 0, "a location has id 0");
	REFUSED(function.id, 0, "a function has id 0");
	REFUSED(mapping.id, 0, "a mapping has id 0");
	REFUSED(sample.n_value, 0, "0 values for 1 sample types");
	REFUSED(sample.n_value, 2, "2 values for 1 sample types");
	REFUSED(values[0], -1, "negative value");
	REFUSED(type.type, TEXT_FUNCTION, "does not measure allocations: it has main.main");
	REFUSED(profile.n_sample_type, 0, "is not a pprof profile");
}

static void malformed_comments_are_refused(void **state)
{
	static char *const comments[] = {
		"rate: ",
		"rate: x",
		"rate: -1",
		"rate: 99999999999999999999",
		"target: \\",
		"target: \\x0",
		"target: \\x00",
		"process.1.comm: no process yet",
		"process.2.pid: 1",
		"process.1.pid: x",
		"process.1.pid: -1",
		"process.1.pid: 2147483648",
		"process.: 1",
		"process.x.pid: 1",
		"process.99999999999999999999.pid: 1",
		"#process.1.totals: 1 2 3",
	};
	static char *const harmless[] = {"",	      "rate", "rate:",	 "unknown: key",
					 "process.1", ":",    "exact: ", "measured: all"};

	(void)state;
	for (size_t i = 0; i < sizeof(comments) / sizeof(comments[0]); i++)
		REFUSED(strings[TEXT_COMMENT], comments[i], "malformed comment");
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		const char *path = in_directory("message");
		struct message *m = good_message();

		m->strings[TEXT_COMMENT] = harmless[i];
		write_message(m, path);
		struct profile *profile = pprof_read(path, NULL);
		assert_non_null(profile);
		profile_free(profile);
		unlink(path);
	}
	/* Another tool's comments are its own business. */
	for (size_t i = 0; i < sizeof(comments) / sizeof(comments[0]); i++) {
		const char *path = in_directory("message");
		struct message *m = good_message();

		m->strings[TEXT_TOOL] = "somebody else";
		m->strings[TEXT_COMMENT] = comments[i];
		write_message(m, path);
		struct profile *profile = pprof_read(path, NULL);
		assert_non_null(profile);
		assert_null(profile->tool_version);
		profile_free(profile);
		unlink(path);
	}
}

static void wrong_span_classes_are_refused(void **state)
{
	static char *const classes[] = {"136", "-1", "x", "1x", "99999999999999999999"};

	(void)state;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		struct message *m = good_message();

		m->label.key = TEXT_SPAN_CLASS;
		m->label.str = TEXT_SPARE;
		m->strings[TEXT_SPARE] = classes[i];
		message_is_refused(m, "span class");
	}
}

static void huge_lengths_are_refused_before_memory_is_taken(void **state)
{
	/* A string table entry, a sample and a packed field that claim to be larger than the file or the
	 * machine. */
	static const uint8_t huge_string[] = {0x0a, 0x00, 0x32, 0xff, 0xff, 0xff,
					      0xff, 0xff, 0xff, 0xff, 0x7f};
	static const uint8_t large_sample[] = {0x0a, 0x00, 0x12, 0xff, 0xff, 0xff, 0x7f, 0x01};
	static const uint8_t packed[] = {0x0a, 0x00, 0x12, 0x04, 0x0a, 0xff, 0xff, 0x03};

	(void)state;
	bytes_are_refused(huge_string, sizeof(huge_string), "truncated or corrupt");
	bytes_are_refused(large_sample, sizeof(large_sample), "truncated or corrupt");
	bytes_are_refused(packed, sizeof(packed), "truncated or corrupt");
}

static void a_gzip_bomb_is_refused(void **state)
{
	const char *path = in_directory("bomb");
	uint8_t *zeros = calloc(1, 1 << 20);
	gzFile file = gzopen(path, "w1");

	(void)state;
	for (int i = 0; i < 300; i++)
		assert_int_equal(gzwrite(file, zeros, 1 << 20), 1 << 20);
	gzclose(file);
	assert_refused(path, "too large: more than 256 MiB");
	unlink(path);
	free(zeros);
}

/* --- where it cannot be written --- */

static void a_full_disk_is_an_error_that_names_the_file(void **state)
{
	struct profile *profile = rich_profile();
	struct error error = {0};

	(void)state;
	assert_int_equal(pprof_write(profile, "/dev/full", &error), -1);
	assert_int_equal(error.status, STATUS_USAGE);
	assert_string_equal(error.text, "cannot write '/dev/full': No space left on device");
	profile_free(profile);
}

static void a_failed_write_leaves_nothing_behind(void **state)
{
	struct profile *profile = rich_profile();
	struct error error = {0};
	const char *path = in_directory("kept");

	(void)state;
	assert_int_equal(pprof_write(profile, in_directory("no/such/directory"), &error), -1);
	assert_non_null(strstr(error.text, "No such file or directory"));
	assert_int_equal(entries_in_directory(), 0);

	/* Files may not grow beyond 100 bytes now: as a disk that fills up in the middle. */
	write_file(path, "old", 3);
	pid_t child = fork();
	if (child == 0) {
		struct rlimit limit = {100, 100};

		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		_exit(pprof_write(profile, path, &error) == -1 && strstr(error.text, "File too large") ? 0
												       : 1);
	}
	int status;
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(entries_in_directory(), 1);
	size_t size;
	uint8_t *bytes = read_file(path, &size);
	assert_int_equal(size, 3);
	assert_memory_equal(bytes, "old", 3);
	free(bytes);
	unlink(path);
	profile_free(profile);
}

static void links_and_permissions_of_what_is_replaced_stay(void **state)
{
	struct profile *profile = rich_profile(), *back;
	struct stat status;

	(void)state;
	write_file(in_directory("target"), "old", 3);
	assert_int_equal(chmod(in_directory("target"), 0640), 0);
	assert_int_equal(symlink("target", in_directory("link")), 0);
	assert_int_equal(pprof_write(profile, in_directory("link"), NULL), 0);
	assert_int_equal(lstat(in_directory("link"), &status), 0);
	assert_true(S_ISLNK(status.st_mode));
	assert_int_equal(stat(in_directory("target"), &status), 0);
	assert_int_equal(status.st_mode & 0777, 0640);
	back = pprof_read(in_directory("target"), NULL);
	assert_non_null(back);
	profile_free(back);
	assert_int_equal(entries_in_directory(), 2);
	unlink(in_directory("link"));
	unlink(in_directory("target"));
	profile_free(profile);
}

static void pipes_are_written_directly(void **state)
{
	struct profile *profile = rich_profile(), *back;
	const char *path = in_directory("pipe");

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	pid_t child = fork();
	if (child == 0)
		_exit(pprof_write(profile, path, NULL) ? 1 : 0);
	back = pprof_read(path, NULL);
	int status;
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	assert_non_null(back);
	assert_profiles_equal(profile, back);
	assert_int_equal(entries_in_directory(), 1);
	unlink(path);
	profile_free(back);
	profile_free(profile);
}

/* --- beside the tools that define the format --- */

/* Runs a shell command; its standard output and error, or a failing test. The caller frees it. */
static char *run(const char *format, ...)
{
	char command[1024], *text = calloc(1, 1 << 16);
	va_list arguments;
	FILE *stream;
	int length, status;

	va_start(arguments, format);
	length = vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	snprintf(command + length, sizeof(command) - (size_t)length, " 2>&1");
	stream = popen(command, "r");
	fread(text, 1, (1 << 16) - 1, stream);
	status = pclose(stream);
	if (status)
		fail_msg("%s: status %d: %s", command, status, text);
	return text;
}

static void assert_contains(char *text, const char *const *expected)
{
	for (; *expected; expected++) {
		if (!strstr(text, *expected))
			fail_msg("expected '%s' in:\n%s", *expected, text);
	}
	free(text);
}

#define PPROF "HOME=%s /usr/bin/go tool pprof -symbolize=none "

static void go_tool_pprof_opens_it_without_complaint(void **state)
{
	struct profile *profile = rich_profile();
	char path[128];

	(void)state;
	if (access("/usr/bin/go", X_OK))
		skip();
	snprintf(path, sizeof(path), "%s", in_directory("rich.pb.gz"));
	assert_int_equal(pprof_write(profile, path, NULL), 0);
	profile_free(profile);
	char *top = run(PPROF "-top -sample_index=refills %s", directory, path);
	assert_null(strstr(top, "process.1.totals"));
	assert_contains(top, (const char *[]){"File: server", "Build ID: abc/def-_", "Type: refills",
					      "Duration: 12.35s", "rate: 524288", "runtime.mallocgc", NULL});
	assert_contains(run(PPROF "-top -sample_index=alloc_objects %s", directory, path),
			(const char *[]){"Type: alloc_objects", "11 total", NULL});
	/* Alone, the values of one process in bytes: no totals among them. */
	assert_contains(run(PPROF "-top -tagfocus=pid=41 %s", directory, path),
			(const char *[]){"Type: alloc_space", "480B", NULL});
	assert_contains(run(PPROF "-tags -sample_index=alloc_objects %s", directory, path),
			(const char *[]){"span_class: Total", "size_class: Total", "48B", "type: Total",
					 "main.Point", "pid: Total", "comm: Total", "server", "stack: Total",
					 "truncated", NULL});
	assert_contains(run(PPROF "-comments %s", directory, path),
			(const char *[]){"tool: escapement 9.8.7-test", "exact: totals",
					 "process.1.runtime: go1.24.4", "#process.1.totals: 41000 41001",
					 "warning: second: with\\x0anewline", NULL});
	assert_contains(run(PPROF "-traces -sample_index=refills %s", directory, path),
			(const char *[]){"main.(*T).Inlined", "main.foo", NULL});
	unlink(path);
}

static void go_tool_pprof_lists_source_lines(void **state)
{
	struct profile *profile = profile_new();
	struct profile_frame frame = {.function = "main.work", .line = 3, .column = 5, .start_line = 2};
	char source[128], path[128];

	(void)state;
	if (access("/usr/bin/go", X_OK))
		skip();
	snprintf(source, sizeof(source), "%s", in_directory("work.go"));
	snprintf(path, sizeof(path), "%s", in_directory("list.pb.gz"));
	write_file(source, "package main\nfunc work() *int {\n\treturn new(int)\n}\n", 49);
	frame.file = source;
	const struct profile_location *location = profile_location(profile, 0, NULL, &frame, 1);
	struct profile_key key = {.stack = profile_stack(profile, &location, 1, false), .span_class = 2};
	profile_add(profile, &key, (const int64_t[VALUE_COUNT]){10, 80, 1, 4, 0, 0, 0});
	profile->row_measured = (1u << VALUE_COUNT) - 1;
	assert_int_equal(pprof_write(profile, path, NULL), 0);
	assert_contains(run(PPROF "-list=main.work -sample_index=refills %s", directory, path),
			(const char *[]){"Total: 4", "4          4      3:\treturn new(int)", NULL});
	profile_free(profile);
	unlink(source);
	unlink(path);
}

static void a_heap_profile_of_go_itself_is_read(void **state)
{
	static const char program[] = "package main\n"
				      "import (\"os\"; \"runtime\"; \"runtime/pprof\")\n"
				      "var sink [][]byte\n"
				      "//go:noinline\n"
				      "func grow(n int) { for i := 0; i < n; i++ { sink = append(sink[:0], "
				      "make([]byte, 1000)) } }\n"
				      "func main() {\n"
				      "\tif len(os.Args) > 2 { runtime.MemProfileRate = 1 }\n"
				      "\tgrow(50000)\n"
				      "\truntime.GC(); runtime.GC()\n"
				      "\tfile, _ := os.Create(os.Args[1])\n"
				      "\tpprof.Lookup(\"allocs\").WriteTo(file, 0)\n"
				      "\tfile.Close()\n"
				      "}\n";

	(void)state;
	if (access("/usr/bin/go", X_OK))
		skip();
	write_file(in_directory("main.go"), program, sizeof(program) - 1);
	free(run("cd %s && HOME=%s GO111MODULE=off GOFLAGS= /usr/bin/go build -o program main.go", directory,
		 directory));
	free(run("cd %s && ./program sampled && ./program exact rate1", directory));

	for (int exact = 0; exact < 2; exact++) {
		struct profile *profile = pprof_read(in_directory(exact ? "exact" : "sampled"), NULL);
		const struct profile_sample *found = NULL;
		struct interval interval = {0};
		int64_t totals[VALUE_COUNT], low, high;

		assert_non_null(profile);
		assert_null(profile->tool_version);
		assert_int_equal(profile->rate, exact ? 1 : 512 * 1024);
		assert_int_equal(profile->rows_exact, exact);
		assert_int_equal(profile->row_measured,
				 1 << VALUE_OBJECTS | 1 << VALUE_BYTES | 1 << VALUE_SAMPLES);
		profile_totals(profile, totals);
		assert_int_equal(totals[VALUE_REFILLS], VALUE_UNMEASURED);
		assert_in_range(totals[VALUE_BYTES], 20000000, 90000000);
		for (size_t i = 0; i < profile->sample_count; i++) {
			const struct profile_sample *sample = profile->samples[i];
			const struct profile_frame *leaf = sample->key.stack->locations[0]->frames;

			/* The first append allocates there as well: one object. */
			if (strcmp(leaf->function, "main.grow") == 0 &&
			    (!found || sample->values[VALUE_BYTES] > found->values[VALUE_BYTES]))
				found = sample;
		}
		assert_non_null(found);
		assert_int_equal(found->key.stack->locations[0]->frames[0].line, 5);
		assert_non_null(strstr(found->key.stack->locations[0]->frames[0].file, "main.go"));
		/* The runtime books a few small objects of its own there, too. */
		if (exact)
			assert_in_range(found->values[VALUE_OBJECTS], 50000, 50009);
		else
			assert_in_range(found->values[VALUE_SAMPLES], 40, 180);
		interval_add(&interval, found->values[VALUE_SAMPLES], found->values[VALUE_OBJECTS]);
		interval_bounds(&interval, &low, &high);
		/* 1,024 of 524,288 bytes an object: about 98 events. */
		if (exact)
			assert_true(low == found->values[VALUE_OBJECTS] && high == low);
		else
			assert_true(low > found->values[VALUE_OBJECTS] * 0.6 &&
				    high < found->values[VALUE_OBJECTS] * 1.6);
		profile_free(profile);
	}
	unlink(in_directory("main.go"));
	unlink(in_directory("program"));
	unlink(in_directory("sampled"));
	unlink(in_directory("exact"));
	free(run("chmod -R u+w %s && rm -rf %s/.cache %s/go", directory, directory, directory));
}

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	(void)state;
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back_whole),
		cmocka_unit_test(what_is_no_profile_is_refused),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(no_damage_crashes_the_reader),
		cmocka_unit_test(identifiers_need_not_be_dense),
		cmocka_unit_test(wrong_indices_are_refused),
		cmocka_unit_test(malformed_comments_are_refused),
		cmocka_unit_test(wrong_span_classes_are_refused),
		cmocka_unit_test(huge_lengths_are_refused_before_memory_is_taken),
		cmocka_unit_test(a_gzip_bomb_is_refused),
		cmocka_unit_test(a_full_disk_is_an_error_that_names_the_file),
		cmocka_unit_test(a_failed_write_leaves_nothing_behind),
		cmocka_unit_test(links_and_permissions_of_what_is_replaced_stay),
		cmocka_unit_test(pipes_are_written_directly),
		cmocka_unit_test(go_tool_pprof_opens_it_without_complaint),
		cmocka_unit_test(go_tool_pprof_lists_source_lines),
		cmocka_unit_test(a_heap_profile_of_go_itself_is_read),
	};

	return cmocka_run_group_tests_name("pprof", tests, make_directory, remove_directory);
}
