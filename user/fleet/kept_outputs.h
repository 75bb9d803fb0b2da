/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_KEPT_OUTPUTS_H
#define ESCAPEMENT_KEPT_OUTPUTS_H

/*
 * The compiler output of the services that an agent watches, parsed once for all of its windows.
 *
 * Whoever deploys a service writes the file, so only the process of a window reads it: the agent itself does not even look whether
 * it is still there. It has a memory file for each, which the first window fills and seals. Later windows map it and check it like
 * anything from outside (escape_image.h). One that finds another file than it was made of parses that, and says so in shared
 * memory; then the agent has an empty one for the next window. What has no room in the limit of all is parsed by each window,
 * until the file is another.
 */

#include "base/error.h"
#include "escape/escape.h"
#include "fleet/agent_config.h"

struct kept_outputs;

/* In the agent. Each has places for the outputs of a configuration, which must outlive that use. */
struct kept_outputs *kept_outputs_new(void);
void kept_outputs_begin(struct kept_outputs *kept, const struct agent_config *config); /* nothing of before is kept */
void kept_outputs_renew(struct kept_outputs *kept);				       /* before each window */
void kept_outputs_free(struct kept_outputs *kept);				       /* NULL is allowed */

/* In a process of the agent that has no use for them. */
void kept_outputs_close(struct kept_outputs *kept);

/*
 * In the process of a window: what the compiler said of a service of the configuration, which has a file for it. The caller frees
 * it before `kept`, which may be NULL: then nothing is kept. NULL with an error.
 */
struct escape_output *kept_outputs_read(struct kept_outputs *kept, const struct agent_watch *watch,
					struct error *error);

#endif
