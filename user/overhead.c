/* SPDX-License-Identifier: BSD-2-Clause */
#include "overhead.h"

#include <link.h>
#include <time.h>
#include <unistd.h>

enum {
	LOOKS = 3,             /* in a row */
	MIN_HITS = 1000,       /* a look; fewer cannot hurt anybody */
	CALIBRATION_HITS = 2000,
};

/* A hit with its program, in units of a hit whose program does nothing: measured at 1.5 to 2.7 with stacks of 8 to 32
 * frames (make bench-probes). */
static const double program_factor = 2.5;

static int64_t clock_ns(clockid_t clock)
{
	struct timespec time;

	return clock_gettime(clock, &time) ? 0 : time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int64_t process_ns(int pid)
{
	clockid_t clock;

	return clock_getcpuclockid(pid, &clock) ? 0 : clock_ns(clock);
}

/* Where the kernel stops us when we measure. */
static __attribute__((noinline, noclone)) void hit_site(void)
{
	__asm__ volatile("nop");
}

/* Offset of hit_site() in our executable. */
static int find_offset(struct dl_phdr_info *image, size_t size, void *offset)
{
	uintptr_t address = (uintptr_t)hit_site - image->dlpi_addr;

	(void)size;
	for (int i = 0; i < image->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &image->dlpi_phdr[i];

		if (segment->p_type == PT_LOAD && address - segment->p_vaddr < segment->p_filesz)
			*(uint64_t *)offset = address - segment->p_vaddr + segment->p_offset;
	}
	return 1; /* the executable comes first */
}

/* Nanoseconds of a hit whose program finds no process for it, and so does nothing; 0 where it cannot be measured. */
static double measure_hit(struct collector *collector)
{
	struct probe_set probes = {0};
	struct attachment *attachment;
	uint64_t offset = 0;
	int64_t begin, end;

	dl_iterate_phdr(find_offset, &offset);
	probe_set_add(&probes, "goalloc_mheap_grow", "/proc/self/exe", offset, 0, 0);
	attachment = collector_attach(collector, getpid(), EVENT_SLOTS, &probes, NULL);
	probe_set_free(&probes);
	if (!attachment)
		return 0;
	begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	for (int i = 0; i < CALIBRATION_HITS; i++)
		hit_site();
	end = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	collector_detach(attachment);
	return (double)(end - begin) / CALIBRATION_HITS;
}

void overhead_begin(struct overhead *overhead, int pid)
{
	*overhead = (struct overhead){.pid = pid, .cpu_ns = process_ns(pid), .wall_ns = clock_ns(CLOCK_MONOTONIC)};
}

bool overhead_too_high(struct overhead *overhead, struct collector *collector, int64_t hits, double limit_percent,
		       double *percent)
{
	int64_t cpu_ns = process_ns(overhead->pid), used = cpu_ns - overhead->cpu_ns;
	int64_t wall_ns = clock_ns(CLOCK_MONOTONIC), elapsed = wall_ns - overhead->wall_ns;
	int64_t new_hits = hits - overhead->hits;

	overhead->hits = hits;
	overhead->cpu_ns = cpu_ns;
	overhead->wall_ns = wall_ns;
	if (used < elapsed)
		used = elapsed;
	if (new_hits < MIN_HITS || used <= 0) {
		overhead->above = 0;
		return false;
	}
	if (overhead->hit_ns <= 0)
		overhead->hit_ns = measure_hit(collector) * program_factor;
	*percent = 100 * (double)new_hits * overhead->hit_ns / (double)used;
	if (*percent > 100)
		*percent = 100;
	overhead->above = *percent > limit_percent ? overhead->above + 1 : 0;
	return overhead->above >= LOOKS;
}
