/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PPROF_H
#define ESCAPEMENT_PPROF_H

/*
 * The only file format: pprof protobuf, gzip (github.com/google/pprof, proto/profile.proto). Nobody else knows it.
 * What the format has no field for travels in comments, one `key: value` each; pprof.c documents the keys.
 */

#include "profile/profile.h"

/* Writes atomically enough that a failure leaves no half file behind under `path`: to a neighbour, then renames;
 * devices and pipes are written directly. A full disk is an error that names the file. */
int pprof_write(const struct profile *profile, const char *path, struct error *error);

/*
 * The same for a profile whose samples are too many to be in memory at one time: pprof_writer_add() is the profile's
 * sink, its context the writer. The neighbour is opened when there is something to write. An error that comes up
 * meanwhile is told at the end.
 */
struct pprof_writer;
struct pprof_writer *pprof_writer_new(const char *path);
void pprof_writer_add(void *writer, const struct profile *profile);
size_t pprof_writer_count(const struct pprof_writer *writer); /* samples so far */
/* Adds the samples that the profile still has, and ends and frees in either case. */
int pprof_writer_finish(struct pprof_writer *writer, const struct profile *profile, struct error *error);
void pprof_writer_abandon(struct pprof_writer *writer); /* leaves what was there before; NULL is allowed */

/*
 * Reads a profile of ours, or a heap profile that Go's own runtime/pprof or another tool wrote (its alloc_objects
 * and alloc_space; what it does not measure is left unmeasured). gzip or bare protobuf; "-" is standard input.
 * Truncated, corrupt, non-pprof and hostile input is an error that says which.
 */
struct profile *pprof_read(const char *path, struct error *error);

/* The same from memory, without gzip; `name` is for messages. */
struct profile *pprof_parse(const void *bytes, size_t size, const char *name, struct error *error);

#endif
