/* SPDX-License-Identifier: BSD-2-Clause */
#include "heap/memory_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/append.h"
#include "base/clock.h"
#include "base/memory.h"
#include "heap/watch_pace.h"
#include "target/memory_cgroup.h"
#include "target/procfs.h"
#include "target/target.h"
#include "text/terminal.h"

enum {
	MACHINE_NS = 250 * 1000 * 1000, /* between readings of /proc/meminfo */
	STEPS = 6,
	WINDOW_PARTS = 64,
	REPEAT_NS = 500 * 1000 * 1000,
};

/* Shares of the way to a trigger at which a snapshot is worth taking: a process that gains 100 MB a second below a limit of
 * 512 MB leaves one that is 80 ms old. One that is 20 times as fast goes a fifth of the way from one look to the next, and most
 * of it if it begins between two looks from afar (watch_pace.h): then only a notice of the kernel comes in time. */
static const double steps[STEPS] = {0.5, 0.75, 0.875, 0.94, 0.97, 0.985};
static const double near_end = 0.94;   /* from there on, what is held is worth looking at again and again */
static const double rearm_below = 0.9; /* of a step: a process that breathes around it does not take it each time */
static const double begin_early = 0.9;

/* The least resident memory in each part of the time that a condition looks back. */
struct window {
	int64_t least[WINDOW_PARTS];
	int64_t part; /* number of the latest part, from the beginning of the clock; 0: none yet */
};

struct memory_watch {
	const struct trigger *trigger;
	int pid, process;	      /* pidfd */
	int statm;		      /* /proc/PID/statm */
	bool early, machine;	      /* "oom" is by the machine's memory */
	struct memory_cgroup *cgroup; /* NULL: not needed */
	struct window windows[TRIGGER_CONDITIONS_MAX];
	int64_t step_ns[STEPS]; /* when it was taken; 0: it was not */
	int64_t last_step_ns, machine_ns;
	struct watch_pace pace;
	int64_t kills; /* before */
	/* measured */
	int64_t rss;
	struct memory_use use; /* of the cgroup or the machine */
	double way;	       /* of the condition that is nearest */
	const struct trigger_condition *reached;
	bool is_out, has_ended;
	int64_t end_ns;
	char state[128];
};

/* --- measuring --- */

/* A process that is about to end has none any more: then what it had last stays. */
static int64_t read_rss(const struct memory_watch *watch)
{
	char text[128] = "";
	long long size, pages;

	if (pread(watch->statm, text, sizeof(text) - 1, 0) <= 0 || sscanf(text, "%lld %lld", &size, &pages) != 2 ||
	    pages <= 0)
		return watch->rss;
	return pages * sysconf(_SC_PAGESIZE);
}

struct machine {
	int64_t total, available, kills;
};

static bool take_machine(void *context, const char *line)
{
	struct machine *machine = context;
	long long value;

	if (sscanf(line, "MemTotal: %lld", &value) == 1)
		machine->total = value << 10;
	else if (sscanf(line, "MemAvailable: %lld", &value) == 1)
		machine->available = value << 10;
	else if (sscanf(line, "oom_kill %lld", &value) == 1)
		machine->kills = value;
	return true;
}

static void read_machine(struct memory_watch *watch)
{
	struct machine machine = {.kills = watch->use.kills};

	procfs_lines(PROCFS_MACHINE, "meminfo", take_machine, &machine);
	procfs_lines(PROCFS_MACHINE, "vmstat", take_machine, &machine);
	watch->use = (struct memory_use){
		.used = machine.total - machine.available, .limit = machine.total, .kills = machine.kills};
}

static void measure(struct memory_watch *watch)
{
	int64_t now = monotonic_ns();

	watch->rss = read_rss(watch);
	if (watch->machine && now - watch->machine_ns >= MACHINE_NS) {
		read_machine(watch);
		watch->machine_ns = now;
	}
	if (watch->cgroup && !watch->machine && memory_cgroup_read(watch->cgroup, &watch->use))
		watch->use.used = 0; /* removed, so the process has left it */
	if (!watch->is_out && (watch->use.is_out || watch->use.kills > watch->kills)) {
		watch->is_out = true;
		if (trigger_has(watch->trigger, TRIGGER_OOM)) /* otherwise nobody waits for that */
			watch->end_ns = wall_ns();
	}
}

const char *memory_watch_state(struct memory_watch *watch)
{
	char rss[TERMINAL_NUMBER_SIZE], used[TERMINAL_NUMBER_SIZE], limit[TERMINAL_NUMBER_SIZE];
	int length = snprintf(watch->state, sizeof(watch->state), "rss %s", terminal_bytes(rss, watch->rss));

	if (watch->use.limit)
		snprintf(watch->state + length, sizeof(watch->state) - (size_t)length, ", %s %s of %s",
			 watch->machine ? "the machine" : "cgroup", terminal_bytes(used, watch->use.used),
			 terminal_bytes(limit, watch->use.limit));
	return watch->state;
}

/* --- judging --- */

/* The least in the window, with the present. */
static int64_t least_in(struct window *window, double seconds, int64_t rss)
{
	int64_t part = (int64_t)((double)monotonic_ns() / (seconds * 1e9 / WINDOW_PARTS)) + 1, least = rss;

	if (!window->part) {
		for (int i = 0; i < WINDOW_PARTS; i++)
			window->least[i] = INT64_MAX;
		window->part = part;
	}
	if (part - window->part > WINDOW_PARTS)
		window->part = part - WINDOW_PARTS;
	for (; window->part < part; window->part++)
		window->least[(window->part + 1) % WINDOW_PARTS] = INT64_MAX;
	if (rss < window->least[part % WINDOW_PARTS])
		window->least[part % WINDOW_PARTS] = rss;
	for (int i = 0; i < WINDOW_PARTS; i++)
		least = window->least[i] < least ? window->least[i] : least;
	return least;
}

/* How much of the way to a condition the process has gone: 1 if it is true. */
static double progress(struct memory_watch *watch, size_t index)
{
	const struct trigger_condition *condition = &watch->trigger->conditions[index];
	double full = watch->use.limit ? (double)watch->use.used / (double)watch->use.limit : 0;
	int64_t least;

	switch (condition->kind) {
	case TRIGGER_RSS:
		return (double)watch->rss / (double)condition->bytes;
	case TRIGGER_CGROUP:
		return full / condition->share;
	case TRIGGER_OOM:
		if (watch->is_out || (watch->early && full > begin_early))
			return 1;
		return full < 1 ? full : steps[STEPS - 1]; /* the kernel may still find something to take back */
	case TRIGGER_GROWTH:
		least = least_in(&watch->windows[index], condition->seconds, watch->rss);
		return least > 0 && (condition->bytes ? watch->rss - least > condition->bytes
						      : (double)watch->rss > (double)least * (1 + condition->share));
	}
	return 0;
}

/* Takes a step if one is due. */
static bool take_step(struct memory_watch *watch)
{
	double way = watch->way;
	int64_t now = monotonic_ns(), rest = watch_pace_rest_ns(&watch->pace);
	bool again = way >= near_end && trigger_has(watch->trigger, TRIGGER_OOM) &&
		     now - watch->last_step_ns > REPEAT_NS && watch_pace_may_repeat(&watch->pace, now);

	for (int i = 0; i < STEPS; i++) {
		if (way >= steps[i] && !watch->step_ns[i]) {
			watch->step_ns[i] = now;
			again = true;
		} else if (way < rearm_below * steps[i] && now - watch->step_ns[i] > STEPS * rest) {
			watch->step_ns[i] = 0;
		}
	}
	if (again)
		watch->last_step_ns = now;
	return again;
}

static bool judge(struct memory_watch *watch, enum memory_event *event)
{
	watch->way = 0;
	for (size_t i = 0; i < watch->trigger->count; i++) {
		double one = progress(watch, i);

		if (one >= 1 && !watch->reached)
			watch->reached = &watch->trigger->conditions[i];
		watch->way = one > watch->way ? one : watch->way;
	}
	*event = watch->reached ? MEMORY_REACHED : MEMORY_STEP;
	return watch->reached || take_step(watch);
}

/* --- waiting --- */

/* Waits for a notice of the kernel, or a moment. Returns whether the process has ended. */
static bool wait_moment(struct memory_watch *watch, int64_t due)
{
	struct pollfd polls[1 + MEMORY_CGROUP_POLLS] = {{.fd = watch->process, .events = POLLIN}};
	size_t count = watch->cgroup ? memory_cgroup_polls(watch->cgroup, polls + 1, MEMORY_CGROUP_POLLS) : 0;
	int64_t now = monotonic_ns(), left = (due - now) / 1000000 + 1;
	int most = watch_pace_wait_ms(&watch->pace, watch->way, now);

	if (poll(polls, count + 1, left > most ? most : left < 0 ? 0 : (int)left) <= 0)
		return false;
	if (count)
		memory_cgroup_noticed(watch->cgroup, polls + 1, count);
	return polls[0].revents != 0;
}

/* The process has ended; whether the kernel did it. */
static enum memory_event finish(struct memory_watch *watch)
{
	enum memory_event event;

	watch->has_ended = true;
	if (!watch->end_ns)
		watch->end_ns = wall_ns();
	watch->machine_ns = 0; /* it is read again */
	if (watch->cgroup)
		memory_cgroup_noticed(watch->cgroup, NULL, 0);
	measure(watch);
	return watch->is_out && judge(watch, &event) && event == MEMORY_REACHED ? MEMORY_REACHED : MEMORY_ENDED;
}

enum memory_event memory_watch_next(struct memory_watch *watch, int64_t due, const volatile sig_atomic_t *stop)
{
	enum memory_event event;

	for (;;) {
		measure(watch);
		if (judge(watch, &event))
			return event;
		if (monotonic_ns() >= due)
			return MEMORY_DUE;
		if (wait_moment(watch, due))
			return finish(watch);
		if (stop && *stop)
			return MEMORY_STOPPED;
	}
}

void memory_watch_spent(struct memory_watch *watch, int64_t cpu_ns)
{
	watch_pace_spent(&watch->pace, cpu_ns);
}

const char *memory_watch_reason(const struct memory_watch *watch)
{
	return watch->reached ? watch->reached->text : NULL;
}

bool memory_watch_is_out(const struct memory_watch *watch)
{
	return watch->is_out;
}

bool memory_watch_has_ended(const struct memory_watch *watch)
{
	return watch->has_ended;
}

int64_t memory_watch_end_ns(const struct memory_watch *watch)
{
	return watch->end_ns;
}

int memory_watch_process(const struct memory_watch *watch)
{
	return watch->process;
}

bool memory_watch_is_inside(const struct memory_watch *watch)
{
	return watch->cgroup && !watch->machine && memory_cgroup_is_ours(watch->cgroup);
}

/* --- opening --- */

/* Where the kernel shall give notice: at the steps of each condition that is about a limit, and at its end. */
static void ask_for_notices(struct memory_watch *watch)
{
	double shares[TRIGGER_CONDITIONS_MAX * (STEPS + 1)];
	size_t count = 0;

	for (size_t i = 0; i < watch->trigger->count; i++) {
		const struct trigger_condition *condition = &watch->trigger->conditions[i];
		double end = condition->kind == TRIGGER_CGROUP ? condition->share : 1;

		if (condition->kind != TRIGGER_CGROUP && condition->kind != TRIGGER_OOM)
			continue;
		for (int j = 0; j < STEPS; j++)
			shares[count++] = end * steps[j];
		if (end < 1)
			shares[count++] = end;
	}
	memory_cgroup_notify(watch->cgroup, shares, count);
}

static int open_cgroup(struct memory_watch *watch, struct error *error)
{
	bool needs_limit = trigger_has(watch->trigger, TRIGGER_CGROUP);
	struct error none;

	if (!needs_limit && !trigger_has(watch->trigger, TRIGGER_OOM))
		return 0;
	watch->cgroup = memory_cgroup_open(watch->pid, needs_limit ? error : &none);
	if (!watch->cgroup && needs_limit)
		return -1;
	if (watch->cgroup && memory_cgroup_read(watch->cgroup, &watch->use) == 0 && watch->use.limit) {
		watch->kills = watch->use.kills;
		ask_for_notices(watch);
		return 0;
	}
	if (needs_limit)
		return error_set(error, STATUS_CANNOT_MEASURE,
				 "the memory cgroup '%s' of process %d has no limit, nor has one above it: 'rss>SIZE' "
				 "needs none",
				 memory_cgroup_path(watch->cgroup), watch->pid);
	watch->machine = true;
	read_machine(watch);
	watch->kills = watch->use.kills;
	return 0;
}

struct memory_watch *memory_watch_open(int pid, const struct trigger *trigger, bool early, struct error *error)
{
	struct memory_watch *watch = memory_zeroed(1, sizeof(*watch));
	char path[64];

	watch->trigger = trigger;
	watch->pid = pid;
	watch->early = early;
	watch->statm = -1;
	watch->process = target_watch(pid, error);
	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	if (watch->process >= 0) {
		watch->statm = open(path, O_RDONLY | O_CLOEXEC);
		if (watch->statm < 0)
			error_set(error, STATUS_CANNOT_MEASURE, "cannot read '%s': %s", path, strerror(errno));
	}
	if (watch->statm >= 0 && open_cgroup(watch, error) == 0) {
		measure(watch);
		return watch;
	}
	memory_watch_close(watch);
	return NULL;
}

void memory_watch_close(struct memory_watch *watch)
{
	if (!watch)
		return;
	memory_cgroup_close(watch->cgroup);
	if (watch->process >= 0)
		close(watch->process);
	if (watch->statm >= 0)
		close(watch->statm);
	free(watch);
}
