/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_DELIVERY_ANSWER_H
#define ESCAPEMENT_DELIVERY_ANSWER_H

/* What came of pushing a window to a store. */

#include "base/error.h"
#include "fleet/credentials.h"
#include "fleet/http.h"

enum delivery {
	DELIVERY_DONE,
	DELIVERY_FAILED,    /* try again later; the error says why */
	DELIVERY_REFUSED,   /* the store will never take it, or a part of it is lost there; the error says why */
	DELIVERY_MALFORMED, /* it is no window; the error may say why */
};

struct delivery_answer {
	struct error error;
	double wait; /* seconds for which the store asks to be left alone; 0: it does not */
};

/* What an answer means by its status. */
enum delivery delivery_of(const struct http_answer *http, struct delivery_answer *answer);

#endif
