/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PUSHER_H
#define ESCAPEMENT_PUSHER_H

/*
 * Delivers the windows of a spool to one store, oldest first, in a process of its own without privileges. A store that
 * fails is tried again after a pause, which doubles from 1 s to 5 minutes; both ends of that are reported, not each try. A
 * window that the store will never take is dropped, and counted.
 */

#include "fleet/agent_config.h"
#include "fleet/agent_options.h"
#include "fleet/credentials.h"
#include "fleet/spool.h"

/* Ends the pause for want of windows: there is a new one. A pause for want of the store goes on. */
#define PUSHER_WAKE SIGUSR1

/* Never returns; SIGTERM ends the process. PUSHER_WAKE must be blocked. */
_Noreturn void pusher_run(struct spool *spool, enum agent_store_kind kind, const struct agent_store *store,
			  const struct credentials *credentials, agent_say_function *say);

#endif
