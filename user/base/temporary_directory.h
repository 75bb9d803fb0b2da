/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_TEMPORARY_DIRECTORY_H
#define ESCAPEMENT_TEMPORARY_DIRECTORY_H

/*
 * A directory below $TMPDIR or /tmp that is made for a user, who may be another than this process's. That user may put
 * anything in it, and something else in its place. Therefore it is held by its descriptor from the beginning on, and what
 * this process does with it, it does through that. Not thread-safe.
 */

#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"

struct temporary_directory {
	char *path;	  /* absolute, without symbolic links: for those who work in it as its user */
	const char *name; /* the end of the path */
	int parent, file; /* descriptors */
	uid_t owner;
};

/* Makes it, with a name that begins with `prefix`, and gives it to the user and the group, if the user is not this process's.
 * temporary_directory_close() frees it. -1 with STATUS_CANNOT_MEASURE: nothing is left of it. */
int temporary_directory_make(struct temporary_directory *directory, const char *prefix, uid_t owner, gid_t group,
			     struct error *error);

/*
 * The names in it, sorted, but those that begin with a dot; NULL after the last. The caller frees each and the array. NULL with
 * STATUS_CANNOT_MEASURE if it cannot be read.
 */
char **temporary_directory_list(const struct temporary_directory *directory, struct error *error);

/* Opens a file in it to read it, if it is a regular one of the directory's user (regular_file.h); follows no link. The caller
 * closes the descriptor. -1 with STATUS_USAGE. */
int temporary_directory_open(const struct temporary_directory *directory, const char *name, struct error *error);

/* Removes the files in it, and then itself, unless its user has put something else in its place. */
void temporary_directory_remove(const struct temporary_directory *directory);

/* Frees what describes it. All zero is allowed: there was none. */
void temporary_directory_close(struct temporary_directory *directory);

#endif
