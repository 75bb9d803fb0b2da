/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_DELIVERY_ANSWER_H
#define ESCAPEMENT_DELIVERY_ANSWER_H

/* What came of pushing a window to a store. */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "fleet/credentials.h"
#include "fleet/http.h"

enum delivery {
	DELIVERY_DONE,
	DELIVERY_FAILED,    /* try again later; the error says why */
	DELIVERY_REFUSED,   /* the store will never take it; the error says why */
	DELIVERY_PARTIAL,   /* the same of a part of it; the store has the others */
	DELIVERY_MALFORMED, /* it is no window; the error may say why */
};

struct delivery_answer {
	struct error error;
	double wait; /* seconds for which the store asks to be left alone; 0: it does not */
	bool asked;  /* it has answered a request; a window may have nothing for a store */
};

/* A window is pushed in requests of about so many bytes before compression: a collector takes 20 MiB by default. */
enum { DELIVERY_REQUEST_BYTES = 8 << 20 };

/* What came of the requests of a window. Begins as {0}. */
struct delivery_sum {
	size_t requests, refused, partial;
};

/* Adds a result. Returns whether to go on: after DELIVERY_FAILED the window comes again as a whole. */
bool delivery_add(struct delivery_sum *sum, enum delivery result);

/* What came of the window, if no request failed. */
enum delivery delivery_whole(const struct delivery_sum *sum);

/* What an answer means by its status. */
enum delivery delivery_of(const struct http_answer *http, struct delivery_answer *answer);

#endif
