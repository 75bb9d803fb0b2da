/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/time_series.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/count.h"
#include "base/memory.h"

/* Makes room by adding up each two neighbours. */
static void halve(struct time_series *series)
{
	for (uint32_t i = 0; i < TIME_SERIES_MAX / 2; i++)
		series->values[i] = add_saturated(series->values[2 * i], series->values[2 * i + 1]);
	for (uint32_t i = TIME_SERIES_MAX / 2; i < TIME_SERIES_MAX; i++)
		series->values[i] = 0;
	series->count = (series->count + 1) / 2;
	series->interval_ns *= 2;
}

void time_series_add(struct time_series *series, int64_t at_ns, int64_t amount)
{
	uint32_t index;

	if (!series->interval_ns)
		series->interval_ns = TIME_SERIES_FIRST_NS;
	at_ns = at_ns < 0 ? 0 : at_ns;
	while (at_ns / series->interval_ns >= TIME_SERIES_MAX)
		halve(series);
	index = (uint32_t)(at_ns / series->interval_ns);
	series->values[index] = add_saturated(series->values[index], amount);
	if (series->count <= index)
		series->count = index + 1;
}

int64_t time_series_sum(const struct time_series *series)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < series->count; i++)
		sum = add_saturated(sum, series->values[i]);
	return sum;
}

char *time_series_text(const struct time_series *series)
{
	char *text = memory_allocate(64 + 21 * (size_t)series->count), *to = text;

	to += sprintf(to, "interval=%" PRId64, series->interval_ns);
	for (uint32_t i = 0; i < series->count; i++)
		to += sprintf(to, " %" PRId64, series->values[i]);
	return text;
}

int time_series_read(struct time_series *series, const char *text)
{
	struct time_series read = {0};
	int used = 0;

	if (sscanf(text, "interval=%" SCNd64 "%n", &read.interval_ns, &used) != 1 || read.interval_ns <= 0 ||
	    read.interval_ns > INT64_MAX / TIME_SERIES_MAX)
		return -1;
	for (text += used; *text == ' ';) {
		char *end;
		int64_t value;

		errno = 0;
		value = strtoll(text + 1, &end, 10);
		if (end == text + 1 || errno || value < 0 || read.count == TIME_SERIES_MAX)
			return -1;
		read.values[read.count++] = value;
		text = end;
	}
	if (*text || !read.count)
		return -1;
	*series = read;
	return 0;
}
