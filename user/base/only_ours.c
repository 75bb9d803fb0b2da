/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/only_ours.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/caller.h"
#include "base/memory.h"
#include "base/path_walk.h"
#include "base/regular_file.h"

enum { GROUP_BYTES = 64 << 10 }; /* a line of /etc/group; of a longer one, nothing is known */

static bool is_privileged(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return geteuid() == 0 || syscall(SYS_capget, &header, data) || data[0].permitted || data[1].permitted;
}

static bool is_our_user(uid_t user)
{
	struct caller caller;

	return user == 0 || user == geteuid() || (caller_find(&caller) && user == caller.user);
}

/* Whether all users whose own group this is are that one, whose name is stored. False if there is none. */
static bool is_only_user(gid_t group, uid_t user, char *name, size_t size)
{
	FILE *users = fopen("/etc/passwd", "re");
	char line[4096];
	struct passwd entry, *found;
	bool is = false, others = !users;
	int end = 0;

	while (!others && !(end = fgetpwent_r(users, &entry, line, sizeof(line), &found))) {
		if (entry.pw_uid == user && !is) {
			is = strlen(entry.pw_name) < size;
			snprintf(name, size, "%s", entry.pw_name);
		}
		others = entry.pw_gid == group && entry.pw_uid != user;
	}
	if (users)
		fclose(users);
	return is && !others && end == ENOENT;
}

/* Of users and groups that other sources than these files know, nothing is known. */
static bool has_only(gid_t group, uid_t user)
{
	FILE *groups = fopen("/etc/group", "re");
	char *line = memory_allocate(GROUP_BYTES), name[256];
	struct group entry, *found;
	bool is = false, others = !groups || !is_only_user(group, user, name, sizeof(name));
	int end = 0;

	while (!others && !(end = fgetgrent_r(groups, &entry, line, GROUP_BYTES, &found))) {
		if (entry.gr_gid != group)
			continue;
		is = true;
		for (char **member = entry.gr_mem; *member; member++)
			others = others || strcmp(*member, name) != 0;
	}
	free(line);
	if (groups)
		fclose(groups);
	return is && !others && end == ENOENT;
}

/* Whether an access control list may give rights to more users than the group's. The permissions of the group are the most that
 * it gives. `path`: by which the open file is found. */
static bool has_list(const char *path)
{
	return getxattr(path, "system.posix_acl_access", NULL, 0) >= 0 || (errno != ENODATA && errno != EOPNOTSUPP);
}

static bool only_we_write(const struct stat *status, const char *path)
{
	return is_our_user(status->st_uid) && !(status->st_mode & S_IWOTH) &&
	       (!(status->st_mode & S_IWGRP) || (!has_list(path) && has_only(status->st_gid, status->st_uid)));
}

static bool is_served(int file)
{
	struct statfs system;

	return fstatfs(file, &system) || (unsigned long)system.f_type == FUSE_SUPER_MAGIC;
}

/* Whether our own mount namespace has it, where the link says. */
static bool is_reachable(const char *link, const struct stat *status)
{
	char *path = realpath(link, NULL);
	struct stat found;
	bool same = path && stat(path, &found) == 0 && found.st_dev == status->st_dev && found.st_ino == status->st_ino;

	free(path);
	return same;
}

bool only_ours_file(int file)
{
	char link[REGULAR_FILE_NAME];
	struct stat status;
	int seals;

	if (!is_privileged())
		return true;
	seals = fcntl(file, F_GET_SEALS);
	if (seals >= 0 && seals & F_SEAL_WRITE)
		return true;
	regular_file_name(file, link);
	return fstat(file, &status) == 0 && !is_served(file) && only_we_write(&status, link) &&
	       is_reachable(link, &status);
}

uid_t only_ours_owner(int file)
{
	struct stat status;

	return fstat(file, &status) || is_served(file) ? (uid_t)-1 : status.st_uid;
}

/* Of a directory that others may write to, but where they cannot exchange what is ours (as /tmp), that which is there. */
static bool is_held(int directory, int found)
{
	char link[REGULAR_FILE_NAME];
	struct stat above, known;

	if (fstat(directory, &above) || is_served(directory))
		return false;
	if (only_we_write(&above, regular_file_name(directory, link)))
		return true;
	return above.st_mode & S_ISVTX && is_our_user(above.st_uid) && found >= 0 && fstat(found, &known) == 0 &&
	       is_our_user(known.st_uid);
}

bool only_ours_path(const char *path)
{
	bool held = true;
	int found;

	if (!is_privileged())
		return true;
	found = path_walk_held(path, is_held, &held);
	/* What the walk does not follow (a link of /proc), others may. */
	held = held && (found >= 0 ? only_ours_file(found) : errno == ENOENT || errno == ENOTDIR);
	if (found >= 0)
		close(found);
	return held;
}
