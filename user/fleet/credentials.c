/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { SECRET_MAX = 8192 }; /* tokens may be long */

/* The variables of the environment that stand for a file which is not given. */
static const struct variable {
	const char *name;
	bool token;
} variables[AGENT_STORES] = {
	[AGENT_CLICKHOUSE] = {AGENT_PASSWORD_VARIABLE, false},
	[AGENT_PYROSCOPE] = {"ESCAPEMENT_PYROSCOPE_TOKEN", true},
	[AGENT_OTLP] = {"ESCAPEMENT_OTLP_TOKEN", true},
};

static int read_file(const char *path, const char *what, char **secret, struct error *error)
{
	FILE *stream = fopen(path, "re");
	char line[SECRET_MAX] = "";

	if (!stream)
		return error_set(error, STATUS_USAGE, "cannot read the %s file '%s': %m", what, path);
	setbuf(stream, NULL); /* or a copy would stay in what is freed */
	if (!fgets(line, sizeof(line), stream))
		line[0] = 0;
	fclose(stream);
	line[strcspn(line, "\r\n")] = 0;
	if (!*line)
		return error_set(error, STATUS_USAGE, "the first line of the %s file '%s' is empty", what, path);
	*secret = memory_text(line);
	explicit_bzero(line, sizeof(line));
	return 0;
}

int credentials_read(struct credentials *credentials, enum agent_store_kind kind, const struct agent_store *store,
		     struct error *error)
{
	const char *variable = getenv(variables[kind].name);

	*credentials = (struct credentials){0};
	if (store->password_file)
		return read_file(store->password_file, "password", &credentials->password, error);
	if (store->token_file)
		return read_file(store->token_file, "token", &credentials->token, error);
	if (variable && *variable && variables[kind].token)
		credentials->token = memory_text(variable);
	else if (variable && *variable)
		credentials->password = memory_text(variable);
	return 0;
}

static void forget(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void credentials_clear(struct credentials *credentials)
{
	forget(credentials->password);
	forget(credentials->token);
	*credentials = (struct credentials){0};
}

struct http_request credentials_request(const struct agent_store *store, const char *password, const char *token)
{
	return (struct http_request){.user = store->user,
				     .password = password,
				     .token = token,
				     .ca_file = store->ca_file,
				     .timeout = store->timeout};
}

void credentials_forget(void)
{
	for (int i = 0; i < AGENT_STORES; i++) {
		char *variable = getenv(variables[i].name);

		if (variable)
			explicit_bzero(variable, strlen(variable)); /* the environment of /proc is this memory */
		unsetenv(variables[i].name);
	}
}
