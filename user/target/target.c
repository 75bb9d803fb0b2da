/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/target.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "target/procfs.h"

enum { PIECES_MAX = 1024 }; /* IOV_MAX */

static void free_mappings(struct target_mapping *mappings, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(mappings[i].path);
	free(mappings);
}

/* The kernel marks names of files that are gone. */
static void cut_mark(char *path)
{
	static const char mark[] = " (deleted)";
	size_t length = strlen(path);

	if (length > strlen(mark) && strcmp(path + length - strlen(mark), mark) == 0)
		path[length - strlen(mark)] = 0;
}

static bool parse_mapping(const char *line, struct target_mapping *mapping)
{
	unsigned int device_major, device_minor;
	char permissions[5];
	int path = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &mapping->start,
		   &mapping->limit, permissions, &mapping->offset, &device_major, &device_minor, &mapping->inode,
		   &path) < 7)
		return false;
	mapping->device = makedev(device_major, device_minor);
	mapping->writable = permissions[1] == 'w';
	mapping->executable = permissions[2] == 'x';
	mapping->path = strdup(path ? line + path : "");
	if (!mapping->path)
		abort();
	cut_mark(mapping->path);
	return true;
}

int target_refresh(struct target *target, struct error *error)
{
	struct target_mapping *mappings = NULL;
	size_t count = 0, capacity = 0, length = 0;
	char *text = procfs_read(target->tid, "maps", &length), *line, *next;

	if (!text || !length) {
		free(text);
		return error_set(error, STATUS_CANNOT_MEASURE, "cannot read the mappings of process %d: %s",
				 target->pid, text ? "it has ended" : strerror(errno));
	}
	for (line = text; *line; line = next) {
		next = strchrnul(line, '\n');
		if (*next)
			*next++ = 0;
		if (count == capacity) {
			mappings = reallocarray(mappings, capacity = 2 * capacity + 64, sizeof(*mappings));
			if (!mappings)
				abort();
		}
		if (parse_mapping(line, &mappings[count]))
			count++;
	}
	free(text);
	free_mappings(target->mappings, target->mapping_count);
	target->mappings = mappings;
	target->mapping_count = count;
	return 0;
}

static char *read_executable(int tid)
{
	char path[64], link[4096];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%d/exe", tid);
	length = readlink(path, link, sizeof(link) - 1);
	if (length < 0)
		return NULL;
	link[length] = 0;
	cut_mark(link);
	return strdup(link);
}

static void read_names(struct target *target)
{
	size_t length = 0;
	char *text = procfs_read(target->pid, "cmdline", &length);

	procfs_name(target->pid, target->comm, sizeof(target->comm));
	for (size_t i = 0; text && i + 1 < length; i++) {
		if (!text[i])
			text[i] = ' ';
	}
	target->command_line = text;
}

void target_find_thread(struct target *target)
{
	char *executable = read_executable(target->tid);
	size_t count = 0;
	int *threads = executable ? NULL : procfs_threads(target->pid, &count);

	for (size_t i = 0; i < count && !executable; i++) {
		executable = read_executable(threads[i]);
		if (executable)
			target->tid = threads[i];
	}
	free(threads);
	free(executable);
}

struct target *target_open(int pid, struct error *error)
{
	struct target *target = calloc(1, sizeof(*target));
	char path[64];

	if (!target)
		abort();
	target->pid = target->tid = pid;
	target->memory = -1;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	if (access(path, F_OK)) {
		error_set(error, STATUS_CANNOT_MEASURE, "no process with PID %d", pid);
		goto fail;
	}
	target_find_thread(target);
	target->executable = read_executable(target->tid);
	if (!target->executable) {
		if (errno == EACCES || errno == EPERM)
			error_set(error, STATUS_CANNOT_MEASURE,
				  "not permitted to inspect process %d: run as root, or with CAP_SYS_PTRACE, CAP_BPF "
				  "and CAP_PERFMON",
				  pid);
		else
			error_set(error, STATUS_CANNOT_MEASURE,
				  "process %d has no executable: it has ended, or it is "
				  "a kernel thread",
				  pid);
		goto fail;
	}
	read_names(target);
	if (target_refresh(target, error))
		goto fail;
	return target;
fail:
	target_close(target);
	return NULL;
}

void target_close(struct target *target)
{
	if (!target)
		return;
	free_mappings(target->mappings, target->mapping_count);
	free(target->executable);
	free(target->command_line);
	if (target->memory >= 0)
		close(target->memory);
	free(target);
}

void target_watch_image(struct target *target)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", target->tid);
	target->memory = open(path, O_RDONLY | O_CLOEXEC);
}

bool target_lost_image(const struct target *target)
{
	char byte;

	/* nothing is left to read once the last user of the memory is gone; other addresses give an error */
	return target->memory >= 0 && pread(target->memory, &byte, 1, (off_t)target->mappings[0].start) == 0;
}

const struct target_mapping *target_mapping_at(const struct target *target, uint64_t address)
{
	size_t low = 0, high = target->mapping_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (address >= target->mappings[middle].limit)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < target->mapping_count && address >= target->mappings[low].start)
		return &target->mappings[low];
	return NULL;
}

const struct target_mapping *target_image_start(const struct target *target, const struct target_mapping *mapping)
{
	for (size_t i = 0; i < target->mapping_count; i++) {
		const struct target_mapping *candidate = &target->mappings[i];

		if (candidate->inode == mapping->inode && candidate->device == mapping->device && mapping->inode)
			return candidate;
	}
	return mapping;
}

char *target_file_path(const struct target *target, const struct target_mapping *mapping)
{
	struct stat status;
	char *path;

	if (asprintf(&path, "/proc/%d/root%s", target->tid, mapping->path) < 0)
		abort();
	/* overlayfs shows another device in maps than in stat, so the inode alone decides */
	if (stat(path, &status) == 0 && status.st_ino == mapping->inode)
		return path;
	free(path);
	if (asprintf(&path, "/proc/%d/exe", target->tid) < 0)
		abort();
	if (stat(path, &status) == 0 && status.st_ino == mapping->inode)
		return path;
	free(path);
	if (asprintf(&path, "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, target->tid, mapping->start, mapping->limit) < 0)
		abort();
	return path;
}

int target_read_pieces(const struct target *target, const struct target_piece *pieces, size_t count)
{
	struct iovec local[PIECES_MAX], remote[PIECES_MAX];

	while (count) {
		size_t batch = count < PIECES_MAX ? count : PIECES_MAX, expected = 0;
		ssize_t got;

		for (size_t i = 0; i < batch; i++) {
			local[i] = (struct iovec){pieces[i].buffer, pieces[i].size};
			remote[i] = (struct iovec){(void *)(uintptr_t)pieces[i].address, pieces[i].size};
			expected += pieces[i].size;
		}
		got = process_vm_readv(target->tid, local, batch, remote, batch, 0);
		if (got < 0)
			return -1;
		if ((size_t)got != expected) {
			errno = EFAULT;
			return -1;
		}
		pieces += batch;
		count -= batch;
	}
	return 0;
}

int target_read(const struct target *target, uint64_t address, void *buffer, size_t size)
{
	struct target_piece piece = {address, buffer, size};

	return target_read_pieces(target, &piece, 1);
}

int target_write_word(const struct target *target, uint64_t address, uint64_t value)
{
	struct iovec local = {&value, sizeof(value)}, remote = {(void *)(uintptr_t)address, sizeof(value)};

	return process_vm_writev(target->tid, &local, 1, &remote, 1, 0) == sizeof(value) ? 0 : -1;
}

int target_read_string(const struct target *target, uint64_t address, char *buffer, size_t size)
{
	size_t used = 0;

	/* page by page: the string may end just before memory that is not mapped */
	while (used + 1 < size) {
		size_t piece = 4096 - (address + used) % 4096;
		char *end;

		if (piece > size - 1 - used)
			piece = size - 1 - used;
		if (target_read(target, address + used, buffer + used, piece))
			return -1;
		end = memchr(buffer + used, 0, piece);
		if (end)
			return 0;
		used += piece;
	}
	buffer[used] = 0;
	return 0;
}

static bool has_name(int pid, const char *name)
{
	char comm[32], *executable;
	bool found = false;

	procfs_name(pid, comm, sizeof(comm));
	if (strcmp(comm, name) == 0)
		return true;
	executable = read_executable(pid);
	if (executable)
		found = strcmp(basename(executable), name) == 0;
	free(executable);
	return found;
}

int target_find(const char *name, struct error *error)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	char list[512] = "";
	int found = 0, count = 0;

	if (!directory)
		return error_set(error, STATUS_CANNOT_MEASURE, "cannot list processes: %m");
	while ((entry = readdir(directory))) {
		int pid = atoi(entry->d_name);

		if (!isdigit((unsigned char)entry->d_name[0]) || pid == getpid() || !has_name(pid, name))
			continue;
		found = pid;
		count++;
		snprintf(list + strlen(list), sizeof(list) - strlen(list), " %d", pid);
	}
	closedir(directory);
	if (count == 0)
		return error_set(error, STATUS_CANNOT_MEASURE, "no process is named '%s'", name);
	if (count > 1)
		return error_set(error, STATUS_USAGE, "%d processes are named '%s': choose one with -p:%s", count, name,
				 list);
	return found;
}
