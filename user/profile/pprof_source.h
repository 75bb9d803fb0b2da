/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PPROF_SOURCE_H
#define ESCAPEMENT_PPROF_SOURCE_H

/*
 * Reads a profile's bytes field by field, from a file (gzipped or not), a pipe, or memory, and reports errors in them.
 * The bytes are read from beginning to end, and then once more. Private to pprof*.c. A function that fails returns -1,
 * with source->error set.
 */

#include <zlib.h>

#include "base/error.h"
#include "profile/pprof_wire.h"

/* Limit for everything but the samples: a million locations need less. More is an error, or an attempt to exhaust
 * memory. */
#define PPROF_REST_BYTES_MAX ((size_t)256 << 20)

/* Its refusal, with the limit in MiB. */
#define PPROF_REST_TOO_LARGE "all but its samples takes more than %zu MiB of memory"

struct pprof_source {
	const char *name; /* for messages */
	struct error *error;
	gzFile file;	       /* NULL: all bytes are in `window` */
	const uint8_t *window; /* the bytes from `start` to `end` have not been read yet */
	size_t start, end;
	uint8_t *buffer; /* the window of a file */
	size_t capacity;
	bool complete;	   /* the buffer has all bytes of the file, from its beginning */
	bool partial;	   /* it has not those at the beginning */
	uint8_t first[32]; /* the first bytes of the profile */
	size_t first_count;
};

/*
 * Opens a source; "-" is standard input. A source that can be read only once is copied to memory, up to `copy_max`
 * bytes. The caller closes it in any case. Fails on an empty file.
 */
int pprof_source_open(struct pprof_source *source, const char *path, size_t copy_max, struct error *error);
/* The same for an open file, which the source closes. -1 for it with errno: it could not be opened. The name must outlive
 * the source. */
int pprof_source_file(struct pprof_source *source, int descriptor, const char *name, size_t copy_max,
		      struct error *error);
/* The bytes and the name must outlive the source. */
int pprof_source_memory(struct pprof_source *source, const void *bytes, size_t size, const char *name,
			struct error *error);
void pprof_source_close(struct pprof_source *source);

/*
 * Reads the next field, with all its bytes (header and content), which are valid until the next call. Returns 1; 0 at
 * the end. A field is at most PPROF_REST_BYTES_MAX long.
 */
int pprof_source_field(struct pprof_source *source, struct wire_field *field, struct wire_bytes *all);
int pprof_source_rewind(struct pprof_source *source);

/* These set the error and return -1. Decides by the first bytes whether this is not a profile or a damaged one. */
int pprof_source_truncated(const struct pprof_source *source);
/* "profile 'NAME' is malformed: …" */
int pprof_source_malformed(const struct pprof_source *source, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* "profile 'NAME' is too large: …" */
int pprof_source_too_large(const struct pprof_source *source, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
