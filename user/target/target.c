/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/target.h"

#include <ctype.h>
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/append.h"
#include "base/memory.h"
#include "base/regular_file.h"
#include "base/search.h"
#include "base/secret.h"
#include "target/filtered_call.h"
#include "target/obstacle.h"
#include "target/procfs.h"

enum {
	MAPPINGS_MAX = 1 << 20,
	SINGLE_MAX =
		16 << 10, /* the largest piece that is copied through the descriptor as fast as by process_vm_readv() */
	MAPPINGS_BYTES = 32 << 20, /* limit for all their paths; consecutive mappings with the same path share it */
};

static bool shares_path(const struct target_mapping *mappings, size_t index)
{
	return index && mappings[index].path == mappings[index - 1].path;
}

static void free_mappings(struct target_mapping *mappings, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!shares_path(mappings, i))
			free(mappings[i].path);
	}
	free(mappings);
}

/* Returns the length of the path without the suffix that the kernel adds to names of deleted files. */
static size_t unmarked_length(const char *path)
{
	static const char mark[] = " (deleted)";
	size_t length = strlen(path);

	return length > strlen(mark) && strcmp(path + length - strlen(mark), mark) == 0 ? length - strlen(mark)
											: length;
}

bool target_parse_mapping(const char *line, struct target_mapping *mapping, const char **path)
{
	unsigned int device_major, device_minor;
	char permissions[5];
	int at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &mapping->start,
		   &mapping->limit, permissions, &mapping->offset, &device_major, &device_minor, &mapping->inode,
		   &at) < 7)
		return false;
	mapping->device = makedev(device_major, device_minor);
	mapping->readable = permissions[0] == 'r';
	mapping->writable = permissions[1] == 'w';
	mapping->executable = permissions[2] == 'x';
	mapping->shared = permissions[3] == 's';
	*path = at ? line + at : "";
	return true;
}

/* A list of mappings while they are read. */
struct mapping_list {
	struct target_mapping *items;
	size_t count, capacity;
	size_t path_bytes;
	bool too_many;
};

static bool take_mapping(void *context, const char *line)
{
	struct mapping_list *list = context;
	struct target_mapping mapping;
	size_t length;
	const char *path;

	if (!target_parse_mapping(line, &mapping, &path))
		return true;
	length = unmarked_length(path);
	if (list->count && strlen(list->items[list->count - 1].path) == length &&
	    memcmp(list->items[list->count - 1].path, path, length) == 0) {
		mapping.path = list->items[list->count - 1].path;
	} else {
		list->path_bytes += length + 1;
		mapping.path = memory_text_of(path, length);
	}
	list->too_many = list->count == MAPPINGS_MAX || list->path_bytes > MAPPINGS_BYTES;
	if (list->count == list->capacity) {
		list->capacity = 2 * list->capacity + 64;
		list->items = memory_resize(list->items, list->capacity, sizeof(*list->items));
	}
	list->items[list->count++] = mapping;
	return !list->too_many;
}

int target_refresh(struct target *target, struct error *error)
{
	struct mapping_list list = {0};
	int64_t lines;

	if (target->core)
		return 0;
	lines = procfs_lines(target->tid, "maps", take_mapping, &list);
	if (lines >= 0 && list.count && !list.too_many) {
		free_mappings(target->mappings, target->mapping_count);
		target->mappings = list.items;
		target->mapping_count = list.count;
		return 0;
	}
	if (list.too_many)
		error_set(error, STATUS_CANNOT_MEASURE,
			  "process %d has too many mappings: %zu, with %zu MiB of file names", target->pid, list.count,
			  list.path_bytes >> 20);
	else
		error_set(error, STATUS_CANNOT_MEASURE, "cannot read the mappings of process %d: %s", target->pid,
			  lines < 0 ? strerror(errno) : "it has ended");
	free_mappings(list.items, list.count);
	return -1;
}

char *target_executable(int tid)
{
	char path[64], link[4096];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%d/exe", tid);
	length = readlink(path, link, sizeof(link) - 1);
	if (length < 0)
		return NULL;
	link[length] = 0;
	return memory_text_of(link, unmarked_length(link));
}

static void read_names(struct target *target)
{
	size_t length = 0;
	char *text = procfs_read(target->pid, "cmdline", &length);

	procfs_name(target->pid, target->comm, sizeof(target->comm));
	while (length && text && !text[length - 1]) /* NULs after the last argument, or of an overwritten name */
		length--;
	target->command_line = text;
	target->command_length = text ? length : 0;
}

const char **target_command(const struct target *target)
{
	const char **words = memory_zeroed(target->command_length + 1, sizeof(*words));
	size_t count = 0;

	for (size_t at = 0; at < target->command_length; at += strlen(target->command_line + at) + 1)
		words[count++] = target->command_line + at;
	return words;
}

void target_find_thread(struct target *target)
{
	char *executable = target_executable(target->tid);
	size_t count = 0;
	int *threads = executable ? NULL : procfs_threads(target->pid, &count);

	for (size_t i = 0; i < count && !executable; i++) {
		executable = target_executable(threads[i]);
		if (executable)
			target->tid = threads[i];
	}
	free(threads);
	free(executable);
}

/*
 * Opens the memory that the process has now. Read and written through this descriptor, it is that memory for ever: not that of a
 * program that the process becomes by exec, nor of another process that has its number later. -1 if that is not permitted:
 * then only process_vm_readv() reads it, which needs no right to the file.
 */
static int open_memory(int tid, bool changeable)
{
	char path[64];
	int file = -1;

	snprintf(path, sizeof(path), "/proc/%d/mem", tid);
	if (changeable)
		file = open(path, O_RDWR | O_CLOEXEC);
	return file < 0 ? open(path, O_RDONLY | O_CLOEXEC) : file;
}

enum { VECTOR_MAX = 1024, EXECS_MAX = 100, EXEC_PAUSE_US = 10 * 1000 };

/* What the kernel told the program at its exec (/proc/PID/auxv): random addresses differ with each. Returns its bytes. */
static size_t read_vector(int tid, char vector[VECTOR_MAX])
{
	char path[64];
	int file;
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%d/auxv", tid);
	file = open(path, O_RDONLY | O_CLOEXEC);
	length = file < 0 ? -1 : read(file, vector, VECTOR_MAX);
	if (file >= 0)
		close(file);
	return length > 0 ? (size_t)length : 0;
}

/* Copies the pieces one after another through the descriptor, and returns what process_vm_readv() would. */
static ssize_t copy_singly(const struct target *target, const struct target_piece *pieces, size_t count)
{
	ssize_t copied = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		ssize_t got = pread(target->memory, pieces[i].buffer, pieces[i].size, (off_t)pieces[i].address);

		if (got == 0 && pieces[i].size) {
			errno = ESRCH;
			return -1;
		}
		copied += got > 0 ? got : 0;
		if (got < (ssize_t)pieces[i].size)
			break;
	}
	if (copied || i == count) /* all, which may be nothing: a list that is empty yet */
		return copied;
	errno = EFAULT; /* the file says EIO, or EINVAL of the kernel's addresses */
	return -1;
}

/* All in one call, so that they are from nearly the same instant, and with less than half of the work for each. */
static ssize_t copy_together(const struct target *target, const struct target_piece *pieces, size_t count)
{
	struct iovec local[MEMORY_BATCH], remote[MEMORY_BATCH];

	for (size_t i = 0; i < count; i++) {
		local[i] = (struct iovec){pieces[i].buffer, pieces[i].size};
		remote[i] = (struct iovec){(void *)(uintptr_t)pieces[i].address, pieces[i].size};
	}
	if (filtered_call_kills(FILTERED_PROCESS_VM_READV))
		return -1;
	return process_vm_readv(target->tid, local, count, remote, count, 0);
}

static bool is_refusal(int code)
{
	return code == EPERM || code == EACCES || code == ENOSYS;
}

/* memory_reader.copy of a live process. */
static ssize_t copy_live(void *context, const struct target_piece *pieces, size_t count)
{
	struct target *target = context;
	ssize_t copied;

	if (target->memory >= 0 && ((count == 1 && pieces->size <= SINGLE_MAX) || target->singly))
		return copy_singly(target, pieces, count);
	copied = copy_together(target, pieces, count);
	if (copied < 0 && is_refusal(errno)) {
		if (target->memory < 0) {
			target->denied = errno;
			return -1;
		}
		target->singly = true; /* a seccomp filter, say: the file was open before it was asked */
		return copy_singly(target, pieces, count);
	}
	if (copied > 0 && target_lost_image(target)) { /* they may be of what has the number now */
		errno = ESRCH;
		return -1;
	}
	return copied;
}

/* Returns the process that the number is a later thread of; 0: it is a process's own. */
static int process_of_thread(int pid)
{
	int file = filtered_pidfd_open(pid), process;

	if (file >= 0)
		close(file);
	if (file >= 0 || (errno != EINVAL && errno != ENOENT)) /* which of the two depends on the kernel */
		return 0;
	process = procfs_status_number(pid, "Tgid");
	return process == pid ? 0 : process;
}

static struct target *open_image(int pid, bool changeable, struct error *error)
{
	struct target *target = memory_zeroed(1, sizeof(*target));
	char path[64];
	int process;

	target->reader = memory_zeroed(1, sizeof(*target->reader));
	target->pid = target->tid = pid;
	target->memory = -1;
	target->reader->copy = copy_live;
	target->reader->context = target;
	target_allow(target);
	if (obstacle_check_proc(error))
		goto fail;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	if (access(path, F_OK)) {
		if (kill(pid, 0) == 0 || errno == EPERM) /* mounted with hidepid */
			obstacle_refused(error, CALL_INSPECT, EPERM, "inspect process %d, which /proc hides", pid);
		else
			error_set(error, STATUS_CANNOT_MEASURE, "no process with PID %d", pid);
		goto fail;
	}
	process = process_of_thread(pid);
	if (process) {
		error_set(error, STATUS_CANNOT_MEASURE, "%d is a thread of process %d: give that number", pid, process);
		goto fail;
	}
	target_find_thread(target);
	/* first, so that all that is found out from now on is of this memory, or of none */
	target->memory = open_memory(target->tid, changeable);
	target->executable = target_executable(target->tid);
	if (!target->executable) {
		if (errno == EACCES || errno == EPERM)
			obstacle_refused(error, CALL_INSPECT, errno, "inspect process %d", pid);
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

/* Whether the kernel is in the middle of an exec: the process has a new memory without all its mappings, and of the vector only the
 * end. */
static bool is_in_exec(size_t vector_length)
{
	return vector_length == 2 * sizeof(long);
}

/* Whether the process has become another program since it had that vector, or is about to. */
static bool has_executed(int tid, const char *vector, size_t length)
{
	char now[VECTOR_MAX];

	return is_in_exec(length) || read_vector(tid, now) != length || memcmp(now, vector, length) != 0;
}

/* A child of vfork() has its parent's memory until it execs, and that memory stays when it does: what was opened before would be of
 * another program than what was found after. */
static struct target *open_process(int pid, bool changeable, struct error *error)
{
	char before[VECTOR_MAX];
	struct target *target;

	for (int execs = 0;; execs++) {
		size_t length = read_vector(pid, before);
		bool executed;

		target = open_image(pid, changeable, error);
		executed = has_executed(target ? target->tid : pid, before, length);
		if (execs == EXECS_MAX || !executed) {
			if (target) {
				target->vector = memcpy(memory_zeroed(length + 1, 1), before, length);
				target->vector_length = length;
			}
			return target;
		}
		if (is_in_exec(length))
			usleep(EXEC_PAUSE_US);
		target_close(target);
	}
}

struct target *target_open(int pid, struct error *error)
{
	return open_process(pid, false, error);
}

struct target *target_open_changeable(int pid, struct error *error)
{
	return open_process(pid, true, error);
}

void target_close(struct target *target)
{
	if (!target)
		return;
	free_mappings(target->mappings, target->mapping_count);
	free(target->executable);
	free(target->command_line);
	if (target->core)
		target->core_free(target->core);
	free(target->reader);
	free(target->vector);
	if (target->memory >= 0)
		close(target->memory);
	free(target);
}

int target_watch(int pid, struct error *error)
{
	int file = filtered_pidfd_open(pid);

	if (file < 0 && errno == ESRCH)
		error_set(error, STATUS_CANNOT_MEASURE, "cannot watch process %d: it has ended", pid);
	else if (file < 0)
		obstacle_refused(error, CALL_WATCH, errno, "watch process %d", pid);
	return file;
}

/* Reading is the end of the file once the last user of this memory is gone; until then it is at most an error, as there is
 * seldom memory at 0. */
bool target_lost_memory(const struct target *target)
{
	char byte;

	return target->memory >= 0 && pread(target->memory, &byte, 1, 0) == 0;
}

bool target_lost_image(const struct target *target)
{
	char now[VECTOR_MAX];
	size_t length;

	if (target_lost_memory(target))
		return true;
	/* The memory of a child of vfork() is its parent's, and outlives its exec. */
	length = target->vector_length ? read_vector(target->tid, now) : 0;
	return length && (length != target->vector_length || memcmp(now, target->vector, length) != 0);
}

bool target_has_image(struct target *target)
{
	char *executable, state;
	int refusal;

	target_find_thread(target);
	executable = target_executable(target->tid);
	refusal = executable ? 0 : errno;
	free(executable);
	if (refusal != EACCES && refusal != EPERM)
		return !refusal;
	/* A program that its user may not read (mode 0711, set-uid). What remains of one that has ended is refused, too. */
	state = procfs_state(target->tid);
	return state && !strchr("ZX", state);
}

bool target_has_ended(int pidfd)
{
	struct pollfd end = {.fd = pidfd, .events = POLLIN};

	return poll(&end, 1, 0) != 0;
}

bool target_is_replaced(struct target *target, int pidfd)
{
	/* in this order, because the end of the process is reported last */
	return target_lost_image(target) && target_has_image(target) && !target_has_ended(pidfd);
}

const char *target_fate(const struct target *target)
{
	struct target now = {.pid = target->pid, .tid = target->pid};

	return target_has_image(&now) ? "it executes another program" : "it has ended";
}

bool target_is_still(const struct target *target)
{
	size_t count = 0;
	int *threads = procfs_threads(target->pid, &count);
	bool still = count > 0;

	for (size_t i = 0; i < count && still; i++) {
		char state = procfs_state(threads[i]);

		still = state && strchr("TtZX", state);
	}
	free(threads);
	return still;
}

static bool ends_before(const void *mappings, size_t index, const void *address)
{
	return ((const struct target_mapping *)mappings)[index].limit <= *(const uint64_t *)address;
}

const struct target_mapping *target_mapping_at(const struct target *target, uint64_t address)
{
	size_t low = search_place(0, target->mapping_count, ends_before, target->mappings, &address);

	if (low < target->mapping_count && address >= target->mappings[low].start)
		return &target->mappings[low];
	return NULL;
}

bool target_is_executable_mapping(const struct target *target, const struct target_mapping *mapping)
{
	return mapping->inode && mapping->executable && strcmp(mapping->path, target->executable) == 0;
}

const struct target_mapping *target_executable_mapping(const struct target *target)
{
	for (size_t i = 0; i < target->mapping_count; i++) {
		const struct target_mapping *mapping = &target->mappings[i];

		if (target_is_executable_mapping(target, mapping))
			return mapping;
	}
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

/* Opens /proc/PID/`name` if that is the mapped file. The inode alone decides: with overlayfs and btrfs, the device in maps differs
 * from that of stat. */
static int open_if_mapped(const struct target *target, const char *name, const struct target_mapping *mapping,
			  struct error *error)
{
	char *path = memory_format("/proc/%d/%s", target->tid, name);
	struct stat status;
	int file = regular_file_open(path, &status, error);

	free(path);
	if (file >= 0 && status.st_ino != mapping->inode) {
		error_set(error, STATUS_USAGE, "'%s' has been replaced since process %d mapped it", mapping->path,
			  target->pid);
		close(file);
		file = -1;
	}
	return file;
}

/* A mapping, and whether it still is one. */
struct standing {
	const struct target_mapping *mapping;
	bool found;
};

static bool take_same(void *context, const char *line)
{
	struct standing *standing = context;
	const struct target_mapping *known = standing->mapping;
	struct target_mapping mapping;
	const char *path;

	if (!target_parse_mapping(line, &mapping, &path) || mapping.start != known->start)
		return true;
	standing->found = mapping.limit == known->limit && mapping.offset == known->offset &&
			  mapping.inode == known->inode && mapping.device == known->device;
	return false;
}

/* Opens what is mapped there, whatever its name is by now, which takes CAP_CHECKPOINT_RESTORE. Another file may be mapped there
 * since the mappings were read. The inode tells, but with overlayfs, that of maps may differ from that of stat. */
static int open_by_range(const struct target *target, const struct target_mapping *mapping)
{
	char *path =
		memory_format("/proc/%d/map_files/%" PRIx64 "-%" PRIx64, target->tid, mapping->start, mapping->limit);
	struct standing standing = {.mapping = mapping};
	struct stat status;
	int file = regular_file_open(path, &status, NULL);

	free(path);
	if (file < 0 || status.st_ino == mapping->inode)
		return file;
	procfs_lines(target->tid, "maps", take_same, &standing);
	if (standing.found)
		return file;
	close(file);
	return -1;
}

int target_file_open(const struct target *target, const struct target_mapping *mapping, struct error *error)
{
	char *path;
	int file;

	if (target->core)
		return target->core_file_open(target->core, mapping, error);
	file = open_by_range(target, mapping);
	if (file < 0) {
		path = memory_format("root%s", mapping->path);
		file = open_if_mapped(target, path, mapping, error);
		free(path);
	}
	return file < 0 ? open_if_mapped(target, "exe", mapping, NULL) : file;
}

static bool is_32_bit(const struct target *target)
{
	unsigned char identity[EI_CLASS + 1] = "";

	for (size_t i = 0; i < target->mapping_count; i++) {
		const struct target_mapping *mapping = &target->mappings[i];
		int file = mapping->inode && strcmp(mapping->path, target->executable) == 0
				   ? target_file_open(target, mapping, NULL)
				   : -1;
		bool found;

		if (file < 0)
			continue;
		found = pread(file, identity, sizeof(identity), 0) == sizeof(identity);
		close(file);
		return found && memcmp(identity, ELFMAG, SELFMAG) == 0 && identity[EI_CLASS] == ELFCLASS32;
	}
	return false;
}

int target_check_64_bit(const struct target *target, struct error *error)
{
	return is_32_bit(target)
		       ? obstacle_set(error, OBSTACLE_32_BIT, NULL, "process %d (%s)", target->pid, target->comm)
		       : 0;
}

int target_read_pieces(const struct target *target, const struct target_piece *pieces, size_t count)
{
	return memory_read_pieces(target->reader, pieces, count);
}

int target_read(const struct target *target, uint64_t address, void *buffer, size_t size)
{
	return memory_read(target->reader, address, buffer, size);
}

int target_read_string(const struct target *target, uint64_t address, char *buffer, size_t size)
{
	return memory_read_string(target->reader, address, buffer, size);
}

void target_allow(const struct target *target)
{
	memory_allow(target->reader);
}

void target_unreadable(const struct target *target, char *why, size_t size)
{
	if (target->reader->spent)
		snprintf(why, size,
			 "it takes too long, more than %d s or %d s of CPU time; try again when the machine is less "
			 "busy",
			 MEMORY_ELAPSED_SECONDS, MEMORY_CPU_SECONDS);
	else if (target->core)
		snprintf(why, size, "the core file does not have all of it");
	else if (target->denied)
		obstacle_why_unreadable(target->denied, why, size);
	else if (target->reader->failure == EFAULT)
		snprintf(why, size, "a pointer in it leads to %#" PRIx64 ", where it has no memory",
			 target->reader->failed_at);
	else
		snprintf(why, size, "%s", target_fate(target));
}

int target_write_word(const struct target *target, uint64_t address, uint64_t value)
{
	const struct target_mapping *mapping = target_mapping_at(target, address);

	/* pwrite() would write to code and constants, too, as debuggers do. */
	if (!mapping || !mapping->writable || mapping->shared || mapping->limit - address < sizeof(value)) {
		errno = EFAULT;
		return -1;
	}
	return pwrite(target->memory, &value, sizeof(value), (off_t)address) == sizeof(value) ? 0 : -1;
}

static bool has_name(int pid, const char *name)
{
	char comm[32], *executable;
	bool found = false;

	procfs_name(pid, comm, sizeof(comm));
	if (strcmp(comm, name) == 0)
		return true;
	executable = target_executable(pid);
	if (executable)
		found = strcmp(basename(executable), name) == 0;
	free(executable);
	return found;
}

/* Adds " PID (COMMAND LINE)" to a list of processes that only their command lines tell apart. */
static void list_process(char *list, size_t size, int pid)
{
	enum { COMMAND_MAX = 60 };
	struct target named = {.pid = pid, .tid = pid};
	const char **words;
	char *command;
	size_t length;

	read_names(&named);
	words = target_command(&named);
	command = secret_command_line(words);
	length = strlen(command);
	if (length > COMMAND_MAX) {
		length = COMMAND_MAX - strlen("...");
		while (length && ((unsigned char)command[length] & 0xc0) == 0x80) /* inside of a character */
			length--;
	}
	text_append(list, size, "%s %d (%.*s%s)", *list ? "," : "", pid, (int)length, command,
		    command[length] ? "..." : "");
	free(command);
	free(words);
	free(named.command_line);
}

int target_find(const char *name, struct error *error)
{
	enum { LISTED = 8 };
	struct dirent *entry;
	char list[LISTED * 90] = "";
	int found = 0, count = 0;
	DIR *directory;

	if (obstacle_check_proc(error))
		return -1;
	directory = opendir("/proc");
	if (!directory)
		return error_set(error, STATUS_CANNOT_MEASURE, "cannot list processes: %m");
	while ((entry = readdir(directory))) {
		int pid = atoi(entry->d_name);

		if (!isdigit((unsigned char)entry->d_name[0]) || pid == getpid() || !has_name(pid, name))
			continue;
		found = pid;
		if (count++ < LISTED)
			list_process(list, sizeof(list), pid);
	}
	closedir(directory);
	if (count == 0)
		return error_set(error, STATUS_CANNOT_MEASURE, "there is no process named '%s'", name);
	if (count > 1)
		return error_set(error, STATUS_USAGE, "%d processes are named '%s': choose one with -p:%s%s", count,
				 name, list, count > LISTED ? ", ..." : "");
	return found;
}
