/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_IMAGE_H
#define ESCAPEMENT_GO_IMAGE_H

/*
 * An ELF file as its process will see it: bytes by virtual address, with the relocations applied that a
 * position-independent program gets when it starts. The file is mapped, never read as a whole, and not trusted: every
 * access is checked against the segments that the file really has. Section headers are only hints; everything works
 * without them.
 *
 * Read-only after go_image_open(); may be used by any number of threads.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define GO_IMAGE_SEGMENTS_MAX 32

struct go_image_segment {
	uint64_t address, size; /* the part that the file contains; link-time addresses */
	uint64_t offset;	/* in the file */
	bool writable, executable;
};

struct go_image {
	int file;	     /* its descriptor, for probes: they belong where these bytes say */
	const uint8_t *data; /* the mapped file, and at least one zero behind it if its last page is full */
	size_t size;
	uint16_t machine; /* EM_X86_64 or EM_AARCH64 */
	bool position_independent;
	/* lowest link-time address, rounded down to a page; it corresponds to the file's lowest mapping */
	uint64_t base;
	struct go_image_segment segments[GO_IMAGE_SEGMENTS_MAX];
	size_t segment_count;
	uint64_t segments_bytes;    /* of all of them together */
	const uint8_t *relocations; /* Elf64_Rela, perhaps unaligned */
	size_t relocation_count;
};

/* Maps an ELF file of amd64 or arm64. Returns -1 for anything else. go_image_close() may follow in either case. */
int go_image_open(struct go_image *image, const char *path, struct error *error);
void go_image_close(struct go_image *image);

/* Returns `size` bytes at a link-time address as they are in the file; NULL if the file does not contain all of
 * them. */
const void *go_image_at(const struct go_image *image, uint64_t address, uint64_t size);
/* The same; stores the number of bytes from there to the end of the segment in `*size`. */
const void *go_image_rest(const struct go_image *image, uint64_t address, uint64_t *size);
/* Computes the file offset of the byte at `address`, which uprobes need. Returns false if the file does not contain
 * it. */
bool go_image_offset(const struct go_image *image, uint64_t address, uint64_t *offset);

/* Copies `size` bytes (at most 64 KiB) and applies relative relocations to the copy. Returns false if the file does not
 * contain all of them. */
bool go_image_read(const struct go_image *image, uint64_t address, void *buffer, uint64_t size);

/* Returns the address of two adjacent words with these values (after relocation); 0 if there are none. */
uint64_t go_image_find_pair(const struct go_image *image, uint64_t first, uint64_t second);

/*
 * Searches writable segments for a Go string header {pointer, length} whose text `accept` returns true for. Returns the
 * text (not terminated) and its length, or NULL.
 */
const char *go_image_find_string(const struct go_image *image, bool (*accept)(const char *text, uint64_t length),
				 uint64_t *length);

/* Finds a section's address and size; returns false if there is no such section. */
bool go_image_section(const struct go_image *image, const char *name, uint64_t *address, uint64_t *size);

/* Returns the descriptor of the first note with this owner and type, or NULL. */
const void *go_image_note(const struct go_image *image, const char *owner, uint32_t type, size_t *size);

#endif
