/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AGENT_HELPERS_H
#define ESCAPEMENT_AGENT_HELPERS_H

/*
 * The processes that an agent runs beside its windows, as long as the configuration asks for them: one that pushes to each store,
 * and one that serves metrics. One that ends starts again after some seconds.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "fleet/agent_config.h"
#include "fleet/agent_options.h"
#include "fleet/kept_outputs.h"
#include "fleet/metrics.h"
#include "fleet/spool.h"

struct agent_helpers {
	/* set by the agent; they outlive the helpers */
	agent_say_function *say;
	struct spool *spool;
	struct metrics *metrics;
	struct kept_outputs *kept;
	const sigset_t *signals; /* that were blocked before the agent blocked its own */
	/* private */
	int listener;		     /* for Prometheus; -1: there is none */
	pid_t pushers[AGENT_STORES]; /* 0: does not run */
	pid_t server;
	int64_t push_ns[AGENT_STORES], serve_ns; /* when each may start again */
};

/* Starts a process that does not outlive this one. Returns as fork() does. */
pid_t agent_fork(agent_say_function *say);

/* Listens where the configuration says, unless that is where `before` (NULL: none) had it listen. -1 with an error if that cannot
 * be; then all is as before. */
int agent_helpers_listen(struct agent_helpers *helpers, const struct agent_config *before,
			 const struct agent_config *config, struct error *error);

/* Starts those which do not run and may start. */
void agent_helpers_start(struct agent_helpers *helpers, const struct agent_config *config);
/* When the next one may start; INT64_MAX: all run. */
int64_t agent_helpers_due(const struct agent_helpers *helpers, const struct agent_config *config);

/* There is a new window. */
void agent_helpers_wake(const struct agent_helpers *helpers);
/* The configuration has changed: those that push start again. */
void agent_helpers_restart(struct agent_helpers *helpers);
/* A child has ended; `expected`: all were to. */
void agent_helpers_ended(struct agent_helpers *helpers, pid_t child, int status, bool expected);
/* Ends all of them, and the listening. */
void agent_helpers_end(struct agent_helpers *helpers);

/* In another child of the agent: what it keeps open goes on listening when the agent does not any more. */
void agent_helpers_close(const struct agent_helpers *helpers);

#endif
