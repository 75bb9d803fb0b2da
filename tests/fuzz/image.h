/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_FUZZ_IMAGE_H
#define ESCAPEMENT_FUZZ_IMAGE_H

/*
 * For files that are too large to be an input: an environment variable names a program of the build, and an input
 * changes some of its bytes. An input is a list of changes: region (one byte), offset in it (three bytes), number of
 * bytes, and the bytes. The changed file is in memory and has a path; the next input reverts the changes.
 */

#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "require.h"

enum { IMAGE_REGIONS_MAX = 64, IMAGE_CHANGES_MAX = 64, IMAGE_CHANGE_BYTES = 8 };

struct image_region {
	uint64_t offset, size;
};

struct image {
	char path[64];
	uint8_t *bytes; /* the file, mapped */
	size_t size;
	struct image_region regions[IMAGE_REGIONS_MAX];
	size_t region_count;
	struct {
		uint64_t offset;
		uint8_t before[IMAGE_CHANGE_BYTES];
	} changes[IMAGE_CHANGES_MAX];
	size_t change_count;
};

static inline void image_add_region(struct image *image, uint64_t offset, uint64_t size)
{
	if (size && offset < image->size && size <= image->size - offset && image->region_count < IMAGE_REGIONS_MAX)
		image->regions[image->region_count++] = (struct image_region){offset, size};
}

static inline bool image_names(const char *const *parts, const char *name)
{
	for (; *parts; parts++) {
		if (strstr(name, *parts))
			return true;
	}
	return false;
}

/* Adds the headers, and the sections whose name contains one of `parts` (ends with NULL), as regions. */
static inline void image_find_regions(struct image *image, const char *const *parts)
{
	const Elf64_Ehdr *header = (const void *)image->bytes;
	const Elf64_Shdr *sections = (const void *)(image->bytes + header->e_shoff);
	const char *names = (const char *)image->bytes + sections[header->e_shstrndx].sh_offset;

	image_add_region(image, 0, sizeof(*header) + header->e_phnum * sizeof(Elf64_Phdr));
	image_add_region(image, header->e_shoff, header->e_shnum * sizeof(Elf64_Shdr));
	for (int i = 0; i < header->e_shnum; i++) {
		if (sections[i].sh_type == SHT_NOBITS || !image_names(parts, names + sections[i].sh_name))
			continue;
		image_add_region(image, sections[i].sh_offset, sections[i].sh_size);
		image_add_region(image, sections[i].sh_offset, 64); /* the most sensitive bytes get more changes */
	}
}

static inline void image_open(struct image *image, const char *variable, const char *const *parts)
{
	const char *path = getenv(variable);
	int from = path ? open(path, O_RDONLY | O_CLOEXEC) : -1, to = memfd_create("image", 0);
	struct stat file;

	if (from < 0) {
		fprintf(stderr, "%s must name the program that inputs change\n", variable);
		exit(1);
	}
	REQUIRE(fstat(from, &file) == 0 && to >= 0 && ftruncate(to, file.st_size) == 0);
	image->size = (size_t)file.st_size;
	image->bytes = mmap(NULL, image->size, PROT_READ | PROT_WRITE, MAP_SHARED, to, 0);
	REQUIRE(image->bytes != MAP_FAILED);
	REQUIRE(read(from, image->bytes, image->size) == (ssize_t)image->size);
	close(from);
	snprintf(image->path, sizeof(image->path), "/proc/self/fd/%d", to);
	image_find_regions(image, parts);
}

/* Applies the changes of an input. */
static inline void image_change(struct image *image, const uint8_t *input, size_t size)
{
	while (size >= 5 && image->change_count < IMAGE_CHANGES_MAX) {
		const struct image_region *region = &image->regions[input[0] % image->region_count];
		uint64_t into = input[1] | input[2] << 8 | input[3] << 16;
		size_t count = input[4] % IMAGE_CHANGE_BYTES + 1;
		uint64_t offset = region->offset + into % region->size;

		input += 5;
		size -= 5;
		if (count > size)
			break;
		if (offset > image->size - IMAGE_CHANGE_BYTES)
			offset = image->size - IMAGE_CHANGE_BYTES;
		image->changes[image->change_count].offset = offset;
		memcpy(image->changes[image->change_count++].before, image->bytes + offset, IMAGE_CHANGE_BYTES);
		memcpy(image->bytes + offset, input, count);
		input += count;
		size -= count;
	}
}

static inline void image_restore(struct image *image)
{
	while (image->change_count) {
		image->change_count--;
		memcpy(image->bytes + image->changes[image->change_count].offset,
		       image->changes[image->change_count].before, IMAGE_CHANGE_BYTES);
	}
}

#endif
