/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_H
#define ESCAPEMENT_GATE_H

/*
 * The gate: compares the counts of two sides site by site, and judges by the policy what got worse.
 *
 * Nothing here reads a clock, a file or a process. Built by one thread, read by any.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "gate/gate_counts.h"
#include "gate/policy.h"

enum gate_change {
	GATE_WORSE,	/* more objects or bytes than the policy allows */
	GATE_NEW,	/* the same, of a site that was not there */
	GATE_NOISY,	/* runs differ, and so the comparison says nothing, or the policy minds */
	GATE_TOLERATED, /* more, and within the tolerance */
	GATE_MOVED,	/* an old site under a new name, or in a new file, with the same counts */
	GATE_BETTER,
	GATE_GONE,
	GATE_SAME,
	GATE_CHANGE_COUNT,
};
extern const char *const gate_change_names[GATE_CHANGE_COUNT + 1]; /* "worse", "new", …; NULL-terminated */

struct gate_row {
	enum gate_change change;
	bool fails;	/* this row fails the gate */
	bool one_sided; /* of a benchmark that only one side has */
	bool note;	/* it got worse or is new, inside a benchmark or program that as a whole did not get worse */
	const struct gate_site *before, *after; /* NULL where there was, or is, none */
	const char *how;			/* moved: "renamed", "moved", "split", "merged"; NULL for others */
	double allowed[VALUE_COUNT]; /* growth that the policy allows, of objects and bytes, in an iteration */
};

/* The site to show of a row: the one after, else the one before. */
static inline const struct gate_site *gate_row_site(const struct gate_row *row)
{
	return row->after ? row->after : row->before;
}

/*
 * A benchmark, or what runs outside of any, which is the whole program where there are no benchmarks. Sums are of the
 * sites that are judged, per iteration.
 */
struct gate_group {
	const char *benchmark; /* NULL: outside of any */
	double before[VALUE_COUNT], after[VALUE_COUNT];
	/* Of sites beyond what is allowed for them, less what others shrank by: all, and those with a rule of their own. */
	double growth[VALUE_COUNT], specific_growth[VALUE_COUNT];
	bool one_sided; /* only one side has that benchmark: shown, and not judged, for there is nothing to compare with */
	bool worse;	/* `growth` is beyond what the policy allows everywhere, or `specific_growth` is above 0 */
};

struct gate {
	const struct gate_counts *before, *after;
	struct gate_group *groups; /* in order of benchmark, NULL first */
	size_t group_count;
	struct gate_row *rows; /* by change, then growth in bytes and objects, then site */
	size_t row_count;
	size_t changes[GATE_CHANGE_COUNT];
	size_t failing;
	bool failed;
	struct profile_loss loss; /* of both sides: either makes the comparison one of lower bounds */
	/* Both sides' sums over the rows: those of moved sites cancel out. */
	double totals_before[VALUE_COUNT], totals_after[VALUE_COUNT]; /* per iteration; VALUE_UNMEASURED */
	/* private */
	struct gate_site *merged;
	size_t merged_count;
	char **notes; /* annotations of merged sites */
	size_t note_count;
};

/*
 * Compares. Both sides must outlive the result.
 *
 * The rule: a benchmark (or program) is worse if the sum of its owner's objects or bytes grew beyond the tolerance. A
 * site that is new or worse inside one that is not worse is a note, unless the policy is strict. A benchmark that only one
 * side has is not judged.
 */
struct gate *gate_compare(const struct gate_counts *before, const struct gate_counts *after,
			  const struct policy *policy); /* never NULL */
void gate_free(struct gate *gate);			/* NULL is allowed */

/* The exit status: 1 if the gate failed, else 4 if events were lost on either side, else 0. */
enum exit_status gate_status(const struct gate *gate);

#endif
