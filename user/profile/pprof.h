/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PPROF_H
#define ESCAPEMENT_PPROF_H

/*
 * The only file format: pprof protobuf, gzipped (github.com/google/pprof, proto/profile.proto). No other file knows it.
 * Data for which the format has no field is stored in comments, one `key: value` each; pprof_comments.c documents the
 * keys.
 */

#include "base/output.h"
#include "profile/profile.h"

/* Writes a profile to `path`; after a failure there is no incomplete file (output.h). Devices and pipes are written
 * directly. A full disk is an error that names the file. */
int pprof_write(const struct profile *profile, const char *path, struct error *error);

/* The same as a new file, which follows no link (output_open_new()). */
int pprof_write_new(const struct profile *profile, const char *path, output_ready *ready, void *context,
		    struct error *error);

/* Returns the bytes of the file, and their number. The caller frees them. */
uint8_t *pprof_pack(const struct profile *profile, size_t *size);

/*
 * The same for a profile with more samples than fit into memory: pprof_writer_add() is the profile's sink, and its
 * context is the writer. The file is opened when there is something to write. Errors in between are reported by
 * pprof_writer_finish().
 */
struct pprof_writer;
struct pprof_writer *pprof_writer_new(const char *path);
void pprof_writer_add(void *writer, const struct profile *profile);
size_t pprof_writer_count(const struct pprof_writer *writer); /* samples so far */
/* Adds the samples that are still in the profile, and ends. Frees the writer in any case. */
int pprof_writer_finish(struct pprof_writer *writer, const struct profile *profile, struct error *error);
void pprof_writer_abandon(struct pprof_writer *writer); /* leaves the previous file in place; NULL is allowed */

/*
 * Reads one of our profiles, or a heap profile by Go's runtime/pprof or another tool (its alloc_objects and
 * alloc_space; what it does not measure stays unmeasured). The file may be gzipped or not; "-" is standard input.
 * Truncated, corrupt, non-pprof and hostile input is an error that says which.
 */
struct profile *pprof_read(const char *path, struct error *error);

/* The same from an open file, which is closed; `name` is for messages. */
struct profile *pprof_read_file(int file, const char *name, struct error *error);

/* The same, redacted: with the program's name instead of its command line, and names of files instead of paths. */
struct profile *pprof_read_redacted(const char *path, struct error *error);

/* The same for those who compare allocations: a heap snapshot is an error that says so. */
struct profile *pprof_read_recording(const char *path, struct error *error);

/* The same from memory, without gzip (base/gzip.h); `name` is for messages. */
struct profile *pprof_parse(const void *bytes, size_t size, const char *name, struct error *error);

#endif
