/* SPDX-License-Identifier: BSD-2-Clause */
/* See recorder.h. */
#include "recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes.h"
#include "runtime.h"
#include "sections.h"
#include "stack_table.h"
#include "sys.h"

enum { FilesOfProcess = 1000 };

/* counts of a row */
enum { Events, Count, Bytes };
#define KEY(kind, spanclass) ((uint64_t)(kind) << 16 | (spanclass))
#define KEY_KIND(key)	     ((key) >> 16)
#define KEY_SPANCLASS(key)   ((key)&0xffff)

bool recorder_active;
struct lock recorder_lock;

static struct {
	struct stack_table table;
	uint64_t lost;
	char path[4096]; /* absolute: children may change their directory */
	int file;	 /* -1 in a child that has recorded nothing yet */
	pid_t pid;
	struct goalloc_stats start;
} recorder LARGE_BSS;

/* ---- writing ---- */

static struct {
	char text[8192];
	size_t length;
	bool failed;
} out LARGE_BSS;

static void flush(void)
{
	for (size_t done = 0; done < out.length && !out.failed;) {
		ssize_t written = write(recorder.file, out.text + done, out.length - done);

		out.failed = written <= 0;
		done += written > 0 ? (size_t)written : 0;
	}
	out.length = 0;
}

static void put(const char *text)
{
	for (; *text; text++) {
		if (out.length == sizeof out.text)
			flush();
		out.text[out.length++] = *text;
	}
}

/* Writes a name from outside, replacing characters that would end the line or the field. */
static void put_name(const char *name)
{
	for (; *name; name++) {
		char one[2] = {*name == '\n' || *name == '\t' ? '?' : *name, 0};

		put(one);
	}
}

static void put_number(uint64_t number, unsigned base, char after)
{
	char digits[24];
	size_t at = sizeof digits;

	digits[--at] = 0;
	digits[--at] = after;
	do {
		digits[--at] = "0123456789abcdef"[number % base];
		number /= base;
	} while (number);
	put(digits + at);
}

/* Writes the map record for a line of /proc/self/maps (START-LIMIT PERMISSIONS OFFSET DEVICE INODE PATH), if the mapping
 * is executable and of a file. */
static void put_map(const char *line)
{
	unsigned long start, limit, offset, inode;
	char permissions[8];
	int path = 0;

	if (sscanf(line, "%lx-%lx %7s %lx %*s %lu %n", &start, &limit, permissions, &offset, &inode, &path) < 5 ||
	    !path || permissions[2] != 'x' || !inode)
		return;
	put(GOALLOC_RECORD_MAP " ");
	put_number(start, 16, ' ');
	put_number(limit, 16, ' ');
	put_number(offset, 16, ' ');
	put_name(line + path);
	put("\n");
}

static void put_maps(void)
{
	static char line[5000] LARGE_BSS;
	int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	char c;

	while (file >= 0 && read(file, &c, 1) == 1) {
		if (c != '\n' && length + 1 < sizeof line) {
			line[length++] = c;
		} else if (c == '\n') {
			line[length] = 0;
			put_map(line);
			length = 0;
		}
	}
	if (file >= 0)
		close(file);
}

static void put_process(void)
{
	static char text[4096] LARGE_BSS;
	int file = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	ssize_t length = file < 0 ? 0 : read(file, text, sizeof text - 1);

	if (file >= 0)
		close(file);
	text[length > 0 ? length - 1 : 0] = 0;
	put(GOALLOC_RECORDING_NAME " ");
	put_number(GOALLOC_RECORDING_VERSION, 10, '\n');
	put(GOALLOC_RECORD_PROCESS " ");
	put_number((uint64_t)recorder.pid, 10, ' ');
	put_name(text);
	length = readlink("/proc/self/exe", text, sizeof text - 1);
	text[length > 0 ? length : 0] = 0;
	put("\n" GOALLOC_RECORD_EXECUTABLE " ");
	put_name(text);
	put("\n");
}

/* Creates the process's file and writes the first records. No cancellation point, because malloc is none. */
static bool open_file(void)
{
	static char name[sizeof recorder.path + 32] LARGE_BSS;
	int cancellation;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellation);
	recorder.file = open(recorder.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	for (int i = 0; recorder.file < 0 && errno == EEXIST && i < FilesOfProcess; i++) {
		snprintf(name, sizeof name, i ? "%s.%d.%d" : "%s.%d", recorder.path, (int)recorder.pid, i);
		recorder.file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	}
	if (recorder.file >= 0) {
		put_process();
		flush();
	}
	pthread_setcancelstate(cancellation, NULL);
	return recorder.file >= 0;
}

/* Called at the child's first event, because most children only exec. If the file cannot be created, the child
 * continues without a recording, because its parent may depend on it. */
static bool open_in_child(void)
{
	static const char message[] =
		"goalloc: cannot create a file beside the one that GOALLOC_PROFILE names, so a forked "
		"process is not recorded\n";
	int saved = errno;
	bool opened = open_file();

	if (!opened)
		sysWrite(message, sizeof message - 1);
	errno = saved;
	return opened;
}

void recorder_note(enum goalloc_recorded_kind kind, unsigned spanclass, uint64_t count, uint64_t bytes, uint64_t stack)
{
	struct goalloc_row *row;

	lock_acquire(&recorder_lock);
	if (recorder_active && recorder.file < 0)
		recorder_active = open_in_child();
	row = recorder_active ? stack_table_row(&recorder.table, KEY(kind, spanclass), stack) : NULL;
	if (row) {
		row->counts[Events]++;
		row->counts[Count] += count;
		row->counts[Bytes] += bytes;
	} else if (recorder_active) {
		recorder.lost++;
	}
	lock_release(&recorder_lock);
}

/* Whether this is the first row with this site. If there is no memory for the set, sites may be written more than
 * once. */
static bool first_sight(uint64_t *seen, uint64_t site)
{
	size_t at = hash_words(1, &site, 1) & (recorder.table.capacity - 1);

	if (!seen)
		return true;
	for (; seen[at]; at = (at + 1) & (recorder.table.capacity - 1))
		if (seen[at] == site)
			return false;
	seen[at] = site;
	return true;
}

static void put_site(uint64_t address)
{
	const struct goalloc_site *site = (const void *)(uintptr_t)address;

	put(GOALLOC_RECORD_SITE " ");
	put_number(address, 16, ' ');
	put_number(site->line, 10, ' ');
	put_number(site->column, 10, ' ');
	put_name(site->file ? site->file : "");
	put("\t");
	put_name(site->function ? site->function : "");
	put("\n");
}

static void put_row(const struct goalloc_row *row)
{
	static const char *const kinds[] = GOALLOC_RECORDED_KINDS;

	put(GOALLOC_RECORD_ROW " ");
	put(kinds[KEY_KIND(row->key)]);
	put(" ");
	put_number(KEY_SPANCLASS(row->key), 10, ' ');
	put_number(row->counts[Events], 10, ' ');
	put_number(row->counts[Count], 10, ' ');
	put_number(row->counts[Bytes], 10, ' ');
	put_number(row->site, 16, ' ');
	put_number(row->truncated, 10, ' ');
	put_number(row->depth, 10, row->depth ? ' ' : '\n');
	for (uint64_t i = 0; i < row->depth; i++)
		put_number(row->pcs[i], 16, i + 1 < row->depth ? ' ' : '\n');
}

static void put_counters(const struct goalloc_stats *end)
{
	for (unsigned i = 0; i < GOALLOC_SPAN_CLASSES; i++) {
		const struct goalloc_class_stats *a = &recorder.start.by_span_class[i], *b = &end->by_span_class[i];

		if (b->objects == a->objects && b->refills == a->refills && b->central_grows == a->central_grows)
			continue;
		put(GOALLOC_RECORD_CLASS " ");
		put_number(i, 10, ' ');
		put_number(b->objects - a->objects, 10, ' ');
		put_number(b->bytes - a->bytes, 10, ' ');
		put_number(b->refills - a->refills, 10, ' ');
		put_number(b->central_grows - a->central_grows, 10, '\n');
	}
	put(GOALLOC_RECORD_HEAP " ");
	put_number(end->heap_grows - recorder.start.heap_grows, 10, ' ');
	put_number(end->heap_grow_bytes - recorder.start.heap_grow_bytes, 10, '\n');
	put(GOALLOC_RECORD_LOST " ");
	put_number(recorder.lost, 10, '\n');
	put(GOALLOC_RECORD_END "\n");
}

/* 101 is the lowest priority number available, so this is one of the last destructors to run. No cancellation point, because exit
 * is none. */
static RARELY_RUN void end_recording(void)
{
	const struct stack_table *table = &recorder.table;
	static struct goalloc_stats end LARGE_BSS;
	int cancellation;
	uint64_t *seen;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellation);
	lock_acquire(&recorder_lock);
	recorder_active = false;
	goalloc_read_stats(&end);
	put_maps();
	seen = table->capacity ? sysAlloc(table->capacity * sizeof *seen) : NULL;
	for (size_t i = 0; i < table->capacity; i++) {
		if (!table->rows[i])
			continue;
		if (table->rows[i]->site && first_sight(seen, table->rows[i]->site))
			put_site(table->rows[i]->site);
		put_row(table->rows[i]);
	}
	put_counters(&end);
	flush();
	close(recorder.file);
	lock_release(&recorder_lock);
	pthread_setcancelstate(cancellation, NULL);
	if (out.failed)
		goalloc_fatal("cannot write to the file that GOALLOC_PROFILE names, file descriptor",
			      (uintptr_t)recorder.file);
}

static __attribute__((destructor(101))) void finish(void)
{
	if (recorder_active && getpid() == recorder.pid && recorder.file >= 0)
		end_recording();
}

void recorder_in_child(void)
{
	if (!recorder_active)
		return;
	/* Not closed: the program may have closed this descriptor and opened another file under its number. */
	recorder.file = -1;
	recorder.pid = getpid();
	stack_table_forget(&recorder.table);
	recorder.lost = 0;
	out.length = 0;
	goalloc_read_stats(&recorder.start);
}

static void name_file(const char *path)
{
	size_t length = 0;

	if (path[0] != '/' && getcwd(recorder.path, sizeof recorder.path - 1)) {
		length = strlen(recorder.path);
		recorder.path[length++] = '/';
	}
	snprintf(recorder.path + length, sizeof recorder.path - length, "%s", path);
}

static __attribute__((constructor(101))) void begin(void)
{
	const char *path = secure_getenv(GOALLOC_RECORDING_ENVIRONMENT);

	if (!path || !*path)
		return;
	recorder.pid = getpid();
	name_file(path);
	if (!open_file()) {
		static const char message[] = "goalloc: cannot create the file that GOALLOC_PROFILE names\n";

		sysWrite(message, sizeof message - 1);
		sysAbort();
	}
	goalloc_read_stats(&recorder.start);
	recorder_active = true;
	semaphore_raise(&stack_semaphore); /* first: no event without its stack */
	semaphore_raise(&mcache_refill_semaphores.raised[PerEvent]);
	semaphore_raise(&mcentral_grow_semaphores.raised[PerEvent]);
	semaphore_raise(&mheap_grow_semaphore);
	semaphore_raise(&sampler_word.every);
}
