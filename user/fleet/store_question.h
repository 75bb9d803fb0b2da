/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_STORE_QUESTION_H
#define ESCAPEMENT_STORE_QUESTION_H

/* clickhouse://… as a question: which rows of which store. Its parts are values; none becomes a part of a query. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

/* What a URL says. The URL of the server is made of it by who asks. */
struct question {
	char *user, *host, *port, *database; /* NULL: not given */
	char *service, *build, *machine;
	int64_t since, until; /* seconds since 1970; 0: not given */
	bool tls;
};

/* Whether a text is such a URL. */
bool question_is_url(const char *text);

/* Parses a URL. -1 with STATUS_USAGE, whose text has no password. The caller clears the question in any case. */
int question_parse(struct question *question, const char *url, struct error *error);
void question_clear(struct question *question);

/* Writes " WHERE …" for whole windows that are asked for, whichever service and build their rows are of. */
void question_put_windows(FILE *stream, const struct question *question);

/* Whether all of their rows are asked for. */
bool question_is_of_whole_windows(const struct question *question);

/* Writes "(…)", which says of each of their rows whether it is asked for. */
void question_put_wanted(FILE *stream, const struct question *question);

#endif
