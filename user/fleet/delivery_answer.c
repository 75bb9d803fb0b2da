/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/delivery_answer.h"

/* Of these, a repetition would get the same answer. Others may be mended by whoever runs the store, or the agent: a wrong
 * password, no tables, too many requests. */
static const long final[] = {400, 413, 422};

enum delivery delivery_of(const struct http_answer *http, struct delivery_answer *answer)
{
	answer->asked = true;
	if (http->status / 100 == 2)
		return DELIVERY_DONE;
	answer->wait = http->wait;
	http_refusal(http, &answer->error);
	for (size_t i = 0; i < sizeof(final) / sizeof(final[0]); i++) {
		if (http->status == final[i])
			return DELIVERY_REFUSED;
	}
	return DELIVERY_FAILED;
}

bool delivery_add(struct delivery_sum *sum, enum delivery result)
{
	sum->requests++;
	sum->refused += result == DELIVERY_REFUSED;
	sum->partial += result == DELIVERY_PARTIAL;
	return result != DELIVERY_FAILED;
}

enum delivery delivery_whole(const struct delivery_sum *sum)
{
	if (sum->requests && sum->refused == sum->requests)
		return DELIVERY_REFUSED;
	return sum->refused || sum->partial ? DELIVERY_PARTIAL : DELIVERY_DONE;
}
