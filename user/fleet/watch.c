/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/watch.h"

#include <ctype.h>
#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash_table.h"
#include "base/memory.h"
#include "base/text_compare.h"
#include "symbols/elf_file.h"
#include "target/procfs.h"
#include "target/target.h"

enum { FILES_MAX = 4096 };

/* A file as it was when it was looked at. */
struct file_key {
	uint64_t device, inode;
	int64_t changed_s, changed_ns;
};

struct file_note {
	UT_hash_handle hh;
	struct file_key key;
	bool go;
};

struct watch_cache {
	struct file_note *files;
};

struct watch_cache *watch_cache_new(void)
{
	return memory_zeroed(1, sizeof(struct watch_cache));
}

static void forget_files(struct watch_cache *cache)
{
	struct file_note *note, *next;

	HASH_ITER (hh, cache->files, note, next) {
		HASH_DEL(cache->files, note);
		free(note);
	}
}

void watch_cache_free(struct watch_cache *cache)
{
	if (!cache)
		return;
	forget_files(cache);
	free(cache);
}

/* Whether the Go linker made the file: it leaves its build id in a note, and build information in a section. */
static bool is_go_file(const char *path)
{
	enum { GO_BUILD_ID = 4 };
	uint64_t address, value;
	GElf_Shdr header;
	bool found;
	int file;
	Elf *elf;

	if (elf_note_find(path, "Go", GO_BUILD_ID, &address, &value) > 0)
		return true;
	elf = elf_file_open(path, &file);
	if (!elf)
		return false;
	found = elf_section_find(elf, ".go.buildinfo", &header) != NULL;
	elf_end(elf);
	close(file);
	return found;
}

static bool runs_go(struct watch_cache *cache, int pid)
{
	struct file_note *note;
	struct file_key key = {0};
	struct stat file;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	if (stat(path, &file))
		return false;
	key.device = file.st_dev;
	key.inode = file.st_ino;
	key.changed_s = file.st_ctim.tv_sec;
	key.changed_ns = file.st_ctim.tv_nsec;
	HASH_FIND(hh, cache->files, &key, sizeof(key), note);
	if (note)
		return note->go;
	if (HASH_COUNT(cache->files) >= FILES_MAX)
		forget_files(cache);
	note = memory_zeroed(1, sizeof(*note));
	note->key = key;
	note->go = is_go_file(path);
	HASH_ADD(hh, cache->files, key, sizeof(note->key), note);
	return note->go;
}

static bool has_name(int pid, const char *glob)
{
	char name[32], *path;
	bool matches;

	procfs_name(pid, name, sizeof(name));
	if (fnmatch(glob, name, 0) == 0)
		return true;
	path = target_executable(pid);
	matches = path && fnmatch(glob, text_base_name(path), 0) == 0;
	free(path);
	return matches;
}

/* Takes a line of /proc/PID/cgroup, "0::/path" or "4:memory:/path"; stops at one that matches. */
static bool look_at_cgroup(void *context, const char *line)
{
	const char **glob = context;
	const char *path = strchr(line, ':');

	path = path ? strchr(path + 1, ':') : NULL;
	if (!path || fnmatch(*glob, path + 1, 0))
		return true;
	*glob = NULL;
	return false;
}

static bool is_in_cgroup(int pid, const char *glob)
{
	const char *wanted = glob;

	procfs_lines(pid, "cgroup", look_at_cgroup, &wanted);
	return !wanted;
}

static bool holds(const struct agent_watch *watch, struct watch_cache *cache, int pid)
{
	return (!watch->name || has_name(pid, watch->name)) && (!watch->cgroup || is_in_cgroup(pid, watch->cgroup)) &&
	       (!watch->go || runs_go(cache, pid));
}

static const struct agent_watch *watch_of(const struct agent_config *config, struct watch_cache *cache, int pid)
{
	for (size_t i = 0; i < config->watch_count; i++) {
		if (holds(&config->watches[i], cache, pid))
			return &config->watches[i];
	}
	return NULL;
}

int watch_find(const struct agent_config *config, struct watch_cache *cache, struct watched *found, int most,
	       struct error *error)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	int count = 0;

	if (!directory)
		return error_set(error, STATUS_CANNOT_MEASURE, "cannot list processes: %m");
	while ((entry = readdir(directory))) {
		struct watched process = {.pid = atoi(entry->d_name)};

		if (!isdigit((unsigned char)entry->d_name[0]) || process.pid == getpid() ||
		    procfs_status_number(process.pid, "PPid") == getpid())
			continue;
		process.started = procfs_start_time(process.pid);
		process.watch = watch_of(config, cache, process.pid);
		if (!process.watch || !process.started)
			continue;
		if (count < most)
			found[count] = process;
		count++;
	}
	closedir(directory);
	return count;
}
