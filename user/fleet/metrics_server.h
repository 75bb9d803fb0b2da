/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_METRICS_SERVER_H
#define ESCAPEMENT_METRICS_SERVER_H

/*
 * Serves the metrics of an agent at /metrics, to whom the address lets in, in a process of its own that has no
 * capability, though the user of the agent, opens no file (where the kernel has Landlock), and can only read the text. Only
 * this module uses libmicrohttpd. In the static binary, cli/static/metrics_server.c is in its place.
 */

#include "base/error.h"
#include "fleet/agent_options.h"
#include "fleet/metrics.h"

/* Listens at ADDRESS:PORT, such as 127.0.0.1:9187 or [::1]:9187. Returns the socket, or -1 with an error: STATUS_USAGE if it is
 * no address, STATUS_CANNOT_MEASURE if the machine refuses, or this build cannot serve. */
int metrics_listen(const char *address, struct error *error);

/* Never returns; SIGTERM ends the process. */
_Noreturn void metrics_serve(int socket, const struct metrics *metrics, agent_say_function *say);

#endif
