/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_STORE_H
#define ESCAPEMENT_STORE_H

/*
 * Questions to a store that agents feed: what a URL selects of all machines and windows, as a profile. The store adds up;
 * what comes here are sums, a row for each build and site.
 *
 *   clickhouse://[USER@]HOST[:PORT]/DATABASE[?NAME=VALUE[&NAME=VALUE]...]
 *
 * service, build, host: rows with exactly this text. since, until: a time ago, such as 24h, or a date, 2026-11-27 or
 * 2026-11-27T13:00 (UTC). tls=yes: https. The values are data: whatever they contain, none becomes a part of the query's
 * syntax. The password is AGENT_PASSWORD_VARIABLE of the environment.
 */

#include <stdbool.h>

#include "audit/audit.h"
#include "base/error.h"
#include "profile/profile.h"

/* Whether an operand is such a URL, and not a file. */
bool store_is_url(const char *text);

/*
 * Asks. The profile has a process for each build, with exact totals; its samples have the owner's frame, and that of `via`.
 * Their number of events is such that the intervals of the rows are those of sums of independent windows. NULL with an
 * error; if nothing is selected, too.
 */
struct profile *store_profile(const char *url, struct error *error);

/*
 * Asks for the verdicts that agents with compiler output gave: an audit whose rows are summed over hosts, windows and builds.
 * `profile` is new, and gets what store_profile() has but the samples; `output` is an empty one. Both must outlive the audit,
 * which the caller frees. NULL with an error; if no row that is selected has a verdict, too.
 */
struct audit *store_audit(const char *url, struct profile *profile, const struct escape_output *output,
			  struct error *error);

#endif
