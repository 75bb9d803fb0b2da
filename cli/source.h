/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SOURCE_H
#define ESCAPEMENT_SOURCE_H

/* Where a command gets a profile from that it was given: a file, or a question to a store (fleet/store.h). */

#include "base/error.h"
#include "gate/gate_read.h"
#include "profile/profile.h"

/* As pprof_read(), pprof_read_recording() and gate_read_counts(). */
struct profile *source_profile(const char *operand, struct error *error);
struct profile *source_recording(const char *operand, struct error *error);
struct gate_counts *source_counts(const char *operand, const struct gate_reading *reading, struct error *error);

#define SOURCE_HELP "clickhouse://HOST/DATABASE?service=NAME&since=24h asks a store (docs/fleet.md)"

#endif
