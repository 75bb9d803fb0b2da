/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_JUDGE_H
#define ESCAPEMENT_JUDGE_H

/*
 * Verdicts for the rows of a window: what a process allocated, joined with the compiler output that the configuration has of
 * its service. A judge reads each output once, if it is a regular file that is not too large: whoever deploys a service writes it.
 * Whether it is that of the program is found out once for each build, by what all of its processes in the window do.
 */

#include "audit/audit.h"
#include "base/error.h"
#include "fleet/agent_config.h"
#include "fleet/kept_outputs.h"
#include "profile/profile.h"

struct judge;

/* `whole` is of the window, and `kept` has what earlier ones have parsed (NULL: nothing); both must outlive the judge. Never NULL. */
struct judge *judge_new(const struct profile *whole, struct kept_outputs *kept);
void judge_free(struct judge *judge); /* NULL is allowed */

/*
 * Audits the only process of `part`, a part of the whole window, which must outlive the audit; so must the judge. The caller frees the audit. Returns
 * NULL without an error (an empty text) if the service has no compiler output; NULL with one if that cannot be read, or is of
 * another build: its words would be about other lines.
 */
struct audit *judge_process(struct judge *judge, const struct agent_watch *watch, const struct profile *part,
			    struct error *error);

#endif
