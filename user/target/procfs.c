/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/unaligned.h"

static int procfs_open(int tid, const char *name)
{
	char path[64];

	if (tid == PROCFS_MACHINE)
		snprintf(path, sizeof(path), "/proc/%s", name);
	else
		snprintf(path, sizeof(path), "/proc/%d/%s", tid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

bool procfs_is_ours(void)
{
	char link[32];
	ssize_t length = readlink("/proc/self", link, sizeof(link) - 1);

	link[length < 0 ? 0 : length] = 0;
	return atoi(link) == getpid();
}

char *procfs_read(int tid, const char *name, size_t *length)
{
	int file = procfs_open(tid, name);
	char *text = NULL;
	size_t capacity = 0, used = 0;
	ssize_t got;

	if (file < 0)
		return NULL;
	do {
		if (capacity - used < 4096) {
			capacity = 2 * capacity + 8192;
			text = memory_resize(text, capacity, 1);
		}
		got = read(file, text + used, capacity - used - 1);
		if (got > 0)
			used += (size_t)got;
	} while (got > 0 && used < PROCFS_MAX);
	close(file);
	if (got < 0) {
		int saved = errno;

		free(text);
		errno = saved;
		return NULL;
	}
	if (used > PROCFS_MAX)
		used = PROCFS_MAX;
	text[used] = 0;
	if (length)
		*length = used;
	return text;
}

int64_t procfs_lines(int tid, const char *name, bool (*take)(void *context, const char *line), void *context)
{
	int file = procfs_open(tid, name);
	char line[PROCFS_LINE_MAX + 1], block[16 << 10];
	size_t length = 0;
	int64_t count = 0;
	bool more = true;
	ssize_t got = 0;

	if (file < 0)
		return -1;
	while (more && (got = read(file, block, sizeof(block))) > 0) {
		for (ssize_t i = 0; i < got && more; i++) {
			if (block[i] != '\n') {
				line[length] = block[i];
				length += length < PROCFS_LINE_MAX;
				continue;
			}
			line[length] = 0;
			length = 0;
			count++;
			more = take(context, line);
		}
	}
	close(file);
	return got < 0 ? -1 : count;
}

/* Returns a field of the status file as text, which the caller frees; NULL if there is none. */
static char *read_status(int tid, const char *field)
{
	char *text = procfs_read(tid, "status", NULL), *line, *state = NULL, *value = NULL;
	size_t length = strlen(field);

	for (line = text ? strtok_r(text, "\n", &state) : NULL; line && !value; line = strtok_r(NULL, "\n", &state)) {
		if (strncmp(line, field, length) == 0 && line[length] == ':')
			value = memory_text(line + length + 1);
	}
	free(text);
	return value;
}

int procfs_status_number(int tid, const char *field)
{
	char *text = read_status(tid, field), *last = text ? strrchr(text, '\t') : NULL;
	int value = text ? atoi(last ? last : text) : 0;

	free(text);
	return value;
}

bool procfs_users(int pid, uid_t *real, uid_t *effective)
{
	char *text = read_status(pid, "Uid");
	bool found = text && sscanf(text, "%u %u", real, effective) == 2;

	free(text);
	return found;
}

bool procfs_signal_waits(int tid, int number)
{
	char *text = read_status(tid, "SigPnd");
	uint64_t waiting = text ? strtoull(text, NULL, 16) : 0;

	free(text);
	return waiting >> (number - 1) & 1;
}

char procfs_state(int tid)
{
	char *text = procfs_read(tid, "stat", NULL);
	const char *name_end = text ? strrchr(text, ')') : NULL;
	char state = name_end && name_end[1] ? name_end[2] : 0;

	free(text);
	return state;
}

bool procfs_waits_in_vfork(int tid)
{
	char *text = procfs_state(tid) == 'D' ? procfs_read(tid, "syscall", NULL) : NULL; /* "NUMBER ARGUMENT … " */
	unsigned long flags = 0;
	long number = -1;

	if (text)
		sscanf(text, "%ld %lx", &number, &flags);
	free(text);
#ifdef SYS_vfork
	if (number == SYS_vfork)
		return true;
#endif
	/* the flags of clone3() are in the thread's memory, but nothing else keeps it there for long */
	return number == SYS_clone3 || (number == SYS_clone && (flags & CLONE_VFORK));
}

uint64_t procfs_start_time(int pid)
{
	enum { AFTER_NAME = 20 }; /* it is the 22nd field, and the second is the name, which may contain anything */
	char *text = procfs_read(pid, "stat", NULL);
	const char *field = text ? strrchr(text, ')') : NULL;
	uint64_t started = 0;

	for (int i = 0; field && i < AFTER_NAME; i++)
		field = strchr(field + 1, ' ');
	if (field)
		started = strtoull(field + 1, NULL, 10);
	free(text);
	return started;
}

int64_t procfs_start_ns(int pid)
{
	uint64_t ticks = procfs_start_time(pid), second = (uint64_t)sysconf(_SC_CLK_TCK);

	if (!ticks || !second || ticks > INT64_MAX / 1000000000)
		return 0;
	/* of the clock that goes on while the machine sleeps */
	return wall_ns() - clock_ns(CLOCK_BOOTTIME) + (int64_t)(ticks * (1000000000 / second));
}

void procfs_name(int pid, char *name, size_t size)
{
	char *text = procfs_read(pid, "comm", NULL);

	snprintf(name, size, "%.*s", text ? (int)strcspn(text, "\n") : 0, text ? text : "");
	free(text);
}

int *procfs_threads(int pid, size_t *count)
{
	char path[64];
	int *threads = NULL;
	struct dirent *entry;
	size_t capacity = 0;
	DIR *directory;

	*count = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	directory = opendir(path);
	while (directory && (entry = readdir(directory))) {
		int tid = atoi(entry->d_name);

		if (!tid)
			continue;
		if (*count == capacity) {
			threads = memory_resize(threads, capacity = 2 * capacity + 16, sizeof(*threads));
		}
		threads[(*count)++] = tid;
	}
	if (directory)
		closedir(directory);
	return threads;
}

int *procfs_children(int pid, size_t *count)
{
	int *children = NULL, *threads;
	size_t capacity = 0, thread_count;

	*count = 0;
	threads = procfs_threads(pid, &thread_count);
	for (size_t i = 0; i < thread_count; i++) {
		char name[64], *text, *state = NULL;

		snprintf(name, sizeof(name), "task/%d/children", threads[i]);
		text = procfs_read(pid, name, NULL); /* "PID PID … " */
		for (char *word = text ? strtok_r(text, " ", &state) : NULL; word; word = strtok_r(NULL, " ", &state)) {
			if (atoi(word) <= 0)
				continue;
			if (*count == capacity)
				children = memory_resize(children, capacity = 2 * capacity + 16, sizeof(*children));
			children[(*count)++] = atoi(word);
		}
		free(text);
	}
	free(threads);
	return children;
}

static int procfs_stat(int pid, const char *name, struct stat *status)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return stat(path, status);
}

bool procfs_same_executable(int pid, int other)
{
	struct stat one, two;

	return procfs_stat(pid, "exe", &one) == 0 && procfs_stat(other, "exe", &two) == 0 && one.st_dev == two.st_dev &&
	       one.st_ino == two.st_ino;
}

int procfs_pid_namespace(int pid, uint64_t *device, uint64_t *inode, uint32_t *number)
{
	struct stat status;

	if (procfs_stat(pid, "ns/pid", &status))
		return -1;
	*device = status.st_dev;
	*inode = status.st_ino;
	*number = (uint32_t)procfs_status_number(pid, "NSpid");
	if (!*number)
		*number = (uint32_t)pid;
	return 0;
}

uint64_t procfs_auxiliary(int tid, uint64_t type)
{
	size_t length = 0;
	char *vector = procfs_read(tid, "auxv", &length);
	uint64_t value = 0;

	for (size_t at = 0; vector && at + 16 <= length; at += 16) {
		if (load_u64(vector + at) == type) {
			value = load_u64(vector + at + 8);
			break;
		}
	}
	free(vector);
	return value;
}
