/* SPDX-License-Identifier: BSD-2-Clause */
#include "heap_when.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "cli.h"
#include "heap/snapshot_ring.h"
#include "when.h"

struct vigil {
	struct heap_process *process, *followed; /* followed: the same, once it has executed another program */
	struct memory_watch *watch;
	const struct heap_when *when;
	int64_t newest_ns; /* wall clock of the newest snapshot; 0: there is none */
	int64_t count;
	bool is_without; /* the program that it has executed has no heap that can be read */
};

/* If the process executes another program, goes on with that, or waits for one with a heap if snapshots are kept. */
static int follow(struct vigil *vigil, struct error *error)
{
	int pidfd = memory_watch_process(vigil->watch);
	struct heap_process *now;

	if (!heap_process_is_replaced(vigil->process, pidfd))
		return 0;
	now = heap_process_reopen(vigil->process, pidfd, error);
	if (!now && (!vigil->count || target_has_ended(pidfd)))
		return -1;
	if (!now && !vigil->is_without)
		cli_warn("process %s executes another program: no snapshots until it becomes one with a heap that can "
			 "be read, or the end: %s",
			 heap_process_name(vigil->process), error->text);
	vigil->is_without = !now;
	if (!now)
		return 0;
	cli_warn("process %s executes another program, %s: snapshots are of that from now on",
		 heap_process_name(vigil->process), heap_process_name(now));
	heap_process_close(vigil->followed);
	vigil->process = vigil->followed = now;
	return 0;
}

/* Takes a snapshot, and keeps it; none of a program without a heap. Returns -1 if the process has ended or the file cannot be
 * written. */
static int take(struct vigil *vigil, struct error *error)
{
	const struct heap_when *when = vigil->when;
	int64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	struct profile *snapshot = NULL;
	int status = follow(vigil, error);

	if (!status && !vigil->is_without) {
		snapshot = heap_snapshot(vigil->process, error);
		status = snapshot ? 0 : -1;
	}
	if (snapshot) {
		profile_set_modules(snapshot, when->modules->values, (size_t)when->modules->count);
		status = snapshot_ring_add(when->output, (size_t)when->keep, snapshot, error);
	}
	if (snapshot && !status) {
		vigil->newest_ns = snapshot->start_ns;
		vigil->count++;
	}
	profile_free(snapshot);
	memory_watch_spent(vigil->watch, clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu);
	return status;
}

/* "3 snapshots, the newest 'heap.pb.gz', 0.08 s old", at the moment of interest. */
static const char *kept(const struct vigil *vigil, char text[512])
{
	int64_t end = memory_watch_end_ns(vigil->watch);
	double age = (double)((end ? end : wall_ns()) - vigil->newest_ns) / 1e9;
	int64_t count = vigil->count < vigil->when->keep ? vigil->count : vigil->when->keep;

	snprintf(text, 512, "%" PRId64 " snapshot%s, the newest, '%s', of %.2f s before", count, count == 1 ? "" : "s",
		 vigil->when->output, age > 0 ? age : 0);
	return text;
}

/* The trigger. Where memory is out, the kernel may have been faster than us: then the newest snapshot is from before. */
static int reached(struct vigil *vigil, struct error *error)
{
	const char *reason = memory_watch_reason(vigil->watch);
	bool is_out = memory_watch_is_out(vigil->watch);
	char text[512], state[128];
	int status;

	snprintf(state, sizeof(state), "%s", memory_watch_state(vigil->watch));
	status = take(vigil, error);
	if (status && !is_out)
		return -1;
	if (cli_verbosity >= 0 && status)
		cli_say("%s: the kernel has killed for want of memory; kept are %s", reason, kept(vigil, text));
	else if (cli_verbosity >= 0 && vigil->is_without)
		cli_say("%s: %s; kept are %s", reason, state, kept(vigil, text));
	else if (cli_verbosity >= 0)
		cli_say("%s: %s; the snapshot of this moment is '%s', with %" PRId64 " before it", reason, state,
			vigil->when->output, (vigil->count < vigil->when->keep ? vigil->count : vigil->when->keep) - 1);
	return 0;
}

static int ended(const struct vigil *vigil, struct error *error)
{
	char text[512];

	return error_set(error, STATUS_CANNOT_MEASURE, "process %s ended before %s; kept are %s",
			 heap_process_name(vigil->process), vigil->when->expression, kept(vigil, text));
}

/* The last snapshot of who is asked to end. */
static int stopped(struct vigil *vigil, struct error *error)
{
	int status = take(vigil, error);
	char text[512];

	if (!status && vigil->is_without && cli_verbosity >= 0)
		cli_say("kept are %s", kept(vigil, text));
	return status;
}

/* Takes snapshots until something happens that none follows. */
static enum memory_event wait_and_take(struct vigil *vigil, const volatile sig_atomic_t *stop)
{
	int64_t interval = (int64_t)(vigil->when->interval * 1e9),
		due = interval ? monotonic_ns() + interval : INT64_MAX;
	struct error failure;

	for (;;) {
		enum memory_event event = when_next(vigil->watch, due, stop);

		if (event != MEMORY_STEP && event != MEMORY_DUE)
			return event;
		if (take(vigil, &failure))
			cli_warn("%s", failure.text);
		if (event == MEMORY_DUE)
			due = monotonic_ns() + interval;
	}
}

/* Once a first snapshot has been taken. */
static int keep_watch(struct vigil *vigil, int pid, const volatile sig_atomic_t *stop, struct error *error)
{
	when_announce(vigil->watch, pid, vigil->when->expression);
	switch (wait_and_take(vigil, stop)) {
	case MEMORY_ENDED:
		return ended(vigil, error);
	case MEMORY_REACHED:
		return reached(vigil, error);
	default:
		return stopped(vigil, error);
	}
}

int heap_when(struct heap_process *process, int pid, struct memory_watch *watch, const struct heap_when *when,
	      const volatile sig_atomic_t *stop, struct error *error)
{
	struct vigil vigil = {.process = process, .watch = watch, .when = when};
	/* the first one before anything is said: this tells at once what would fail later */
	int status = take(&vigil, error) ? -1 : keep_watch(&vigil, pid, stop, error);

	heap_process_close(vigil.followed);
	return status;
}
