/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AGENT_NOTES_H
#define ESCAPEMENT_AGENT_NOTES_H

/* What an agent has said of the processes that it watches: each trouble of each process once, not in every window. */

#include "fleet/agent_options.h"
#include "fleet/agent_window.h"

struct agent_notes;

struct agent_notes *agent_notes_new(void);	  /* never NULL */
void agent_notes_free(struct agent_notes *notes); /* NULL is allowed */

/* Says what is new of the processes of a window that has ended, and forgets processes that have ended. */
void agent_notes_say(struct agent_notes *notes, const struct agent_shared *shared, agent_say_function *say);

/* Forgets everything, so that what is still so is said again. */
void agent_notes_forget(struct agent_notes *notes);

#endif
