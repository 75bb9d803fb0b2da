/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GROWTH_H
#define ESCAPEMENT_GROWTH_H

/*
 * Finds the sites that grow, from several heap snapshots of one process: how much, how steadily, and what they hold.
 *
 * A site grows if chance does not explain what it gained. Two things fluctuate, and there is a rule for each:
 *
 *   sampling     if nothing grows, the sampled objects that came and went between the first and the last snapshot are
 *                like tosses of a coin: the gain must exceed three standard deviations of that
 *   the program  a cache fills and empties: what it gained until the last snapshot is lost again. That is unlikely if its
 *                own steps, each as likely to fall as to rise, rarely gain so much (so many rises without a fall, or with
 *                shallow ones only), or if the floors to which it fell keep rising. The chance of the likelier
 *                explanation counts, and more is asked for where more rows gained: of those that are said to grow, one
 *                in a hundred is chance
 *
 * A row that gained more than sampling explains, and did not lose much of it in between, may be a leak although its order
 * does not show it: that is not known yet, and more snapshots tell.
 *
 * Of snapshots of the same collection, the last is used. A snapshot from before the first
 * collection is not used, because nothing is known to be free yet.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/report.h"

enum growth_verdict { GROWTH_CERTAIN, GROWTH_UNKNOWN, GROWTH_NONE };

struct growth_row {
	/* What the row is grouped by: as in struct report_row; the growth owns them. */
	const char *function, *file, *via;
	uint32_t line;
	const char *type;
	int span_class;

	int64_t objects, bytes;		    /* in use at the last snapshot */
	int64_t grown_objects, grown_bytes; /* last minus first; may be negative */
	int64_t heap_time; /* bytes times collections that they survived: bytes in use, summed over the snapshots that count */
	double rises;	   /* share of the steps between snapshots with which it rose */
	double tau;	   /* Kendall's: 1 if it only rises, -1 if it only falls */
	double deviations; /* what it gained, in standard deviations of chance */
	double chance;	   /* of such an order in a cache that fills and empties; 1 if sampling explains the gain */
	enum growth_verdict verdict;
};

struct growth {
	enum report_by by;
	size_t snapshots; /* that count */
	size_t repeated,
		uncollected;	/* that do not count: after the same collection as another; before the first one */
	int64_t from_ns, to_ns; /* wall clock of the first and the last that count */
	int64_t first_collection, last_collection;
	size_t missed;		    /* collections in between of which there is no snapshot */
	int64_t heap_time;	    /* of all sites */
	int64_t bytes, grown_bytes; /* of all sites */
	struct growth_row *rows;    /* by verdict, then by bytes grown */
	size_t row_count, grow_count, unknown_count;
	struct growth_storage *storage; /* private to growth.c */
};

enum { GROWTH_ORDER_FROM = 9 /* snapshots of which each rise, without a fall, is no chance if no other row gained */ };

/* `by`: any key but BY_STACK and BY_CALLER. Never NULL. */
struct growth *growth_new(enum report_by by);
void growth_free(struct growth *growth); /* NULL is allowed */

/* Adds a snapshot, in the order of time. What is needed of it is copied. */
void growth_add(struct growth *growth, const struct profile *snapshot);

/* Fills the rows, once. */
void growth_finish(struct growth *growth);

/* Sorts the rows by heap time instead, the greatest first. */
void growth_sort_by_heap_time(struct growth *growth);

#endif
