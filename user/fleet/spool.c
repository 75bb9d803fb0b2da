/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/regular_file.h"

enum {
	NAME_SIZE = 64,
	LOCK_WAIT_MS = 5000, /* for what a killed agent had started */
	LOCK_POLL_MS = 20,
	WINDOW_MAX = 256 << 20, /* a longer file is none of ours */
	DIGITS = 20,
};
static const char suffix[] = ".window", partial[] = "partial", state_name[] = "state";

struct spool {
	char *path;
	int directory, lock;
	int64_t limit;
	uint64_t last, dropped;
	const char *stores[SPOOL_STORES];
	size_t store_count;
};

/* The files of a spool, oldest first. */
struct listing {
	struct entry {
		uint64_t number;
		int64_t size;
	} * entries;
	size_t count;
	int64_t bytes;
};

static void name_of(char name[NAME_SIZE], uint64_t number)
{
	snprintf(name, NAME_SIZE, "%0*" PRIu64 "%s", DIGITS, number, suffix);
}

/* Parses the name of a window; 0 if it is none. */
static uint64_t number_of(const char *name)
{
	uint64_t number;

	if (strspn(name, "0123456789") != DIGITS || strcmp(name + DIGITS, suffix) != 0)
		return 0;
	number = strtoull(name, NULL, 10);
	return number < UINT64_MAX ? number
				   : 0; /* the greatest also stands for greater ones, and none comes after it */
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;

	return (left->number > right->number) - (left->number < right->number);
}

static struct listing list(const struct spool *spool)
{
	int file = openat(spool->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = file < 0 ? NULL : fdopendir(file);
	struct listing listing = {0};
	struct dirent *each;

	if (!directory)
		return listing;
	while ((each = readdir(directory))) {
		uint64_t number = number_of(each->d_name);
		struct stat status;

		if (!number || fstatat(spool->directory, each->d_name, &status, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(status.st_mode))
			continue;
		listing.entries = memory_resize(listing.entries, listing.count + 1, sizeof(*listing.entries));
		listing.entries[listing.count++] = (struct entry){number, status.st_size};
		listing.bytes += status.st_size;
	}
	closedir(directory);
	if (listing.count)
		qsort(listing.entries, listing.count, sizeof(*listing.entries), compare_entries);
	return listing;
}

/* --- the state --- */

/* Writes a file that appears under its name when all of it is on disk. -1 with errno. */
static int write_file(const struct spool *spool, const char *name, const char *bytes, size_t size)
{
	int file = openat(spool->directory, partial, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int failed = file < 0 ? errno : 0;

	while (!failed && size) {
		ssize_t written = write(file, bytes, size);

		if (written < 0 && errno != EINTR)
			failed = errno;
		bytes += written > 0 ? written : 0;
		size -= written > 0 ? (size_t)written : 0;
	}
	if (!failed && fsync(file))
		failed = errno;
	if (file >= 0)
		close(file);
	if (!failed && renameat(spool->directory, partial, spool->directory, name))
		failed = errno;
	if (!failed && fsync(spool->directory))
		failed = errno;
	if (failed && file >= 0)
		unlinkat(spool->directory, partial, 0);
	errno = failed;
	return failed ? -1 : 0;
}

static int write_state(const struct spool *spool)
{
	char text[128];
	int length =
		snprintf(text, sizeof(text), "last %" PRIu64 "\ndropped %" PRIu64 "\n", spool->last, spool->dropped);

	return write_file(spool, state_name, text, (size_t)length);
}

static void read_state(struct spool *spool)
{
	int file = openat(spool->directory, state_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[128] = "";
	uint64_t last, dropped;
	struct listing listing;

	if (file >= 0 && read(file, text, sizeof(text) - 1) > 0 &&
	    sscanf(text, "last %" SCNu64 "\ndropped %" SCNu64, &last, &dropped) == 2 && last < UINT64_MAX) {
		spool->last = last > spool->last ? last : spool->last;
		spool->dropped = dropped;
	}
	if (file >= 0)
		close(file);
	listing = list(spool);
	if (listing.count && listing.entries[listing.count - 1].number > spool->last)
		spool->last = listing.entries[listing.count - 1].number;
	free(listing.entries);
}

/* --- the stores --- */

/* What a store has been given. A file that is missing or damaged, which a number above all windows shows, is of none: what is
 * delivered again has the same name, and what is taken for delivered is lost. */
struct given {
	uint64_t number, refused;
};
enum { GIVEN_SIZE = 2 * DIGITS + 2 };

static int open_given(const struct spool *spool, const char *store, int flags)
{
	char name[NAME_SIZE];

	snprintf(name, sizeof(name), "%s.delivered", store);
	return openat(spool->directory, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static struct given given_of(struct spool *spool, const char *store)
{
	char text[GIVEN_SIZE + 1] = "";
	struct given given = {0};
	int file = open_given(spool, store, O_RDONLY);

	if (file >= 0 && (read(file, text, GIVEN_SIZE) != GIVEN_SIZE ||
			  sscanf(text, "%" SCNu64 " %" SCNu64, &given.number, &given.refused) != 2))
		given = (struct given){0};
	if (file >= 0)
		close(file);
	read_state(spool); /* another process writes windows: their numbers have grown */
	if (given.number > spool->last)
		given = (struct given){0};
	return given;
}

/* In one write of a few bytes, so that no reader sees a half, and without fsync, which each window would wait for: what comes
 * again after a crash is named as before. */
static int set_given(const struct spool *spool, const char *store, struct given given)
{
	char text[GIVEN_SIZE + 1];
	int file = open_given(spool, store, O_WRONLY | O_CREAT);
	int failed = file < 0;

	snprintf(text, sizeof(text), "%0*" PRIu64 " %0*" PRIu64 "\n", DIGITS, given.number, DIGITS, given.refused);
	failed |= !failed && pwrite(file, text, GIVEN_SIZE, 0) != GIVEN_SIZE;
	if (file >= 0)
		close(file);
	return failed ? -1 : 0;
}

/* The last window that every store has been given; 0 if there is none. */
static uint64_t given_to_all(struct spool *spool)
{
	uint64_t least = spool->store_count ? UINT64_MAX : 0;

	for (size_t i = 0; i < spool->store_count; i++) {
		uint64_t number = given_of(spool, spool->stores[i]).number;

		least = number < least ? number : least;
	}
	return least;
}

void spool_set_stores(struct spool *spool, const char *const *names, size_t count)
{
	struct listing listing = list(spool);
	uint64_t done;

	spool->store_count = count < SPOOL_STORES ? count : SPOOL_STORES;
	for (size_t i = 0; i < spool->store_count; i++)
		spool->stores[i] = names[i];
	done = spool->lock >= 0 ? given_to_all(spool) : 0; /* who only looks removes nothing */
	for (size_t i = 0; i < listing.count && listing.entries[i].number <= done; i++) {
		char name[NAME_SIZE];

		name_of(name, listing.entries[i].number);
		unlinkat(spool->directory, name, 0);
	}
	free(listing.entries);
}

struct spool_store_state spool_store_state(struct spool *spool, const char *store)
{
	struct given given = given_of(spool, store);
	struct spool_store_state state = {.refused = given.refused};
	struct listing listing = list(spool);

	for (size_t i = 0; i < listing.count; i++)
		state.waiting += listing.entries[i].number > given.number;
	free(listing.entries);
	return state;
}

/* --- opening --- */

/* Creates the directory and those above it. What is there already is not changed. */
static int make_directories(const char *path)
{
	char *copy = memory_text(path);
	int result;

	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(copy, 0755);
		*slash = '/';
	}
	result = mkdir(copy, 0700);
	free(copy);
	return result && errno != EEXIST ? -1 : 0;
}

static int take_lock(struct spool *spool)
{
	spool->lock = openat(spool->directory, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (spool->lock < 0)
		return -1;
	for (int waited = 0; flock(spool->lock, LOCK_EX | LOCK_NB); waited += LOCK_POLL_MS) {
		if (errno != EWOULDBLOCK || waited > LOCK_WAIT_MS)
			return -1;
		usleep(LOCK_POLL_MS * 1000);
	}
	return 0;
}

/* Windows name hosts and programs, and whoever writes here sends what he likes: the directory is this user's alone. */
static int check_owner(const struct spool *spool, struct error *error)
{
	struct stat status;

	if (fstat(spool->directory, &status) == 0 && status.st_uid == geteuid() && !(status.st_mode & 022))
		return 0;
	return error_set(error, STATUS_USAGE,
			 "the spool '%s' must belong to this user, and nobody else may write there", spool->path);
}

static struct spool *open_directory(const char *path)
{
	struct spool *spool = memory_zeroed(1, sizeof(*spool));

	spool->path = memory_text(path);
	spool->limit = INT64_MAX;
	spool->lock = -1;
	spool->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return spool;
}

struct spool *spool_open(const char *path, int64_t limit, struct error *error)
{
	int made = make_directories(path);
	struct spool *spool = open_directory(path);

	spool->limit = limit;
	if (made || spool->directory < 0)
		error_set(error, STATUS_USAGE, "cannot open the spool '%s': %m", path);
	else if (check_owner(spool, error))
		;
	else if (take_lock(spool))
		error_set(error, STATUS_USAGE,
			  errno == EWOULDBLOCK ? "another agent uses the spool '%s'" : "cannot lock the spool '%s'",
			  path);
	else {
		unlinkat(spool->directory, partial, 0);
		read_state(spool);
		return spool;
	}
	spool_close(spool);
	return NULL;
}

struct spool *spool_look(const char *path, struct error *error)
{
	struct spool *spool = open_directory(path);

	if (spool->directory >= 0)
		return spool;
	error_set(error, STATUS_USAGE, "cannot open the spool '%s': %m", path);
	spool_close(spool);
	return NULL;
}

void spool_close(struct spool *spool)
{
	if (!spool)
		return;
	if (spool->lock >= 0)
		close(spool->lock);
	if (spool->directory >= 0)
		close(spool->directory);
	free(spool->path);
	free(spool);
}

void spool_set_limit(struct spool *spool, int64_t limit)
{
	spool->limit = limit;
}

uint64_t spool_next(struct spool *spool)
{
	uint64_t now = (uint64_t)wall_ns();

	read_state(spool);
	spool->last = now > spool->last ? now : spool->last + 1;
	return spool->last;
}

struct spool_state spool_state(struct spool *spool)
{
	struct listing listing;
	struct spool_state state;

	read_state(spool);
	listing = list(spool);
	state = (struct spool_state){spool->dropped, listing.count, (uint64_t)listing.bytes,
				     listing.count ? listing.entries[0].number : 0};
	for (size_t i = 0; i < spool->store_count; i++)
		state.dropped += given_of(spool, spool->stores[i]).refused;
	free(listing.entries);
	return state;
}

/* --- adding and dropping --- */

/* Drops a window, unless it is being delivered. */
static int drop(struct spool *spool, uint64_t number)
{
	char name[NAME_SIZE];
	int file, result = -1;

	name_of(name, number);
	file = openat(spool->directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (file < 0)
		return errno == ENOENT ? 0 : -1; /* delivered meanwhile */
	if (flock(file, LOCK_EX | LOCK_NB) == 0 && unlinkat(spool->directory, name, 0) == 0) {
		spool->dropped++;
		result = 0;
	}
	close(file);
	return result;
}

/* Drops the oldest windows until `wanted` more bytes are within the limit. */
static void make_room(struct spool *spool, int64_t wanted)
{
	struct listing listing = list(spool);

	for (size_t i = 0; i < listing.count && listing.bytes + wanted > spool->limit; i++) {
		if (drop(spool, listing.entries[i].number) == 0)
			listing.bytes -= listing.entries[i].size;
	}
	free(listing.entries);
}

void spool_lose(struct spool *spool)
{
	read_state(spool);
	spool->dropped++;
	write_state(spool); /* if it cannot be written, nor could the window have been */
}

int spool_add(struct spool *spool, uint64_t number, const void *bytes, size_t size, struct error *error)
{
	bool fits = size <= WINDOW_MAX && (int64_t)size <= spool->limit;
	char name[NAME_SIZE];
	int failed = 0;

	name_of(name, number);
	if (fits)
		make_room(spool, (int64_t)size);
	/* the state first: if this process is killed between the two, a number is lost, which is no harm */
	if (!fits)
		failed = EFBIG;
	else if (write_state(spool) || write_file(spool, name, bytes, size))
		failed = errno;
	if (failed == ENOSPC) { /* the file system is full, not the spool: older windows make way */
		int64_t limit = spool->limit;
		struct listing listing = list(spool);

		spool->limit = listing.bytes;
		free(listing.entries);
		make_room(spool, 2 * (int64_t)size);
		spool->limit = limit;
		failed = write_state(spool) || write_file(spool, name, bytes, size) ? errno : 0;
	}
	if (!failed)
		return 0;
	spool->dropped++;
	write_state(spool);
	errno = failed;
	return error_set(error, STATUS_CANNOT_MEASURE, "a window was dropped: cannot write to the spool '%s': %m",
			 spool->path);
}

/* --- delivering --- */

/* Whether all of the window could be read. */
static bool read_window(struct spool_window *window)
{
	struct stat status;
	size_t done = 0;

	if (fstat(window->file, &status) || !S_ISREG(status.st_mode) || status.st_size > WINDOW_MAX)
		return false;
	window->size = (size_t)status.st_size;
	window->bytes = memory_allocate(window->size + 1);
	while (done < window->size) {
		ssize_t part = read(window->file, window->bytes + done, window->size - done);

		if (part < 0 && errno == EINTR)
			continue;
		if (part <= 0)
			return false;
		done += (size_t)part;
	}
	window->bytes[done] = 0;
	return true;
}

/* Whether a file that cannot be opened for this reason may be opened later. */
static bool may_pass(int reason)
{
	return reason == EINTR || regular_file_status(reason) == STATUS_CANNOT_MEASURE;
}

/* The oldest window that the store does not have; 0 if there is none. */
static uint64_t next_for(struct spool *spool, const char *store)
{
	uint64_t given = given_of(spool, store).number, next = 0;
	struct listing listing = list(spool);

	for (size_t i = 0; i < listing.count && !next; i++)
		next = listing.entries[i].number > given ? listing.entries[i].number : 0;
	free(listing.entries);
	return next;
}

int spool_take(struct spool *spool, const char *store, struct spool_window *window, struct error *error)
{
	*window = (struct spool_window){.file = -1};
	while ((window->number = next_for(spool, store))) {
		char name[NAME_SIZE];

		name_of(name, window->number);
		window->file = openat(spool->directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (window->file < 0 && errno == ENOENT) /* dropped meanwhile */
			continue;
		if ((window->file < 0 && may_pass(errno)) || (window->file >= 0 && flock(window->file, LOCK_SH))) {
			error_set(error, STATUS_CANNOT_MEASURE, "cannot read '%s/%s': %m", spool->path, name);
			spool_give_back(spool, store, window, SPOOL_KEPT, NULL);
			return -1;
		}
		window->damaged = window->file < 0 || !read_window(window);
		return 1;
	}
	return 0;
}

/* Notes that the store is done with a window; removes that if all stores are. Of two that come to an end at one time, the one
 * that looks last sees both. */
static int note_end(struct spool *spool, const char *store, uint64_t number, bool refused, struct error *error)
{
	struct given given = given_of(spool, store);
	char name[NAME_SIZE];

	name_of(name, number);
	given.number = number;
	given.refused += refused;
	if (set_given(spool, store, given))
		return error_set(error, STATUS_CANNOT_MEASURE, "cannot write '%s/%s.delivered': %m", spool->path,
				 store);
	if (number <= given_to_all(spool) && unlinkat(spool->directory, name, 0) && errno != ENOENT)
		return error_set(error, STATUS_CANNOT_MEASURE, "cannot remove '%s/%s': %m", spool->path, name);
	return 0;
}

int spool_give_back(struct spool *spool, const char *store, struct spool_window *window, enum spool_end end,
		    struct error *error)
{
	int result = 0;

	if (end != SPOOL_KEPT)
		result = note_end(spool, store, window->number, end == SPOOL_REFUSED, error);
	free(window->bytes);
	if (window->file >= 0)
		close(window->file);
	*window = (struct spool_window){.file = -1};
	return result;
}
