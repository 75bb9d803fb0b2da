/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/watch.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/regular_file.h"
#include "base/text_compare.h"
#include "symbols/elf_file.h"
#include "target/obstacle.h"
#include "target/procfs.h"
#include "target/target.h"

enum { EXECUTABLE_S = 10 }; /* so long one may take to be looked at */

/* A file as it was when it was looked at. */
struct file_key {
	uint64_t device, inode;
	int64_t changed_s, changed_ns;
};

/* A table with one place for each file, which the next one that has the same place takes. */
enum { PLACES = 4096 };
struct watch_cache {
	struct file_note {
		struct file_key key;
		bool go;
	} places[PLACES];
};

struct watch_cache *watch_cache_new(void)
{
	void *cache = mmap(NULL, sizeof(struct watch_cache), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (cache == MAP_FAILED)
		memory_out();
	return cache;
}

void watch_cache_free(struct watch_cache *cache)
{
	munmap(cache, sizeof(*cache));
}

static struct file_note *place_of(struct watch_cache *cache, const struct file_key *key)
{
	uint64_t mixed = (key->device ^ key->inode ^ (uint64_t)key->changed_ns) * UINT64_C(0x9e3779b97f4a7c15);

	return &cache->places[mixed >> 52 & (PLACES - 1)];
}

/* 1 if the Go linker made the file: it leaves its build id in a note, and build information in a section. -1: not known, for want
 * of descriptors or memory, or because it may not be copied. */
static int is_go_file(const char *path)
{
	enum { GO_BUILD_ID = 4 };
	uint64_t address, value;
	GElf_Shdr header;
	struct error why;
	int file, found = elf_note_find(path, "Go", GO_BUILD_ID, &address, &value, &why);
	Elf *elf;

	if (found)
		return found;
	elf = elf_file_open(path, ELF_NOTES, &file, &why);
	if (!elf)
		return why.status == STATUS_USAGE ? 0 : -1;
	found = elf_section_find(elf, ".go.buildinfo", &header) != NULL;
	elf_end(elf);
	close(file);
	return found;
}

/* The same of the executable of a process, about which the cache may know. What is not known is asked again at the next search. The
 * name is looked up once: the process may execute another program at any time. */
static bool is_go_process(struct watch_cache *cache, int pid)
{
	char path[64], itself[REGULAR_FILE_NAME];
	struct file_note *note;
	struct file_key key;
	struct stat status;
	int file, go = 0;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	file = open(path, O_PATH | O_CLOEXEC);
	if (file < 0)
		return false;
	if (fstat(file, &status)) {
		close(file);
		return false;
	}
	key = (struct file_key){status.st_dev, status.st_ino, status.st_ctim.tv_sec, status.st_ctim.tv_nsec};
	note = place_of(cache, &key);
	if (memcmp(&note->key, &key, sizeof(key)) == 0) {
		go = note->go;
	} else {
		go = is_go_file(regular_file_name(file, itself));
		if (go >= 0)
			*note = (struct file_note){key, go > 0};
	}
	close(file);
	return go > 0;
}

static bool runs_go(struct watch_cache *cache, const struct watched *process, struct watch_found *found)
{
	bool go;

	found->looks_at = *process;
	found->looks_since_ns = monotonic_ns();
	go = is_go_process(cache, process->pid);
	found->looks_since_ns = 0;
	found->looks_at.pid = 0;
	return go;
}

bool watch_is_held(const struct watch_found *found, int64_t now_ns)
{
	int64_t since_ns = found->looks_since_ns;

	return since_ns && now_ns - since_ns >= EXECUTABLE_S * 1000000000LL;
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

/* Who starts a program that is another user's by its set-user-ID bit has chosen its name. */
static bool is_of_user(int pid, uid_t user)
{
	uid_t real, effective;

	return procfs_users(pid, &real, &effective) && real == user && effective == user;
}

/* A search. */
struct search {
	const struct agent_config *config;
	struct watch_cache *cache;
	const struct setbacks *setbacks;
	struct watch_found *found;
	struct candidate {
		struct watched process;
		size_t turn; /* how many of its user come before it */
	} * candidates;
	size_t count, capacity;
};

/* Whether the conditions hold about which the kernel is asked. */
static bool may_hold(const struct agent_watch *watch, int pid)
{
	return (!watch->user || is_of_user(pid, watch->uid)) && (!watch->name || has_name(pid, watch->name)) &&
	       (!watch->cgroup || is_in_cgroup(pid, watch->cgroup));
}

static void look_at(struct search *search, int pid)
{
	struct watched process = {.pid = pid, .started = procfs_start_time(pid)};
	enum setback setback = setbacks_find(search->setbacks, setback_of_process(pid, process.started));
	uid_t effective;

	if (!process.started || !procfs_users(pid, &process.user, &effective))
		return;
	for (; process.watch < search->config->watch_count; process.watch++) {
		const struct agent_watch *watch = &search->config->watches[process.watch];

		if (!may_hold(watch, pid))
			continue;
		if (setbacks_find(search->setbacks, setback_of_group(process.user, process.watch)) == SETBACK_NOW)
			setback = SETBACK_NOW;
		if (setback == SETBACK_NOW || !watch->go || runs_go(search->cache, &process, search->found))
			break;
	}
	if (process.watch == search->config->watch_count)
		return;
	if (setback == SETBACK_NOW) {
		search->found->waiting++;
		return;
	}
	process.refused = setback == SETBACK_DUE;
	if (search->count == search->capacity) {
		search->capacity = 2 * search->capacity + 64;
		search->candidates = memory_resize(search->candidates, search->capacity, sizeof(*search->candidates));
	}
	search->candidates[search->count++] = (struct candidate){.process = process};
}

#define ORDER(a, b) (((a) > (b)) - ((a) < (b)))

static int compare_in_user(const void *a, const void *b)
{
	const struct watched *left = &((const struct candidate *)a)->process;
	const struct watched *right = &((const struct candidate *)b)->process;
	int order = ORDER(left->refused, right->refused);

	order = order ? order : ORDER(left->user, right->user);
	order = order ? order : ORDER(left->started, right->started);
	return order ? order : ORDER(left->pid, right->pid);
}

static int compare_turns(const void *a, const void *b)
{
	const struct candidate *left = a, *right = b;
	int order = ORDER(left->process.refused, right->process.refused);

	order = order ? order : ORDER(left->turn, right->turn);
	return order ? order : compare_in_user(a, b);
}

static void choose(struct search *search)
{
	struct candidate *all = search->candidates;
	struct watch_found *found = search->found;

	if (search->count)
		qsort(all, search->count, sizeof(*all), compare_in_user);
	for (size_t i = 1; i < search->count; i++) {
		bool same = all[i].process.user == all[i - 1].process.user &&
			    all[i].process.refused == all[i - 1].process.refused;

		all[i].turn = same ? all[i - 1].turn + 1 : 0;
	}
	if (search->count)
		qsort(all, search->count, sizeof(*all), compare_turns);
	for (size_t i = 0; i < search->count && i < WATCHED_MAX; i++)
		found->processes[i] = all[i].process;
	found->count = (int)search->count;
}

int watch_find(const struct agent_config *config, struct watch_cache *cache, const struct setbacks *setbacks, int agent,
	       struct watch_found *found, struct error *error)
{
	struct search search = {.config = config, .cache = cache, .setbacks = setbacks, .found = found};
	struct dirent *entry;
	DIR *directory;

	if (obstacle_check_proc(error))
		return -1;
	directory = opendir("/proc");
	if (!directory)
		return error_set(error, STATUS_CANNOT_MEASURE, "cannot list processes: %m");
	*found = (struct watch_found){0};
	while ((entry = readdir(directory))) {
		int pid = atoi(entry->d_name);

		if (isdigit((unsigned char)entry->d_name[0]) && pid != agent &&
		    procfs_status_number(pid, "PPid") != agent)
			look_at(&search, pid);
	}
	closedir(directory);
	choose(&search);
	free(search.candidates);
	return 0;
}
