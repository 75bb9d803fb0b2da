/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/agent_window.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "fleet/delivery.h"
#include "fleet/fleet_rows.h"
#include "record/window.h"
#include "target/obstacle.h"

static agent_say_function *say_function;

static void say_begun(int processes)
{
	say_function("a window has begun: %d process%s", processes, processes == 1 ? "" : "es");
}

static void note_part(struct metrics_part *part, const struct window_target *target, const struct agent_watch *watch,
		      const struct profile_process *process)
{
	*part = (struct metrics_part){
		.pid = target->pid,
		.started = target->started,
		.seconds = target->seconds,
		.cpu_seconds = target->cpu_seconds,
		.overhead_seconds = target->overhead_seconds,
		.lost_events = process->lost_events,
		.lost_stacks = process->lost_stacks,
		.heap_in_use = target->heap_in_use,
	};
	memcpy(part->values, process->totals, sizeof(part->values));
	snprintf(part->service, sizeof(part->service), "%s", watch->service);
	snprintf(part->build, sizeof(part->build), "%s", process->build_id ? process->build_id : "");
	snprintf(part->comm, sizeof(part->comm), "%s", process->comm ? process->comm : "");
}

static void note_trouble(struct agent_note *note, enum agent_trouble trouble, const char *why)
{
	snprintf(note->why[trouble], sizeof(note->why[trouble]), "%s", why);
}

static void note_troubles(struct agent_note *note, const struct fleet_window *window,
			  const struct window_target *target, size_t at)
{
	if (target->braked)
		note_trouble(note, AGENT_BRAKED,
			     "probes cost it more than max-overhead, so that its part of a window ended early");
	if (!target->observed) {
		note_trouble(note, AGENT_UNOBSERVED, target->why.text);
		return;
	}
	note_trouble(note, AGENT_UNJUDGED, window->unjudged[at].text);
	note_trouble(note, AGENT_UNHEAPED, window->unheaped[at].text);
}

static void note_results(struct agent_shared *shared, const struct profile *profile, const struct fleet_window *window,
			 const struct window_target *targets, int count)
{
	shared->count = count;
	for (int i = 0; i < count; i++) {
		const struct profile_process *process = profile ? profile_process_find(profile, targets[i].pid) : NULL;
		struct agent_note *note = &shared->notes[i];

		*note = (struct agent_note){.pid = targets[i].pid, .started = targets[i].started};
		note_troubles(note, window, &targets[i], (size_t)i);
		note->late = targets[i].late;
		note->lasting = !targets[i].observed && obstacle_is_of_program(&targets[i].why);
		shared->strained |= note->late;
		note->observed = targets[i].observed && process;
		if (note->observed)
			note_part(&note->part, &targets[i], window->watches[i], process);
	}
}

/* Puts the rows of the window into the spool. -1 with an error. */
static int store(struct spool *spool, const struct fleet_window *window, const struct profile *profile,
		 const struct window_target *targets, int count, struct error *error)
{
	size_t size;
	char *bytes;
	FILE *stream = open_memstream(&bytes, &size);
	int result;

	if (!stream)
		memory_out();
	fleet_rows_write(stream, window, profile, targets, (size_t)count);
	if (fclose(stream))
		memory_out();
	result = spool_add(spool, window->id, bytes, size, error);
	free(bytes);
	return result;
}

enum agent_window_result agent_window_record(const struct agent_options *options, const struct agent_config *config,
					     struct spool *spool, const struct watched *watched, int count, bool heap,
					     struct kept_outputs *kept, const volatile sig_atomic_t *stop,
					     struct agent_shared *shared)
{
	struct window_target *targets = memory_zeroed((size_t)count, sizeof(*targets));
	const struct agent_watch **watches = memory_zeroed((size_t)count, sizeof(*watches));
	struct error *unjudged = memory_zeroed((size_t)count, sizeof(*unjudged));
	struct error *unheaped = memory_zeroed((size_t)count, sizeof(*unheaped));
	struct fleet_window window = {.config = config,
				      .watches = watches,
				      .kept = kept,
				      .heap = heap,
				      .profiles = delivery_wants_profiles(config),
				      .stop = stop,
				      .unheaped = unheaped,
				      .unjudged = unjudged};
	const struct window_options how = {.seconds = config->window,
					   .rate = config->rate,
					   .max_overhead = config->max_overhead,
					   .stop = stop,
					   .begun = options->verbose ? say_begun : NULL};
	enum agent_window_result result = AGENT_WINDOW_WRITTEN;
	struct profile *profile;
	struct error error;

	say_function = options->say;
	for (int i = 0; i < count; i++) {
		targets[i] = (struct window_target){.pid = watched[i].pid, .started = watched[i].started};
		watches[i] = &config->watches[watched[i].watch];
	}
	window.id = spool_next(spool);
	window.time = (uint64_t)wall_ns() / 1000000000;
	window.dropped = spool_state(spool).dropped;
	profile = window_record(&how, targets, (size_t)count, &error);
	if (!profile)
		/* without BPF no target has been looked at, so none has a reason of its own */
		result = targets[0].why.text[0] ? AGENT_WINDOW_EMPTY : AGENT_WINDOW_UNMEASURED;
	else if (store(spool, &window, profile, targets, count, &error))
		result = AGENT_WINDOW_UNWRITTEN;
	shared->stored = result == AGENT_WINDOW_WRITTEN;
	shared->strained = memory_is_low();
	note_results(shared, profile, &window, targets, count);
	if (result != AGENT_WINDOW_WRITTEN)
		snprintf(shared->why, sizeof(shared->why), "%s", error.text);
	profile_free(profile);
	free(targets);
	free(watches);
	free(unjudged);
	free(unheaped);
	return result;
}
