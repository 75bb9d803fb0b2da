/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/own_work.h"

#include "base/clock.h"

void own_work_begin(struct own_work *work)
{
	work->began_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

void own_work_end(struct own_work *work)
{
	work->ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - work->began_ns;
}

double own_work_cell_ns(const struct own_work *work, double limit, int sharing)
{
	return limit > 0 ? (double)work->ns * 100 / limit * sharing : 0;
}
