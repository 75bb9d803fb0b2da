/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AGENT_H
#define ESCAPEMENT_AGENT_H

/*
 * The agent: again and again finds the processes that its configuration means, records a window of them (window.h), and
 * puts what came of it into the spool, from where another process delivers it. Each window is recorded in a process of its
 * own: what a hostile target may do to it ends with it, and so does its memory.
 *
 *   agent ── window (one at a time; ends by itself)     reads processes, writes the spool
 *        └── pusher (as long as a store is configured)   reads the spool, without privileges
 *
 * Both are killed by the kernel when the agent ends, however it ends.
 */

#include "base/error.h"
#include "fleet/agent_options.h"

/* Runs. Returns 0, or -1 with an error if it could not begin. */
int agent_run(const struct agent_options *options, struct error *error);

#endif
