/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_FIXTURE_H
#define ESCAPEMENT_GATE_FIXTURE_H

/* Builds counts, for tests of the gate. */

#include "gate/gate.h"
#include "gate/gate_measure.h"
#include "gate/gate_self_test.h"
#include "gate/gate_static.h"

static inline struct gate_counts *counts_new(void)
{
	static const char *const command[] = {"./prog", "-v", NULL};
	struct gate_counts *counts = gate_counts_new();

	gate_counts_command(counts, command);
	counts->runtime = gate_counts_string(counts, "go1.24.4");
	counts->runs = 3;
	return counts;
}

/* Adds a site that allocated `least` to `most` objects of 16 bytes per run. */
static inline struct gate_site *add_site(struct gate_counts *counts, const char *function, const char *type,
					 int64_t least, int64_t most)
{
	struct gate_site *site = gate_counts_append(counts);

	site->function = gate_counts_string(counts, function);
	site->runtime_call = gate_counts_string(counts, "runtime.newobject");
	site->type = gate_counts_string(counts, type);
	site->file = gate_counts_string(counts, "main.go");
	site->places = 1;
	site->counts[VALUE_OBJECTS] = (struct gate_count){.least = least, .most = most};
	site->counts[VALUE_BYTES] = (struct gate_count){.least = 16 * least, .most = 16 * most};
	return site;
}

/* Sorts the counts and adds up the totals, as at the end of a measurement. */
static inline struct gate_counts *finished(struct gate_counts *counts)
{
	gate_counts_sort(counts);
	gate_counts_add_up(counts);
	return counts;
}

#endif
