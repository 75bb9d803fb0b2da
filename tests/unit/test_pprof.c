/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing pprof files: no data is lost, no incomplete file remains, and Go's own tools can read them. */
#include "pprof_fixture.h"
#include "base/gzip.h"
#include "profile/interval.h"
#include "profile/interval_bounds.h"
#include "skip.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

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
	assert_true(a->bursts.present == b->bursts.present && a->bursts.count == b->bursts.count);
	assert_true(a->bursts.full_ns == b->bursts.full_ns && a->bursts.covered_ns == b->bursts.covered_ns);
	assert_true(a->bursts.recorded_ns == b->bursts.recorded_ns);
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
	assert_int_equal(a->snapshot, b->snapshot);
	assert_int_equal(a->collections, b->collections);
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
		assert_int_equal(left->key.bursts, right->key.bursts);
		assert_int_equal(!left->groups, !right->groups);
		if (left->groups)
			assert_memory_equal(left->groups, right->groups, BURST_GROUPS * sizeof(*left->groups));
		assert_int_equal(left->key.pid, right->key.pid);
		assert_text_equal(left->key.type, right->key.type);
		assert_text_equal(left->key.comm, right->key.comm);
		assert_int_equal(left->key.rate, right->key.rate);
		assert_int_equal(left->key.stack->depth, right->key.stack->depth);
		assert_int_equal(left->key.stack->truncated, right->key.stack->truncated);
		for (uint32_t d = 0; d < left->key.stack->depth; d++)
			assert_locations_equal(profile_stack_at(left->key.stack, d),
					       profile_stack_at(right->key.stack, d));
	}
}

static void a_heap_snapshot_keeps_its_values_and_its_collection(void **state)
{
	const int64_t values[VALUE_COUNT] = {[VALUE_OBJECTS] = 30,
					     [VALUE_BYTES] = 1440,
					     [VALUE_SAMPLES] = 2,
					     [VALUE_LIVE_OBJECTS] = 10,
					     [VALUE_LIVE_BYTES] = 480};
	struct profile *profile = profile_new(), *back;
	const struct profile_key key = {.stack = profile_stack(profile, NULL, 0, false), .span_class = 10};
	struct profile_process *process;
	struct error error = {0};

	(void)state;
	profile->snapshot = true;
	profile->collections = 77;
	profile->rate = 4096;
	for (int value = 0; value < VALUE_COUNT; value++)
		profile->row_measured |= (uint32_t)profile_stores(profile, value) << value;
	profile_add(profile, &key, values);
	process = profile_process_add(profile, 7);
	for (int value = 0; value < VALUE_COUNT; value++)
		process->totals[value] = profile_stores(profile, value) ? values[value] : VALUE_UNMEASURED;
	assert_int_equal(pprof_write(profile, in_directory("snapshot.pb.gz"), &error), 0);
	back = pprof_read(in_directory("snapshot.pb.gz"), &error);
	if (!back)
		fail_msg("%s", error.text);
	profile->tool_version = back->tool_version;
	assert_profiles_equal(profile, back);
	assert_null(pprof_read_recording(in_directory("snapshot.pb.gz"), &error));
	assert_int_equal(error.status, STATUS_USAGE);
	unlink(in_directory("snapshot.pb.gz"));
	profile_free(back);
	profile_free(profile);
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
	/* Written and read once more: a read profile is as complete as a recorded one. */
	assert_int_equal(pprof_write(back, in_directory("rich.pb.gz"), &error), 0);
	profile = pprof_read(in_directory("rich.pb.gz"), &error);
	assert_non_null(profile);
	assert_profiles_equal(profile, back);
	profile_free(profile);
	profile_free(back);
	unlink(in_directory("rich.pb.gz"));
}

/* The bytes of a profile in memory are those of its file; what is cut off, longer than expected, or something else is refused. */
static void what_is_packed_in_memory_is_the_file(void **state)
{
	struct profile *profile = rich_profile();
	struct error error = {0};
	size_t packed_size, unpacked_size, size;
	uint8_t *packed = pprof_pack(profile, &packed_size), *unpacked, *file;

	(void)state;
	assert_int_equal(pprof_write(profile, in_directory("packed.pb.gz"), &error), 0);
	file = read_gzip(in_directory("packed.pb.gz"), &size);
	unpacked = gzip_unpack(packed, packed_size, size, &unpacked_size);
	assert_non_null(unpacked);
	assert_int_equal(unpacked_size, size);
	assert_memory_equal(unpacked, file, size);
	assert_null(gzip_unpack(packed, packed_size, size - 1, &unpacked_size));
	assert_null(gzip_unpack(packed, packed_size - 1, size, &unpacked_size));
	assert_null(gzip_unpack(unpacked, size, size, &unpacked_size));
	assert_null(gzip_unpack("", 0, size, &unpacked_size));
	unlink(in_directory("packed.pb.gz"));
	free(unpacked);
	free(packed);
	free(file);
	profile_free(profile);
}

/* What a file shall not have is not in it, and a heap snapshot need not say what was allocated. */
static void a_file_has_the_values_that_are_asked_for(void **state)
{
	struct profile *profile = rich_profile(), *back;
	struct error error = {0};

	(void)state;
	profile->written = 1u << VALUE_OBJECTS | 1u << VALUE_BYTES;
	assert_int_equal(pprof_write(profile, in_directory("few.pb.gz"), &error), 0);
	back = pprof_read(in_directory("few.pb.gz"), &error);
	assert_non_null(back);
	assert_int_equal(back->stored, profile->written);
	profile_free(back);
	for (int snapshot = 0; snapshot < 2; snapshot++) {
		profile->snapshot = snapshot;
		profile->written = 1u << VALUE_LIVE_OBJECTS | 1u << VALUE_LIVE_BYTES;
		assert_int_equal(pprof_write(profile, in_directory("few.pb.gz"), &error), 0);
		back = pprof_read(in_directory("few.pb.gz"), &error);
		assert_int_equal(back != NULL, snapshot);
		profile_free(back);
	}
	assert_non_null(strstr(error.text, "neither alloc_objects nor alloc_space"));
	unlink(in_directory("few.pb.gz"));
	profile_free(profile);
}

/* Writes the first sample before the others are added, then the rest. */
static void a_profile_written_in_parts_reads_as_one(void **state)
{
	struct profile *whole = rich_profile(), *profile = rich_profile(), *back;
	struct pprof_writer *writer = pprof_writer_new(in_directory("parts.pb.gz"));
	size_t count = profile->sample_count;
	struct error error = {0};

	(void)state;
	profile->sample_count = 1;
	pprof_writer_add(writer, profile);
	profile->samples++;
	profile->sample_count = count - 1;
	assert_int_equal(pprof_writer_count(writer), 1);
	assert_int_equal(access(in_directory("parts.pb.gz"), F_OK), -1); /* it appears only when it is complete */
	assert_int_equal(pprof_writer_finish(writer, profile, &error), 0);
	back = pprof_read(in_directory("parts.pb.gz"), &error);
	if (!back)
		fail_msg("%s", error.text);
	assert_profiles_equal(whole, back);
	profile->samples--;
	profile_free(profile);
	profile_free(whole);
	profile_free(back);
	unlink(in_directory("parts.pb.gz"));
}

static void an_abandoned_file_leaves_what_was_there(void **state)
{
	struct profile *profile = rich_profile();
	struct pprof_writer *writer = pprof_writer_new(in_directory("kept"));
	struct dirent *entry;
	int entries = 0;
	size_t size;

	(void)state;
	write_file(in_directory("kept"), "before", 6);
	pprof_writer_add(writer, profile);
	pprof_writer_abandon(writer);
	pprof_writer_abandon(NULL);
	uint8_t *bytes = read_file(in_directory("kept"), &size);
	assert_int_equal(size, 6);
	assert_memory_equal(bytes, "before", 6);
	free(bytes);
	DIR *listing = opendir(directory);
	while ((entry = readdir(listing)))
		entries += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
	closedir(listing);
	assert_int_equal(entries, 1);
	unlink(in_directory("kept"));
	profile_free(profile);
}

/* --- write errors --- */

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

	/* Limits files to 100 bytes, like a disk that becomes full during writing. */
	write_file(path, "old", 3);
	pid_t child = fork();
	if (child == 0) {
		struct rlimit limit = {100, 100};

		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		_exit(pprof_write(profile, path, &error) == -1 && strstr(error.text, "File too large") ? 0 : 1);
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

/* --- compared with the tools that define the format --- */

/* Runs a shell command. Returns its standard output and error, which the caller frees; fails the test if it fails. */
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
	text[fread(text, 1, (1 << 16) - 1, stream)] = 0;
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
		skip_because("go is not installed");
	snprintf(path, sizeof(path), "%s", in_directory("rich.pb.gz"));
	assert_int_equal(pprof_write(profile, path, NULL), 0);
	profile_free(profile);
	char *top = run(PPROF "-top -sample_index=refills %s", directory, path);
	assert_null(strstr(top, "process.1.totals"));
	assert_null(strstr(top, "runtime.mallocgc")); /* drop_frames hides the runtime's allocation functions */
	assert_contains(top, (const char *[]){"File: server", "Build ID: abc/def-_", "Type: refills",
					      "Duration: 12.35s", "rate: 524288", "main.(*T).Inlin", NULL});
	assert_contains(run(PPROF "-top -sample_index=alloc_objects %s", directory, path),
			(const char *[]){"Type: alloc_objects", "11 total", NULL});
	/* The bytes of one process, which must not include totals. */
	assert_contains(run(PPROF "-top -tagfocus=pid=41 %s", directory, path),
			(const char *[]){"Type: alloc_space", "480B", NULL});
	assert_contains(run(PPROF "-tags -sample_index=alloc_objects %s", directory, path),
			(const char *[]){"span_class: Total", "size_class: Total", "48B", "type: Total", "main.Point",
					 "pid: Total", "comm: Total", "server", "stack: Total", "truncated", NULL});
	assert_contains(run(PPROF "-comments %s", directory, path),
			(const char *[]){"tool: escapement 9.8.7-test", "exact: totals", "process.1.runtime: go1.24.4",
					 "#process.1.totals: 41000 41001", "warning: second: with\\\\x0anewline",
					 NULL});
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
		skip_because("go is not installed");
	snprintf(source, sizeof(source), "%s", in_directory("work.go"));
	snprintf(path, sizeof(path), "%s", in_directory("list.pb.gz"));
	write_file(source, "package main\nfunc work() *int {\n\treturn new(int)\n}\n", 49);
	frame.file = source;
	const struct profile_location *location = profile_location(profile, 0, NULL, &frame, 1);
	struct profile_key key = {.stack = profile_stack(profile, &location, 1, false), .span_class = 2};
	profile_add(profile, &key, (const int64_t[VALUE_COUNT]){10, 80, 1, 4, 0, 0, 0});
	for (int value = 0; value < VALUE_COUNT; value++)
		profile->row_measured |= (uint32_t)profile_stores(profile, value) << value;
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
		skip_because("go is not installed");
	write_file(in_directory("main.go"), program, sizeof(program) - 1);
	free(run("cd %s && HOME=%s GO111MODULE=off GOFLAGS= /usr/bin/go build -o program main.go", directory,
		 directory));
	free(run("cd %s && ./program sampled && ./program exact rate1", directory));

	for (int exact = 0; exact < 2; exact++) {
		struct profile *profile = pprof_read(in_directory(exact ? "exact" : "sampled"), NULL);
		const struct profile_sample *found = NULL;
		struct interval interval = {0};
		int64_t totals[VALUE_COUNT];
		struct interval_bounds bounds;

		assert_non_null(profile);
		assert_null(profile->tool_version);
		assert_int_equal(profile->rate, exact ? 1 : 512 * 1024);
		/* that the program collected is not in the file */
		assert_false(profile->rows_exact);
		assert_int_equal(profile->rows_least, exact);
		assert_int_equal(profile->row_measured, 1 << VALUE_OBJECTS | 1 << VALUE_BYTES | 1 << VALUE_SAMPLES |
								1 << VALUE_LIVE_OBJECTS | 1 << VALUE_LIVE_BYTES);
		profile_totals(profile, totals);
		assert_int_equal(totals[VALUE_REFILLS], VALUE_UNMEASURED);
		assert_in_range(totals[VALUE_BYTES], 20000000, 90000000);
		for (size_t i = 0; i < profile->sample_count; i++) {
			const struct profile_sample *sample = profile->samples[i];
			const struct profile_frame *leaf = profile_stack_at(sample->key.stack, 0)->frames;

			/* The first append also allocates one object there. */
			if (strcmp(leaf->function, "main.grow") == 0 &&
			    (!found || sample->values[VALUE_BYTES] > found->values[VALUE_BYTES]))
				found = sample;
		}
		assert_non_null(found);
		assert_int_equal(profile_stack_at(found->key.stack, 0)->frames[0].line, 5);
		assert_non_null(strstr(profile_stack_at(found->key.stack, 0)->frames[0].file, "main.go"));
		/* The runtime attributes a few small objects of its own to that line. */
		if (exact)
			assert_in_range(found->values[VALUE_OBJECTS], 50000, 50009);
		else
			assert_in_range(found->values[VALUE_SAMPLES], 40, 180);
		interval_add(&interval, found->values[VALUE_SAMPLES], found->values[VALUE_OBJECTS]);
		bounds = interval_bounds(&interval, NULL);
		interval_clear(&interval);
		/* 50,000 objects of 1,024 bytes at a rate of 524,288: about 98 events. */
		if (exact)
			assert_true(bounds.objects_low == found->values[VALUE_OBJECTS] &&
				    bounds.objects_high == bounds.objects_low);
		else
			assert_true(bounds.objects_low > found->values[VALUE_OBJECTS] * 0.6 &&
				    bounds.objects_high < found->values[VALUE_OBJECTS] * 1.6);
		profile_free(profile);
	}
	unlink(in_directory("main.go"));
	unlink(in_directory("program"));
	unlink(in_directory("sampled"));
	unlink(in_directory("exact"));
	free(run("chmod -R u+w %s && rm -rf %s/.cache %s/go", directory, directory, directory));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back_whole),
		cmocka_unit_test(a_heap_snapshot_keeps_its_values_and_its_collection),
		cmocka_unit_test(a_profile_written_in_parts_reads_as_one),
		cmocka_unit_test(what_is_packed_in_memory_is_the_file),
		cmocka_unit_test(a_file_has_the_values_that_are_asked_for),
		cmocka_unit_test(an_abandoned_file_leaves_what_was_there),
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
