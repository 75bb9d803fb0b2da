/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading files that are not profiles, or are damaged or malicious: each gives an error message that names the file and
 * the problem. */
#include "pprof_fixture.h"
#include "profile/pprof_format.h"

#include <limits.h>
#include <signal.h>
#include <sys/wait.h>

#include "profile/profile.pb-c.h"

/* --- invalid profiles --- */

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
	/* An uncompressed profile is read too. A truncated one is refused, because its strings, at the end, are
	 * missing. */
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

/* A small profile message with one sample, for tests that break one field of it. */
struct message {
	Perftools__Profiles__Profile profile;
	Perftools__Profiles__ValueType type, *types[1];
	Perftools__Profiles__Sample sample, *samples[1];
	Perftools__Profiles__Location location[2], *locations[2];
	Perftools__Profiles__Line line, *lines[1];
	Perftools__Profiles__Function function, *functions[1];
	Perftools__Profiles__Mapping mapping, *mappings[1];
	Perftools__Profiles__Label label, *labels[1];
	int64_t comments[3];
	uint64_t ids[1];
	int64_t values[2];
	char *strings[8];
};

enum { TEXT_EMPTY, TEXT_OBJECTS, TEXT_COUNT, TEXT_FUNCTION, TEXT_TOOL, TEXT_COMMENT, TEXT_SPAN_CLASS, TEXT_SPARE };

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
	assert_string_equal(profile_stack_at(profile->samples[0]->key.stack, 0)->frames[0].function, "main.main");
	profile_free(profile);
	unlink(path);
}

/* Files by a version without one of the values have neither its column nor its totals. */
static void values_that_a_file_lacks_are_unmeasured(void **state)
{
	static char *const totals[] = {"#process.1.totals: 5 7", "#process.1.totals: 5"};
	const char *path = in_directory("message");

	(void)state;
	for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
		struct message *m = good_message();

		m->strings[TEXT_COMMENT] = "process.1.pid: 7";
		m->strings[TEXT_SPARE] = totals[i];
		m->comments[2] = TEXT_SPARE;
		m->profile.n_comment = 3;
		if (i == 0) { /* totals of two values in a file with one */
			message_is_refused(m, "malformed comment");
			continue;
		}
		write_message(m, path);
		struct profile *profile = pprof_read(path, NULL);
		assert_non_null(profile);
		assert_int_equal(profile->processes[0].totals[VALUE_OBJECTS], 5);
		assert_int_equal(profile->processes[0].totals[VALUE_REFILLS], VALUE_UNMEASURED);
		profile_free(profile);
		unlink(path);
	}
}

#define REFUSED(field, value, text)                 \
	do {                                        \
		struct message *m = good_message(); \
		m->field = (value);                 \
		message_is_refused(m, text);        \
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
	Perftools__Profiles__ValueType period = PERFTOOLS__PROFILES__VALUE_TYPE__INIT;
	period.type = 8;
	REFUSED(profile.period_type, &period, "string 8 of 8");
}

static void checks_that_no_recording_has_are_refused(void **state)
{
	static const struct profile_check checks[] = {
		{.present = true, .bound = -1},
		{.present = true, .bound = INT64_MIN},
		{.present = true, .difference = INT64_MIN},
	};
	const char *path = in_directory("check");

	(void)state;
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		struct profile *profile = rich_profile();

		profile->processes[0].check = checks[i];
		assert_int_equal(pprof_write(profile, path, NULL), 0);
		assert_refused(path, "malformed comment");
		profile_free(profile);
	}
	unlink(path);
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
	/* Comments of other tools are ignored. */
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
	/* A string, a sample and a packed field with a length that exceeds the file or the address space. */
	static const uint8_t huge_string[] = {0x0a, 0x00, 0x32, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
	static const uint8_t large_sample[] = {0x0a, 0x00, 0x12, 0xff, 0xff, 0xff, 0x7f, 0x01};
	static const uint8_t packed[] = {0x0a, 0x00, 0x12, 0x04, 0x0a, 0xff, 0xff, 0x03};

	(void)state;
	bytes_are_refused(huge_string, sizeof(huge_string), "truncated or corrupt");
	bytes_are_refused(large_sample, sizeof(large_sample), "truncated or corrupt");
	bytes_are_refused(packed, sizeof(packed), "truncated or corrupt");
}

/* 300 MiB of strings, a string with a length of a gigabyte, and 300 MiB of samples; compressed, all are small. */
static void gzip_bombs_are_refused(void **state)
{
	static const struct {
		const char *header, *refusal;
	} bombs[] = {
		{"\x32\x80\x80\x40", "too large: more than 256 MiB besides its samples"},
		{"\x32\x80\x80\x80\x80\x04", "too large: a field has more than 256 MiB"},
		{"\x12\x80\x80\x40", "is truncated or corrupt"}, /* there are no strings */
	};
	const char *path = in_directory("bomb");
	uint8_t *zeros = calloc(1, 1 << 20);

	(void)state;
	for (size_t bomb = 0; bomb < sizeof(bombs) / sizeof(bombs[0]); bomb++) {
		gzFile file = gzopen(path, "w1");

		assert_int_equal(gzwrite(file, "\x0a\x00", 2), 2);
		for (int i = 0; i < 300; i++) {
			int size = (int)strlen(bombs[bomb].header);

			assert_int_equal(gzwrite(file, bombs[bomb].header, (unsigned)size), size);
			assert_int_equal(gzwrite(file, zeros, 1 << 20), 1 << 20);
		}
		gzclose(file);
		assert_refused(path, bombs[bomb].refusal);
	}
	unlink(path);
	free(zeros);
}

/* Recordings of every allocation of a large program have that many samples: 300 MiB, all with the same key. They are empty, so that
 * the file still has the sums that it was written with; one more that is not shows that what comes last is read. */
static void a_large_profile_is_read(void **state)
{
	/* A sample with seven values and an unknown field, number 1000, of one MiB. */
	static const uint8_t sample[] = {0x12, 0x8e, 0x80, 0x40, 0x12, 0x07, 0,	   0,	 0,
					 0,    0,    0,	   0,	 0xc2, 0x3e, 0x80, 0x80, 0x40};
	static const uint8_t last[] = {0x12, 0x09, 0x12, 0x07, 3, 2, 1, 0, 0, 0, 0};
	struct profile *small = rich_profile(), *large;
	const char *path = in_directory("large");
	uint8_t *zeros = calloc(1, 1 << 20);
	struct error error = {0};
	gzFile file;

	(void)state;
	assert_int_equal(pprof_write(small, path, NULL), 0);
	file = gzopen(path, "a1");
	for (int i = 0; i < 300; i++) {
		assert_int_equal(gzwrite(file, sample, sizeof(sample)), sizeof(sample));
		assert_int_equal(gzwrite(file, zeros, 1 << 20), 1 << 20);
	}
	gzclose(file);
	large = pprof_read(path, &error);
	if (!large)
		fail_msg("%s", error.text);
	/* They are added to the last sample, which has no labels and no stack either. */
	assert_int_equal(large->sample_count, small->sample_count);
	for (size_t i = 0; i < small->sample_count; i++) {
		const int64_t *before = small->samples[i]->values, *values = large->samples[i]->values;

		assert_int_equal(values[VALUE_OBJECTS], before[VALUE_OBJECTS]);
		assert_int_equal(values[VALUE_BYTES], before[VALUE_BYTES]);
	}
	assert_in_range(profile_memory(large), 1, 1 << 20);
	file = gzopen(path, "a1");
	assert_int_equal(gzwrite(file, last, sizeof(last)), sizeof(last));
	gzclose(file);
	assert_refused(path, "another tool has added up");
	profile_free(small);
	profile_free(large);
	unlink(path);
	free(zeros);
}

static void samples_that_fill_the_memory_are_refused(void **state)
{
	struct profile *profile = rich_profile();
	const char *path = in_directory("large");
	struct profile_key key = {.span_class = 2, .stack = profile->samples[0]->key.stack};

	(void)state;
	profile->totals_exact = false;
	for (key.pid = 1; key.pid <= 20000; key.pid++)
		profile_add(profile, &key, (const int64_t[VALUE_COUNT]){1});
	assert_in_range(profile_memory(profile), 20000 * 64, 20000 * 256);
	assert_int_equal(pprof_write(profile, path, NULL), 0);
	profile_free(profile);
	pprof_memory_max = 1 << 20;
	assert_refused(path, "is too large: its samples take more than 1 MiB of memory");
	pprof_memory_max = 0;
	profile = pprof_read(path, NULL);
	assert_non_null(profile);
	profile_free(profile);
	unlink(path);
}

/* Empty strings, and empty functions: two bytes each in the file, but many times that in memory. */
static void small_strings_that_fill_the_memory_are_refused(void **state)
{
	enum { COUNT = 250000 };
	const char *path = in_directory("strings");
	uint8_t *bytes = calloc(COUNT + 1, 2);

	(void)state;
	bytes[0] = 0x0a;
	for (int i = 1; i <= COUNT; i++)
		bytes[2 * i] = 0x32;
	write_file(path, bytes, 2 * (COUNT + 1));
	pprof_memory_max = 1 << 20; /* enough for their bytes and pointers alone */
	assert_refused(path, "is too large: all but its samples takes more than 1 MiB of memory");
	pprof_memory_max = 0;
	assert_refused(path, "does not measure allocations");
	for (int i = 2; i <= COUNT; i++)
		bytes[2 * i] = 0x2a;
	bytes[2] = 0x32; /* one string */
	write_file(path, bytes, 2 * (COUNT / 10));
	pprof_memory_max = 1 << 20;
	assert_refused(path, "is too large: all but its samples takes more than 1 MiB of memory");
	pprof_memory_max = 0;
	assert_refused(path, "does not measure allocations");
	unlink(path);
	free(bytes);
}

/* Ten locations of 10,000 lines, of two bytes each. */
static void small_lines_that_fill_the_memory_are_refused(void **state)
{
	static const char header[] = "\x0a\x04\x08\x01\x10\x02\x32\x00\x32\x0d"
				     "alloc_objects\x32\x05"
				     "count";
	enum { LINES = 10000, LOCATIONS = 10, HEADER = sizeof(header) - 1, SIZE = 4 + 2 * LINES };
	const char *path = in_directory("lines");
	uint8_t *bytes = calloc(1, HEADER + LOCATIONS * SIZE), *at = bytes + HEADER;

	(void)state;
	memcpy(bytes, header, HEADER);
	for (int i = 0; i < LOCATIONS; i++) {
		*at++ = 0x22;
		*at++ = 0x80 | (2 * LINES & 0x7f);
		*at++ = 0x80 | (2 * LINES >> 7 & 0x7f);
		*at++ = 2 * LINES >> 14;
		for (int line = 0; line < LINES; line++, at += 2)
			*at = 0x22;
	}
	write_file(path, bytes, HEADER + LOCATIONS * SIZE);
	pprof_memory_max = 1 << 20;
	assert_refused(path, "is too large: all but its samples takes more than 1 MiB of memory");
	pprof_memory_max = 0;
	assert_refused(path, "a location has id 0");
	unlink(path);
	free(bytes);
}

/* Starts a child that writes the same MiB up to `mebibytes` times to a pipe. Returns the pipe's read end. */
static int pipe_of(int mebibytes, const uint8_t *bytes, pid_t *child)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	*child = fork();
	assert_true(*child >= 0);
	if (*child == 0) {
		close(ends[0]);
		for (int i = 0; i < mebibytes; i++) {
			for (ssize_t done = 0, count; done < 1 << 20; done += count) {
				count = write(ends[1], bytes + done, (size_t)((1 << 20) - done));
				if (count < 0)
					_exit(1);
			}
		}
		_exit(0);
	}
	close(ends[1]);
	return ends[0];
}

static void a_pipe_without_an_end_is_refused(void **state)
{
	uint8_t *zeros = calloc(1, 1 << 20);
	char path[32];
	pid_t child;
	int status, end = pipe_of(INT_MAX, zeros, &child);

	(void)state;
	snprintf(path, sizeof(path), "/dev/fd/%d", end);
	pprof_memory_max = 2 << 20;
	assert_refused(path, "is too large: more than 2 MiB come through a pipe");
	close(end);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);

	/* Input within the limit is read. */
	end = pipe_of(2, zeros, &child);
	snprintf(path, sizeof(path), "/dev/fd/%d", end);
	assert_refused(path, "is not a pprof profile");
	pprof_memory_max = 0;
	close(end);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	free(zeros);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_profile_is_refused),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(no_damage_crashes_the_reader),
		cmocka_unit_test(identifiers_need_not_be_dense),
		cmocka_unit_test(values_that_a_file_lacks_are_unmeasured),
		cmocka_unit_test(wrong_indices_are_refused),
		cmocka_unit_test(checks_that_no_recording_has_are_refused),
		cmocka_unit_test(malformed_comments_are_refused),
		cmocka_unit_test(wrong_span_classes_are_refused),
		cmocka_unit_test(huge_lengths_are_refused_before_memory_is_taken),
		cmocka_unit_test(gzip_bombs_are_refused),
		cmocka_unit_test(a_large_profile_is_read),
		cmocka_unit_test(samples_that_fill_the_memory_are_refused),
		cmocka_unit_test(small_strings_that_fill_the_memory_are_refused),
		cmocka_unit_test(small_lines_that_fill_the_memory_are_refused),
		cmocka_unit_test(a_pipe_without_an_end_is_refused),
	};

	return cmocka_run_group_tests_name("pprof_input", tests, make_directory, remove_directory);
}
