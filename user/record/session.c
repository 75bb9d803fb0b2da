/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/session.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/priority.h"
#include "record/brake.h"
#include "record/live.h"
#include "record/overhead.h"
#include "record/processes.h"
#include "record/row_contents.h"
#include "record/tracer.h"
#include "target/launch.h"
#include "target/privilege.h"
#include "target/procfs.h"

_Static_assert((int)SESSION_FUNCTIONS_MAX == EVENT_CALLS, "the BPF programs count the calls of as many functions");

enum {
	POLL_MS = 100,
	POLL_ALL_MS = 10,	/* at rate 1, because the maps must not fill up in between */
	TICK_MS = 1000,		/* between readings of rows and counters, which are needed if the target is killed */
	SINK_SAMPLES = 1 << 15, /* samples kept in memory, if the options have a sink */
	DEADLINE_MS = 1000,	/* after the time in which we should have ended it, counting ends by itself */
	CALM_MS =
		1000, /* after the removal of the probes, this process keeps its real-time priority for at most so long */
	LATE_MS = 2000, /* probes that are removed later than that are reported */
	VIEWS_COMPARED =
		3, /* the cheapest of the last views is taken as the cost of one, because others may have symbolized new rows */
};

struct session {
	const struct session_options *options;
	struct launch *launch;
	struct processes processes;
	int pidfd;					     /* of a process that we attached to */
	struct live *live;				     /* what view() gets; NULL without */
	int64_t next_view_ms, view_costs_ns[VIEWS_COMPARED]; /* CPU time of the last views */
	uint64_t views;
	int execs; /* of the process that we attached to */
	bool has_input;
	struct overhead overhead;     /* of a process that we attached to */
	int64_t started_ms, asked_ms; /* asked_ms: when we asked the program to end; 0: never */
	int grace_ms;		      /* that it has from then on */
	int64_t deadline_ms;	      /* after the time asked for, when counting ends by itself */
	struct rlimit descriptors;    /* the limit before */
	bool settled;		      /* what was asked for is attached, and privileges are given up */
};

static int64_t now_ms(void)
{
	return monotonic_ns() / 1000000;
}

static int start_program(struct session *session, struct error *error)
{
	const struct launch_handler handler = processes_handler(&session->processes);

	session->launch = launch_start(session->options->argv, &session->options->ignored, &session->options->user,
				       &session->options->place, session->options->follow, &handler, error);
	return session->launch ? 0 : -1;
}

/* The time asked for begins. */
static void start_clock(struct session *session)
{
	double seconds = session->options->duration;

	session->started_ms = now_ms();
	session->deadline_ms = DEADLINE_MS + (session->launch ? GRACE_MS + TERM_GRACE_MS : 0);
	session->processes.began_ns = monotonic_ns();
	if (seconds <= 0)
		return;
	processes_set_deadline(&session->processes, (uint64_t)monotonic_ns() + (uint64_t)(seconds * 1e9) +
							    (uint64_t)session->deadline_ms * 1000000);
}

static bool shares_memory(int pid, int child)
{
	return syscall(SYS_kcmp, pid, child, KCMP_VM, 0, 0) == 0;
}

/* How many of the threads wait for a child that is about to execute a program, and allocates nothing until then. */
static size_t waiting_in_vfork(int pid)
{
	size_t count, waiting = 0;
	int *threads = procfs_threads(pid, &count);

	for (size_t i = 0; i < count; i++)
		waiting += procfs_waits_in_vfork(threads[i]);
	free(threads);
	return waiting;
}

/* What processes in the same memory allocate is in the runtime's counters and in no row. */
static void lacks_sharers(struct profile *profile)
{
	profile->totals_exact = false;
	profile->rows_least = true;
}

/*
 * Processes that the process that we attach to has created before, as a server does that forks its workers when it starts.
 */
static void warn_of_copies(struct session *session, int pid)
{
	struct profile *profile = session->processes.profile;
	size_t count, copies = 0, sharers = 0, lasting = 0, waiting;
	int *children = procfs_children(pid, &count);

	for (size_t i = 0; i < count; i++) {
		if (shares_memory(pid, children[i]))
			children[sharers++] = children[i];
		else
			copies += procfs_same_executable(pid, children[i]);
	}
	waiting = sharers ? waiting_in_vfork(pid) : 0;
	for (size_t i = 0; i < sharers; i++)
		lasting += shares_memory(pid, children[i]); /* and has not executed a program meanwhile */
	free(children);
	if (copies)
		profile_warn(profile,
			     "process %d has %zu child%s of the same program, which %s not observed: record %s by -p, "
			     "one at a time",
			     pid, copies, copies == 1 ? "" : "ren", copies == 1 ? "is" : "are",
			     copies == 1 ? "it" : "them");
	if (lasting <= waiting)
		return;
	lasting -= waiting;
	profile_warn(profile, "process %d has %zu child%s that share%s its memory, and %s not observed", pid, lasting,
		     lasting == 1 ? "" : "ren", lasting == 1 ? "s" : "", lasting == 1 ? "is" : "are");
	lacks_sharers(profile);
}

/* Whether each allocation was counted, and those are all that the runtime knows: no other process has made one in the same memory. */
static bool counted_all(const struct processes *processes)
{
	const struct profile_check check = profile_check(processes->profile);

	return processes->profile->rate == 1 && processes->coarsest <= 1 && check.present && check.difference == 0 &&
	       check.bound == 0;
}

/* Stores how many copies of itself the process that we attached to has made since, and tells of those that share its memory. */
static void note_forks(struct session *session)
{
	struct profile *profile = session->processes.profile;
	int64_t forks = 0, sharers = session->processes.sharers;

	if (session->options->pid)
		collector_forks(session->processes.collector, session->options->pid, &forks, &sharers);
	else if (!session->options->follow)
		forks = VALUE_UNMEASURED;
	if (sharers > 0 && !counted_all(&session->processes)) {
		profile_warn(profile,
			     "%" PRId64 " process%s that began to share the memory of an observed one %s not observed",
			     sharers, sharers == 1 ? "" : "es", sharers == 1 ? "is" : "are");
		lacks_sharers(profile);
	}
	for (size_t i = 0; i < profile->process_count; i++) {
		profile->processes[i].forked = forks;
		forks = forks == VALUE_UNMEASURED ? forks
						  : 0; /* all are of one process, which may have become others */
	}
}

static int attach_process(struct session *session, struct error *error)
{
	int pid = session->options->pid;

	/* first, because from here on the end of the process is noticed, and so is a reuse of its number */
	session->pidfd = target_watch(pid, error);
	if (session->pidfd < 0)
		return -1;
	processes_count_forks(session->processes.collector, session->processes.profile, pid);
	if (processes_observe(&session->processes, pid, false, NULL) <= 0) {
		*error = session->processes.error;
		return -1;
	}
	warn_of_copies(session, pid);
	overhead_begin(&session->overhead, pid);
	return 0;
}

/* The process that we attached to has executed other programs: what these allocated before they were observed is missing. */
static void note_execs(struct session *session, int execs)
{
	session->execs += execs;
	session->processes.profile->totals_exact &= !execs;
	session->processes.profile->rows_least |= execs > 0;
}

/* Call after an exec of the process that we attached to: counters and stacks have changed their meaning, so the new
 * image is observed from now on. */
static void follow_image(struct session *session)
{
	struct observed **slot = session->launch ? NULL : processes_find(&session->processes, session->options->pid);

	if (!slot || !target_is_replaced((*slot)->target, session->pidfd))
		return;
	note_execs(session, 1);
	processes_finish(&session->processes, slot, true);
	if (processes_observe(&session->processes, session->options->pid, false, NULL) <= 0)
		profile_warn(session->processes.profile, "process %d is not observed any more: %s",
			     session->options->pid, session->processes.error.text);
	overhead_begin(&session->overhead, session->options->pid);
}

/* How long to wait if nothing happens: until the next burst begins or ends, at most. */
static int poll_ms(const struct session *session)
{
	int64_t wait = session->processes.rate == 1 ? POLL_ALL_MS : POLL_MS;
	int64_t burst = (processes_burst_ns(&session->processes) - monotonic_ns() + 999999) / 1000000;

	if (burst < wait)
		wait = burst;
	return wait > 0 ? (int)wait : 0;
}

/* Waits for something to happen. Returns false when the target has ended. */
static bool wait_for_events(struct session *session)
{
	struct pollfd files[] = {
		{.fd = session->launch ? launch_file(session->launch) : session->pidfd, .events = POLLIN},
		{.fd = session->live ? session->options->input : -1, .events = POLLIN}};

	poll(files, 2, poll_ms(session));
	session->has_input = files[1].revents != 0;
	return session->launch ? launch_step(session->launch) : !(files[0].revents & POLLIN);
}

/* Passes on the signal that we got, or sends SIGTERM when the time is up. The program has some time to end by itself,
 * so that its last allocations count and its counters can be read. Returns true when that time is over. */
static bool ask_to_end(struct session *session, int signal)
{
	if (!session->launch)
		return true;
	if (!session->asked_ms) {
		session->asked_ms = now_ms();
		session->processes.asked = true;
		session->grace_ms = session_grace_ms(session->options);
		if (signal > 0)
			kill(launch_pid(session->launch), signal);
	}
	return now_ms() - session->asked_ms > session->grace_ms;
}

/* Whether no process is left to observe: a process that we attached to may have been refused meanwhile. */
static bool nothing_left(const struct session *session)
{
	return !session->launch && !session->processes.count;
}

/* Shows what has been measured so far, and decides when to do so again. */
static void show_view(struct session *session, int64_t now)
{
	const struct session_options *options = session->options;
	int64_t began_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID), least_ns, wait_ms;
	struct session_view view = {.seconds = (double)(now - session->started_ms) / 1e3,
				    .processes = session->processes.count};
	struct profile *profile = live_view(session->live);

	collector_gather(session->processes.collector);
	live_begin(session->live, session->processes.profile);
	for (uint32_t slot = 0; slot < EVENT_SLOTS; slot++) {
		if (session->processes.observed[slot])
			live_add(session->live, session->processes.observed[slot],
				 collector_store(session->processes.collector, slot));
	}
	profile->duration_ns = (now - session->started_ms) * 1000000;
	row_contents_describe(&session->processes, profile);
	view.profile = profile;
	view.collections = live_collections(session->live);
	options->view(options->context, &view);
	session->view_costs_ns[session->views++ % VIEWS_COMPARED] = clock_ns(CLOCK_THREAD_CPUTIME_ID) - began_ns;
	least_ns = session->view_costs_ns[0];
	for (int i = 1; i < VIEWS_COMPARED; i++)
		least_ns = session->view_costs_ns[i] < least_ns ? session->view_costs_ns[i] : least_ns;
	wait_ms = (int64_t)(options->view_seconds * 1e3);
	if (wait_ms < least_ns * VIEW_SHARE / 1000000)
		wait_ms = least_ns * VIEW_SHARE / 1000000;
	session->next_view_ms = now + wait_ms;
}

/*
 * Called when what was asked for is attached. Further processes, and a coarser rate, may need programs that are not loaded
 * yet; without uprobe.multi even links need privileges.
 */
static void give_up_privileges(const struct session *session)
{
	const struct session_options *options = session->options;
	bool perf = collector_uses_perf(session->processes.collector);
	unsigned uses = PRIVILEGE_READ | PRIVILEGE_PRIORITY;

	if (options->stays_privileged)
		return;
	if ((session->launch && options->follow) || brake_may_follow(&session->processes) || perf ||
	    processes_burst_ns(&session->processes) < INT64_MAX)
		uses |= PRIVILEGE_ATTACH;
	if (perf)
		uses |= PRIVILEGE_ATTACH_PERF;
	if (session->launch)
		uses |= PRIVILEGE_SIGNAL;
	if (!options->view)
		uses |= PRIVILEGE_WRITE;
	if (options->enable_sampler)
		uses |= PRIVILEGE_CHANGE;
	if (privilege_keep(uses))
		profile_warn(session->processes.profile, "the recorder could not give up its privileges: %s",
			     strerror(errno));
}

/*
 * Call when the recording begins, and at each step until it is settled: a program that is not followed is attached once events
 * have told that it has executed.
 */
static void settle(struct session *session)
{
	double seconds = session->options->duration;

	session->settled = !session->launch || session->options->follow || session->processes.ever;
	if (session->settled)
		give_up_privileges(session);
	/* after that, because its thread keeps the privileges that it begins with */
	priority_watch(seconds > 0 ? session->processes.began_ns + (int64_t)(seconds * 1e9) : INT64_MAX);
}

static void run(struct session *session)
{
	const struct session_options *options = session->options;
	int64_t last_tick = session->started_ms, last_progress = 0;

	while (!nothing_left(session) && wait_for_events(session)) {
		int64_t now = now_ms(), elapsed = now - session->started_ms;
		bool over = options->duration > 0 && (double)elapsed >= options->duration * 1e3;
		bool out_of_memory = memory_is_low(); /* the rest of the memory is needed to write the results */
		int signal = options->stop ? *options->stop : 0;
		bool view;

		if ((signal || over || out_of_memory) && ask_to_end(session, signal ? signal : SIGTERM))
			break;
		if (!session->settled && session->processes.ever)
			settle(session);
		follow_image(session);
		brake_watch(&session->processes, &session->overhead, (double)elapsed / 1e3);
		collector_relieve(session->processes.collector);
		view = session->live && now >= session->next_view_ms;
		processes_tick(&session->processes, view || now - last_tick >= TICK_MS);
		if (view || now - last_tick >= TICK_MS)
			last_tick = now;
		if (view)
			show_view(session, now);
		if (options->progress && (session->has_input || now - last_progress >= POLL_MS)) {
			struct session_progress progress = {(double)elapsed / 1e3, session->processes.count,
							    processes_events(&session->processes)};

			last_progress = now;
			options->progress(options->context, &progress);
		}
	}
}

static void describe(struct session *session)
{
	const struct session_options *options = session->options;
	struct profile *profile = session->processes.profile;

	processes_describe(&session->processes);
	if (options->pid) {
		struct target *target = target_open(options->pid, NULL);

		const char **words = target ? target_command(target) : NULL;

		profile->target = words ? profile_command(profile, words) : profile_string(profile, "?");
		free(words);
		target_close(target);
		return;
	}
	profile->target = profile_command(profile, (const char *const *)options->argv);
	profile->command = profile_shell_command(profile, (const char *const *)options->argv);
}

/*
 * A program that was asked to end but did not is killed, with everything that it started. What it left behind when it
 * ended by itself (such as daemons) is either killed, or continues and is named in a warning.
 */
static void end_program(struct session *session)
{
	enum { NAMED = 8 };
	int pids[NAMED];
	size_t left;
	bool stays;

	if (!session->launch)
		return;
	stays = launch_status(session->launch) < 0;
	if (stays)
		profile_warn(
			session->processes.profile,
			"the program did not end within %.1f s of being asked to, so it was killed, and with it the "
			"processes that it had started",
			(double)session->grace_ms / 1e3);
	if (stays || session->asked_ms || session->options->end_all) {
		launch_end(session->launch, TERM_GRACE_MS);
		return;
	}
	left = launch_processes(session->launch, pids, NAMED);
	for (size_t i = 0; i < left && i < NAMED; i++) {
		char comm[32];

		procfs_name(pids[i], comm, sizeof(comm));
		profile_warn(session->processes.profile, "process %d (%s), which the program started, still runs",
			     pids[i], profile_string(session->processes.profile, comm));
	}
	if (left > NAMED)
		profile_warn(session->processes.profile, "%zu processes in all, which the program started, still run",
			     left);
}

/* What a recording ends after, and when that was. */
struct session_end {
	const char *reason;
	int64_t time_ms;
	bool by_itself; /* the program has ended, which nobody had asked of it */
};

static struct session_end end_of(const struct session *session)
{
	const struct session_options *options = session->options;
	int64_t now = now_ms(), signal_ms = INT64_MAX, due_ms = INT64_MAX;

	if (options->stop && *options->stop)
		signal_ms = atomic_load(options->stopped_ns) / 1000000;
	if (options->duration > 0)
		due_ms = session->started_ms + (int64_t)(options->duration * 1e3);
	if (signal_ms <= now && signal_ms < due_ms)
		return (struct session_end){"recording was asked to end", signal_ms, false};
	if (due_ms <= now)
		return (struct session_end){"time asked for", due_ms, false};
	if (session->asked_ms)
		return (struct session_end){"recording was to end", now, false};
	return (struct session_end){session->launch ? "program had ended" : "recording was to end", now, true};
}

/* Ends the recording of all processes that still run. First removes the probes from all of them; what follows costs
 * them nothing. */
static void stop_all(struct session *session)
{
	int64_t late_ms;
	struct session_end end = end_of(session);
	int replaced = session->processes.replaced;

	session->processes.profile->ended = end.by_itself;
	priority_hurry();
	processes_stop(&session->processes);
	priority_calm_at(monotonic_ns() + CALM_MS * 1000000L);
	late_ms = now_ms() - end.time_ms;
	if (session->processes.count && late_ms > LATE_MS)
		profile_warn(session->processes.profile, "the probes were taken out %.1f s after the %s%s",
			     (double)late_ms / 1e3, end.reason,
			     priority_is_raised() ? ""
						  : ": escapement lacks CAP_SYS_NICE, with which it runs before the "
						    "target's threads");
	processes_finish_all(&session->processes, session->pidfd);
	note_execs(session, session->processes.replaced - replaced);
}

/* Processes may have ended before we could stop them, while this process did not run. */
static void warn_of_overrun(const struct session *session)
{
	struct profile *profile = session->processes.profile;

	for (int scaled = 0; scaled < 2; scaled++) {
		int overran = session->processes.overran[scaled];

		if (!overran)
			continue;
		profile->totals_exact = false;
		profile->rows_least |= !scaled;
		profile_warn(profile,
			     "counting ended by itself %.1f s after the time asked for, but %d process%s still "
			     "allocated: %s",
			     (double)session->deadline_ms / 1e3, overran, overran == 1 ? "" : "es",
			     scaled ? "the totals have what came later, and rows are scaled to them"
				    : "what came later is in no row");
	}
}

static struct profile *conclude(struct session *session, struct session_result *result, struct error *error)
{
	struct profile *profile = session->processes.profile;

	end_program(session);
	follow_image(session);
	stop_all(session);
	warn_of_overrun(session);
	note_forks(session);
	profile->duration_ns = session->processes.measured_ns;
	row_contents_conclude(&session->processes);
	if (session->processes.replaced)
		profile_warn(profile,
			     "%d process%s became another program (exec) before counters could be read: there is "
			     "no check%s",
			     session->processes.replaced, session->processes.replaced == 1 ? "" : "es",
			     profile->rate == 1 ? "" : ", and totals lack what no event had reported yet");
	if (session->execs)
		profile_warn(
			profile,
			"process %d became another program (exec) %d time%s: what it allocated from then until that was "
			"observed, or until the end, is in no number",
			session->options->pid, session->execs, session->execs == 1 ? "" : "s");
	if (session->processes.unobserved > 1)
		profile_warn(profile, "%d processes in all are not observed: what they allocated is missing",
			     session->processes.unobserved);
	profile_conclude_rows(profile);
	result->asked = session->asked_ms != 0;
	if (session->launch && launch_status(session->launch) >= 0)
		result->wait_status = launch_status(session->launch);
	if (session->processes.ever)
		return profile;
	*error = session->processes.error;
	if (!error->status) /* there was none to observe: what go itself runs, say, until it has built a test */
		error_set(error, STATUS_CANNOT_MEASURE, "%s before there was a process to observe",
			  session->options->stop && *session->options->stop ? "interrupted" : "the program ended");
	if (session->processes.only_tracer)
		tracer_explain(&session->processes.tracer, error);
	return NULL;
}

struct profile *session_record(const struct session_options *options, struct session_result *result,
			       struct error *error)
{
	struct session *session = memory_zeroed(1, sizeof(*session));
	struct profile *profile = NULL;
	int64_t began;

	*result = (struct session_result){0};
	session->options = options;
	session->processes.options = options;
	session->processes.rate = options->rate;
	session->pidfd = -1;
	if (options->pid) { /* checked before BPF, because the more likely mistakes have clearer errors */
		struct target *target = target_open(options->pid, error);

		if (!target)
			goto out;
		target_close(target);
	}
	priority_raise();
	began = monotonic_ns();
	session->processes.collector = collector_open(!options->no_stacks, options->rate, options->verbose, error);
	if (!session->processes.collector)
		goto out;
	processes_tell_phase(&session->processes, "loaded", 0, began);
	session->processes.profile = profile_new();
	describe(session);
	if (options->view)
		session->live = live_new();
	profile_set_calls(session->processes.profile, options->functions, options->function_count);
	session->processes.images = image_cache_new(session->processes.profile);
	memory_reserve();
	if (options->sink && options->rate <= 1) /* estimates are few, and may have to be dropped at the end */
		profile_set_sink(session->processes.profile, options->sink, options->sink_context, SINK_SAMPLES);
	if (options->pid)
		processes_raise_descriptors(&session->descriptors);
	if (options->pid ? attach_process(session, error) : start_program(session, error))
		goto out;
	start_clock(session);
	result->started = options->pid == 0;
	if (!options->pid)
		processes_raise_descriptors(
			&session->descriptors); /* the program has started by now, with the old limit */
	settle(session);
	memory_doing("recording");
	run(session);
	profile = conclude(session, result, error);
out:
	priority_unwatch();
	if (session->descriptors.rlim_max)
		setrlimit(RLIMIT_NOFILE, &session->descriptors);
	launch_free(session->launch);
	collector_close(session->processes.collector);
	if (session->pidfd >= 0)
		close(session->pidfd);
	image_cache_free(session->processes.images);
	live_free(session->live);
	if (!profile)
		profile_free(session->processes.profile);
	free(session);
	return profile;
}
