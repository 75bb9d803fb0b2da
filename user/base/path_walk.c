/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/path_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/memory.h"

static int start_of(const char *path)
{
	return open(*path == '/' ? "/" : ".", O_PATH | O_CLOEXEC);
}

/* Where a link leads, which `found` is (O_PATH | O_NOFOLLOW); false if it is none, or cannot be read. */
static bool read_link(int found, char target[PATH_MAX])
{
	ssize_t length = readlinkat(found, "", target, PATH_MAX - 1);

	if (length >= 0)
		target[length] = 0;
	return length >= 0;
}

static bool is_in_proc(int link)
{
	struct statfs system;

	return fstatfs(link, &system) || system.f_type == PROC_SUPER_MAGIC;
}

/* 0, or what the kernel says where one may not go on: in a directory that everybody may write to, as /tmp, links of others are
 * not followed (proc(5), protected_symlinks). */
static int refusal(int directory, int link)
{
	struct stat above, known;

	if (is_in_proc(link))
		return ELOOP;
	if (fstat(directory, &above) || fstat(link, &known))
		return errno;
	if ((above.st_mode & S_ISVTX) && (above.st_mode & S_IWOTH) && known.st_uid != above.st_uid &&
	    known.st_uid != (uid_t)setfsuid((uid_t)-1)) /* which changes nothing */
		return EACCES;
	return 0;
}

bool path_walk_link(int directory, const char *name, char target[PATH_MAX])
{
	int found = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	bool is_link = found >= 0 && read_link(found, target) && !is_in_proc(found);
	int followed = is_link ? openat(directory, name, O_PATH | O_CLOEXEC) : -1;

	if (found >= 0)
		close(found);
	if (followed >= 0)
		close(followed);
	return followed >= 0;
}

int path_walk_by_steps(const char *path)
{
	return path_walk_held(path, NULL, NULL);
}

/* Each name is looked up in the directory that was found before it, so nobody can exchange what has been looked at. */
int path_walk_held(const char *path, bool (*is_held)(int directory, int found), bool *held)
{
	char *way = memory_text(path), *left = way, *longer; /* what is still to go; NULL at the end */
	int at = *path ? start_of(path) : -1, error = *path ? errno : ENOENT;

	for (int links = 0; at >= 0 && left;) {
		const char *name = strsep(&left, "/");
		/* nothing between two slashes, or behind the last one, asks for a directory */
		int found = openat(at, *name ? name : ".", O_PATH | O_NOFOLLOW | O_CLOEXEC);
		char target[PATH_MAX];

		error = errno;
		if (is_held && !is_held(at, found))
			*held = false;
		if (found < 0 || !read_link(found, target)) {
			close(at);
			at = found;
			continue;
		}
		error = ++links > PATH_WALK_LINKS ? ELOOP : refusal(at, found);
		close(found);
		longer = left ? memory_format("%s/%s", target, left) : memory_text(target);
		free(way);
		way = left = longer;
		if (error || *target == '/') {
			close(at);
			at = error ? -1 : start_of(target);
			error = error ? error : errno;
		}
	}
	free(way);
	errno = error;
	return at;
}

int path_walk(const char *path)
{
	const struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS};
	int found = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	return found < 0 && (errno == ENOSYS || errno == EPERM) ? path_walk_by_steps(path) : found;
}
