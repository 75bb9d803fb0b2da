/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/overhead.h"

#include <fcntl.h>
#include <link.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "collect/event_process.h"
#include "target/procfs.h"

enum {
	LOOKS = 3,	  /* consecutive measurements */
	LOOK_HITS = 1000, /* a measurement comes after so many hits, or */
	LOOK_NS = 500 * 1000 * 1000,
	CALIBRATION_HITS = 2000,
};

/* The cost of a hit without its row, in units of a hit whose program does nothing; see make bench-probes, bench-go. */
static const double hit_factor = 1.2;

/* Returns how long the process's threads have waited for a CPU. 0 if the kernel does not report it. */
static int64_t waited_ns(int pid)
{
	size_t count;
	int *threads = procfs_threads(pid, &count);
	int64_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		char *text = procfs_read(threads[i], "schedstat", NULL);
		long long ran, waited;

		if (text && sscanf(text, "%lld %lld", &ran, &waited) == 2)
			sum += waited;
		free(text);
	}
	free(threads);
	return sum;
}

/* The instruction that is probed for the measurement. */
static __attribute__((noinline, noclone)) void hit_site(void)
{
	__asm__ volatile("nop");
}

/* Finds the offset of hit_site() in our executable. */
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

/* Measures the nanoseconds of a hit whose program finds no process, and so does nothing; 0 if that is impossible. */
static double measure_hit(struct collector *collector)
{
	struct probe_set probes = {0};
	struct attachment *attachment;
	uint64_t offset = 0;
	int64_t begin, end;
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	dl_iterate_phdr(find_offset, &offset);
	probe_set_add(&probes, "goalloc_mheap_grow", file, offset, 0, 0);
	attachment = collector_attach(collector, getpid(), EVENT_SLOTS, &probes, NULL);
	probe_set_free(&probes);
	close(file);
	if (!attachment)
		return 0;
	begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	for (int i = 0; i < CALIBRATION_HITS; i++)
		hit_site();
	end = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	collector_detach(attachment);
	return (double)(end - begin) / CALIBRATION_HITS;
}

/* The cost of a hit whose program does nothing is that of this machine, for every process. */
static double bare_hit_ns(struct collector *collector)
{
	static double bare_ns = -1;

	if (bare_ns < 0)
		bare_ns = measure_hit(collector);
	return bare_ns;
}

void overhead_calibrate(struct collector *collector)
{
	bare_hit_ns(collector);
}

struct overhead_work overhead_work_until(const volatile struct event_process *sums)
{
	return (struct overhead_work){event_process_hits(sums), (int64_t)sums->rows.timed_ns * EVENT_TIMED_EVERY};
}

struct overhead_work overhead_work_between(struct overhead_work then, struct overhead_work now)
{
	return (struct overhead_work){now.hits - then.hits, now.row_ns - then.row_ns};
}

double overhead_of(struct collector *collector, struct overhead_work work)
{
	return bare_hit_ns(collector) * hit_factor * (double)work.hits + (double)work.row_ns;
}

/* Returns for how long of `wall` one CPU was idle: the time in which the process neither used it nor waited for it. */
static double idle_ns(int64_t wall, double used, int64_t waited_before, int64_t waited_now)
{
	double waited = waited_before < 0 ? 0 : (double)(waited_now - waited_before);

	return fmax(0, (double)wall - used - waited);
}

double overhead_capacity(struct overhead *overhead)
{
	struct overhead before = *overhead;
	int64_t wall;
	double used;

	overhead->cpu_ns = process_cpu_ns(overhead->pid);
	overhead->wall_ns = clock_ns(CLOCK_MONOTONIC);
	overhead->waited_ns = waited_ns(overhead->pid);
	used = fmax(0, (double)(overhead->cpu_ns - before.cpu_ns));
	wall = overhead->wall_ns - before.wall_ns;
	return (used + idle_ns(wall, used, before.waited_ns, overhead->waited_ns)) / (double)(wall + 1);
}

void overhead_begin(struct overhead *overhead, int pid)
{
	*overhead = (struct overhead){
		.pid = pid, .cpu_ns = process_cpu_ns(pid), .wall_ns = clock_ns(CLOCK_MONOTONIC), .waited_ns = -1};
}

bool overhead_too_high(struct overhead *overhead, struct collector *collector, struct overhead_work work,
		       double limit_percent, double *percent)
{
	struct overhead before = *overhead;
	struct overhead_work done = overhead_work_between(before.work, work);
	int64_t now = clock_ns(CLOCK_MONOTONIC);
	double used, idle, cost;

	if (done.hits < LOOK_HITS && now - before.wall_ns < LOOK_NS)
		return false;
	overhead->work = work;
	overhead->cpu_ns = process_cpu_ns(overhead->pid);
	overhead->wall_ns = now;
	overhead->waited_ns = -1;
	used = (double)(overhead->cpu_ns - before.cpu_ns);
	if (used <= 0) {
		overhead->above = 0;
		return false;
	}
	cost = overhead_of(collector, done);
	*percent = fmin(100, 100 * cost / used);
	if (*percent <= limit_percent) {
		overhead->above = 0;
		return false;
	}
	/* the share of one CPU that it neither used nor waited for */
	overhead->waited_ns = waited_ns(overhead->pid);
	idle = idle_ns(overhead->wall_ns - before.wall_ns, used, before.waited_ns, overhead->waited_ns);
	overhead->above = 100 * cost / (used + idle) > limit_percent ? overhead->above + 1 : 0;
	return overhead->above >= LOOKS;
}
