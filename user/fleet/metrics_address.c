/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/metrics_address.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { ADDRESS_MAX = 128 };

struct addrinfo *metrics_address(const char *text, struct error *error)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				       .ai_socktype = SOCK_STREAM};
	char address[ADDRESS_MAX];
	const char *colon = strrchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : 0;
	struct addrinfo *found = NULL;
	bool brackets = length > 2 && text[0] == '[' && text[length - 1] == ']';

	if (length && length < sizeof(address)) {
		snprintf(address, sizeof(address), "%.*s", (int)(length - 2 * brackets), text + brackets);
		if (getaddrinfo(address, colon + 1, &hints, &found))
			found = NULL;
	}
	if (!found || (found->ai_family == AF_INET6) != brackets) {
		if (found)
			freeaddrinfo(found);
		error_set(error, STATUS_USAGE, "'%s' is not ADDRESS:PORT, such as 127.0.0.1:9187 or [::1]:9187", text);
		return NULL;
	}
	return found;
}
