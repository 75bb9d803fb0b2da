/* SPDX-License-Identifier: BSD-2-Clause */
/* In place of user/fleet/http.c in the static binary, which has no TLS. */
#include "fleet/http.h"

#include "base/memory.h"

int http_check(struct error *error)
{
	return error_set(error, STATUS_CANNOT_MEASURE,
			 "the static binary of escapement has no HTTP: what needs a store needs the build with shared "
			 "libraries (docs/install.md)");
}

int http_post(const struct http_request *request, struct http_answer *answer, struct error *error)
{
	(void)request;
	*answer = (struct http_answer){0};
	return http_check(error);
}

char *http_escape(const char *text)
{
	return memory_text(text);
}
