/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * glibc's functions that report memory use, in glibc's formats. There is one heap where glibc has several arenas:
 * "system" is HeapSys, and "in use" counts the bytes of live objects. mallopt accepts what only advises, and M_PERTURB.
 */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>

#include "goalloc.h"
#include "perturb.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT struct mallinfo2 mallinfo2(void)
{
	struct goalloc_memstats stats;

	goalloc_read_memstats(&stats);
	return (struct mallinfo2){
		.arena = stats.HeapSys,
		.ordblks = (stats.HeapIdle - stats.HeapReleased) != 0,
		.uordblks = stats.HeapAlloc,
		.fordblks = stats.HeapSys - stats.HeapAlloc,
		.keepcost = stats.HeapIdle - stats.HeapReleased,
	};
}

static int as_int(size_t n)
{
	return n < INT_MAX ? (int)n : INT_MAX;
}

/* The older form, with int fields. glibc's numbers wrap around; these are limited to INT_MAX. */
EXPORT struct mallinfo mallinfo(void)
{
	struct mallinfo2 wide = mallinfo2();

	return (struct mallinfo){
		.arena = as_int(wide.arena),
		.ordblks = as_int(wide.ordblks),
		.uordblks = as_int(wide.uordblks),
		.fordblks = as_int(wide.fordblks),
		.keepcost = as_int(wide.keepcost),
	};
}

EXPORT void malloc_stats(void)
{
	struct mallinfo2 info = mallinfo2();
	int state;

	/* It is no cancellation point. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	fprintf(stderr,
		"Arena 0:\nsystem bytes     = %10zu\nin use bytes     = %10zu\nTotal (incl. mmap):\n"
		"system bytes     = %10zu\nin use bytes     = %10zu\nmax mmap regions = %10u\nmax mmap bytes   = %10u\n",
		info.arena, info.uordblks, info.arena, info.uordblks, 0, 0);
	pthread_setcancelstate(state, NULL);
}

EXPORT int malloc_info(int options, FILE *stream)
{
	struct goalloc_memstats stats;

	if (options != 0)
		return EINVAL;
	goalloc_read_memstats(&stats);
	fputs("<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n", stream);
	for (unsigned i = 1; i < GOALLOC_SIZE_CLASSES; i++) {
		const struct goalloc_by_size *class = &stats.BySize[i];
		if (class->Mallocs != 0)
			fprintf(stream, "<size class=\"%u\" bytes=\"%u\" mallocs=\"%lu\" frees=\"%lu\"/>\n", i,
				class->Size, class->Mallocs, class->Frees);
	}
	fprintf(stream,
		"</sizes>\n<total type=\"rest\" count=\"%u\" size=\"%lu\"/>\n<system type=\"current\" size=\"%lu\"/>\n"
		"<aspace type=\"total\" size=\"%lu\"/>\n</heap>\n<system type=\"current\" size=\"%lu\"/>\n</malloc>\n",
		stats.HeapIdle != 0, stats.HeapIdle, stats.HeapSys, stats.Sys, stats.Sys);
	return 0;
}

/* Accepts advice as glibc does: there are no arenas, fast bins or thresholds here that it could change, and a program
 * cannot tell. Refuses what is unknown. errno stays. */
EXPORT int mallopt(int parameter, int value)
{
	if (parameter == M_MXFAST) /* the largest that glibc has fast bins for */
		return (unsigned)value <= 80 * sizeof(size_t) / 4;
	if (parameter == M_PERTURB)
		perturb_set((unsigned char)value);
	return parameter < 0 && parameter >= M_ARENA_MAX;
}
