/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_OUTPUT_H
#define ESCAPEMENT_OUTPUT_H

/*
 * A file that is written whole or not at all: what `-o FILE` of every command writes to. The text goes to a neighbour
 * of the file, which takes its place when all is on disk; until then an older file of that name stays as it is.
 * Devices, pipes and "-" (standard output) are written directly. What takes an older file's place has its permissions
 * and, as far as we may, its owner; a symbolic link stays, and the file that it names, or would name, is written.
 */

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

struct output {
	FILE *stream;	 /* write here; NULL when not open */
	char *path;	 /* as the caller named it */
	char *final;	 /* what the neighbour will be renamed to; NULL where written directly */
	char *temporary; /* the neighbour */
};

/* Whether `path` could be opened for writing now: asked before work whose result must not be lost. Leaves no trace. */
int output_check(const char *path, struct error *error);

/* Whether `path` is written directly: whoever reads it may keep the writer waiting. */
bool output_is_direct(const char *path);

/* Opens `path` for writing. On failure there is nothing to clean up. */
int output_open(struct output *output, const char *path, struct error *error);

/* Finishes: everything is written and in place, or an error that names the file. Closes in either case. */
int output_commit(struct output *output, struct error *error);

/* Gives up: closes, and leaves what was there before. Does nothing when not open. */
void output_abandon(struct output *output);

#endif
