/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_METRICS_ADDRESS_H
#define ESCAPEMENT_METRICS_ADDRESS_H

/* Where metrics are served, as the configuration says it. */

#include <netdb.h>

#include "base/error.h"

/* Parses ADDRESS:PORT; an IPv6 address is in brackets. Numbers only: a name may mean another address tomorrow. The caller frees
 * the result by freeaddrinfo(). NULL with STATUS_USAGE. */
struct addrinfo *metrics_address(const char *text, struct error *error);

#endif
