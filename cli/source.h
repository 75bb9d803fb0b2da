/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SOURCE_H
#define ESCAPEMENT_SOURCE_H

/* Where a command gets a profile from that it was given: a file, or a question to a store (fleet/store.h). */

#include "base/error.h"
#include "escape/escape.h"
#include "gate/gate_counts.h"
#include "profile/profile.h"

/* As pprof_read(), pprof_read_recording() and gate_read_counts(). */
struct profile *source_profile(const char *operand, struct error *error);
struct profile *source_recording(const char *operand, struct error *error);
struct gate_counts *source_counts(const char *operand, const char *normalize, const struct escape_output *escape,
				  struct error *error);

#define SOURCE_HELP "clickhouse://HOST/DATABASE?service=NAME&since=24h asks a store (docs/fleet.md)"

#endif
