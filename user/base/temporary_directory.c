/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/temporary_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/regular_file.h"

static int cannot_make(struct error *error, const char *path)
{
	return error_set(error, STATUS_CANNOT_MEASURE, "cannot create a directory '%s': %s", path, strerror(errno));
}

static int is_content(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* 0 if it is the directory that was just made; -1 with errno. Who owns the parent could exchange it for another, which is
 * given away then: at most for an empty one of ours in the same parent, which says as little. */
static int check_new(int file)
{
	struct dirent **entries = NULL;
	struct stat status;
	int count;

	/* The parent may hand down its group, with the bit that hands it on. */
	if (fstat(file, &status))
		return -1;
	errno = EEXIST;
	if (status.st_uid != geteuid() || status.st_mode & 077)
		return -1;
	count = scandirat(file, ".", &entries, is_content, NULL);
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	if (count > 0)
		errno = EEXIST;
	return count ? -1 : 0;
}

static int open_new(struct temporary_directory *directory, uid_t owner, gid_t group)
{
	directory->file = openat(directory->parent, directory->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (directory->file < 0 || check_new(directory->file))
		return -1;
	return owner != geteuid() && fchown(directory->file, owner, group) ? -1 : 0;
}

int temporary_directory_make(struct temporary_directory *directory, const char *prefix, uid_t owner, gid_t group,
			     struct error *error)
{
	const char *wanted = getenv("TMPDIR");
	char *base = realpath(wanted && *wanted ? wanted : "/tmp", NULL);
	uint64_t number = 0;
	int failed;

	*directory = (struct temporary_directory){.parent = -1, .file = -1, .owner = owner};
	if (getrandom(&number, sizeof(number), 0) != sizeof(number) || !base) {
		free(base);
		return cannot_make(error, wanted && *wanted ? wanted : "/tmp");
	}
	directory->path = memory_format("%s/%s.%016llx", base, prefix, (unsigned long long)number);
	directory->name = directory->path + strlen(base) + 1;
	directory->parent = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(base);
	failed = directory->parent < 0 || mkdirat(directory->parent, directory->name, 0700);
	if (!failed && !open_new(directory, owner, group))
		return 0;
	cannot_make(error, directory->path);
	if (!failed)
		unlinkat(directory->parent, directory->name, AT_REMOVEDIR);
	temporary_directory_close(directory);
	return -1;
}

char **temporary_directory_list(const struct temporary_directory *directory, struct error *error)
{
	struct dirent **entries;
	int count = scandirat(directory->file, ".", &entries, is_shown, by_name);
	char **names;

	if (count < 0) {
		error_set(error, STATUS_CANNOT_MEASURE, "cannot read '%s': %s", directory->path, strerror(errno));
		return NULL;
	}
	names = memory_zeroed((size_t)count + 1, sizeof(*names));
	for (int i = 0; i < count; i++) {
		names[i] = memory_text(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return names;
}

int temporary_directory_open(const struct temporary_directory *directory, const char *name, struct error *error)
{
	struct stat status;
	int file = regular_file_open_in(directory->file, name, &status, error);

	if (file < 0 || status.st_uid == directory->owner)
		return file;
	error_set(error, STATUS_USAGE, "'%s' belongs to another user", name);
	close(file);
	return -1;
}

void temporary_directory_remove(const struct temporary_directory *directory)
{
	struct dirent **entries;
	int count = scandirat(directory->file, ".", &entries, is_content, NULL);
	struct stat held, named;

	for (int i = 0; i < count; i++) {
		unlinkat(directory->file, entries[i]->d_name, 0);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	if (fstat(directory->file, &held) == 0 &&
	    fstatat(directory->parent, directory->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	    held.st_ino == named.st_ino && held.st_dev == named.st_dev)
		unlinkat(directory->parent, directory->name, AT_REMOVEDIR);
}

void temporary_directory_close(struct temporary_directory *directory)
{
	if (!directory->path)
		return;
	if (directory->parent >= 0)
		close(directory->parent);
	if (directory->file >= 0)
		close(directory->file);
	free(directory->path);
	*directory = (struct temporary_directory){0};
}
