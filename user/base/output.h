/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_OUTPUT_H
#define ESCAPEMENT_OUTPUT_H

/*
 * Output files that are written completely or not at all: `-o FILE` of every command. Other users may be able to write
 * to the file's directory and plant names there, and we may be root. Therefore each kind of name is opened as follows,
 * and is never looked up by its path again.
 *
 *   no file yet, regular file   A temporary file in the same directory is written, and is renamed when all of it is on
 *                               disk (renameat with the directory's descriptor). It gets the owner, permissions and
 *                               access control list of the file that it replaces. A new file that root creates through
 *                               sudo, in a directory of the user who called sudo or in one writable by everybody,
 *                               belongs to that user.
 *                               A file that cannot be replaced, because it is a mount point, somebody else's in a sticky
 *                               directory, or in a directory in which we may create none, is overwritten as the target of
 *                               a link is. Whatever else keeps the temporary file from its name, it stays, and the error
 *                               says where. In an append-only directory, which nothing is removed from, there is no
 *                               temporary file: a file is overwritten, and a new one is refused.
 *   symbolic link               The link stays. Its target is opened by open(2), so that the kernel's rules for links
 *                               (fs.protected_symlinks) hold, and is overwritten through that descriptor, from an
 *                               unnamed temporary file, when the text is complete.
 *   pipe, device, socket        Written directly. A pipe without a reader is an error after some seconds.
 *   "-", /dev/stdout, /dev/stderr, /dev/fd/N, /proc/self/fd/N, a link to one of these
 *                               What standard output, or that descriptor, is, from where it stands. Written directly.
 */

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

/* Called when all of a new file is on disk, before it takes its name; `directory`: a descriptor, in which `name` is. -1 with an
 * error: then it does not take the name. */
typedef int output_ready(void *context, int directory, const char *name, struct error *error);

struct output {
	FILE *stream;	 /* write here; NULL when not open */
	char *path;	 /* as the caller gave it; NULL when not open */
	int directory;	 /* descriptor of the directory of `final` and `temporary` */
	char *final;	 /* the name that `temporary` will be renamed to; NULL if there is no renaming */
	char *temporary; /* NULL if there is no renaming */
	int through; /* descriptor of the regular file that there is, to which the text is copied at the end, with `temporary`
			only if that cannot be renamed; -1: none */
	bool stays;	     /* `temporary` is not removed if it cannot be renamed */
	output_ready *ready; /* see output_open_new(); NULL: none */
	void *context;
};

/* Checks that `path` can be opened for writing, before work whose result must not be lost. Has no side effect, except
 * that it creates the empty target of a dangling link. */
int output_check(const char *path, struct error *error);

/* Whether `path` is written directly: then its reader may block the writer. */
bool output_is_direct(const char *path);

/* Opens `path` for writing. After a failure there is nothing to clean up. */
int output_open(struct output *output, const char *path, struct error *error);

/* The same for a file of its own: it replaces what has the name, also a link, which is not followed, and takes over neither
 * owner nor permissions. If it cannot have its name, it does not stay. Not for "-" and devices. */
int output_open_new(struct output *output, const char *path, output_ready *ready, void *context, struct error *error);

/* Finishes and closes the file. On success everything is written and in place; the error names the file. */
int output_commit(struct output *output, struct error *error);

/* Writes out what a stream holds. Returns -1 with errno if that fails, or some earlier write did. */
int output_flush(FILE *stream);

/* Closes the file and leaves what was there before. Does nothing if it is not open (all zero, or closed). */
void output_abandon(struct output *output);

#endif
