/* SPDX-License-Identifier: BSD-2-Clause */
/* What needs no libcurl, and so is also in the static binary. */
#include <string.h>

#include "fleet/http.h"

enum { WHY_MAX = 300 };

int http_refusal(const struct http_answer *answer, struct error *error)
{
	/* without what follows of the server: its version, its stack */
	int length = (int)strcspn(answer->text, "\r\n");

	return error_set(error, STATUS_CANNOT_MEASURE, "it answers %ld: %.*s", answer->status,
			 length < WHY_MAX ? length : WHY_MAX, answer->text);
}

int http_base_length(const char *url)
{
	size_t length = strlen(url);

	while (length && url[length - 1] == '/')
		length--;
	return (int)length;
}
