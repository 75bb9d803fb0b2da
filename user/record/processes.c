/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/processes.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "record/bursts.h"
#include "record/linker.h"
#include "record/observed.h"
#include "target/go_command.h"
#include "target/procfs.h"

enum { EXECS_MAX = 100 }; /* of one process while it is looked at */

void processes_tell_phase(const struct processes *processes, const char *phase, int pid, int64_t began_ns)
{
	const struct session_options *options = processes->options;

	if (options->phase)
		options->phase(options->context, phase, pid, (double)(monotonic_ns() - began_ns) / 1e6);
}

void processes_describe(struct processes *processes)
{
	struct profile *profile = processes->profile;
	struct utsname kernel;

	uname(&kernel);
	profile->redacted = processes->options->redact;
	profile->tool_version = ESCAPEMENT_VERSION;
	profile->kernel = profile_format(profile, "%s %s", kernel.sysname, kernel.release);
	profile->start_ns = wall_ns();
	profile->rate = processes->options->rate;
	profile->totals_exact = true;
}

void processes_raise_descriptors(struct rlimit *before)
{
	struct rlimit raised;

	*before = (struct rlimit){0};
	if (getrlimit(RLIMIT_NOFILE, before))
		return;
	raised = (struct rlimit){before->rlim_max, before->rlim_max};
	setrlimit(RLIMIT_NOFILE, &raised);
}

struct observed **processes_find(struct processes *processes, int pid)
{
	for (int i = 0; i < EVENT_SLOTS; i++) {
		if (processes->observed[i] && processes->observed[i]->target->pid == pid)
			return &processes->observed[i];
	}
	return NULL;
}

/* Notes a process whose allocations by site are not reported at this rate. */
static void note_unsampled(struct processes *processes, const struct target *target, const struct runtime *runtime)
{
	processes->sampled += !runtime->unsampled;
	if (!runtime->unsampled || processes->unsampled.count++)
		return;
	processes->unsampled.pid = target->pid;
	processes->unsampled.why = runtime->unsampled;
	snprintf(processes->unsampled.comm, sizeof(processes->unsampled.comm), "%s", target->comm);
}

/* Ends the observation of a refused process, as if it had never begun. */
static void discard(struct processes *processes, struct observed **slot)
{
	observed_detach(*slot);
	processes->spoiled[slot - processes->observed] = observed_discard(*slot) != 0;
	*slot = NULL;
	processes->count--;
	processes->ever--;
}

/* Looks at a process, again if it has become another program (exec) meanwhile. Returns what runtime_detect() does; NULL with *absent
 * false, if it cannot be opened. */
static struct runtime *look_at(const struct processes *processes, int pid, struct target **opened, bool *absent,
			       struct error *why)
{
	struct target *target;
	struct runtime *runtime;

	*absent = false;
	for (int execs = 0;; execs++) {
		target = processes->options->enable_sampler ? target_open_changeable(pid, why) : target_open(pid, why);
		if (!target)
			return NULL;
		runtime = runtime_detect(target, absent, why);
		if (runtime)
			break;
		if (execs == EXECS_MAX || !target_lost_image(target) || !target_has_image(target)) {
			target_close(target);
			return NULL;
		}
		target_close(target);
	}
	*opened = target;
	return runtime;
}

void processes_count_forks(struct collector *collector, struct profile *profile, int pid)
{
	if (collector_watch_forks(collector, pid))
		profile_warn(profile,
			     "cannot count the processes that process %d forks, which are not observed, if any: %s",
			     pid, strerror(errno));
}

int processes_observe(struct processes *processes, int pid, bool from_first_instruction, struct observed *before)
{
	int64_t began = monotonic_ns();
	struct runtime *runtime;
	struct target *target;
	struct error why;
	bool absent;
	int slot = 0;

	runtime = look_at(processes, pid, &target, &absent, &why);
	if (!runtime) {
		/* "has no probes", of a shell, must not replace the reason why its child, which has probes, was not
		 * observed. */
		if (!absent || !processes->unobserved)
			processes->error = why;
		return absent ? 0 : -1;
	}
	runtime->may_change = processes->options->enable_sampler;
	runtime->stacks = !processes->options->no_stacks;
	runtime->sampler_beside = processes->options->sampler_beside;
	while (slot < EVENT_SLOTS && (processes->observed[slot] || processes->spoiled[slot]))
		slot++;
	if (slot == EVENT_SLOTS) {
		error_set(&processes->error, STATUS_CANNOT_MEASURE, "more than %d processes at one time", EVENT_SLOTS);
		runtime_free(runtime);
		target_close(target);
		return -1;
	}
	processes->observed[slot] = observed_new(processes->collector, processes->profile, processes->images, target,
						 runtime, (uint32_t)slot, processes->rate, from_first_instruction,
						 processes->options->max_overhead, before, &processes->error);
	if (!processes->observed[slot])
		return -1;
	processes->observed[slot]->sums->deadline_ns = processes->deadline_ns;
	processes->count++;
	processes->ever++;
	if (observed_is_refused(processes->observed[slot], &processes->error)) {
		discard(processes, &processes->observed[slot]);
		return -1;
	}
	processes->profile->rate = processes->observed[slot]->rate;
	processes->rows_unmeasured |= runtime->rows_unmeasured;
	note_unsampled(processes, processes->observed[slot]->target, runtime);
	processes_tell_phase(processes, "attached", pid, began);
	return 1;
}

/*
 * Records that a process of the program could not be observed: its allocations are missing, so that the recording has
 * an unknown loss.
 */
static void miss(struct processes *processes, int pid)
{
	struct profile_process *process = profile_process_add(processes->profile, pid);
	char comm[32];

	procfs_name(pid, comm, sizeof(comm));
	process->comm = profile_string(processes->profile, comm);
	memset(process->totals, 0, sizeof(process->totals));
	memset(process->class_totals, 0, sizeof(process->class_totals));
	process->lost_events = 1;
	processes->profile->totals_exact = false;
	if (processes->unobserved++ == 0)
		profile_warn(processes->profile, "process %d (%s) is not observed: %s", pid, process->comm,
			     processes->error.text);
}

/* Time since the recording began; 0 before. */
static int64_t recorded_ns(const struct processes *processes)
{
	return processes->began_ns ? monotonic_ns() - processes->began_ns : 0;
}

static void detach(const struct processes *processes, struct observed *observed)
{
	int64_t began = monotonic_ns();

	if (!observed->attachment)
		return;
	observed_detach(observed);
	processes_tell_phase(processes, "detached", observed->target->pid, began);
}

void processes_finish(struct processes *processes, struct observed **slot, bool replaced)
{
	int pid = (*slot)->target->pid;
	int64_t began;

	if (observed_is_refused(*slot, &processes->error)) {
		discard(processes, slot);
		miss(processes, pid);
		return;
	}
	(*slot)->replaced = replaced;
	if ((*slot)->sums->over)
		processes->overran[observed_scales_rows(*slot)]++;
	if ((*slot)->runtime->rate > processes->coarsest)
		processes->coarsest = (*slot)->runtime->rate;
	processes->replaced += replaced && !(*slot)->end.taken;
	detach(processes, *slot);
	observed_note_growth(*slot, recorded_ns(processes));
	began = monotonic_ns();
	processes->spoiled[slot - processes->observed] = observed_finish(*slot) != 0;
	processes_tell_phase(processes, "symbolized", pid, began);
	*slot = NULL;
	processes->count--;
}

static bool is_named(int pid, const char *glob)
{
	struct target *target = target_open(pid, NULL);
	const char *slash = target && target->executable ? strrchr(target->executable, '/') : NULL;
	bool named = slash && fnmatch(glob, slash + 1, 0) == 0;

	target_close(target);
	return named;
}

/* Whether the executable is one of Go's own tools: the compiler, the linker. */
static bool is_go_tool(int pid)
{
	struct target *target = target_open(pid, NULL);
	bool tool = target && target->executable && strstr(target->executable, "/pkg/tool/");

	target_close(target);
	return tool;
}

/* Whether a process that a go command may have started is the program's. */
static bool is_the_programs(int pid)
{
	bool itself;

	switch (go_command_work_of(pid, getpid(), &itself)) {
	case GO_COMMAND_TESTS:
		return is_named(pid, "*.test");
	case GO_COMMAND_BUILDS:
		return false;
	case GO_COMMAND_RUNS:
		return !itself && !is_go_tool(pid);
	case GO_COMMAND_NONE:
		break;
	}
	return true;
}

/* Whether the process is to be observed. */
static bool is_wanted(const struct processes *processes, int pid)
{
	const struct session_options *options = processes->options;

	if (options->only && !is_named(pid, options->only))
		return false;
	return !options->go_tests || is_the_programs(pid);
}

/* A tracer whose arguments name what it traces is the reason why that was not observed, whatever ran after it. */
static void note_tracer(struct processes *processes, int pid, int observed)
{
	if (processes->only_tracer && processes->tracer.traced[0])
		return;
	processes->only_tracer = !processes->ever && observed == 0 && tracer_recognise(pid, &processes->tracer);
}

static bool on_image(void *context, int pid)
{
	struct processes *processes = context;
	int observed = 1;

	if (!processes_find(processes, pid) && is_wanted(processes, pid))
		observed = processes_observe(processes, pid, true, NULL);
	if (observed)
		linker_watch_end(&processes->watches, processes->collector, pid);
	note_tracer(processes, pid, observed);
	if (observed < 0)
		miss(processes, pid);
	return observed != 0;
}

/* Only a traced process may be watched, and what follows needs the same privileges. */
static void on_unsettled(void *context, int pid)
{
	struct processes *processes = context;

	if (processes->options->follow)
		linker_watch_begin(&processes->watches, processes->collector, pid);
}

static void on_fork(void *context, int pid)
{
	struct processes *processes = context;

	int observed = is_wanted(processes, pid) ? processes_observe(processes, pid, false, NULL) : 1;

	if (observed < 0)
		miss(processes, pid);
	else if (!observed)
		on_unsettled(processes, pid);
}

static void on_sharer(void *context, int pid)
{
	struct processes *processes = context;

	processes->sharers += processes_find(processes, pid) != NULL;
}

static void on_thread(void *context, int pid)
{
	struct observed **slot = processes_find(context, pid);

	if (slot)
		observed_adjust(*slot);
}

/* A process that has loaded a runtime (dlopen) after its libraries had been looked at. */
static void miss_late(struct processes *processes, int pid)
{
	bool asked = !profile_process_find(processes->profile, pid) && is_wanted(processes, pid);
	struct target *target = asked ? target_open(pid, NULL) : NULL;
	struct runtime *runtime = NULL;
	struct error error;
	bool absent;

	if (target)
		runtime = runtime_detect(target, &absent, &error);
	if (runtime && runtime->library) {
		error_set(&processes->error, STATUS_CANNOT_MEASURE,
			  "the Go library %s was loaded when the process ran already; attach to it (-p) after that",
			  runtime->library);
		miss(processes, pid);
	}
	runtime_free(runtime);
	target_close(target);
}

static void on_exiting(void *context, int pid, int tid, bool killed)
{
	struct processes *processes = context;
	struct observed **slot = processes_find(context, pid);

	if (!slot)
		miss_late(processes, pid);
	if (slot) {
		(*slot)->target->tid = tid;
		(*slot)->target->exiting = true;
		(*slot)->target->killed = killed;
		observed_stop(*slot);
	}
}

static void on_ended(void *context, int pid, int wait_status)
{
	struct processes *processes = context;
	struct observed **slot = processes_find(processes, pid);

	linker_watch_end(&processes->watches, processes->collector, pid);
	if (!slot)
		return;
	(*slot)->target->gone = wait_status >= 0; /* otherwise it may map the same files again */
	(*slot)->by_itself = wait_status >= 0 && !processes->asked;
	processes_finish(processes, slot, wait_status < 0);
}

/* How many processes have bursts now. */
static int with_bursts(const struct processes *processes)
{
	int count = 0;

	for (int i = 0; i < EVENT_SLOTS; i++) {
		const struct observed *observed = processes->observed[i];

		count += observed && observed->bursts && bursts_come(observed->bursts);
	}
	return count;
}

void processes_tick(struct processes *processes, bool readings)
{
	const int sharing = with_bursts(processes);

	for (int i = 0; i < EVENT_SLOTS; i++) {
		if (!processes->observed[i])
			continue;
		if (processes->observed[i]->bursts)
			bursts_step(processes->observed[i]->bursts, processes->options->own_limit, sharing);
		observed_adjust(processes->observed[i]);
		observed_note_growth(processes->observed[i], recorded_ns(processes));
		if (readings)
			observed_tick(processes->observed[i]);
		if (processes->observed[i]->runtime->refusal.text[0])
			processes_finish(processes, &processes->observed[i], false);
	}
}

int64_t processes_burst_ns(const struct processes *processes)
{
	int64_t first = INT64_MAX;

	for (int i = 0; i < EVENT_SLOTS; i++) {
		const struct observed *observed = processes->observed[i];

		if (observed && observed->bursts && bursts_due_ns(observed->bursts) < first)
			first = bursts_due_ns(observed->bursts);
	}
	return first;
}

int64_t processes_events(const struct processes *processes)
{
	struct event_class_totals totals[SPAN_CLASSES];
	int64_t events = 0;

	for (int i = 0; i < EVENT_SLOTS; i++) {
		if (!processes->observed[i])
			continue;
		event_process_totals(processes->observed[i]->sums, EVENTS_INSIDE, totals);
		for (int class = 0; class < SPAN_CLASSES; class ++)
			events = add_saturated(events, count_of_sum(totals[class].objects));
	}
	return events;
}

struct launch_handler processes_handler(struct processes *processes)
{
	return (struct launch_handler){processes, on_image,  on_unsettled, on_fork,
				       on_sharer, on_thread, on_exiting,   on_ended};
}

void processes_set_deadline(struct processes *processes, uint64_t deadline_ns)
{
	processes->deadline_ns = deadline_ns;
	for (int i = 0; i < EVENT_SLOTS; i++) {
		if (processes->observed[i])
			processes->observed[i]->sums->deadline_ns = deadline_ns;
	}
}

void processes_stop(struct processes *processes)
{
	for (int i = 0; i < EVENT_SLOTS; i++) {
		if (processes->observed[i]) /* it may just have ended: then nothing can be read any more */
			observed_stop(processes->observed[i]);
	}
	for (int i = 0; i < EVENT_SLOTS; i++) {
		if (processes->observed[i])
			detach(processes, processes->observed[i]);
	}
	processes->measured_ns = recorded_ns(processes);
	linker_watch_end_all(&processes->watches, processes->collector); /* last, because it waits */
}

void processes_finish_all(struct processes *processes, int pidfd)
{
	for (int i = 0; i < EVENT_SLOTS; i++) {
		struct observed **slot = &processes->observed[i];

		if (*slot)
			processes_finish(processes, slot, pidfd >= 0 && target_is_replaced((*slot)->target, pidfd));
	}
}
