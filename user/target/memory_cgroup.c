/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/memory_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "target/procfs.h"

enum {
	DEPTH_MAX = 16, /* ancestors with a limit that are watched */
	STEPS_MAX = 32, /* components of a path */
	FILE_MAX = 16 << 10,
	CACHE_NS = 250 * 1000 * 1000, /* memory.stat costs much more than the other files */
	LIMITS_NS = 1000 * 1000 * 1000,
	WARNED_NS = 1000 * 1000 * 1000, /* from the notice that memory is out to the kill */
};

/* A limit of so many bytes is none: version 1 writes the largest multiple of a page. */
#define LIMIT_NONE (INT64_MAX / 2)

/* What the two versions call the same. */
static const struct layout {
	const char *used, *limit;
	const char *idle_cache;		     /* of memory.stat */
	const char *events;		     /* the file that has `oom_kill` */
	const char *filesystem, *controller; /* of /proc/PID/mountinfo and /proc/PID/cgroup */
} layouts[] = {
	{"memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file", "memory.oom_control", "cgroup",
	 "memory"},
	{"memory.current", "memory.max", "inactive_file", "memory.events", "cgroup2", ""},
};

/* A cgroup on the way from the process's to the root. */
struct node {
	int directory, used, limit_file, stat, events; /* descriptors */
	int pressure;				       /* version 2: with a trigger; -1: none */
	int64_t limit, idle_cache;
	bool has_limit;
};

struct memory_cgroup {
	const struct layout *layout;
	char *path, *mount; /* the cgroup's path; where it is, as we see it */
	bool ours;
	struct node nodes[DEPTH_MAX];
	size_t count;
	int passed, out;	    /* version 1: descriptors by which the kernel gives notice; -1: none */
	int64_t kills;		    /* as last read */
	bool is_out;		    /* the kernel has said so since the last reading */
	int64_t stat_ns, limits_ns; /* when these were read; 0: they must be read again */
	int64_t warned_ns;	    /* when the notice came that memory is out; 0: it has not */
};

/* --- reading --- */

/* The text of a small file, by its descriptor. False if it is gone. */
static bool read_text(int file, char text[FILE_MAX])
{
	ssize_t got = file < 0 ? -1 : pread(file, text, FILE_MAX - 1, 0);

	text[got > 0 ? got : 0] = 0;
	return got > 0;
}

/* A number of bytes or events; "max" and the like are none: INT64_MAX. */
static int64_t number_of(const char *text)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	return errno || end == text || value < 0 ? INT64_MAX : value;
}

/* The number behind a key at the start of a line; 0 if there is none. */
static int64_t number_at(const char *text, const char *key)
{
	size_t length = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, length) == 0 && line[length] == ' ')
			return number_of(line + length + 1);
	}
	return 0;
}

static void read_limits(struct memory_cgroup *cgroup)
{
	char text[FILE_MAX];

	for (size_t i = 0; i < cgroup->count; i++) {
		struct node *node = &cgroup->nodes[i];

		node->limit = read_text(node->limit_file, text) ? number_of(text) : INT64_MAX;
		node->has_limit = node->limit > 0 && node->limit < LIMIT_NONE;
	}
}

/* Kills in the process's own cgroup: version 2 adds those below it, so in ancestors others' would count. */
static int64_t kills_of(const struct memory_cgroup *cgroup)
{
	char text[FILE_MAX];

	return cgroup->count && read_text(cgroup->nodes[0].events, text) ? number_at(text, "oom_kill") : 0;
}

/* What the kernel gives back first. Read again only now and then: it changes slowly. */
static int64_t idle_cache(const struct memory_cgroup *cgroup, struct node *node, bool again)
{
	char text[FILE_MAX];

	if (again)
		node->idle_cache = read_text(node->stat, text) ? number_at(text, cgroup->layout->idle_cache) : 0;
	return node->idle_cache;
}

int memory_cgroup_read(struct memory_cgroup *cgroup, struct memory_use *use)
{
	int64_t now = monotonic_ns();
	bool limits = now - cgroup->limits_ns >= LIMITS_NS, stat = now - cgroup->stat_ns >= CACHE_NS;
	char text[FILE_MAX];
	double fullest = -1;

	if (limits) {
		read_limits(cgroup);
		cgroup->limits_ns = now;
	}
	if (stat || now - cgroup->warned_ns < WARNED_NS)
		cgroup->kills = kills_of(cgroup);
	if (stat)
		cgroup->stat_ns = now;
	*use = (struct memory_use){.kills = cgroup->kills, .is_out = cgroup->is_out};
	cgroup->is_out = false;
	for (size_t i = 0; i < cgroup->count; i++) {
		struct node *node = &cgroup->nodes[i];
		int64_t used;
		double share;

		if (!node->has_limit)
			continue;
		if (!read_text(node->used, text))
			return -1;
		used = number_of(text);
		used -= used > node->limit / 2 ? idle_cache(cgroup, node, stat) : 0;
		used = used < 0 ? 0 : used;
		share = (double)used / (double)node->limit;
		if (share > fullest) {
			fullest = share;
			use->used = used;
			use->limit = node->limit;
		}
	}
	return 0;
}

bool memory_cgroup_is_ours(const struct memory_cgroup *cgroup)
{
	return cgroup->ours;
}

const char *memory_cgroup_path(const struct memory_cgroup *cgroup)
{
	return cgroup->path;
}

/* --- finding it --- */

struct search {
	const struct layout *layout;
	char *path;	    /* of the process */
	char *root, *mount; /* which part of the hierarchy is mounted, and where */
};

/* Whether a word is in a list with commas between. */
static bool lists(const char *list, size_t length, const char *word)
{
	size_t size = strlen(word);

	for (const char *at = list; at < list + length;
	     at = memchr(at, ',', (size_t)(list + length - at)) ?: list + length) {
		at += *at == ',';
		if ((size_t)(list + length - at) >= size && strncmp(at, word, size) == 0 &&
		    (at + size == list + length || at[size] == ','))
			return true;
	}
	return false;
}

/* A line of /proc/PID/cgroup: NUMBER:CONTROLLERS:PATH. Version 2 has no controllers there, and counts only if no version 1
 * hierarchy has memory. */
static bool take_membership(void *context, const char *line)
{
	struct search *search = context;
	const char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
	size_t length = path ? (size_t)(path - controllers - 1) : 0;
	bool first = path && lists(controllers + 1, length, layouts[0].controller);

	if (!path || !(first || (length == 0 && !search->path)))
		return true;
	free(search->path);
	search->path = memory_text(path + 1);
	search->layout = &layouts[first ? 0 : 1];
	return !first;
}

/* A word of mountinfo, in which octal escapes stand for blanks. */
static char *mount_word(const char *word, size_t length)
{
	char *text = memory_text_of(word, length), *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] && from[3]) {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = 0;
	return text;
}

/* A line of mountinfo: ID PARENT DEVICE ROOT MOUNT OPTIONS [TAG...] - FILESYSTEM SOURCE OPTIONS */
static bool take_mount(void *context, const char *line)
{
	struct search *search = context;
	const char *words[6], *at = line, *behind = strstr(line, " - "), *options;
	char filesystem[16];

	for (size_t i = 0; i < 6; i++) {
		words[i] = at;
		at = strchr(at, ' ');
		if (!at)
			return true;
		at++;
	}
	if (!behind || sscanf(behind, " - %15s", filesystem) != 1 ||
	    strcmp(filesystem, search->layout->filesystem) != 0)
		return true;
	options = strrchr(behind, ' ') + 1;
	if (*search->layout->controller && !lists(options, strlen(options), search->layout->controller))
		return true;
	search->root = mount_word(words[3], (size_t)(words[4] - words[3] - 1));
	search->mount = mount_word(words[4], (size_t)(words[5] - words[4] - 1));
	return false;
}

/* The directory of a cgroup, where the mount shows it; NULL if it does not. The caller frees it. */
static char *directory_of(const struct search *search, const char *path)
{
	size_t root = strlen(search->root);

	if (root == 1)
		root = 0; /* "/" */
	if (strncmp(path, search->root, root) != 0 || (path[root] && path[root] != '/') || strstr(path, "/.."))
		return NULL;
	return memory_format("%s%s", search->mount, strcmp(path + root, "/") == 0 ? "" : path + root);
}

static int open_file(int directory, const char *name, int flags)
{
	return openat(directory, name, flags | O_CLOEXEC);
}

/* Opens a cgroup if it can have a limit; the root cannot. */
static void open_node(struct memory_cgroup *cgroup, const char *path)
{
	const struct layout *layout = cgroup->layout;
	struct node *node = &cgroup->nodes[cgroup->count];

	node->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (node->directory < 0)
		return;
	node->used = open_file(node->directory, layout->used, O_RDONLY);
	node->limit_file = open_file(node->directory, layout->limit, O_RDONLY);
	node->stat = open_file(node->directory, "memory.stat", O_RDONLY);
	node->events = open_file(node->directory, layout->events, O_RDONLY);
	node->pressure = -1;
	cgroup->count++;
}

static void close_file(int file)
{
	if (file >= 0)
		close(file);
}

/* The cgroup and its ancestors, as far as they are mounted here. */
static void open_nodes(struct memory_cgroup *cgroup, const char *mount, char *directory)
{
	size_t top = strlen(mount);

	for (size_t i = 0; i < STEPS_MAX && cgroup->count < DEPTH_MAX; i++) {
		char *slash = strrchr(directory, '/');

		open_node(cgroup, directory);
		if (strlen(directory) <= top || !slash)
			break;
		*slash = 0;
	}
}

/* Whether our own cgroup is it or below it. */
static bool contains_us(const struct memory_cgroup *cgroup)
{
	struct search own = {0};
	size_t length = strlen(cgroup->path);
	bool inside;

	procfs_lines(getpid(), "cgroup", take_membership, &own);
	inside = own.path && own.layout == cgroup->layout && strncmp(own.path, cgroup->path, length) == 0 &&
		 (own.path[length] == 0 || own.path[length] == '/' || length == 1);
	free(own.path);
	return inside;
}

struct memory_cgroup *memory_cgroup_open(int pid, struct error *error)
{
	struct search search = {0};
	struct memory_cgroup *cgroup = NULL;
	char *directory = NULL;

	procfs_lines(pid, "cgroup", take_membership, &search);
	if (search.path)
		procfs_lines(getpid(), "mountinfo", take_mount, &search);
	if (search.mount)
		directory = directory_of(&search, search.path);
	if (directory) {
		cgroup = memory_zeroed(1, sizeof(*cgroup));
		cgroup->layout = search.layout;
		cgroup->path = memory_text(search.path);
		cgroup->passed = cgroup->out = -1;
		open_nodes(cgroup, search.mount, directory);
		read_limits(cgroup);
		cgroup->limits_ns = monotonic_ns();
		cgroup->kills = kills_of(cgroup);
		cgroup->ours = contains_us(cgroup);
	} else {
		error_set(error, STATUS_CANNOT_MEASURE, "the memory cgroup of process %d%s%s%s is not mounted here",
			  pid, search.path ? ", '" : "", search.path ? search.path : "", search.path ? "'," : "");
	}
	free(directory);
	free(search.path);
	free(search.root);
	free(search.mount);
	return cgroup;
}

void memory_cgroup_close(struct memory_cgroup *cgroup)
{
	if (!cgroup)
		return;
	for (size_t i = 0; i < cgroup->count; i++) {
		const struct node *node = &cgroup->nodes[i];

		close_file(node->directory);
		close_file(node->used);
		close_file(node->limit_file);
		close_file(node->stat);
		close_file(node->events);
		close_file(node->pressure);
	}
	close_file(cgroup->passed);
	close_file(cgroup->out);
	free(cgroup->path);
	free(cgroup);
}

/* --- notices --- */

/* Version 1: the kernel adds to an eventfd (cgroup-v1/memory.rst). */
static void ask(const struct node *node, int notice, int file, int64_t threshold)
{
	int control = open_file(node->directory, "cgroup.event_control", O_WRONLY);
	char text[96];
	int length = threshold < 0 ? snprintf(text, sizeof(text), "%d %d", notice, file)
				   : snprintf(text, sizeof(text), "%d %d %lld", notice, file, (long long)threshold);

	if (control >= 0 && write(control, text, (size_t)length) < 0)
		errno = 0; /* not permitted: whoever reads often enough learns the same */
	close_file(control);
}

/* Version 2: those who want memory waited for it for a tenth of two seconds (accounting/psi.rst; two is what everybody
 * may ask for). */
static int ask_pressure(const struct node *node)
{
	static const char trigger[] = "some 200000 2000000";
	int file = open_file(node->directory, "memory.pressure", O_RDWR | O_NONBLOCK);

	if (file >= 0 && write(file, trigger, sizeof(trigger)) < 0) {
		close(file);
		return -1;
	}
	return file;
}

void memory_cgroup_notify(struct memory_cgroup *cgroup, const double *shares, size_t count)
{
	bool first = cgroup->layout == &layouts[0];

	if (first) {
		cgroup->passed = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		cgroup->out = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	for (size_t i = 0; i < cgroup->count; i++) {
		struct node *node = &cgroup->nodes[i];

		if (!node->has_limit)
			continue;
		for (size_t j = 0; first && j < count; j++)
			ask(node, cgroup->passed, node->used, (int64_t)(shares[j] * (double)node->limit));
		if (first)
			ask(node, cgroup->out, node->events, -1);
		else
			node->pressure = ask_pressure(node);
	}
}

size_t memory_cgroup_polls(const struct memory_cgroup *cgroup, struct pollfd *polls, size_t max)
{
	const int notices[] = {cgroup->passed, cgroup->out};
	size_t count = 0;

	for (size_t i = 0; i < 2 && count < max; i++) {
		if (notices[i] >= 0)
			polls[count++] = (struct pollfd){.fd = notices[i], .events = POLLIN};
	}
	for (size_t i = 0; i < cgroup->count && cgroup->layout != &layouts[0] && count + 2 <= max; i++) {
		const struct node *node = &cgroup->nodes[i];

		if (i == 0 && node->events >= 0) /* a notice stands until the file is read, and only this one is */
			polls[count++] = (struct pollfd){.fd = node->events, .events = POLLPRI};
		if (node->pressure >= 0)
			polls[count++] = (struct pollfd){.fd = node->pressure, .events = POLLPRI};
	}
	return count;
}

/* Whether memory is out. The notice also comes when the cgroup is removed: then its files cannot be read any more. */
static bool is_out_now(const struct memory_cgroup *cgroup)
{
	char text[FILE_MAX];

	for (size_t i = 0; i < cgroup->count; i++) {
		const struct node *node = &cgroup->nodes[i];

		if (node->has_limit && read_text(node->events, text) && number_at(text, "under_oom") == 1)
			return true;
	}
	return kills_of(cgroup) > cgroup->kills;
}

void memory_cgroup_noticed(struct memory_cgroup *cgroup, const struct pollfd *polls, size_t count)
{
	cgroup->stat_ns = 0; /* reading memory.events also tells the kernel that its notice was taken */
	for (size_t i = 0; i < count; i++) {
		uint64_t times;

		if (!polls[i].revents || (polls[i].fd != cgroup->passed && polls[i].fd != cgroup->out) ||
		    read(polls[i].fd, &times, sizeof(times)) != sizeof(times))
			continue;
		if (polls[i].fd == cgroup->out) {
			cgroup->warned_ns = monotonic_ns();
			cgroup->is_out |= is_out_now(cgroup);
		}
	}
}
