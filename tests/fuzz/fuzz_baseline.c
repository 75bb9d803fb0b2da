/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads arbitrary bytes as a baseline, because users edit and merge these JSON files. An accepted baseline can be
 * written, and after reading it again is written to the same bytes.
 */
#include <string.h>

#include "gate/baseline.h"
#include "input.h"

/* Writes a baseline and returns its bytes. */
static char *written(const struct gate_counts *counts, size_t *size)
{
	static struct input_file file;
	struct error error = {0};
	char *bytes;

	input_file_fill(&file, NULL, 0);
	if (baseline_write(counts, file.path, &error)) {
		fprintf(stderr, "%s\n", error.text);
		abort();
	}
	*size = (size_t)lseek(file.descriptor, 0, SEEK_END);
	bytes = malloc(*size + 1);
	REQUIRE(pread(file.descriptor, bytes, *size, 0) == (ssize_t)*size);
	return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct input_file file;
	struct error error = {0};
	struct gate_counts *counts, *back;
	char *first, *second;
	size_t first_size, second_size;

	input_file_fill(&file, bytes, size);
	counts = baseline_read(file.path, &error);
	if (!counts) {
		REQUIRE(error.status == STATUS_USAGE && error.text[0]);
		return 0;
	}
	first = written(counts, &first_size);
	input_file_fill(&file, first, first_size);
	back = baseline_read(file.path, &error);
	if (!back)
		fprintf(stderr, "%s\n", error.text);
	REQUIRE(back);
	second = written(back, &second_size);
	REQUIRE(first_size == second_size && memcmp(first, second, first_size) == 0);
	gate_counts_free(counts);
	gate_counts_free(back);
	free(first);
	free(second);
	return 0;
}
