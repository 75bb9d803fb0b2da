/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_MEASURE_H
#define ESCAPEMENT_GATE_MEASURE_H

/* Turns the profiles of one or more runs of a program into counts by site. */

#include "audit/audit_join.h"
#include "base/error.h"
#include "escape/escape.h"
#include "gate/gate_counts.h"
#include "gate/gate_stacks.h"
#include "profile/profile.h"

/* A measurement in progress: counts from the profiles of one or more runs of a program. */
struct gate_measurement;
/* `directory` is where the program runs, for the names of its files; NULL: the working directory. */
struct gate_measurement *gate_measurement_new(const char *directory);
void gate_measurement_free(struct gate_measurement *measurement); /* NULL is allowed */
/* Has the first run's stacks kept, as those of a side (gate_stacks.h). */
void gate_measurement_keep_stacks(struct gate_measurement *measurement, struct gate_stacks *stacks, int side);
/* Returns a warning of the first run's audit, such as about compiler output from another build; NULL after the last.
 * The strings live as long as the measurement. */
const char *gate_measurement_warning(const struct gate_measurement *measurement, size_t number);
/* Joins a run with the compiler's output; NULL without output. The caller frees the result. */
struct audit *gate_audit(const struct profile *profile, const struct escape_output *escape);
/* Adds one run. `audit` is that of the profile, or NULL. Neither is kept. */
void gate_measurement_add(struct gate_measurement *measurement, const struct profile *profile,
			  const struct audit *audit);
/* The counts in progress, to add what a run printed about its benchmarks. */
struct gate_counts *gate_measurement_counts(struct gate_measurement *measurement);
/*
 * Call after the last run. Returns the counts, which the caller owns; frees the measurement in any case. `normalize` is
 * a site or an expression (gate_normalize.h), or NULL. Fails if no site matches or the expression is invalid.
 */
struct gate_counts *gate_measurement_finish(struct gate_measurement *measurement, const char *normalize,
					    struct error *error);

#endif
