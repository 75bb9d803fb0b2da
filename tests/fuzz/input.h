/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_FUZZ_INPUT_H
#define ESCAPEMENT_FUZZ_INPUT_H

/*
 * Bytes as a file in memory with a path, for readers that open a file. The file is created once and then filled again
 * for each input: making and removing files took the kernel longer than reading took the readers.
 */

#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "require.h"

struct input_file {
	int descriptor;
	char path[64];
};

static inline void input_file_open(struct input_file *file)
{
	file->descriptor = memfd_create("input", 0);
	REQUIRE(file->descriptor >= 0);
	snprintf(file->path, sizeof(file->path), "/proc/self/fd/%d", file->descriptor);
}

/* Replaces the content of a file, which is zero before the first call. Who writes to its name writes from where the descriptor
 * stands. */
static inline void input_file_fill(struct input_file *file, const void *bytes, size_t size)
{
	if (!file->path[0])
		input_file_open(file);
	REQUIRE(!size || pwrite(file->descriptor, bytes, size, 0) == (ssize_t)size);
	REQUIRE(ftruncate(file->descriptor, (off_t)size) == 0);
	REQUIRE(lseek(file->descriptor, 0, SEEK_SET) == 0);
}

#endif
