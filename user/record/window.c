/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/window.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/priority.h"
#include "record/overhead.h"
#include "record/processes.h"
#include "record/row_contents.h"
#include "target/privilege.h"
#include "target/procfs.h"

enum {
	WAIT_MS = 100,
	WAIT_ALL_MS = 10,  /* at rate 1, because the maps must not fill up in between */
	TICK_MS = 1000,	   /* between readings of rows and counters, which are needed if a process is killed */
	LATE_MS = 1000,	   /* after the end of the window, counting ends by itself */
	ATTACH_MS = 10000, /* attaching to all may take so long, or as long as the window */
	CALM_MS = 1000,	   /* this process keeps its real-time priority for at most so long after the probes are out */
};

/* What a window knows of a target beside its results. */
struct part {
	struct window_target *target;
	int pidfd; /* -1: it is not observed (any more) */
	int64_t began_ns, cpu_ns;
	int64_t last_cpu_ns; /* as last read */
	struct overhead overhead;
};

struct window {
	const struct window_options *options;
	struct session_options session; /* what processes.h wants to know */
	struct processes processes;
	struct part *parts;
	struct pollfd *files;
	size_t count;
};

static void observe(struct window *window, struct part *part)
{
	struct window_target *target = part->target;

	part->pidfd = target_watch(target->pid, &target->why);
	if (part->pidfd < 0)
		return;
	collector_watch_forks(window->processes.collector, target->pid); /* if it cannot be done, they are not known */
	/* from here on the descriptor stands for the process, so its number is checked once */
	if (procfs_start_time(target->pid) != target->started)
		error_set(&target->why, STATUS_CANNOT_MEASURE, "process %d has ended, and another has its number",
			  target->pid);
	else if (processes_observe(&window->processes, target->pid, false, NULL) > 0)
		target->observed = true;
	else
		target->why = window->processes.error;
	if (!target->observed) {
		close(part->pidfd);
		part->pidfd = -1;
		return;
	}
	part->began_ns = monotonic_ns();
	part->cpu_ns = part->last_cpu_ns = process_cpu_ns(target->pid);
	overhead_begin(&part->overhead, target->pid);
}

/* The clock of a process that has ended cannot be read, so it is read again and again. */
static void read_cpu(struct part *part)
{
	int64_t cpu_ns = process_cpu_ns(part->target->pid);

	if (cpu_ns > part->last_cpu_ns)
		part->last_cpu_ns = cpu_ns;
}

/* Stores the results of a part whose process is still observed. */
static void measure_part(struct window *window, struct part *part, const struct observed *observed)
{
	struct overhead_work work = overhead_work_until(observed->sums);

	read_cpu(part);
	part->target->seconds = (double)(monotonic_ns() - part->began_ns) / 1e9;
	part->target->overhead_seconds = overhead_of(window->processes.collector, work) / 1e9;
	part->target->cpu_seconds = (double)(part->last_cpu_ns - part->cpu_ns) / 1e9;
}

/* Reads what its runtime says of its memory, if it is still the program that was observed. */
static void read_heap(struct part *part, const struct observed *observed)
{
	const struct runtime_ops *ops = observed->runtime->ops;
	int64_t in_use = VALUE_UNMEASURED;

	if (ops->heap_in_use && !target_lost_image(observed->target))
		in_use = ops->heap_in_use(observed->runtime, observed->target);
	part->target->heap_in_use = target_lost_image(observed->target) ? VALUE_UNMEASURED : in_use;
}

/* A target that was refused, also late, was not observed: its totals are none. NULL: it has no slot any more. */
static void note_refusal(struct window *window, struct part *part, const struct observed *observed)
{
	if (!observed)
		part->target->why = window->processes.error;
	if (!observed || observed_is_refused(observed, &part->target->why))
		part->target->observed = false;
}

/* Ends a part before the window does. */
static void end_part(struct window *window, struct part *part, bool replaced)
{
	struct observed **slot = processes_find(&window->processes, part->target->pid);

	if (slot) {
		measure_part(window, part, *slot);
		observed_stop(*slot);
		read_heap(part, *slot);
		note_refusal(window, part, *slot);
		processes_finish(&window->processes, slot, replaced);
	}
	close(part->pidfd);
	part->pidfd = -1;
}

static bool costs_too_much(struct window *window, struct part *part, const struct observed *observed)
{
	struct overhead_work work = overhead_work_until(observed->sums);
	double percent;

	return window->options->max_overhead > 0 && !observed->bursts && /* these see to that themselves */
	       overhead_too_high(&part->overhead, window->processes.collector, work, window->options->max_overhead,
				 &percent);
}

/* `closely`: also whether another program runs where somebody else still has the memory of before. */
static void look_at_part(struct window *window, struct part *part, bool ended, bool closely)
{
	struct observed **slot = part->pidfd < 0 ? NULL : processes_find(&window->processes, part->target->pid);

	if (part->pidfd < 0)
		return;
	read_cpu(part);
	if (!slot) { /* it was refused */
		note_refusal(window, part, NULL);
		end_part(window, part, false);
	} else if (ended) {
		end_part(window, part, false);
	} else if ((closely ? target_lost_image : target_lost_memory)((*slot)->target) &&
		   target_has_image((*slot)->target)) {
		end_part(window, part, true);
	} else if (costs_too_much(window, part, *slot)) {
		part->target->braked = true;
		end_part(window, part, false);
	}
}

static int wait_ms(const struct window *window, int64_t end_ns)
{
	int64_t wait = window->processes.rate == 1 ? WAIT_ALL_MS : WAIT_MS;
	int64_t now = monotonic_ns(), burst = (processes_burst_ns(&window->processes) - now + 999999) / 1000000;
	int64_t left = (end_ns - now + 999999) / 1000000;

	wait = burst < wait ? burst : wait;
	wait = left < wait ? left : wait;
	return wait > 0 ? (int)wait : 0;
}

static void run(struct window *window)
{
	int64_t end_ns = monotonic_ns() + (int64_t)(window->options->seconds * 1e9), last_tick = monotonic_ns();

	while (window->processes.count && monotonic_ns() < end_ns && !*window->options->stop && !memory_is_low()) {
		int64_t now;
		bool readings;

		for (size_t i = 0; i < window->count; i++)
			window->files[i] = (struct pollfd){.fd = window->parts[i].pidfd, .events = POLLIN};
		poll(window->files, window->count, wait_ms(window, end_ns));
		now = monotonic_ns();
		readings = now - last_tick >= TICK_MS * 1000000LL;
		for (size_t i = 0; i < window->count; i++)
			look_at_part(window, &window->parts[i], window->files[i].revents != 0, readings);
		collector_relieve(window->processes.collector);
		processes_tick(&window->processes, readings);
		last_tick = readings ? now : last_tick;
	}
}

/* Attaches to one after the other. What it costs those that are attached already is looked at meanwhile, and they count no
 * longer than until the latest end of the window. */
static void begin(struct window *window)
{
	int64_t began_ns = monotonic_ns(), length_ns = (int64_t)(window->options->seconds * 1e9);
	int64_t most_ns = length_ns > ATTACH_MS * 1000000LL ? length_ns : ATTACH_MS * 1000000LL;

	processes_set_deadline(&window->processes, (uint64_t)(began_ns + most_ns + length_ns + LATE_MS * 1000000LL));
	for (size_t i = 0; i < window->count; i++) {
		struct part *part = &window->parts[i];
		bool late = monotonic_ns() - began_ns > most_ns;

		part->target->late = i && late;
		if (part->target->late)
			error_set(&part->target->why, STATUS_CANNOT_MEASURE,
				  "attaching to other processes took too long");
		if (i && (late || *window->options->stop))
			continue;
		observe(window, part);
		for (size_t j = 0; j < i; j++)
			look_at_part(window, &window->parts[j], false, false);
	}
}

/* Ends what is still observed. First removes the probes from all; what follows costs them nothing. */
static void end(struct window *window)
{
	priority_hurry();
	for (size_t i = 0; i < window->count; i++) {
		struct observed **slot = processes_find(&window->processes, window->parts[i].target->pid);

		if (window->parts[i].pidfd >= 0 && slot)
			measure_part(window, &window->parts[i], *slot);
	}
	processes_stop(&window->processes);
	for (size_t i = 0; i < window->count; i++) {
		struct observed **slot = processes_find(&window->processes, window->parts[i].target->pid);

		if (window->parts[i].pidfd < 0)
			continue;
		if (slot)
			read_heap(&window->parts[i], *slot);
		note_refusal(window, &window->parts[i], slot ? *slot : NULL);
	}
	priority_calm_at(monotonic_ns() + CALM_MS * 1000000LL);
	processes_finish_all(&window->processes, -1);
	for (size_t i = 0; i < window->count; i++) {
		if (window->parts[i].pidfd >= 0)
			close(window->parts[i].pidfd);
	}
}

/* Only BPF programs of bursts, and links without uprobe.multi, are still to come. */
static void give_up_privileges(const struct window *window)
{
	bool perf = collector_uses_perf(window->processes.collector);
	unsigned uses = PRIVILEGE_READ | PRIVILEGE_PRIORITY | PRIVILEGE_WRITE;

	if (perf || processes_burst_ns(&window->processes) < INT64_MAX)
		uses |= PRIVILEGE_ATTACH;
	if (perf)
		uses |= PRIVILEGE_ATTACH_PERF;
	if (privilege_keep(uses))
		profile_warn(window->processes.profile, "the recorder could not give up its privileges: %s",
			     strerror(errno));
}

/* Stores how many processes each has made that have no part in its numbers. */
static void note_forks(const struct window *window)
{
	for (size_t i = 0; i < window->count; i++) {
		int pid = window->parts[i].target->pid;
		struct profile_process *process = profile_process_find(window->processes.profile, pid);
		int64_t copies, sharers;

		if (!process)
			continue;
		collector_forks(window->processes.collector, pid, &copies, &sharers);
		process->forked = profile_add_measured(copies, sharers);
	}
}

static void conclude(struct window *window)
{
	struct profile *profile = window->processes.profile;

	note_forks(window);
	profile->duration_ns = window->processes.measured_ns;
	row_contents_conclude(&window->processes);
	profile_conclude_rows(profile);
}

struct profile *window_record(const struct window_options *options, struct window_target *targets, size_t count,
			      struct error *error)
{
	struct window window = {.options = options, .count = count};
	struct profile *profile = NULL;
	struct rlimit descriptors;
	int64_t began_ns;

	window.session =
		(struct session_options){.several = true, .rate = options->rate, .max_overhead = options->max_overhead};
	window.processes.options = &window.session;
	window.processes.rate = options->rate;
	priority_raise();
	window.processes.collector = collector_open(true, options->rate, options->verbose, error);
	if (!window.processes.collector)
		return NULL;
	processes_raise_descriptors(&descriptors);
	window.processes.profile = profile_new();
	processes_describe(&window.processes);
	window.processes.images = image_cache_new(window.processes.profile);
	window.parts = memory_zeroed(count + 1, sizeof(*window.parts));
	window.files = memory_zeroed(count + 1, sizeof(*window.files));
	memory_reserve();
	for (size_t i = 0; i < count; i++)
		window.parts[i] = (struct part){.target = &targets[i], .pidfd = -1};
	begin(&window);
	began_ns = window.processes.began_ns = monotonic_ns();
	processes_set_deadline(&window.processes,
			       (uint64_t)began_ns + (uint64_t)(options->seconds * 1e9) + LATE_MS * 1000000ULL);
	overhead_calibrate(window.processes.collector);
	give_up_privileges(&window);
	priority_watch(began_ns + (int64_t)(options->seconds * 1e9));
	memory_doing("recording a window");
	if (options->begun)
		options->begun(window.processes.count);
	run(&window);
	end(&window);
	conclude(&window);
	if (window.processes.ever)
		profile = window.processes.profile;
	else
		*error = window.processes.error;
	priority_unwatch();
	collector_close(window.processes.collector);
	image_cache_free(window.processes.images);
	if (!profile)
		profile_free(window.processes.profile);
	free(window.parts);
	free(window.files);
	return profile;
}
