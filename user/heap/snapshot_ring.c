/* SPDX-License-Identifier: BSD-2-Clause */
#include "heap/snapshot_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/output.h"
#include "profile/pprof.h"

/* The name of the snapshot that is so many before the newest; the caller frees it. */
static char *name_of(const char *path, const char *number)
{
	static const char *const suffixes[] = {".pb.gz", ".pprof", ".gz"};
	size_t length = strlen(path), suffix = 0;

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]) && !suffix; i++) {
		size_t size = strlen(suffixes[i]);

		if (length > size && strcmp(path + length - size, suffixes[i]) == 0)
			suffix = size;
	}
	return memory_format("%.*s.%s%s", (int)(length - suffix), path, number, path + length - suffix);
}

static char *numbered(const char *path, size_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%zu", number);
	return number ? name_of(path, text) : memory_text(path);
}

int snapshot_ring_check(const char *path, size_t keep, struct error *error)
{
	struct stat status;

	if (keep < 1 || keep > SNAPSHOT_RING_MAX)
		return error_set(error, STATUS_USAGE, "--keep takes 1 to %d snapshots", SNAPSHOT_RING_MAX);
	if (strcmp(path, "-") == 0 || (lstat(path, &status) == 0 && !S_ISREG(status.st_mode)))
		return error_set(error, STATUS_USAGE,
				 "snapshots are kept in regular files, and '%s' is none: give -o FILE", path);
	return output_check(path, error);
}

static int rename_in(int directory, const char *from, const char *to, struct error *error)
{
	return renameat(directory, from, directory, to)
		       ? error_set(error, STATUS_USAGE, "cannot rename '%s' to '%s': %s", from, to, strerror(errno))
		       : 0;
}

/* Gives the file its second name, in place of what has that. */
static int link_in(int directory, const char *from, const char *to, struct error *error)
{
	if ((unlinkat(directory, to, 0) && errno != ENOENT) || linkat(directory, from, directory, to, 0))
		return error_set(error, STATUS_USAGE, "cannot link '%s' to '%s': %s", from, to, strerror(errno));
	return 0;
}

/* Gives each of the older ones the next name, the oldest first: its name is the one that is lost. The newest keeps its own,
 * too, until the one that comes takes it. */
static int move_on(void *context, int directory, const char *name, struct error *error)
{
	size_t keep = *(size_t *)context, last = 0;
	int status = 0;

	for (bool there = true; there && last < keep - 1;) { /* up to the first gap: no more has to move */
		char *each = numbered(name, last);
		struct stat file;

		there = fstatat(directory, each, &file, AT_SYMLINK_NOFOLLOW) == 0;
		last += there;
		free(each);
	}
	for (size_t number = last; number > 0 && !status; number--) {
		char *from = numbered(name, number - 1), *to = numbered(name, number);

		status = number > 1 ? rename_in(directory, from, to, error) : link_in(directory, from, to, error);
		free(from);
		free(to);
	}
	return status;
}

int snapshot_ring_add(const char *path, size_t keep, const struct profile *snapshot, struct error *error)
{
	return pprof_write_new(snapshot, path, move_on, &keep, error);
}
