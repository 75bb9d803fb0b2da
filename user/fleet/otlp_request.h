/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_OTLP_REQUEST_H
#define ESCAPEMENT_OTLP_REQUEST_H

/* A request of OTLP, built from profiles: the resources, and the tables that they share, in which each string and function is once. */

#include <stddef.h>
#include <stdint.h>

#include "fleet/fleet_profiles.h"
#include "profile/profile.h"

struct otlp_request;

struct otlp_request *otlp_request_new(void); /* never NULL */
void otlp_request_free(struct otlp_request *request);

/* Adds what a process allocated, or had alive. Nothing is kept of either. */
void otlp_request_add(struct otlp_request *request, const struct fleet_profile *of, const struct profile *profile);

/* How many profiles it has; of a process, one for each value. */
size_t otlp_request_profiles(const struct otlp_request *request);

/* The message's bytes, which the caller frees, and their number. */
uint8_t *otlp_request_pack(struct otlp_request *request, size_t *size);

#endif
