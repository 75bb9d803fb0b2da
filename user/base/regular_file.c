/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/regular_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/path_walk.h"

#define OWN_DESCRIPTORS "/proc/self/fd/"

/* Their files look like regular ones, and do something when they are read: attributes of devices, the kernel's own state. */
static bool is_kernels(const struct statfs *system)
{
	static const unsigned long kinds[] = {
		PROC_SUPER_MAGIC,
		SYSFS_MAGIC,
		DEBUGFS_MAGIC,
		TRACEFS_MAGIC,
		SECURITYFS_MAGIC,
		CGROUP_SUPER_MAGIC,
		CGROUP2_SUPER_MAGIC,
		BPF_FS_MAGIC,
		EFIVARFS_MAGIC,
		PSTOREFS_MAGIC,
		SELINUX_MAGIC,
		SMACK_MAGIC,
		RDTGROUP_SUPER_MAGIC,
		BINFMTFS_MAGIC,
		0x62656570 /* configfs */,
		0x65735543 /* fusectl */,
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if ((unsigned long)system->f_type == kinds[i])
			return true;
	}
	return false;
}

/* Opens what O_PATH has found. O_NONBLOCK, because whoever holds a lease on a file (fcntl(2), F_SETLEASE), as its owner may,
 * makes others wait for 45 seconds; it changes nothing for who reads a regular file. */
static int open_again(int found)
{
	char name[REGULAR_FILE_NAME];

	return open(regular_file_name(found, name), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

const char *regular_file_name(int file, char name[REGULAR_FILE_NAME])
{
	snprintf(name, REGULAR_FILE_NAME, OWN_DESCRIPTORS "%d", file);
	return name;
}

const char *regular_file_words(const char *path, char words[REGULAR_FILE_WORDS])
{
	bool own = strncmp(path, OWN_DESCRIPTORS, strlen(OWN_DESCRIPTORS)) == 0;
	int code = errno;

	snprintf(words, REGULAR_FILE_WORDS, own ? "it" : "'%s'", path);
	errno = code;
	return words;
}

enum exit_status regular_file_status(int code)
{
	/* EWOULDBLOCK, which is EAGAIN, says that somebody holds a lease on the file. */
	return code != EWOULDBLOCK && error_is_shortage(code) ? STATUS_CANNOT_MEASURE : STATUS_USAGE;
}

/* Looks at what open(2) finds with O_PATH, which does not open it. 0 if it may be opened, or -1 with an error. `path` is for
 * messages. */
static int look_at(int found, const char *path, struct stat *known, struct error *error)
{
	char words[REGULAR_FILE_WORDS];
	struct statfs system;

	regular_file_words(path, words);
	if (found < 0 || fstat(found, known))
		return error_set(error, regular_file_status(errno), "cannot open %s: %s", words, strerror(errno));
	if (!S_ISREG(known->st_mode))
		return error_set(error, STATUS_USAGE, "%s is not a regular file", words);
	if (fstatfs(found, &system))
		return error_set(error, STATUS_USAGE, "cannot tell what file system %s is on: %s", words,
				 strerror(errno));
	if (is_kernels(&system))
		return error_set(error, STATUS_USAGE, "%s is a file of the kernel (proc, sysfs), not of a program",
				 words);
	if (known->st_size > REGULAR_FILE_MAX)
		return error_set(error, STATUS_USAGE, "%s is larger than %lld GiB", words,
				 (long long)(REGULAR_FILE_MAX >> 30));
	return 0;
}

static int open_found(int found, const char *path, struct stat *status, struct error *error)
{
	char words[REGULAR_FILE_WORDS];
	struct stat known;
	int file = -1;

	if (look_at(found, path, &known, error) == 0) {
		file = open_again(found);
		if (file < 0)
			error_set(error, regular_file_status(errno), "cannot open %s: %s",
				  regular_file_words(path, words),
				  errno == EWOULDBLOCK ? "another process holds a lease on it" : strerror(errno));
	}
	if (found >= 0)
		close(found);
	if (file >= 0 && status)
		*status = known;
	return file;
}

int regular_file_open(const char *path, struct stat *status, struct error *error)
{
	return open_found(open(path, O_PATH | O_CLOEXEC), path, status, error);
}

int regular_file_open_in(int directory, const char *name, struct stat *status, struct error *error)
{
	return open_found(openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), name, status, error);
}

int regular_file_open_here(const char *path, struct stat *status, struct error *error)
{
	return open_found(path_walk(path), path, status, error);
}

bool regular_file_or_none(const char *path)
{
	int found = open(path, O_PATH | O_CLOEXEC), file = -1;
	struct stat known;
	bool safe = found < 0;

	if (look_at(found, path, &known, NULL) == 0) {
		file = open_again(found);
		safe = file >= 0 || errno != EWOULDBLOCK;
	}
	if (file >= 0)
		close(file);
	if (found >= 0)
		close(found);
	return safe;
}
