/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_OTLP_H
#define ESCAPEMENT_OTLP_H

/*
 * OTLP profiles over HTTP, in the alpha that otlp.proto names: all profiles of a window in one request. Each process is a resource;
 * each of its values, such as alloc_space, is a profile.
 */

#include "fleet/delivery_answer.h"

/* A row of the table of deliveries (delivery.h). */
enum delivery otlp_export(const struct agent_store *store, const struct credentials *credentials, const char *window,
			  size_t size, struct delivery_answer *answer);

#endif
