/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PPROF_H
#define ESCAPEMENT_PPROF_H

/*
 * The only file format: pprof protobuf, gzip (github.com/google/pprof, proto/profile.proto). Nobody else knows it.
 * What the format has no field for travels in comments, one `key: value` each; pprof.c documents the keys.
 */

#include "profile.h"

/* Writes atomically enough that a failure leaves no half file behind under `path`: to a neighbour, then renames;
 * devices and pipes are written directly. A full disk is an error that names the file. */
int pprof_write(const struct profile *profile, const char *path, struct error *error);

/*
 * Reads a profile of ours, or a heap profile that Go's own runtime/pprof or another tool wrote (its alloc_objects
 * and alloc_space; what it does not measure is left unmeasured). gzip or bare protobuf; "-" is standard input.
 * Truncated, corrupt, non-pprof and hostile input is an error that says which.
 */
struct profile *pprof_read(const char *path, struct error *error);

/* The same from memory, without gzip; `name` is for messages. */
struct profile *pprof_parse(const void *bytes, size_t size, const char *name, struct error *error);

#endif
