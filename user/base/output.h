/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_OUTPUT_H
#define ESCAPEMENT_OUTPUT_H

/*
 * A file that is written whole or not at all: what `-o FILE` of every command writes to. Others may be able to write
 * in its directory and plant a name there, and we may be root; so each kind of name is opened as follows, and never
 * looked up by its path again.
 *
 *   no file yet, regular file   A temporary file beside it is written, and takes its name when all is on disk (renameat
 *                               by the directory's descriptor). It gets the owner and permissions of the file that it
 *                               replaces; a new one that root makes through sudo in a directory of the user who called
 *                               sudo, or in one that is everybody's, belongs to that user.
 *   symbolic link               The link stays. What it leads to is opened by open(2), so that the kernel's rules for
 *                               links (fs.protected_symlinks) hold, and is overwritten through that descriptor, from an
 *                               unnamed temporary file, when all is known.
 *   pipe, device, socket        Written directly. A pipe that nobody reads is an error after some seconds.
 *   "-"                         Standard output, written directly.
 */

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

struct output {
	FILE *stream;	 /* write here; NULL when not open */
	char *path;	 /* as the caller named it; NULL when not open */
	int directory;	 /* descriptor of the directory of `final` and `temporary` */
	char *final;	 /* the name in it that `temporary` will take; NULL where it takes none */
	char *temporary; /* NULL likewise */
	int through;	 /* descriptor of the file that a link leads to, which gets what the stream wrote; -1: none */
};

/* Whether `path` could be opened for writing now: asked before work whose result must not be lost. Leaves no trace, but
 * for an empty file that a link leads to. */
int output_check(const char *path, struct error *error);

/* Whether `path` is written directly: whoever reads it may keep the writer waiting. */
bool output_is_direct(const char *path);

/* Opens `path` for writing. On failure there is nothing to clean up. */
int output_open(struct output *output, const char *path, struct error *error);

/* Finishes: everything is written and in place, or an error that names the file. Closes in either case. */
int output_commit(struct output *output, struct error *error);

/* Gives up: closes, and leaves what was there before. Does nothing when not open (all zero, or closed). */
void output_abandon(struct output *output);

#endif
