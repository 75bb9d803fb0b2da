/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/session.h"

#include <errno.h>
#include <fnmatch.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/clock.h"
#include "base/priority.h"
#include "target/go_command.h"
#include "target/launch.h"
#include "record/live.h"
#include "record/observed.h"
#include "record/overhead.h"
#include "record/tracer.h"
#include "target/privilege.h"
#include "target/procfs.h"

enum {
	POLL_MS = 100,
	POLL_ALL_MS = 10,	/* at rate 1, because the maps must not fill up in between */
	TICK_MS = 1000,		/* between readings of rows and counters, which are needed if the target is killed */
	SINK_SAMPLES = 1 << 15, /* samples kept in memory, if the options have a sink */
	GRACE_MS = 3000,	/* for a program that was asked to end */
	SIGNAL_GRACE_MS = 300,	/* the same if the reason is a signal to us: whoever sent it waits */
	DEADLINE_MS = 1000,	/* after the time asked for: counting ends by itself if we have not ended it */
	CALM_MS = 1000,		/* how long what follows the removal of the probes may run before other processes */
	LATE_MS = 2000,		/* probes that are removed later than that are reported */
	/* the same if nothing may outlive the recording, when its last allocations do not matter */
	END_ALL_GRACE_MS = 300,
	VIEWS_COMPARED = 3,  /* of the last views the cheapest says what one costs: others had new names */
	TERM_GRACE_MS = 200, /* between SIGTERM and SIGKILL */
};

struct session {
	const struct session_options *options;
	struct profile *profile;
	struct image_cache *images;
	struct collector *collector;
	struct launch *launch;
	struct observed *observed[EVENT_SLOTS];
	bool spoiled[EVENT_SLOTS]; /* rows of a process are left there, so the slot is not used again */
	int observed_count, observed_ever;
	uint32_t rows_unmeasured; /* one bit per enum profile_value that the rows of some process lack */
	int sampled;		  /* processes whose objects are reported */
	struct {
		int count, pid; /* pid: the first of them */
		char comm[32];
		const char *why;
	} unsampled;
	bool only_tracer; /* nothing has run that might have been observed, but this: */
	struct tracer tracer;
	int replaced;	   /* processes that became other programs while they were observed */
	int unobserved;	   /* processes that have a runtime, but could not be observed */
	int pidfd;	   /* of a process that we attached to */
	int64_t coarsest;  /* coarsest rate that was in force in a process that has ended */
	int64_t rate;	   /* the rate in force: that of the options, until the overhead limit led to a coarser one */
	bool counted;	   /* rows have objects from before the change of rate */
	struct live *live; /* what view() gets; NULL without */
	int64_t next_view_ms, view_costs_ns[VIEWS_COMPARED]; /* CPU time of the last views */
	uint64_t views;
	bool has_input;
	struct overhead overhead;     /* of a process that we attached to */
	int64_t started_ms, asked_ms; /* asked_ms: when we asked the program to end; 0: never */
	int grace_ms;		      /* that it has from then on */
	uint64_t deadline_ns;	      /* when counting ends by itself; 0: never */
	struct rlimit descriptors;    /* the limit before */
	struct error error;	      /* reason why the last process could not be observed */
};

static int64_t now_ms(void)
{
	return monotonic_ns() / 1000000;
}

static void tell_phase(const struct session *session, const char *phase, int pid, int64_t began_ns)
{
	const struct session_options *options = session->options;

	if (options->phase)
		options->phase(options->context, phase, pid, (double)(monotonic_ns() - began_ns) / 1e6);
}

static struct observed **slot_of(struct session *session, int pid)
{
	for (int i = 0; i < EVENT_SLOTS; i++) {
		if (session->observed[i] && session->observed[i]->target->pid == pid)
			return &session->observed[i];
	}
	return NULL;
}

/* Notes a process whose allocations by site are not reported at this rate. */
static void note_unsampled(struct session *session, const struct target *target, const struct runtime *runtime)
{
	session->sampled += !runtime->unsampled;
	if (!runtime->unsampled || session->unsampled.count++)
		return;
	session->unsampled.pid = target->pid;
	session->unsampled.why = runtime->unsampled;
	snprintf(session->unsampled.comm, sizeof(session->unsampled.comm), "%s", target->comm);
}

/* Ends the observation of a refused process, as if it had never begun. */
static void discard(struct session *session, struct observed **slot)
{
	observed_detach(*slot);
	session->spoiled[slot - session->observed] = observed_discard(*slot) != 0;
	*slot = NULL;
	session->observed_count--;
	session->observed_ever--;
}

/*
 * Observes a process if it has a known runtime; `before` is the observation of it that this one continues, or NULL.
 * Returns 1 if it is observed, 0 if it has no runtime (yet), -1 if it has one but cannot be observed; in the last two
 * cases the error says why.
 */
static int observe(struct session *session, int pid, bool from_first_instruction, struct observed *before)
{
	struct target *target = target_open(pid, &session->error);
	int64_t began = monotonic_ns();
	struct runtime *runtime;
	bool absent = false;
	int slot = 0;

	if (!target)
		return -1;
	runtime = runtime_detect(target, &absent, &session->error);
	if (!runtime) {
		target_close(target);
		return absent ? 0 : -1;
	}
	if (!session->launch)
		target_watch_image(target);
	runtime->may_change = session->options->enable_sampler;
	runtime->stacks = !session->options->no_stacks;
	runtime->sampler_beside = session->options->sampler_beside;
	while (slot < EVENT_SLOTS && (session->observed[slot] || session->spoiled[slot]))
		slot++;
	if (slot == EVENT_SLOTS) {
		error_set(&session->error, STATUS_CANNOT_MEASURE, "more than %d processes at one time", EVENT_SLOTS);
		runtime_free(runtime);
		target_close(target);
		return -1;
	}
	session->observed[slot] =
		observed_new(session->collector, session->profile, session->images, target, runtime, (uint32_t)slot,
			     session->rate, from_first_instruction, before, &session->error);
	if (!session->observed[slot])
		return -1;
	session->observed[slot]->sums->deadline_ns = session->deadline_ns;
	session->observed_count++;
	session->observed_ever++;
	if (observed_is_refused(session->observed[slot], &session->error)) {
		discard(session, &session->observed[slot]);
		return -1;
	}
	session->profile->rate = session->observed[slot]->rate;
	session->rows_unmeasured |= runtime->rows_unmeasured;
	note_unsampled(session, session->observed[slot]->target, runtime);
	tell_phase(session, "attached", pid, began);
	return 1;
}

/*
 * Records that a process of the program could not be observed: its allocations are missing, so that the recording has
 * an unknown loss.
 */
static void miss(struct session *session, int pid)
{
	struct profile_process *process = profile_process_add(session->profile, pid);
	char comm[32];

	procfs_name(pid, comm, sizeof(comm));
	process->comm = profile_string(session->profile, comm);
	memset(process->totals, 0, sizeof(process->totals));
	memset(process->class_totals, 0, sizeof(process->class_totals));
	process->lost_events = 1;
	session->profile->totals_exact = false;
	if (session->unobserved++ == 0)
		profile_warn(session->profile, "process %d (%s) is not observed: %s", pid, process->comm,
			     session->error.text);
}

static void detach(const struct session *session, struct observed *observed)
{
	int64_t began = monotonic_ns();

	if (!observed->attachment)
		return;
	observed_detach(observed);
	tell_phase(session, "detached", observed->target->pid, began);
}

/* Ends the observation of a process. `replaced`: it has become another program. */
static void finish(struct session *session, struct observed **slot, bool replaced)
{
	int pid = (*slot)->target->pid;
	int64_t began;

	if (observed_is_refused(*slot, &session->error)) {
		discard(session, slot);
		miss(session, pid);
		return;
	}
	(*slot)->replaced = replaced;
	if ((*slot)->runtime->rate > session->coarsest)
		session->coarsest = (*slot)->runtime->rate;
	session->replaced += replaced;
	detach(session, *slot);
	began = monotonic_ns();
	session->spoiled[slot - session->observed] = observed_finish(*slot) != 0;
	tell_phase(session, "symbolized", pid, began);
	*slot = NULL;
	session->observed_count--;
}

static bool is_named(int pid, const char *glob)
{
	struct target *target = target_open(pid, NULL);
	const char *slash = target && target->executable ? strrchr(target->executable, '/') : NULL;
	bool named = slash && fnmatch(glob, slash + 1, 0) == 0;

	target_close(target);
	return named;
}

/* Whether the process is to be observed. */
static bool is_wanted(const struct session *session, int pid)
{
	const struct session_options *options = session->options;

	if (options->only && !is_named(pid, options->only))
		return false;
	return !options->go_tests || !go_command_tests(pid, getpid()) || is_named(pid, "*.test");
}

static bool on_image(void *context, int pid)
{
	struct session *session = context;
	int observed = is_wanted(session, pid) ? observe(session, pid, true, NULL) : 1;

	session->only_tracer = !session->observed_ever && observed == 0 && tracer_recognise(pid, &session->tracer);
	if (observed < 0)
		miss(session, pid);
	return observed != 0;
}

static void on_fork(void *context, int pid)
{
	struct session *session = context;

	if (is_wanted(session, pid) && observe(session, pid, false, NULL) < 0)
		miss(session, pid);
}

static void on_thread(void *context, int pid)
{
	struct observed **slot = slot_of(context, pid);

	if (slot)
		observed_adjust(*slot);
}

/* A process that has loaded a runtime (dlopen) after its libraries had been looked at. */
static void miss_late(struct session *session, int pid)
{
	bool asked = !profile_process_find(session->profile, pid) && is_wanted(session, pid);
	struct target *target = asked ? target_open(pid, NULL) : NULL;
	struct runtime *runtime = NULL;
	struct error error;
	bool absent;

	if (target)
		runtime = runtime_detect(target, &absent, &error);
	if (runtime && runtime->library) {
		error_set(&session->error, STATUS_CANNOT_MEASURE,
			  "the Go library %s was loaded when the process ran already; attach to it (-p) after that",
			  runtime->library);
		miss(session, pid);
	}
	runtime_free(runtime);
	target_close(target);
}

static void on_exiting(void *context, int pid, int tid, bool killed)
{
	struct session *session = context;
	struct observed **slot = slot_of(context, pid);

	if (!slot)
		miss_late(session, pid);
	if (slot) {
		(*slot)->target->tid = tid;
		(*slot)->target->exiting = true;
		(*slot)->target->killed = killed;
		observed_stop(*slot);
	}
}

static void on_ended(void *context, int pid, int wait_status)
{
	struct observed **slot = slot_of(context, pid);

	if (!slot)
		return;
	(*slot)->target->gone = wait_status >= 0; /* otherwise it may map the same files again */
	finish(context, slot, wait_status < 0);
}

static int start_program(struct session *session, struct error *error)
{
	const struct launch_handler handler = {session, on_image, on_fork, on_thread, on_exiting, on_ended};

	session->launch = launch_start(session->options->argv, &session->options->ignored, &session->options->user,
				       &session->options->place, session->options->follow, &handler, error);
	return session->launch ? 0 : -1;
}

/* The time asked for begins. What is not observed yet gets the deadline when it is. */
static void start_clock(struct session *session)
{
	double seconds = session->options->duration;
	int64_t grace_ms = session->launch ? GRACE_MS + TERM_GRACE_MS : 0;

	session->started_ms = now_ms();
	if (seconds <= 0)
		return;
	session->deadline_ns =
		(uint64_t)monotonic_ns() + (uint64_t)(seconds * 1e9) + (uint64_t)(grace_ms + DEADLINE_MS) * 1000000;
	for (int i = 0; i < EVENT_SLOTS; i++) {
		if (session->observed[i])
			session->observed[i]->sums->deadline_ns = session->deadline_ns;
	}
}

static int attach_process(struct session *session, struct error *error)
{
	int pid = session->options->pid;

	/* first of all: from here on the number cannot be reused unnoticed, and its end is noticed */
	session->pidfd = target_watch(pid, error);
	if (session->pidfd < 0)
		return -1;
	if (observe(session, pid, false, NULL) <= 0) {
		*error = session->error;
		return -1;
	}
	overhead_begin(&session->overhead, pid);
	return 0;
}

/* Call after an exec of the process that we attached to: counters and stacks have changed their meaning, so the new
 * image is observed from now on. */
static void follow_image(struct session *session)
{
	struct observed **slot = session->launch ? NULL : slot_of(session, session->options->pid);
	struct pollfd file = {.fd = session->pidfd, .events = POLLIN};

	/* in this order: its end is told last */
	if (!slot || !target_lost_image((*slot)->target) || !target_has_image((*slot)->target) ||
	    poll(&file, 1, 0) != 0)
		return;
	session->profile->totals_exact = false;
	finish(session, slot, true);
	if (observe(session, session->options->pid, false, NULL) <= 0)
		profile_warn(session->profile, "process %d is not observed any more: %s", session->options->pid,
			     session->error.text);
	overhead_begin(&session->overhead, session->options->pid);
}

/* Waits for something to happen. Returns false when the target has ended. */
static bool wait_for_events(struct session *session)
{
	struct pollfd files[] = {
		{.fd = session->launch ? launch_file(session->launch) : session->pidfd, .events = POLLIN},
		{.fd = session->live ? session->options->input : -1, .events = POLLIN}};

	poll(files, 2, session->rate == 1 ? POLL_ALL_MS : POLL_MS);
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
		bool signalled = session->options->stop && *session->options->stop;

		session->asked_ms = now_ms();
		session->grace_ms = session->options->end_all ? END_ALL_GRACE_MS
				    : signalled		      ? SIGNAL_GRACE_MS
							      : GRACE_MS;
		if (signal > 0)
			kill(launch_pid(session->launch), signal);
	}
	return now_ms() - session->asked_ms > session->grace_ms;
}

static int64_t events_seen(struct session *session)
{
	struct event_class_totals totals[SPAN_CLASSES];
	int64_t events = 0;

	for (int i = 0; i < EVENT_SLOTS; i++) {
		if (!session->observed[i])
			continue;
		event_process_totals(session->observed[i]->sums, false, totals);
		for (int class = 0; class < SPAN_CLASSES; class ++)
			events += (int64_t)totals[class].objects;
	}
	return events;
}

/* Returns the next coarser rate; 0 if there is none. */
static int64_t coarser_rate(int64_t rate)
{
	const int64_t coarsest = 512 << 10;

	if (rate <= 1)
		return coarsest;
	return rate < coarsest ? (rate << 3 < coarsest ? rate << 3 : coarsest) : 0;
}

/* Ends the recording of the process and begins another one at a coarser rate, into the same profile. */
static void brake(struct session *session, double percent)
{
	struct observed **slot = slot_of(session, session->options->pid);
	int64_t coarser = coarser_rate(session->rate);
	double seconds = (double)(now_ms() - session->started_ms) / 1e3;
	bool alone = session->options->enable_sampler;
	struct observed *stopped;

	if (!slot || session->overhead.pid == 0)
		return;
	if (!coarser) {
		profile_warn(session->profile,
			     "at %.1f s probe hits cost about %.0f %% of the process's CPU, more than "
			     "--max-overhead %g; there is no coarser rate",
			     seconds, percent, session->options->max_overhead);
		session->overhead.pid = 0; /* warned only once */
		return;
	}
	profile_warn(session->profile,
		     "at %.1f s probe hits cost about %.0f %% of the process's CPU, more than "
		     "--max-overhead %g: the recording went on at --rate %lldk, with estimates",
		     seconds, percent, session->options->max_overhead, (long long)coarser >> 10);
	stopped = *slot;
	stopped->mixed = true;
	session->rate = coarser;
	/* The next phase attaches before the one before it ends, unless both would have turned the program's sampler on. */
	if (alone)
		observed_stop(stopped);
	if (observe(session, session->options->pid, false, stopped) <= 0) {
		stopped->next = NULL;
		profile_warn(session->profile, "attaching again failed, so that the recording ended then: %s",
			     session->error.text);
	} else {
		session->counted = stopped->rate > 0 && !stopped->runtime->unsampled;
		session->profile->rows_least |= stopped->rate == 0 || stopped->next->runtime->unsampled;
	}
	if (!alone)
		observed_stop(stopped);
	finish(session, slot, false); /* last, because it takes a while */
	overhead_begin(&session->overhead, session->options->pid);
}

static void watch_overhead(struct session *session)
{
	struct observed **slot = slot_of(session, session->options->pid);
	struct overhead_work work;
	double percent;

	if (session->launch || !slot || session->options->max_overhead <= 0 || session->overhead.pid == 0)
		return;
	work = (struct overhead_work){event_process_hits((*slot)->sums), (int64_t)(*slot)->sums->frames};
	if (overhead_too_high(&session->overhead, session->collector, work, session->options->max_overhead, &percent))
		brake(session, percent);
}

/* Raises the limit of descriptors, because every process needs some. The program has started by now, with the old
 * limit. */
static void raise_descriptor_limit(struct session *session)
{
	struct rlimit raised;

	if (getrlimit(RLIMIT_NOFILE, &session->descriptors))
		return;
	raised = (struct rlimit){session->descriptors.rlim_max, session->descriptors.rlim_max};
	setrlimit(RLIMIT_NOFILE, &raised);
}

/* Periodic work. `readings`: also read rows and counters. */
static void tick(struct session *session, bool readings)
{
	for (int i = 0; i < EVENT_SLOTS; i++) {
		if (!session->observed[i])
			continue;
		observed_adjust(session->observed[i]);
		if (readings)
			observed_tick(session->observed[i]);
		if (session->observed[i]->runtime->refusal.text[0])
			finish(session, &session->observed[i], false);
	}
}

/* Whether no process is left to observe: a process that we attached to may have been refused meanwhile. */
static bool nothing_left(const struct session *session)
{
	return !session->launch && !session->observed_count;
}

static void describe_rows(struct session *session, struct profile *profile);

/* Shows what was measured until now, and decides when to do so again. */
static void show_view(struct session *session, int64_t now)
{
	const struct session_options *options = session->options;
	int64_t began_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID), least_ns, wait_ms;
	struct session_view view = {.seconds = (double)(now - session->started_ms) / 1e3,
				    .processes = session->observed_count};
	struct profile *profile = live_view(session->live);

	collector_gather(session->collector);
	live_begin(session->live, session->profile);
	for (uint32_t slot = 0; slot < EVENT_SLOTS; slot++) {
		if (session->observed[slot])
			live_add(session->live, session->observed[slot], collector_store(session->collector, slot));
	}
	profile->duration_ns = (now - session->started_ms) * 1000000;
	describe_rows(session, profile);
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
	bool perf = collector_uses_perf(session->collector);
	bool brakes = options->pid && options->max_overhead > 0 && coarser_rate(session->rate);
	unsigned uses = PRIVILEGE_READ | PRIVILEGE_PRIORITY;

	if (options->stays_privileged)
		return;
	if ((session->launch && options->follow) || brakes || perf)
		uses |= PRIVILEGE_ATTACH;
	if (perf)
		uses |= PRIVILEGE_ATTACH_PERF;
	if (session->launch)
		uses |= PRIVILEGE_SIGNAL;
	if (!options->view)
		uses |= PRIVILEGE_WRITE;
	if (privilege_keep(uses))
		profile_warn(session->profile, "the recorder could not give up its privileges: %s", strerror(errno));
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
		follow_image(session);
		watch_overhead(session);
		collector_relieve(session->collector);
		view = session->live && now >= session->next_view_ms;
		tick(session, view || now - last_tick >= TICK_MS);
		if (view || now - last_tick >= TICK_MS)
			last_tick = now;
		if (view)
			show_view(session, now);
		if (options->progress && (session->has_input || now - last_progress >= POLL_MS)) {
			struct session_progress progress = {(double)elapsed / 1e3, session->observed_count,
							    events_seen(session)};

			last_progress = now;
			options->progress(options->context, &progress);
		}
	}
}

static void describe(struct session *session)
{
	const struct session_options *options = session->options;
	struct profile *profile = session->profile;
	struct utsname kernel;

	uname(&kernel);
	profile->tool_version = ESCAPEMENT_VERSION;
	profile->kernel = profile_format(profile, "%s %s", kernel.sysname, kernel.release);
	profile->start_ns = wall_ns();
	profile->rate = options->rate;
	profile->totals_exact = true;
	if (options->pid) {
		struct target *target = target_open(options->pid, NULL);

		profile->target = profile_string(profile, target && target->command_line ? target->command_line : "?");
		target_close(target);
		return;
	}
	profile->target = profile_command(profile, options->argv);
}

/* Whether some of several processes are sampled. A single process always has rows of one kind. */
static bool some_are_sampled(const struct session *session)
{
	return session->launch && session->sampled && session->unsampled.count;
}

static void warn_unsampled(const struct session *session)
{
	const char *ways_out = runtime_unsampled_advice;

	if (some_are_sampled(session)) {
		profile_drop_unmeasured(session->profile); /* rows have refills: as estimates of objects they */
		profile_warn(session->profile,
			     "%s, process %d (%s), so nothing samples its objects; %d of %d processes are such: "
			     "what they allocated is in the totals, not in the rows; %s",
			     session->unsampled.why, session->unsampled.pid, session->unsampled.comm,
			     session->unsampled.count, session->unsampled.count + session->sampled, ways_out);
	} else if (session->unsampled.count && session->counted)
		profile_warn(session->profile,
			     "%s, so nothing samples its objects: rows have what was counted until the rate changed, "
			     "and are lower bounds; %s",
			     session->unsampled.why, ways_out);
	else if (session->unsampled.count)
		profile_warn(session->profile,
			     "%s, so nothing samples its objects: rows count refills, which are not proportional to "
			     "allocations; %s",
			     session->unsampled.why, ways_out);
}

/* Sets which values the rows contain, and how exactly, depending on the rate in force. */
static void describe_rows(struct session *session, struct profile *profile)
{
	uint32_t costs =
		1u << VALUE_REFILLS | 1u << VALUE_CENTRAL_GROWS | 1u << VALUE_HEAP_GROWS | 1u << VALUE_HEAP_GROW_BYTES;
	uint32_t objects = 1u << VALUE_OBJECTS | 1u << VALUE_BYTES | 1u << VALUE_SAMPLES;
	uint32_t lacking = session->rows_unmeasured;

	if (some_are_sampled(session) || session->counted)
		lacking &= ~objects;
	profile->row_measured = (profile->rate == 0 ? costs : costs | objects) & ~lacking;
	profile->rows_exact = profile->rate <= 1 && !profile->rows_least;
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
			session->profile,
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
		profile_warn(session->profile, "process %d (%s), which the program started, still runs", pids[i],
			     profile_string(session->profile, comm));
	}
	if (left > NAMED)
		profile_warn(session->profile, "%zu processes in all, which the program started, still run", left);
}

/* Ends the recording of all that still runs. First of all the probes go, from every process: the rest costs them nothing. */
static void stop_all(struct session *session)
{
	const struct session_options *options = session->options;
	bool over = session->deadline_ns && (uint64_t)monotonic_ns() > session->deadline_ns;
	double late;

	priority_urgent(true);
	for (int i = 0; i < EVENT_SLOTS; i++) {
		if (session->observed[i]) /* it may just have ended: then nothing can be read any more */
			observed_stop(session->observed[i]);
	}
	for (int i = 0; i < EVENT_SLOTS; i++) {
		if (session->observed[i])
			detach(session, session->observed[i]);
	}
	priority_calm_after(CALM_MS);
	late = (double)(now_ms() - session->started_ms) / 1e3 - options->duration;
	if (options->duration > 0 && session->observed_count && late * 1e3 > LATE_MS)
		profile_warn(session->profile, "the probes were taken out %.1f s after the time asked for%s", late,
			     priority_is_raised() ? ""
						  : ": escapement lacks CAP_SYS_NICE, with which it runs before the "
						    "target's threads");
	if (over && session->observed_count) {
		session->profile->totals_exact = false;
		profile_warn(session->profile,
			     "counting ended by itself %.1f s after the time asked for: totals may have more than rows",
			     DEADLINE_MS / 1e3);
	}
	for (int i = 0; i < EVENT_SLOTS; i++) {
		if (session->observed[i])
			finish(session, &session->observed[i], false);
	}
}

static struct profile *conclude(struct session *session, struct session_result *result, struct error *error)
{
	struct profile *profile = session->profile;
	uint64_t missed;

	end_program(session);
	follow_image(session);
	stop_all(session);
	profile->duration_ns = (now_ms() - session->started_ms) * 1000000;
	if (session->coarsest > 1)
		profile->rate = session->coarsest; /* some samplers show their rate only when the program runs */
	describe_rows(session, profile);
	warn_unsampled(session);
	if (session->replaced)
		profile_warn(profile,
			     "%d process%s became another program (exec) before counters could be read: there is "
			     "no check%s",
			     session->replaced, session->replaced == 1 ? "" : "es",
			     profile->rate == 1 ? "" : ", and totals lack what no event had reported yet");
	if (session->unobserved > 1)
		profile_warn(profile, "%d processes in all are not observed: what they allocated is missing",
			     session->unobserved);
	missed = collector_missed(session->collector);
	if (missed && profile->process_count)
		profile->processes[0].lost_events += (int64_t)missed;
	profile_conclude_rows(profile);
	result->asked = session->asked_ms != 0;
	if (session->launch && launch_status(session->launch) >= 0)
		result->wait_status = launch_status(session->launch);
	if (session->observed_ever)
		return profile;
	*error = session->error;
	if (session->only_tracer)
		tracer_explain(&session->tracer, error);
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
	session->rate = options->rate;
	session->pidfd = -1;
	if (options->pid) { /* checked before BPF, because the more likely mistakes have clearer errors */
		struct target *target = target_open(options->pid, error);

		if (!target)
			goto out;
		target_close(target);
	}
	priority_raise();
	began = monotonic_ns();
	session->collector = collector_open(!options->no_stacks, options->verbose, error);
	if (!session->collector)
		goto out;
	tell_phase(session, "loaded", 0, began);
	session->profile = profile_new();
	if (options->view)
		session->live = live_new();
	profile_set_calls(session->profile, options->functions, options->function_count);
	session->images = image_cache_new(session->profile);
	describe(session);
	memory_reserve();
	if (options->sink && options->rate <= 1) /* estimates are few, and may have to be dropped at the end */
		profile_set_sink(session->profile, options->sink, options->sink_context, SINK_SAMPLES);
	if (options->pid ? attach_process(session, error) : start_program(session, error))
		goto out;
	start_clock(session);
	result->started = options->pid == 0;
	raise_descriptor_limit(session);
	give_up_privileges(session);
	memory_doing("recording");
	run(session);
	profile = conclude(session, result, error);
out:
	if (session->descriptors.rlim_max)
		setrlimit(RLIMIT_NOFILE, &session->descriptors);
	launch_free(session->launch);
	collector_close(session->collector);
	if (session->pidfd >= 0)
		close(session->pidfd);
	image_cache_free(session->images);
	live_free(session->live);
	if (!profile)
		profile_free(session->profile);
	free(session);
	return profile;
}
