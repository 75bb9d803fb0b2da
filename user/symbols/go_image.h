/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_IMAGE_H
#define ESCAPEMENT_GO_IMAGE_H

/*
 * An ELF file as its process will see it: bytes by virtual address, with the relocations applied that a
 * position-independent program gets when it starts. The file is mapped, never read as a whole, and nothing in it is
 * believed: every access is checked against the segments that the file really has. Section headers are hints; all
 * works without them.
 *
 * Read-only after go_image_open(); may be used by any number of threads.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define GO_IMAGE_SEGMENTS_MAX 32

struct go_image_segment {
	uint64_t address, size; /* the part that is in the file; link-time addresses */
	uint64_t offset;	/* in the file */
	bool writable, executable;
};

struct go_image {
	const uint8_t *data; /* the mapped file */
	size_t size;
	bool position_independent;
	uint64_t base; /* lowest link-time address, rounded down to a page: maps to the file's lowest mapping */
	struct go_image_segment segments[GO_IMAGE_SEGMENTS_MAX];
	size_t segment_count;
	const uint8_t *relocations; /* Elf64_Rela, unaligned perhaps */
	size_t relocation_count;
};

/* Maps an x86-64 ELF file. Returns -1 for anything else. go_image_close() may follow in either case. */
int go_image_open(struct go_image *image, const char *path, struct error *error);
void go_image_close(struct go_image *image);

/* `size` bytes at a link-time address, as they are in the file; NULL where the file does not have them all. */
const void *go_image_at(const struct go_image *image, uint64_t address, uint64_t size);
/* The same, with the number of bytes that the segment holds from there on. */
const void *go_image_rest(const struct go_image *image, uint64_t address, uint64_t *size);
/* The offset in the file of the byte at `address`, as uprobes want it. False where it is not in the file. */
bool go_image_offset(const struct go_image *image, uint64_t address, uint64_t *offset);

/* Copies `size` (at most 64 KiB) bytes and applies relative relocations to the copy. False as above. */
bool go_image_read(const struct go_image *image, uint64_t address, void *buffer, uint64_t size);

/* The address of two neighbouring words with these values (after relocation); 0 where there is none. */
uint64_t go_image_find_pair(const struct go_image *image, uint64_t first, uint64_t second);

/*
 * Looks for a Go string header {pointer, length} whose text `accept` likes, in writable segments. Returns the text
 * (not terminated) and its length, or NULL.
 */
const char *go_image_find_string(const struct go_image *image, bool (*accept)(const char *text, uint64_t length),
				 uint64_t *length);

/* A section's address and size; false where there is no such section. */
bool go_image_section(const struct go_image *image, const char *name, uint64_t *address, uint64_t *size);

/* The descriptor of the first note of that owner and type, or NULL. */
const void *go_image_note(const struct go_image *image, const char *owner, uint32_t type, size_t *size);

#endif
