/* SPDX-License-Identifier: BSD-2-Clause */
#include "heap/snapshot_ring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

/* Gives each of the older ones the next name, the oldest first: its name is the one that is lost. */
static void move_on(const char *path, size_t keep)
{
	size_t last = 0;

	for (bool there = true; there && last < keep - 1;) { /* up to the first gap: no more has to move */
		char *name = numbered(path, last);
		struct stat status;

		there = lstat(name, &status) == 0;
		last += there;
		free(name);
	}
	for (size_t number = last; number > 0; number--) {
		char *from = numbered(path, number - 1), *to = numbered(path, number);

		rename(from, to);
		free(from);
		free(to);
	}
}

int snapshot_ring_add(const char *path, size_t keep, const struct profile *snapshot, struct error *error)
{
	char *incoming = name_of(path, "new");
	int status = keep > 1 ? pprof_write(snapshot, incoming, error) : pprof_write(snapshot, path, error);

	if (!status && keep > 1) {
		move_on(path, keep);
		if (rename(incoming, path))
			status = error_set(error, STATUS_USAGE, "cannot rename '%s' to '%s': %s", incoming, path,
					   strerror(errno));
	}
	free(incoming);
	return status;
}
