/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PPROF_SOURCE_H
#define ESCAPEMENT_PPROF_SOURCE_H

/*
 * A profile's bytes as its fields, one after the other: from a file, gzip or not, a pipe, or memory; and the words
 * for what is wrong with them. They are looked at from their beginning to their end, and then once more.
 * Private to pprof*.c. What fails returns -1, with source->error filled.
 */

#include <zlib.h>

#include "base/error.h"
#include "profile/pprof_wire.h"

/* All but the samples: a million locations serialize to less. More is a mistake, or meant to eat memory. */
#define PPROF_REST_BYTES_MAX ((size_t)256 << 20)

struct pprof_source {
	const char *name; /* for messages */
	struct error *error;
	gzFile file;	       /* NULL: all bytes are in `window` */
	const uint8_t *window; /* `start` to `end`: not looked at yet */
	size_t start, end;
	uint8_t *buffer; /* the window of a file */
	size_t capacity;
	uint8_t first[3]; /* of all bytes */
	size_t first_count;
};

/*
 * "-" is standard input. What can be read only once is copied to memory, up to `copy_max` bytes. Close it in either
 * case. Fails on an empty file.
 */
int pprof_source_open(struct pprof_source *source, const char *path, size_t copy_max, struct error *error);
/* The bytes and the name must outlive the source. */
int pprof_source_memory(struct pprof_source *source, const void *bytes, size_t size, const char *name,
			struct error *error);
void pprof_source_close(struct pprof_source *source);

/*
 * The next field and all its bytes, header and content, which hold until the next call. Returns 1; 0 at the end. A
 * field is at most PPROF_REST_BYTES_MAX long.
 */
int pprof_source_field(struct pprof_source *source, struct wire_field *field, struct wire_bytes *all);
int pprof_source_rewind(struct pprof_source *source);

/* These fill the error and return -1. Not a profile at all, or a damaged one, by what it begins with: */
int pprof_source_truncated(const struct pprof_source *source);
/* "profile 'NAME' is malformed: …" */
int pprof_source_malformed(const struct pprof_source *source, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* "profile 'NAME' is too large: …" */
int pprof_source_too_large(const struct pprof_source *source, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
