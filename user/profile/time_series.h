/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_TIME_SERIES_H
#define ESCAPEMENT_TIME_SERIES_H

/*
 * How something grew over the time of a recording: a bounded list of amounts, one an interval. A recording that outlasts
 * the list gets intervals of twice the length, so the list always covers all of it, and its sum is that of all amounts.
 *
 *   values[i] is what was added in [i, i + 1) * interval_ns since the recording began
 *   0 < count <= TIME_SERIES_MAX, or interval_ns == 0: nothing was recorded
 */

#include <stdint.h>

enum { TIME_SERIES_MAX = 240 };

#define TIME_SERIES_FIRST_NS INT64_C(100000000) /* interval of a series that begins */

struct time_series {
	int64_t interval_ns;
	uint32_t count;
	int64_t values[TIME_SERIES_MAX];
};

/* Adds an amount at that time since the recording began; 0 only records that the recording continued until then. */
void time_series_add(struct time_series *series, int64_t at_ns, int64_t amount);

int64_t time_series_sum(const struct time_series *series);

/* As text of one line: "interval=NANOSECONDS AMOUNT…". The caller frees it. */
char *time_series_text(const struct time_series *series);
/* -1 if the text is not one of time_series_text(). */
int time_series_read(struct time_series *series, const char *text);

#endif
