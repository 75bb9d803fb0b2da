/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 40 }; /* as the kernel's */

static int cannot_write(struct error *error, const char *path, const char *why)
{
	return error_set(error, STATUS_USAGE, "cannot write '%s': %s", path, why);
}

static void release(struct output *output)
{
	free(output->path);
	free(output->final);
	free(output->temporary);
	*output = (struct output){0};
}

/*
 * Gives the new file the owner and permissions of the one it replaces. Only root may do all of that: where not even the
 * group can be kept, ours may do no more than anybody.
 */
static void take_over(int fd, const struct stat *existing)
{
	mode_t mode = existing->st_mode & 0777;

	if (fchown(fd, existing->st_uid, existing->st_gid) && fchown(fd, (uid_t)-1, existing->st_gid))
		mode = (mode & 0707) | (mode & mode << 3 & 070);
	fchmod(fd, mode);
}

/* Opens a new file beside output->final, with the owner and permissions that the final file has or would get. */
static int open_neighbour(struct output *output, const struct stat *existing)
{
	const char *slash = strrchr(output->final, '/');
	int directory_length = slash ? (int)(slash - output->final) + 1 : 0;
	mode_t mask;
	int fd;

	if (asprintf(&output->temporary, "%.*s.escapement.XXXXXX", directory_length, output->final) < 0) {
		output->temporary = NULL;
		errno = ENOMEM;
		return -1;
	}
	fd = mkstemp(output->temporary);
	if (fd < 0) {
		free(output->temporary);
		output->temporary = NULL;
		return -1;
	}
	if (existing) {
		take_over(fd, existing);
	} else {
		mask = umask(0);
		umask(mask);
		fchmod(fd, 0666 & ~mask);
	}
	return fd;
}

/* The name that open() would create: a symbolic link that leads to no file yet says where the file belongs. */
static char *follow_links(const char *path)
{
	char *name = strdup(path), target[PATH_MAX];
	ssize_t length;

	for (int links = 0; name && (length = readlink(name, target, sizeof(target) - 1)) >= 0; links++) {
		const char *slash = target[0] != '/' ? strrchr(name, '/') : NULL;
		char *next;

		target[length] = 0;
		if (asprintf(&next, "%.*s%s", slash ? (int)(slash - name) + 1 : 0, name, target) < 0)
			next = NULL;
		free(name);
		name = next;
		if (links == LINKS_MAX) {
			free(name);
			errno = ELOOP;
			return NULL;
		}
	}
	return name;
}

/* /dev/stdout, /dev/fd/3, /proc/self/fd/3: what the descriptor stands for has no name to take the place of.
 */
static bool is_descriptor(const char *path)
{
	return strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0;
}

bool output_is_direct(const char *path)
{
	struct stat status;

	return strcmp(path, "-") == 0 || is_descriptor(path) || (stat(path, &status) == 0 && !S_ISREG(status.st_mode));
}

int output_open(struct output *output, const char *path, struct error *error)
{
	struct stat status;
	bool exists = stat(path, &status) == 0;
	int fd;

	*output = (struct output){.path = strdup(path)};
	if (strcmp(path, "-") == 0) {
		fd = dup(STDOUT_FILENO);
	} else if (output_is_direct(path)) {
		fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	} else {
		/* A symbolic link stays one: the file it names is replaced. */
		output->final = exists ? realpath(path, NULL) : follow_links(path);
		fd = output->final ? open_neighbour(output, exists ? &status : NULL) : -1;
	}
	output->stream = fd < 0 ? NULL : fdopen(fd, "w");
	if (output->stream)
		return 0;
	cannot_write(error, path, strerror(errno));
	if (fd >= 0)
		close(fd);
	output_abandon(output);
	return -1;
}

int output_check(const char *path, struct error *error)
{
	struct output output;
	struct stat status;

	if (stat(path, &status) == 0 && S_ISFIFO(status.st_mode))
		return 0; /* its reader would take the closing for the end */
	if (output_open(&output, path, error))
		return -1;
	output_abandon(&output);
	return 0;
}

int output_commit(struct output *output, struct error *error)
{
	bool failed = fflush(output->stream) || ferror(output->stream);
	int result = 0;

	/* Some file systems tell only now that there was no room. */
	if (!failed && output->temporary)
		failed = fsync(fileno(output->stream)) != 0;
	if (failed)
		result = cannot_write(error, output->path, errno ? strerror(errno) : "input/output error");
	if (fclose(output->stream) && !failed)
		result = cannot_write(error, output->path, strerror(errno));
	output->stream = NULL;
	if (result == 0 && output->temporary && rename(output->temporary, output->final))
		result = cannot_write(error, output->path, strerror(errno));
	if (result && output->temporary)
		unlink(output->temporary);
	release(output);
	return result;
}

void output_abandon(struct output *output)
{
	if (output->stream)
		fclose(output->stream);
	if (output->temporary)
		unlink(output->temporary);
	release(output);
}
