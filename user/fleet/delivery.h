/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_DELIVERY_H
#define ESCAPEMENT_DELIVERY_H

/* The stores that windows are pushed to: one row each, by agent_store_kind. A new store is a row here, its section in the table of
 * keys (agent_config.h), and a module. */

#include "fleet/agent_config.h"
#include "fleet/delivery_answer.h"
#include "fleet/spool.h"

struct delivery_kind {
	/* Pushes what the store takes of a window as the spool has it. */
	enum delivery (*push)(const struct agent_store *store, const struct credentials *credentials,
			      const char *window, size_t size, struct delivery_answer *answer);
	bool profiles; /* it takes profiles, not tables */
};
extern const struct delivery_kind delivery_kinds[AGENT_STORES];

/* Whether the configuration has a store. */
bool delivery_any(const struct agent_config *config);

/* Tells a spool which stores the configuration has. */
void delivery_set_stores(struct spool *spool, const struct agent_config *config);

/* Whether one of the configuration's stores takes profiles, so that windows must have them. */
bool delivery_wants_profiles(const struct agent_config *config);

#endif
