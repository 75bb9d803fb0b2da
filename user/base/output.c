/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/caller.h"
#include "base/ending_signals.h"
#include "base/memory.h"
#include "base/path_walk.h"

enum {
	READER_TRIES = 100, /* waits for a reader to open a pipe */
	READER_NS = 50 * 1000 * 1000,
	COPY_BLOCK = 64 << 10,
	LIST_ENTRIES = 8 << 10, /* more than fit into an attribute */
	UNFINISHED_MAX = 8,
	TEMPORARY_NAME = 32,
};

/* ---- temporary files that end with the process ---- */

/* Files of that process whose names a signal removes; those over the limit stay. `process` is set last, and 0: none. */
static struct unfinished {
	volatile sig_atomic_t process;
	int directory;
	char name[TEMPORARY_NAME];
} unfinished[UNFINISHED_MAX];

static void remove_unfinished(void)
{
	for (int i = 0; i < UNFINISHED_MAX; i++) {
		if (unfinished[i].process == getpid())
			unlinkat(unfinished[i].directory, unfinished[i].name, 0);
	}
}

static void note_unfinished(int directory, const char *name)
{
	struct unfinished *free_one = unfinished;

	while (free_one < unfinished + UNFINISHED_MAX && free_one->process == getpid())
		free_one++;
	if (free_one == unfinished + UNFINISHED_MAX)
		return;
	free_one->process = 0;
	free_one->directory = directory;
	snprintf(free_one->name, sizeof(free_one->name), "%s", name);
	atomic_signal_fence(memory_order_seq_cst);
	free_one->process = getpid();
	ending_signals_remove(remove_unfinished);
}

/* The file has another name, is gone, or is to stay. */
static void forget_temporary(struct output *output)
{
	for (int i = 0; output->temporary && i < UNFINISHED_MAX; i++) {
		if (strcmp(unfinished[i].name, output->temporary) == 0)
			unfinished[i].process = 0;
	}
	free(output->temporary);
	output->temporary = NULL;
}

static int cannot_write(struct error *error, const char *path, const char *why)
{
	return error_set(error, STATUS_USAGE, "cannot write '%s': %s", path, why);
}

static void close_descriptor(int *descriptor)
{
	if (*descriptor >= 0)
		close(*descriptor);
	*descriptor = -1;
}

static void release(struct output *output)
{
	forget_temporary(output);
	close_descriptor(&output->directory);
	close_descriptor(&output->through);
	free(output->path);
	free(output->final);
	*output = (struct output){.directory = -1, .through = -1};
}

/* ---- a temporary file that replaces a regular file ---- */

/* Gives the new file the access control list of an existing one, which has all its permissions, and returns 1; 0: none, as that has
 * none; -1: that fails. `group_kept`: see take_over(). */
static int take_over_list(int fd, int existing, bool group_kept)
{
	static const char name[] = "system.posix_acl_access";
	struct {
		struct posix_acl_xattr_header header;
		struct posix_acl_xattr_entry entries[LIST_ENTRIES];
	} list;
	ssize_t size = fgetxattr(existing, name, &list, sizeof(list));
	size_t count = 0;
	unsigned of_all = 0;

	if (size < 0 && errno != ENODATA && errno != EOPNOTSUPP)
		return -1;
	if (size < 0) /* one that it may have from its directory */
		return fremovexattr(fd, name) && errno != ENODATA && errno != EOPNOTSUPP ? -1 : 0;
	if ((size_t)size > sizeof(list.header))
		count = ((size_t)size - sizeof(list.header)) / sizeof(list.entries[0]);
	for (size_t i = 0; i < count; i++) {
		if (list.entries[i].e_tag == ACL_OTHER)
			of_all = list.entries[i].e_perm;
	}
	for (size_t i = 0; i < count; i++) {
		if (list.entries[i].e_tag == ACL_GROUP_OBJ && !group_kept)
			list.entries[i].e_perm &= (uint16_t)of_all;
	}
	return fsetxattr(fd, name, &list, (size_t)size, 0) ? -1 : 1;
}

/*
 * Gives the new file the owner and permissions of the existing one, which it replaces. Only root may do all of that. If the group
 * cannot be kept either, our group gets only the permissions that everybody has; if the access control list cannot, only the
 * owner gets any.
 */
static void take_over(int fd, int existing, const struct stat *status)
{
	bool group_kept = fchown(fd, status->st_uid, status->st_gid) == 0 || fchown(fd, (uid_t)-1, status->st_gid) == 0;
	int listed = take_over_list(fd, existing, group_kept);
	mode_t mode = status->st_mode & 0777;

	if (listed > 0)
		return;
	if (listed < 0)
		mode &= 0700;
	else if (!group_kept)
		mode = (mode & 0707) | (mode & mode << 3 & 070);
	fchmod(fd, mode);
}

/* If root creates a file for a user who called sudo, in a directory that belongs to that user or is writable by
 * everybody, gives the file to that user. */
static void give_to_caller(int fd, int directory)
{
	struct caller caller;
	struct stat status;

	if (!caller_find(&caller) || fstat(directory, &status))
		return;
	if (status.st_uid == caller.user || (status.st_mode & (S_ISVTX | S_IWOTH)) == (S_ISVTX | S_IWOTH))
		/* fails for root only if the file system does not support it; then the file stays root's */
		if (fchown(fd, caller.user, caller.group))
			return;
}

/* Whether no name in the directory can be taken away or given to another file (chattr +a). */
static bool is_append_only(int directory)
{
	struct statx status;

	return statx(directory, "", AT_EMPTY_PATH, 0, &status) == 0 && status.stx_attributes & STATX_ATTR_APPEND;
}

/* Creates the temporary file under an unpredictable name; none where it would stay for ever. */
static int create_temporary(struct output *output, mode_t mode)
{
	uint64_t number;

	if (is_append_only(output->directory)) {
		errno = EPERM;
		return -1;
	}
	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return -1;
	output->temporary = memory_format(".escapement.%016llx", (unsigned long long)number);
	note_unfinished(output->directory, output->temporary);
	return openat(output->directory, output->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
}

/* Splits the path and opens its directory, in which all names are looked up from now on. */
static int open_directory(struct output *output)
{
	const char *slash = strrchr(output->path, '/');
	char *directory = slash ? memory_text_of(output->path, (size_t)(slash - output->path) + 1) : memory_text(".");

	output->final = memory_text(slash ? slash + 1 : output->path);
	output->directory = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(directory);
	if (output->directory >= 0 && !*output->final) {
		errno = EISDIR;
		return -1;
	}
	return output->directory < 0 ? -1 : 0;
}

/* Opens the existing file for writing. The kernel decides whether we may, as for any program. */
static int open_existing(const struct output *output, struct stat *existing)
{
	int fd = openat(output->directory, output->final, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
			0600);

	if (fd < 0)
		return -1;
	if (fstat(fd, existing) == 0) {
		if (S_ISREG(existing->st_mode))
			return fd;
		errno = EAGAIN; /* replaced since it was examined */
	}
	close_descriptor(&fd);
	return -1;
}

/* A file without a name. Where no directory for temporary files can be written to, it is in memory. */
static int create_unnamed(void)
{
	FILE *unnamed = tmpfile();
	int copy;

	if (!unnamed)
		return memfd_create("escapement", MFD_CLOEXEC);
	copy = fcntl(fileno(unnamed), F_DUPFD_CLOEXEC, 0);
	fclose(unnamed);
	return copy;
}

static int open_beside(struct output *output, bool exists)
{
	struct stat existing;
	int fd;

	if (exists && (output->through = open_existing(output, &existing)) < 0)
		return -1;
	fd = create_temporary(output, exists ? 0600 : 0666);
	if (fd < 0) {
		forget_temporary(output);
		return exists && (errno == EACCES || errno == EPERM || errno == EROFS) ? create_unnamed() : -1;
	}
	if (exists)
		take_over(fd, output->through, &existing);
	else
		give_to_caller(fd, output->directory);
	return fd;
}

/* ---- links, pipes and devices ---- */

/* Opens without blocking, then waits a limited time for the reader of a pipe. */
static int open_waiting(const char *path, int flags)
{
	int fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);

	for (int tries = 0; fd < 0 && errno == ENXIO && tries < READER_TRIES; tries++) {
		struct stat status;

		if (stat(path, &status) || !S_ISFIFO(status.st_mode)) {
			errno = ENXIO; /* a socket, say */
			return -1;
		}
		if (nanosleep(&(struct timespec){.tv_nsec = READER_NS}, NULL)) /* Ctrl-C */
			return -1;
		fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
	}
	if (fd < 0 && errno == ENXIO)
		errno = EPIPE;
	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

/* If the target of the link is a regular file, the text goes to an unnamed temporary file first, and is copied when it
 * is complete. */
static int open_through(struct output *output, int fd)
{
	struct stat status;

	if (fd < 0 || fstat(fd, &status) || !S_ISREG(status.st_mode))
		return fd;
	output->through = fd;
	return create_unnamed();
}

/* -1 if it is no number as /proc writes them. */
static int number_of(const char *name)
{
	char *end;
	long number = *name >= '0' && *name <= '9' ? strtol(name, &end, 10) : -1;

	return number >= 0 && number <= INT_MAX && !*end && (number == 0 || *name != '0') ? (int)number : -1;
}

/* The same by names alone, which /proc is not needed for. */
static int descriptor_spelt(const char *path)
{
	static const struct {
		const char *name;
		int descriptor; /* -1: its number follows */
	} rows[] = {{"-", STDOUT_FILENO},
		    {"/dev/stdout", STDOUT_FILENO},
		    {"/dev/stderr", STDERR_FILENO},
		    {"/dev/fd/", -1},
		    {"/proc/self/fd/", -1}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *rest = path + strlen(rows[i].name);

		if (strncmp(path, rows[i].name, strlen(rows[i].name)) != 0)
			continue;
		if (rows[i].descriptor >= 0 && !*rest)
			return rows[i].descriptor;
		if (rows[i].descriptor < 0 && number_of(rest) >= 0)
			return number_of(rest);
	}
	return -1;
}

/* Whether it is the directory of our own descriptors in /proc. */
static bool has_our_descriptors(int directory)
{
	static const char *const names[] = {"/proc/self/fd", "/proc/thread-self/fd"};
	struct stat here, there;

	if (fstat(directory, &here))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (stat(names[i], &there) == 0 && here.st_dev == there.st_dev && here.st_ino == there.st_ino)
			return true;
	}
	return false;
}

/* The descriptor that the path names, as a shell's `>&N` does, itself or by links that lead there; -1: none. Opening a name
 * like that would give the file another position: what others have written through the descriptor would be overwritten. */
static int descriptor_named(const char *path)
{
	int at = AT_FDCWD, descriptor = descriptor_spelt(path), before;
	char way[PATH_MAX];

	if (descriptor >= 0 || strlen(path) >= sizeof(way))
		return descriptor;
	snprintf(way, sizeof(way), "%s", path);
	for (int links = 0; links < PATH_WALK_LINKS && descriptor < 0; links++) {
		char *slash = strrchr(way, '/'), *final = memory_text(slash ? slash + 1 : way);
		bool follows;

		if (slash)
			slash[1] = 0;
		before = at;
		at = openat(before, slash ? way : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close_descriptor(&before);
		if (at >= 0 && has_our_descriptors(at))
			descriptor = number_of(final);
		follows = at >= 0 && descriptor < 0 && path_walk_link(at, final, way);
		free(final);
		if (!follows)
			break;
	}
	close_descriptor(&at);
	return descriptor;
}

/* What was inherited; the descriptors that we opened ourselves close at an exec, and nobody can mean them. */
static int open_descriptor(int descriptor)
{
	int flags = fcntl(descriptor, F_GETFD), mode = fcntl(descriptor, F_GETFL);

	if (flags < 0 || flags & FD_CLOEXEC || (mode & O_ACCMODE) == O_RDONLY) {
		errno = EBADF;
		return -1;
	}
	return fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
}

bool output_is_direct(const char *path)
{
	struct stat status;

	return descriptor_named(path) >= 0 || (stat(path, &status) == 0 && !S_ISREG(status.st_mode));
}

/* ---- opening and closing ---- */

static int open_named(struct output *output)
{
	int descriptor = descriptor_named(output->path);
	struct stat status;
	bool exists;

	if (descriptor >= 0)
		return open_descriptor(descriptor);
	if (open_directory(output))
		return -1;
	exists = fstatat(output->directory, output->final, &status, AT_SYMLINK_NOFOLLOW) == 0;
	if (!exists && errno != ENOENT)
		return -1;
	if (!exists || S_ISREG(status.st_mode))
		return open_beside(output, exists);
	/* The kernel resolves the directory and the link in this one call, so the file that it opens is the one that is
	 * written. */
	return open_through(output, open_waiting(output->path, O_WRONLY | O_CREAT));
}

/* Gives an output its stream, or cleans up. */
static int open_stream(struct output *output, int fd, const char *path, struct error *error)
{
	int reason;

	output->stream = fd < 0 ? NULL : fdopen(fd, "w");
	if (output->stream)
		return 0;
	reason = errno;
	if (fd >= 0)
		close(fd);
	output_abandon(output);
	return cannot_write(error, path, reason == EPIPE ? "no process reads the pipe" : strerror(reason));
}

int output_open(struct output *output, const char *path, struct error *error)
{
	*output = (struct output){.path = memory_text(path), .directory = -1, .through = -1, .stays = true};
	return open_stream(output, open_named(output), path, error);
}

int output_open_new(struct output *output, const char *path, output_ready *ready, void *context, struct error *error)
{
	*output = (struct output){
		.path = memory_text(path), .directory = -1, .through = -1, .ready = ready, .context = context};
	return open_stream(output, open_directory(output) ? -1 : open_beside(output, false), path, error);
}

int output_check(const char *path, struct error *error)
{
	struct output output;
	struct stat status;

	if (stat(path, &status) == 0 && S_ISFIFO(status.st_mode))
		return 0; /* closing it would look like the end of the data to its reader */
	if (output_open(&output, path, error))
		return -1;
	output_abandon(&output);
	return 0;
}

static size_t block_until(off_t at, off_t end)
{
	return end - at < COPY_BLOCK ? (size_t)(end - at) : COPY_BLOCK;
}

static int put_block(int to, const char *block, size_t size, off_t at)
{
	ssize_t put;

	for (size_t done = 0; done < size; done += (size_t)put) {
		put = pwrite(to, block + done, size - done, at + (off_t)done);
		if (put < 0)
			return -1;
	}
	return 0;
}

/* Copies the bytes of a file from `at` to `end` to the same place of another one. */
static int copy_bytes(int from, int to, off_t at, off_t end)
{
	char block[COPY_BLOCK];

	while (at < end) {
		ssize_t got = pread(from, block, block_until(at, end), at);

		if (got == 0)
			errno = EIO;
		if (got <= 0 || put_block(to, block, (size_t)got, at))
			return -1;
		at += got;
	}
	return 0;
}

/* Writes zeros where a file has no blocks: its contents stay, and other ones need no more space. */
static int fill_holes(int fd, off_t end)
{
	static const char zeros[COPY_BLOCK];
	off_t hole, data;

	for (off_t at = 0; (hole = lseek(fd, at, SEEK_HOLE)) >= 0 && hole < end; at = data) {
		data = lseek(fd, hole, SEEK_DATA);
		if (data < 0 || data > end)
			data = end;
		for (; hole < data; hole += COPY_BLOCK) {
			if (put_block(fd, zeros, block_until(hole, data), hole))
				return -1;
		}
	}
	return 0;
}

/* Has the kernel set aside the space for so many bytes; -1: there is not so much. Only some file systems can, the others say so in
 * many ways, and a seccomp filter may forbid it: whether there is space shows when it is written. */
static int reserve(int fd, off_t size)
{
	int failed;

	do
		failed = size ? fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, size) : 0;
	while (failed && errno == EINTR);
	return failed && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) ? -1 : 0;
}

/* Copies what the stream wrote into the file that `through` is. What lies behind the old contents is written first, and in holes of
 * these: if there is no space for it, the old contents are still there. */
static int copy_through(const struct output *output)
{
	int from = fileno(output->stream), to = output->through;
	struct stat text, old;
	off_t both;

	if (fstat(from, &text) || fstat(to, &old))
		return -1;
	both = text.st_size < old.st_size ? text.st_size : old.st_size;
	if (reserve(to, text.st_size) || fill_holes(to, both) || copy_bytes(from, to, old.st_size, text.st_size) ||
	    fsync(to)) {
		int reason = errno;

		if (ftruncate(to, old.st_size) == 0)
			errno = reason;
		return -1;
	}
	if (copy_bytes(from, to, 0, both))
		return -1;
	return ftruncate(to, text.st_size) || fsync(to) ? -1 : 0;
}

/* Whether the final name is of the file that `through` is. */
static bool has_name(const struct output *output)
{
	struct stat named, open;

	return fstat(output->through, &open) == 0 &&
	       fstatat(output->directory, output->final, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       named.st_dev == open.st_dev && named.st_ino == open.st_ino;
}

/* Renames the temporary file. A file that cannot be replaced (a mount point; somebody else's in a sticky directory) is overwritten
 * instead. If that fails too, the temporary file stays, unless it is one of many: what is in it may have taken long to measure. */
static int take_name(struct output *output, struct error *error)
{
	const char *slash = strrchr(output->path, '/');
	int reason;

	if (renameat(output->directory, output->temporary, output->directory, output->final) == 0)
		return 0;
	reason = errno;
	if (has_name(output)) {
		if (copy_through(output) == 0) {
			unlinkat(output->directory, output->temporary, 0);
			return 0;
		}
		reason = errno;
	}
	if (!output->stays)
		return cannot_write(error, output->path, strerror(reason));
	error_set(error, STATUS_USAGE, "cannot write '%s': %s; all of it is in '%.*s%s'", output->path,
		  strerror(reason), slash ? (int)(slash + 1 - output->path) : 0, output->path, output->temporary);
	forget_temporary(output);
	return -1;
}

int output_flush(FILE *stream)
{
	if (fflush(stream))
		return -1;
	if (!ferror(stream))
		return 0;
	/* What failed before has left nothing in the buffer and may have lost its errno: the next byte fails as it did. */
	errno = 0;
	if (fputc('\n', stream) != EOF)
		fflush(stream);
	if (!errno)
		errno = EIO;
	return -1;
}

/* A signal waits until then: what is overwritten would be neither the old file nor the new one. */
static int put_in_place(struct output *output, struct error *error)
{
	sigset_t ending, before;
	int result = 0;

	ending_signals(&ending);
	sigaddset(&ending, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &ending, &before);
	if (output->ready)
		result = output->ready(output->context, output->directory, output->final, error);
	if (!result && output->temporary)
		result = take_name(output, error);
	else if (!result && output->through >= 0 && copy_through(output))
		result = cannot_write(error, output->path, strerror(errno));
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return result;
}

int output_commit(struct output *output, struct error *error)
{
	int result = 0;

	if (output_flush(output->stream))
		result = cannot_write(error, output->path, strerror(errno));
	/* Some file systems report only now that there is no space. */
	if (!result && output->temporary && fsync(fileno(output->stream)))
		result = cannot_write(error, output->path, strerror(errno));
	if (!result)
		result = put_in_place(output, error);
	if (fclose(output->stream) && !result)
		result = cannot_write(error, output->path, strerror(errno));
	output->stream = NULL;
	if (result && output->temporary)
		unlinkat(output->directory, output->temporary, 0);
	release(output);
	return result;
}

void output_abandon(struct output *output)
{
	if (!output->path)
		return;
	if (output->stream)
		fclose(output->stream);
	if (output->temporary)
		unlinkat(output->directory, output->temporary, 0);
	release(output);
}
