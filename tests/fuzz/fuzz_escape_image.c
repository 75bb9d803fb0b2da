/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads arbitrary bytes as an image of compiler output: what is not refused is as good as what the parser makes. */
#include <stdlib.h>
#include <string.h>

#include "escape/escape_image.h"
#include "escape_output.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct escape_output *output;
	void *bytes = malloc(size + 1); /* aligned, as a mapped file is */

	memcpy(bytes, data, size);
	output = escape_image_read(bytes, size);
	if (output)
		check_output(output);
	escape_free(output);
	free(bytes);
	return 0;
}
