/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PYROSCOPE_H
#define ESCAPEMENT_PYROSCOPE_H

/*
 * Pyroscope as a store, by its Connect API: all profiles of a window in one request (pyroscope.proto). Each process is a series of
 * the profile `memory` by service_name, hostname, comm and build_id; Pyroscope makes of its sample types what Go's own heap
 * profiles have there, such as memory:alloc_space:bytes:space:bytes.
 */

#include "fleet/delivery_answer.h"

/* A row of the table of deliveries (delivery.h). */
enum delivery pyroscope_push(const struct agent_store *store, const struct credentials *credentials, const char *window,
			     size_t size, struct delivery_answer *answer);

#endif
