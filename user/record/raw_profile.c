/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/raw_profile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash_table.h"
#include "base/memory.h"
#include "goalloc_recording.h"
#include "symbols/address_space.h"
#include "runtime/runtime.h"
#include "runtime/site_stack.h"
#include "target/target.h"

struct site {
	uint64_t address;
	struct profile_frame frame;
	UT_hash_handle hh;
};

struct reader {
	struct profile *profile;
	struct profile_process *process; /* NULL before its record */
	/* has its mappings; the process is this one, in whose root directory its files are opened */
	struct target target;
	struct address_space *space; /* created at the first row */
	struct site *sites;
	int64_t counted; /* objects according to the library's own counters */
	bool ended;
};

static void no_totals(struct profile_process *process)
{
	memset(process->totals, 0, sizeof(process->totals));
	memset(process->class_totals, 0, sizeof(process->class_totals));
}

static int read_process(struct reader *reader, const char *text)
{
	int pid, at = 0;

	if (reader->process || sscanf(text, "%d %n", &pid, &at) < 1 || pid <= 0)
		return -1;
	reader->process = profile_process_add(reader->profile, pid);
	reader->process->comm = profile_string(reader->profile, text + at);
	reader->process->runtime = RUNTIME_GOALLOC;
	no_totals(reader->process);
	return 0;
}

static int read_executable(struct reader *reader, const char *text)
{
	reader->process->executable = profile_string(reader->profile, text);
	return 0;
}

static int read_map(struct reader *reader, const char *text)
{
	struct target *target = &reader->target;
	struct target_mapping mapping = {.executable = true};
	struct stat status;
	int at = 0;

	if (sscanf(text, "%" SCNx64 " %" SCNx64 " %" SCNx64 " %n", &mapping.start, &mapping.limit, &mapping.offset,
		   &at) < 3 ||
	    !at)
		return -1;
	/* A missing file has no symbols, but its rows are kept. Only regular files are opened, because opening a pipe
	 * would wait for a writer. */
	mapping.inode = stat(text + at, &status) == 0 && S_ISREG(status.st_mode) ? status.st_ino : 1;
	mapping.path = memory_text(text + at);
	target->mappings = memory_resize(target->mappings, target->mapping_count + 1, sizeof(*target->mappings));
	target->mappings[target->mapping_count++] = mapping;
	return 0;
}

static int read_site(struct reader *reader, const char *text)
{
	struct site *site = memory_zeroed(1, sizeof(*site)), *known;
	const char *tab = strchr(text, '\t');
	char *file;
	int at = 0;

	if (!tab ||
	    sscanf(text, "%" SCNx64 " %" SCNu32 " %" SCNu32 " %n", &site->address, &site->frame.line,
		   &site->frame.column, &at) < 3 ||
	    text + at > tab) {
		free(site);
		return -1;
	}
	file = memory_text_of(text + at, (size_t)(tab - text - at));
	site->frame.file = *file ? profile_string(reader->profile, file) : NULL;
	site->frame.function = tab[1] ? profile_string(reader->profile, tab + 1) : NULL;
	free(file);
	HASH_FIND(hh, reader->sites, &site->address, sizeof(site->address), known);
	if (known)
		free(site);
	else
		HASH_ADD(hh, reader->sites, address, sizeof(site->address), site);
	return 0;
}

static const char *const kind_names[] = GOALLOC_RECORDED_KINDS;
enum { KINDS = sizeof(kind_names) / sizeof(kind_names[0]) };

/* The profile's values for COUNT and BYTES of a row; VALUE_COUNT: BYTES is not used. */
static const struct {
	enum profile_value count, bytes;
} kinds[KINDS] = {
	[GOALLOC_RECORDED_ALLOC] = {VALUE_OBJECTS, VALUE_BYTES},
	[GOALLOC_RECORDED_REFILL] = {VALUE_REFILLS, VALUE_COUNT},
	[GOALLOC_RECORDED_CENTRAL_GROW] = {VALUE_CENTRAL_GROWS, VALUE_COUNT},
	[GOALLOC_RECORDED_HEAP_GROW] = {VALUE_HEAP_GROWS, VALUE_HEAP_GROW_BYTES},
};

static void add_values(struct reader *reader, const struct profile_key *key, const int64_t *values)
{
	for (int i = 0; i < VALUE_COUNT; i++) {
		reader->process->totals[i] = add_saturated(reader->process->totals[i], values[i]);
		if (key->span_class >= 0)
			reader->process->class_totals[key->span_class][i] =
				add_saturated(reader->process->class_totals[key->span_class][i], values[i]);
	}
	profile_add(reader->profile, key, values);
}

static int read_row(struct reader *reader, const char *text)
{
	char kind[16];
	unsigned class, depth, truncated;
	int64_t events, count, bytes, values[VALUE_COUNT] = {0};
	uint64_t address, pcs[SITE_STACK_MAX];
	struct profile_key key = {.pid = reader->process->pid, .comm = reader->process->comm};
	struct site *site;
	int at = 0;
	size_t k = 0;

	if (sscanf(text, "%15s %u %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNx64 " %u %u%n", kind, &class, &events,
		   &count, &bytes, &address, &truncated, &depth, &at) < 8 ||
	    depth > SITE_STACK_MAX || events < 0 || count < 0 || bytes < 0)
		return -1;
	while (k < KINDS && strcmp(kind_names[k], kind) != 0)
		k++;
	if (k == KINDS)
		return -1;
	for (unsigned i = 0; i < depth; i++) {
		int length = 0;

		if (sscanf(text + at, "%" SCNx64 "%n", &pcs[i], &length) < 1)
			return -1;
		at += length;
	}
	if (!reader->space)
		reader->space = address_space_of_past(&reader->target, reader->profile);
	HASH_FIND(hh, reader->sites, &address, sizeof(address), site);
	key.stack = site_stack(reader->space, reader->profile, site ? &site->frame : NULL, pcs, depth, truncated);
	key.span_class = class < SPAN_CLASSES ? (int)class : SPAN_CLASS_UNKNOWN;
	values[kinds[k].count] = count;
	if (kinds[k].bytes != VALUE_COUNT)
		values[kinds[k].bytes] = bytes;
	if (kinds[k].count == VALUE_OBJECTS)
		values[VALUE_SAMPLES] = events;
	add_values(reader, &key, values);
	return 0;
}

static int read_class(struct reader *reader, const char *text)
{
	int64_t objects;

	if (sscanf(text, "%*u %" SCNd64, &objects) < 1 || objects < 0)
		return -1;
	reader->counted = add_saturated(reader->counted, objects);
	return 0;
}

static int read_heap(struct reader *reader, const char *text)
{
	int64_t grows, bytes;

	/* the first growth, which no allocation caused, is before the recording and in no row */
	return sscanf(text, "%" SCNd64 " %" SCNd64, &grows, &bytes) < 2 ||
	       grows < reader->process->totals[VALUE_HEAP_GROWS];
}

static int read_lost(struct reader *reader, const char *text)
{
	return sscanf(text, "%" SCNd64, &reader->process->lost_events) < 1;
}

static int read_end(struct reader *reader, const char *text)
{
	(void)text;
	reader->ended = true;
	return 0;
}

static const struct {
	const char *word;
	int (*read)(struct reader *reader, const char *text);
} records[] = {
	{GOALLOC_RECORD_PROCESS, read_process}, {GOALLOC_RECORD_EXECUTABLE, read_executable},
	{GOALLOC_RECORD_MAP, read_map},		{GOALLOC_RECORD_SITE, read_site},
	{GOALLOC_RECORD_ROW, read_row},		{GOALLOC_RECORD_CLASS, read_class},
	{GOALLOC_RECORD_HEAP, read_heap},	{GOALLOC_RECORD_LOST, read_lost},
	{GOALLOC_RECORD_END, read_end},
};

static int read_record(struct reader *reader, char *line)
{
	size_t length = strcspn(line, " ");
	char *rest = line[length] ? line + length + 1 : line + length;

	line[length] = 0;
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		if (strcmp(records[i].word, line) == 0)
			return reader->process || i == 0 ? records[i].read(reader, rest) : -1;
	}
	return -1;
}

/* Reads the first line: the format's name, and a version that must be known. */
static int read_version(const char *line, const char *path, struct error *error)
{
	int version, at = 0;

	if (sscanf(line, GOALLOC_RECORDING_NAME " %d%n", &version, &at) < 1 || line[at])
		return error_set(error, STATUS_USAGE, "'%s' is not a raw profile of libgoalloc", path);
	if (version != GOALLOC_RECORDING_VERSION)
		return error_set(error, STATUS_USAGE,
				 "'%s' is a raw profile of version %d, and this program reads version %d: use the "
				 "escapement that came with the library",
				 path, version, GOALLOC_RECORDING_VERSION);
	return 0;
}

enum { LINE_SIZE = 64 << 10 }; /* twice the length of two file names and a stack of SITE_STACK_MAX addresses */

static int read_lines(struct reader *reader, FILE *stream, const char *path, struct error *error)
{
	char *line = memory_zeroed(LINE_SIZE, 1), *end;
	int number = 0, result = 0;

	/* an incomplete last line was still being written */
	while (!result && !reader->ended && fgets(line, LINE_SIZE, stream)) {
		end = strchr(line, '\n');
		if (!end && strlen(line) + 1 < LINE_SIZE)
			break;
		number++;
		if (!end) {
			result = error_set(error, STATUS_USAGE, "%s:%d: a line of a raw profile has at most %d bytes",
					   path, number, LINE_SIZE - 2);
			break;
		}
		*end = 0;
		if (number == 1)
			result = read_version(line, path, error);
		else if (read_record(reader, line))
			result = error_set(error, STATUS_USAGE, "%s:%d: not a record of a raw profile", path, number);
	}
	if (!result && ferror(stream))
		result = error_set(error, STATUS_USAGE, "cannot read '%s': %m", path);
	else if (number == 0 &&
		 strncmp(line, GOALLOC_RECORDING_NAME, strnlen(line, strlen(GOALLOC_RECORDING_NAME))) != 0)
		result = error_set(error, STATUS_USAGE, "'%s' is not a raw profile of libgoalloc", path);
	free(line);
	if (result || reader->ended)
		return result;
	error_set(error, STATUS_CANNOT_MEASURE,
		  "'%s' is not complete: the program was killed, called _exit, became another by "
		  "exec, or still runs",
		  path);
	return reader->process ? 1 : -1;
}

static void finish(struct reader *reader)
{
	struct profile_process *process = reader->process;

	if (reader->ended)
		process->check = (struct profile_check){
			true, "goalloc counters", reader->counted, process->totals[VALUE_OBJECTS] - reader->counted, 0,
			0};
	else /* their number is unknown */
		process->lost_events = add_saturated(process->lost_events, 1);
	if (reader->space && process->executable)
		process->build_id =
			profile_string(reader->profile, address_space_build_id(reader->space, process->executable));
	process->executable = profile_path(reader->profile, process->executable);
}

static void release(struct reader *reader)
{
	struct site *site, *next;

	HASH_ITER (hh, reader->sites, site, next) {
		HASH_DEL(reader->sites, site);
		free(site);
	}
	address_space_free(reader->space);
	for (size_t i = 0; i < reader->target.mapping_count; i++)
		free(reader->target.mappings[i].path);
	free(reader->target.mappings);
}

int raw_profile_read(struct profile *profile, int file, const char *name, struct error *error)
{
	struct reader reader = {.profile = profile, .target = {.pid = getpid(), .tid = getpid(), .memory = -1}};
	FILE *stream = fdopen(file, "re");
	int result;

	if (!stream) {
		close(file);
		return error_set(error, STATUS_USAGE, "cannot read '%s': %m", name);
	}
	result = read_lines(&reader, stream, name, error);
	if (result >= 0)
		finish(&reader);
	profile_conclude_rows(profile);
	release(&reader);
	fclose(stream);
	return result;
}
