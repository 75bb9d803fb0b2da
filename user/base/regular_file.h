/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_REGULAR_FILE_H
#define ESCAPEMENT_REGULAR_FILE_H

/*
 * Opens files whose names come from outside: what a process maps, or a core file says that one did. Whoever made the name
 * may have put anything in the file's place. These functions do not open a FIFO, which would make us wait for its writer, a
 * file with a lease, which would make us wait for its holder, a device, which may do something when it is opened, and files of
 * proc and sysfs, which may when they are read. A name such as /proc/self/fd/3 leads out of proc. May be used by any thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"

/* The largest that is opened: programs with all their debug information are a few GiB, core files as large as memory. A file
 * that says that it has more is made up. */
#define REGULAR_FILE_MAX (INT64_C(1) << 40)

/*
 * Opens a regular file to read it, and stores its status (may be NULL). The caller closes the descriptor. Returns -1 with
 * STATUS_USAGE if there is no such file, it may not be read, is of another kind, the kernel's own, or larger than
 * REGULAR_FILE_MAX, or if another process holds a lease on it that reading would break; with STATUS_CANNOT_MEASURE if that is not
 * known, for want of descriptors or memory.
 */
int regular_file_open(const char *path, struct stat *status, struct error *error);

/* The same for a name in an open directory. Follows no link. */
int regular_file_open_in(int directory, const char *name, struct stat *status, struct error *error);

/* The same for a path that does not lead through /proc/PID/root and the like, where other processes say what has which name
 * (base/path_walk.h). */
int regular_file_open_here(const char *path, struct stat *status, struct error *error);

/* The status of an error that ended with this errno where something was to be opened or mapped: STATUS_CANNOT_MEASURE if it says
 * nothing of the file, as descriptors or memory were used up; else STATUS_USAGE. */
enum exit_status regular_file_status(int code);

/* Writes a path by which this process opens that very file again, whatever has its name by then. Valid until the descriptor is
 * closed. Returns `name`. */
#define REGULAR_FILE_NAME 32
const char *regular_file_name(int file, char name[REGULAR_FILE_NAME]);

/* What messages call a file: its path in quotes, or "it" for a path of regular_file_name(), as who made that says which file is
 * meant (error_prefix()). Keeps errno. Returns `words`. */
#define REGULAR_FILE_WORDS 1024
const char *regular_file_words(const char *path, char words[REGULAR_FILE_WORDS]);

/* Whether there is a regular file that nobody has a lease on, or nothing, at this path. For libraries that open files
 * themselves: it may have changed when they do. */
bool regular_file_or_none(const char *path);

#endif
