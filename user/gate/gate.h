/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_H
#define ESCAPEMENT_GATE_H

/*
 * The table that a gate makes: the sites of two sides in pairs, each with what became of it and whether that fails.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "gate/gate_counts.h"
#include "gate/policy.h"

enum gate_change {
	GATE_WORSE,	/* more objects or bytes than the policy allows */
	GATE_NEW,	/* the same, at a site that did not exist before */
	GATE_NOISY,	/* the runs differ so much that no comparison is possible, or that the policy objects */
	GATE_TOLERATED, /* more, but within the tolerance */
	GATE_BETTER,
	GATE_GONE,
	GATE_MOVED, /* an old site under a new name, or in a new file, with the same counts */
	GATE_SAME,
	GATE_CHANGE_COUNT,
};
extern const char *const gate_change_names[GATE_CHANGE_COUNT + 1]; /* "worse", "new", …; NULL-terminated */

struct gate_contracts;

struct gate_row {
	enum gate_change change;
	bool fails;	/* this row fails the gate */
	bool one_sided; /* of a benchmark that only one side has */
	bool note;	/* worse or new, but in a benchmark or program that as a whole did not get worse */
	const struct gate_site *before, *after; /* NULL if there was, or is, none */
	const char *how;	     /* moved: "renamed", "reworded" (by the compiler), "moved", "split", "merged" */
	double allowed[VALUE_COUNT]; /* allowed growth of objects and bytes per iteration */
};

/* The site to show for a row: the one after, or else the one before. */
static inline const struct gate_site *gate_row_site(const struct gate_row *row)
{
	return row->after ? row->after : row->before;
}

/*
 * A benchmark, or everything outside of benchmarks, which is the whole program if there are none. Sums are over the
 * judged sites, per iteration.
 */
struct gate_group {
	const char *benchmark; /* NULL: outside of any */
	const char *package;   /* of the benchmark; NULL if unknown */
	/* VALUE_UNMEASURED if no row's is known, and for what a contract does not limit. */
	double before[VALUE_COUNT], after[VALUE_COUNT];
	/* Rows whose values are not in these sums, because they are not known: no sample hit them. */
	size_t without_before[VALUE_COUNT], without_after[VALUE_COUNT];
	/* Growth of sites beyond what is allowed for them, minus what others shrank by: of all sites, and of those with
	 * a rule of their own. */
	double growth[VALUE_COUNT], specific_growth[VALUE_COUNT];
	bool one_sided; /* only one side has that benchmark: shown, and not judged, for there is nothing to compare with */
	bool worse;	/* `growth` exceeds what the policy allows everywhere, or `specific_growth` is positive */
};

/* Whether a site ran in the group's benchmark. */
bool gate_group_has(const struct gate_group *group, const struct gate_site *site);

struct gate {
	const struct gate_counts *before, *after;
	struct gate_group *groups; /* sorted by benchmark, NULL first */
	size_t group_count;
	struct gate_row *rows; /* sorted by change, then growth in bytes and objects, then site */
	size_t row_count;
	const char **packages; /* of the benchmarks of both sides, sorted */
	size_t package_count;
	const struct gate_contracts *contracts; /* their results, shown beside the rows; NULL: none */
	bool estimated; /* a side has estimates: rows change if chance does not explain it (gate_estimates.h) */
	double certainty_widening, certainty_unseen;
	size_t changes[GATE_CHANGE_COUNT]; /* a broken contract is one: what allocates below it is not counted */
	size_t failing;
	bool failed;
	struct profile_loss loss; /* of both sides: with any loss, only lower bounds are compared */
	/* Sums of both sides over the rows; moved sites cancel out. */
	double totals_before[VALUE_COUNT], totals_after[VALUE_COUNT];	/* per iteration; VALUE_UNMEASURED */
	size_t without_before[VALUE_COUNT], without_after[VALUE_COUNT]; /* as of a group */
	/* private */
	struct gate_site *merged;
	size_t merged_count;
	char **notes; /* annotations of merged sites */
	size_t note_count;
};

void gate_free(struct gate *gate); /* NULL is allowed */

/* Whether something was measured before: false if contracts alone are judged. */
static inline bool gate_has_before(const struct gate *gate)
{
	return gate->before->totals[VALUE_OBJECTS] != VALUE_UNMEASURED;
}

/* The exit status: 1 if the gate failed, else 4 if events were lost on either side, else 0. */
enum exit_status gate_status(const struct gate *gate);

#endif
