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
	struct heap_process *process;
	struct memory_watch *watch;
	const struct heap_when *when;
	int64_t newest_ns; /* wall clock of the newest snapshot; 0: there is none */
	int64_t count;
};

/* Takes a snapshot, and keeps it. Returns -1 if the process has ended or the file cannot be written. */
static int take(struct vigil *vigil, struct error *error)
{
	const struct heap_when *when = vigil->when;
	int64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	struct profile *snapshot = heap_snapshot(vigil->process, error);
	int status = snapshot ? 0 : -1;

	if (snapshot) {
		profile_set_modules(snapshot, when->modules->values, (size_t)when->modules->count);
		status = snapshot_ring_add(when->output, (size_t)when->keep, snapshot, error);
	}
	if (!status) {
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

int heap_when(struct heap_process *process, int pid, struct memory_watch *watch, const struct heap_when *when,
	      const volatile sig_atomic_t *stop, struct error *error)
{
	struct vigil vigil = {process, watch, when, 0, 0};
	int64_t interval = (int64_t)(when->interval * 1e9), due = interval ? monotonic_ns() + interval : INT64_MAX;
	enum memory_event event = MEMORY_DUE;
	struct error failure;

	if (take(&vigil, error)) /* before anything is said: this tells at once what would fail later */
		return -1;
	when_announce(watch, pid, when->expression);
	for (;;) {
		event = when_next(watch, due, stop);
		if (event != MEMORY_STEP && event != MEMORY_DUE)
			break;
		if (take(&vigil, &failure))
			cli_warn("%s", failure.text);
		if (event == MEMORY_DUE)
			due = monotonic_ns() + interval;
	}
	if (event == MEMORY_ENDED)
		return ended(&vigil, error);
	return event == MEMORY_REACHED ? reached(&vigil, error) : take(&vigil, error);
}
