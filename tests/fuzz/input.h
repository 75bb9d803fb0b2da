/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_FUZZ_INPUT_H
#define ESCAPEMENT_FUZZ_INPUT_H

/* An input as a file in memory with a path, for readers that open a file. */

#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "require.h"

struct input_file {
	int descriptor;
	char path[64];
};

static inline struct input_file input_file(const uint8_t *bytes, size_t size)
{
	struct input_file file = {.descriptor = memfd_create("input", 0)};

	REQUIRE(file.descriptor >= 0);
	REQUIRE(!size || write(file.descriptor, bytes, size) == (ssize_t)size);
	snprintf(file.path, sizeof(file.path), "/proc/self/fd/%d", file.descriptor);
	return file;
}

#endif
