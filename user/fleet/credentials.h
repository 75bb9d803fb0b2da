/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_CREDENTIALS_H
#define ESCAPEMENT_CREDENTIALS_H

/*
 * What proves to a store who we are: a password, or a token, of the file that the configuration names, or of the environment. It
 * goes into a header of a request: neither into a URL, nor into a message, nor onto a command line.
 */

#include "base/error.h"
#include "fleet/agent_config.h"
#include "fleet/http.h"

struct credentials {
	char *password; /* with the user of the configuration; NULL: none */
	char *token;	/* a bearer token; NULL: none */
};

/* Reads them for one of the configuration's stores. -1 with an error; then there is nothing to clear. */
int credentials_read(struct credentials *credentials, enum agent_store_kind kind, const struct agent_store *store,
		     struct error *error);
void credentials_clear(struct credentials *credentials);

/* A request to the store, without URL and body: with its authority, its time limit, and the password or the token (NULL: none). */
struct http_request credentials_request(const struct agent_store *store, const char *password, const char *token);

/* In a process that has no use for them: overwrites those of the environment. */
void credentials_forget(void);

#endif
