/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_HTTP_H
#define ESCAPEMENT_HTTP_H

/*
 * Requests to the stores. Only this module uses libcurl. In the static binary, cli/static/http.c is in its place: a program
 * without shared libraries has no TLS that is kept up to date.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct http_request {
	const char *url;
	const char *user, *password; /* NULL: none. They go into a header, never into the URL */
	const char *token;	     /* a bearer token, in a header; NULL: none */
	const char *ca_file;	     /* NULL: the system's certificates */
	double timeout;		     /* seconds, for the whole request */
	const char *type;	     /* of the body; NULL: application/octet-stream */
	bool gzip;		     /* the body is compressed */
	const char *const *headers;  /* more of them, "NAME: VALUE"; ends with NULL, and NULL: none */
	const void *body;
	size_t size;
};

enum { HTTP_ANSWER_MAX = 64 << 20 };
struct http_answer {
	long status;   /* 200 */
	char *text;    /* what came, terminated by a NUL; the caller frees it */
	size_t length; /* at most HTTP_ANSWER_MAX */
	bool cut;      /* there was more */
	double wait;   /* Retry-After, in seconds; 0: there was none */
};

/* 0, or -1 with an error: this build cannot make requests. */
int http_check(struct error *error);

/* Posts a body. Follows no redirection. -1 with an error if there was no answer; then, too, the
 * caller frees answer->text. Not thread-safe. */
int http_post(const struct http_request *request, struct http_answer *answer, struct error *error);

/* Sets the error to what an answer that is not the hoped-for one says: its status and the first line of its text. Returns -1. */
int http_refusal(const struct http_answer *answer, struct error *error);

/* The length of a URL without slashes at its end. */
int http_base_length(const char *url);

/* Escapes a text as a part of a URL. The caller frees it. */
char *http_escape(const char *text);

#endif
