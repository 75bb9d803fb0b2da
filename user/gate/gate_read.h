/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_READ_H
#define ESCAPEMENT_GATE_READ_H

#include "base/error.h"
#include "escape/escape.h"
#include "gate/gate_counts.h"
#include "profile/profile.h"

/*
 * Reads counts from a file, which is a baseline (JSON) or a recorded profile (pprof). A profile's counts are divided by
 * `normalize` (a site or an expression, gate_normalize.h) unless that is NULL; its sites get the words of the compiler's
 * output, which may be NULL. Returns counts that the caller frees;
 * NULL with an error if the file cannot be read, or holds no objects by site.
 */
struct gate_counts *gate_read_counts(const char *path, const char *normalize, const struct escape_output *escape,
				     struct error *error);

/* The same of a profile in memory, which messages call `name`. */
struct gate_counts *gate_count_profile(const struct profile *profile, const char *name, const char *normalize,
				       const struct escape_output *escape, struct error *error);

#endif
