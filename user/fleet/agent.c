/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ending_signals.h"
#include "base/memory.h"
#include "fleet/agent_helpers.h"
#include "fleet/agent_notes.h"
#include "fleet/agent_window.h"
#include "fleet/credentials.h"
#include "fleet/delivery.h"
#include "fleet/http.h"
#include "fleet/kept_outputs.h"
#include "fleet/setbacks.h"
#include "fleet/watch.h"
#include "fleet/watch_groups.h"
#include "target/privilege.h"
#include "target/procfs.h"

enum {
	LONGEST_WAIT_MS = 3600 * 1000,
	EMPTY_POLL_MS = 100,
	SEARCH_POLL_MS = 1000, /* a search that is held up (watch.h) says nothing */
	LATE_S = 120,	       /* a window, or a search, may take so much longer than twice the length of a window, */
	STOP_S = 40,	       /* and a window so long after it was told to end */
};
/* A process that reads files may take so much on each machine, for large programs. */
#define LEAST_MEMORY ((rlim_t)2 << 30)

struct agent {
	const struct agent_options *options;
	struct agent_config *config;
	struct watch_cache *cache;
	struct spool *spool;
	struct agent_shared *shared;
	struct agent_notes *notes;
	struct setbacks *setbacks;
	struct kept_outputs *kept;
	sigset_t signals, signals_before;
	struct sigaction pipe_before; /* who reads our messages may go and come again */
	struct metrics *metrics;
	struct agent_helpers helpers;
	struct watch_found *found; /* shared with the search */
	struct watch_groups groups;
	size_t first, next, count; /* of those found: where the window that runs and the next one begin, and the end */
	uint64_t failed;	   /* windows that were lost with their process */
	pid_t search, window;	   /* one of them runs at a time; 0: does not */
	int64_t next_ns, heap_ns;  /* when the next window begins, and the next one with heap snapshots */
	int64_t late_ns;	   /* when what runs is ended */
	int64_t planned_ns;	   /* when the first window of the round was to begin */
	bool heap;		   /* the round has heap snapshots */
	int64_t windows;	   /* that have ended */
	uint64_t dropped;	   /* when the last window had ended */
	bool stopping, none, crowded;  /* asked to end; "no process" and "too many" have been said */
	bool slow;		       /* the search took too long as a whole, for which nobody is to blame */
	bool outdated;		       /* the search that runs is for a configuration from before */
	bool dropping;		       /* the same of windows that are dropped */
	enum agent_window_result last; /* of the last window */
};

static volatile sig_atomic_t window_stops;

static void stop_window(int signal)
{
	(void)signal;
	window_stops = 1;
}

static void publish(struct agent *agent)
{
	const struct metrics_agent about = {
		.host = agent->config->host,
		.spool = spool_state(agent->spool),
		.failed = agent->failed,
		.config = agent->config,
		.setbacks = agent->setbacks,
	};

	if (agent->config->prometheus.listen)
		metrics_publish(agent->metrics, &about);
}

static int64_t nanoseconds(double seconds)
{
	return llround(seconds * 1e9);
}

static bool is_busy(const struct agent *agent)
{
	return agent->search || agent->window;
}

/*
 * Whether the window that was to begin at this time has heap snapshots; if so, says when the next one does. The time is that of
 * the plan, as windows are at least `every` apart by it: by the clock the next one may come a little earlier than that.
 */
static bool takes_heap(struct agent *agent, int64_t planned_ns)
{
	if (agent->config->heap_every <= 0 || planned_ns < agent->heap_ns)
		return false;
	agent->heap_ns = planned_ns + nanoseconds(agent->config->heap_every);
	return true;
}

/* What anybody's files make this process take, others may need: it ends first if there is no memory, and takes at most a
 * quarter of it. */
static void limit_memory(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	rlim_t most = pages > 0 ? (rlim_t)pages / 4 * (rlim_t)page : 0;
	struct rlimit limit;
	int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (file >= 0) {
		dprintf(file, "1000");
		close(file);
	}
#ifdef __SANITIZE_ADDRESS__ /* its shadow of all memory is data, too, and larger than any limit */
	return;
#endif
	if (getrlimit(RLIMIT_DATA, &limit))
		return;
	most = most > LEAST_MEMORY ? most : LEAST_MEMORY;
	if (most < limit.rlim_cur)
		limit.rlim_cur = most;
	setrlimit(RLIMIT_DATA, &limit);
}

/* In a child that reads what processes of anybody offer. */
static void become_reader(struct agent *agent)
{
	limit_memory();
	credentials_forget(); /* it delivers nothing */
	agent_helpers_close(&agent->helpers);
	sigprocmask(SIG_SETMASK, &agent->signals_before, NULL);
}

_Noreturn static void search(struct agent *agent, int parent)
{
	struct error error;

	become_reader(agent);
	spool_close(agent->spool);
	if (privilege_keep(PRIVILEGE_READ))
		error_set(&error, STATUS_CANNOT_MEASURE,
			  "the search for processes could not give up its privileges: %m");
	else if (watch_find(agent->config, agent->cache, agent->setbacks, parent, agent->found, &error) == 0)
		_exit(0);
	agent->options->say("%s", error.text);
	_exit(1);
}

/* When what begins now is late. */
static int64_t late_from(const struct agent *agent, int64_t now)
{
	return now + nanoseconds(2 * agent->config->window + LATE_S);
}

static void start_search(struct agent *agent)
{
	int64_t now = monotonic_ns(), planned_ns = agent->next_ns, every = nanoseconds(agent->config->every);
	int parent = getpid();

	/* a window that took longer than `every` puts off the next one, which then begins at once */
	agent->next_ns = planned_ns + every > now ? planned_ns + every : now + 1;
	agent->planned_ns = planned_ns;
	setbacks_tidy(agent->setbacks);
	agent->found->looks_at.pid = 0;
	agent->found->looks_since_ns = 0;
	agent->slow = agent->outdated = false;
	agent->search = agent_fork(agent->options->say);
	if (agent->search == 0)
		search(agent, parent);
	if (agent->search < 0)
		agent->search = 0;
	agent->late_ns = late_from(agent, now);
}

/* Starts the next window of the round. */
static void start_window(struct agent *agent)
{
	struct watched *processes = agent->found->processes + agent->next;
	size_t count = watch_groups_next(&agent->groups, agent->setbacks, processes, agent->count - agent->next);

	agent->first = agent->next;
	agent->next += count;
	agent->shared->count = 0;
	agent->shared->why[0] = 0;
	agent->shared->stored = agent->shared->strained = false;
	kept_outputs_renew(agent->kept);
	agent->window = agent_fork(agent->options->say);
	if (agent->window == 0) {
		ending_signals_ignore(); /* the agent tells us, by this one: */
		signal(SIGTERM, stop_window);
		become_reader(agent);
		_exit(agent_window_record(agent->options, agent->config, agent->spool, processes, (int)count,
					  agent->heap, agent->kept, &window_stops, agent->shared));
	}
	if (agent->window < 0)
		agent->window = 0;
	agent->late_ns = late_from(agent, monotonic_ns());
}

/* Says what there is to say of what a search has found; returns how many processes the next window has. */
static int take_found(struct agent *agent)
{
	int count = agent->found->count;
	bool none = count == 0 && agent->found->waiting == 0;

	if (none && !agent->none)
		agent->options->say("no process is what the configuration watches; waiting for one");
	if (count > WATCHED_MAX && !agent->crowded)
		agent->options->say(
			"%d processes are to be watched, but only %d can be at one time; the others are not", count,
			WATCHED_MAX);
	agent->none = none;
	agent->crowded = count > WATCHED_MAX;
	return count < WATCHED_MAX ? count : WATCHED_MAX;
}

/* What one user runs as one service has ended a process of ours. */
static void leave_out(struct agent *agent, const struct watched *process)
{
	double seconds = setbacks_add(agent->setbacks, watch_groups_key(process), agent->config->every);

	agent->options->say("what user %u runs as %s is left out for %.0f s", process->user,
			    agent->config->watches[process->watch].service, seconds);
	agent->groups.length = 0; /* so that is why */
}

static void search_ended(struct agent *agent, int status)
{
	int count;

	agent->search = 0;
	if (agent->stopping || agent->outdated)
		return;
	if (status && agent->found->looks_at.pid && !agent->slow) {
		char name[32];

		procfs_name(agent->found->looks_at.pid, name, sizeof(name));
		agent->options->say("no window: the search for processes ended at the executable of process %d (%s)",
				    agent->found->looks_at.pid, name);
		leave_out(agent, &agent->found->looks_at);
		agent->next_ns = agent->planned_ns; /* the others need not wait */
	}
	if (status)
		return;
	count = take_found(agent);
	metrics_keep(agent->metrics, agent->config, agent->found->processes, count);
	watch_groups_begin(&agent->groups);
	agent->next = 0;
	agent->count = (size_t)count;
	agent->heap = count && takes_heap(agent, agent->planned_ns);
	if (!count)
		publish(agent);
}

/* Whatever it waits for, such as a file of a server that does not answer, the next windows do not wait with it. */
static void end_what_is_late(struct agent *agent)
{
	bool held = agent->search && watch_is_held(agent->found, monotonic_ns());

	if (!is_busy(agent) || agent->late_ns == INT64_MAX || (!held && monotonic_ns() < agent->late_ns))
		return;
	agent->slow = agent->search && !held;
	agent->options->say("a %s does not end; it is given up", agent->window ? "window" : "search for processes");
	kill(agent->window ? agent->window : agent->search, SIGKILL);
	agent->late_ns = INT64_MAX;
}

static void stop(struct agent *agent)
{
	int64_t late_ns = monotonic_ns() + STOP_S * 1000000000LL;

	agent->stopping = true;
	if (agent->search)
		kill(agent->search, SIGKILL);
	if (!agent->window)
		return;
	kill(agent->window, SIGTERM); /* what it has measured until now is a window, too */
	if (late_ns < agent->late_ns)
		agent->late_ns = late_ns;
}

static void say_dropped(struct agent *agent)
{
	struct spool_state state = spool_state(agent->spool);
	bool dropping = state.dropped > agent->dropped;

	/* once an episode: the rows of windows have the count */
	if (dropping && !agent->dropping)
		agent->options->say("the spool is full (%llu bytes), so the oldest windows are dropped: %llu until now",
				    (unsigned long long)state.bytes, (unsigned long long)state.dropped);
	agent->dropping = dropping;
	agent->dropped = state.dropped;
}

static void take_note(struct agent *agent, const struct agent_note *note)
{
	const struct setback_key key = setback_of_process(note->pid, note->started);

	if (note->observed)
		metrics_add(agent->metrics, &note->part);
	if (note->late)
		return;
	/* what may be over soon is no reason for a pause that grows */
	if (!note->lasting)
		setbacks_remove(agent->setbacks, key);
	if (!note->observed && note->why[AGENT_UNOBSERVED][0])
		setbacks_add(agent->setbacks, key, agent->config->every);
}

/* Whether the process of a window ended in another way than it should. */
static bool has_failed(int status)
{
	return !WIFEXITED(status) ||
	       (WEXITSTATUS(status) != AGENT_WINDOW_WRITTEN && WEXITSTATUS(status) < AGENT_WINDOW_EMPTY);
}

/* Counts a window that was lost, and sees to it that whoever is to blame ends no more windows of others. */
static void judge_window(struct agent *agent, bool failed)
{
	const struct watched *processes = agent->found->processes + agent->first;
	bool one, others;

	if (failed && !agent->shared->stored) {
		agent->failed++;
		agent->dropped++; /* which is no reason to say that the spool is full */
		spool_lose(agent->spool);
	}
	if (agent->stopping || agent->outdated)
		return;
	one = watch_groups_is_one(processes, agent->next - agent->first);
	/* without others a pause would protect nobody */
	others = !watch_groups_is_one(agent->found->processes, agent->count);
	if (failed && one && others)
		leave_out(agent, processes);
	else if (!one && (failed || agent->shared->strained))
		watch_groups_failed(&agent->groups);
}

static void window_ended(struct agent *agent, int status)
{
	enum agent_window_result before = agent->last;

	agent->window = 0;
	agent->windows++;
	judge_window(agent, has_failed(status));
	if (WIFSIGNALED(status)) {
		agent->options->say("a window was lost: the process that recorded it was killed by SIG%s",
				    sigabbrev_np(WTERMSIG(status)));
		publish(agent);
		return;
	}
	agent->last = (enum agent_window_result)WEXITSTATUS(status);
	agent->shared->why[AGENT_WHY - 1] = 0;
	if (agent->last == AGENT_WINDOW_WRITTEN && agent->options->verbose)
		agent->options->say("a window was written");
	if (agent->last != AGENT_WINDOW_WRITTEN && agent->last != AGENT_WINDOW_EMPTY && agent->last != before)
		agent->options->say("no window: %s",
				    agent->shared->why[0] ? agent->shared->why : "its process ended with an error");
	agent_notes_say(agent->notes, agent->shared, agent->options->say);
	say_dropped(agent);
	for (int i = 0; i < agent->shared->count && i < WATCHED_MAX; i++)
		take_note(agent, &agent->shared->notes[i]);
	publish(agent);
	agent_helpers_wake(&agent->helpers);
}

static void reap(struct agent *agent)
{
	int status;
	pid_t child;

	while ((child = waitpid(-1, &status, WNOHANG)) > 0) {
		if (child == agent->window)
			window_ended(agent, status);
		if (child == agent->search)
			search_ended(agent, status);
		agent_helpers_ended(&agent->helpers, child, status, agent->stopping);
	}
}

/* The configuration, if this build can do what it asks for; NULL with an error. */
static struct agent_config *read_config(const struct agent *agent, struct error *error)
{
	struct agent_config *config = agent_config_read(agent->options->config, error);

	if (!config || !delivery_any(config) || http_check(error) == 0)
		return config;
	agent_config_free(config);
	return NULL;
}

/* A mistake leaves everything as it was. */
static void reload(struct agent *agent)
{
	struct error error;
	struct agent_config *config = read_config(agent, &error);

	if (!config || agent_helpers_listen(&agent->helpers, agent->config, config, &error)) {
		agent->options->say("%s; the configuration from before stays in force", error.text);
		agent_config_free(config);
		return;
	}
	if (strcmp(config->spool, agent->config->spool) != 0)
		agent->options->say("the spool stays '%s' until the agent starts again", agent->config->spool);
	agent_config_free(agent->config);
	agent->config = config;
	kept_outputs_begin(agent->kept, config);
	publish(agent);
	spool_set_limit(agent->spool, config->spool_limit);
	agent->none = agent->crowded = false;
	agent->outdated = true;
	agent->next = agent->count = 0;
	setbacks_forget(agent->setbacks);
	agent->groups = (struct watch_groups){0};
	agent_notes_forget(agent->notes);
	agent->next_ns = agent->heap_ns = monotonic_ns();
	delivery_set_stores(agent->spool, agent->config);
	agent_helpers_restart(&agent->helpers);
	agent->options->say("the configuration was read again");
}

/* How long to wait if nothing happens. */
static int64_t wait_ms(const struct agent *agent, bool delivering)
{
	int64_t now = monotonic_ns(), until = now + LONGEST_WAIT_MS * 1000000LL;

	if (delivering)
		return EMPTY_POLL_MS;
	if (is_busy(agent) && agent->late_ns < until)
		until = agent->late_ns;
	if (agent->search && now + SEARCH_POLL_MS * 1000000LL < until)
		until = now + SEARCH_POLL_MS * 1000000LL;
	if (!is_busy(agent) && !agent->stopping && agent->next_ns < until)
		until = agent->next_ns;
	if (!agent->stopping && agent_helpers_due(&agent->helpers, agent->config) < until)
		until = agent_helpers_due(&agent->helpers, agent->config);
	return until > now ? (until - now + 999999) / 1000000 : 0;
}

static void wait_for_signal(struct agent *agent, int64_t milliseconds)
{
	struct timespec timeout = {milliseconds / 1000, milliseconds % 1000 * 1000000};
	int number = sigtimedwait(&agent->signals, NULL, &timeout);

	if (number == SIGHUP)
		reload(agent);
	else if (number > 0 && number != SIGCHLD)
		stop(agent);
	reap(agent);
}

/* Whether as many windows as were asked for have ended. */
static bool has_enough(const struct agent *agent)
{
	return agent->options->windows && agent->windows >= agent->options->windows;
}

/* Starts the next window of the round or, if it is time, the next round. */
static void start_next(struct agent *agent)
{
	if (agent->next < agent->count)
		start_window(agent);
	else if (monotonic_ns() >= agent->next_ns)
		start_search(agent);
}

static int run(struct agent *agent, struct error *error)
{
	while (!agent->stopping || is_busy(agent)) {
		bool enough = has_enough(agent);
		bool delivering = enough && delivery_any(agent->config) && spool_state(agent->spool).windows;

		if (enough && !is_busy(agent) && !delivering)
			break;
		if (agent->windows == 1 && agent->last == AGENT_WINDOW_UNMEASURED)
			return error_set(error, STATUS_CANNOT_MEASURE, "%s", agent->shared->why);
		if (!agent->stopping)
			agent_helpers_start(&agent->helpers, agent->config);
		if (!is_busy(agent) && !agent->stopping && !enough)
			start_next(agent);
		end_what_is_late(agent);
		wait_for_signal(agent, wait_ms(agent, delivering));
	}
	return 0;
}

static void end(struct agent *agent)
{
	agent->stopping = true;
	agent_helpers_end(&agent->helpers);
	metrics_free(agent->metrics);
	agent_notes_free(agent->notes);
	setbacks_free(agent->setbacks);
	kept_outputs_free(agent->kept);
	munmap(agent->shared, sizeof(*agent->shared));
	munmap(agent->found, sizeof(*agent->found));
	watch_cache_free(agent->cache);
	spool_close(agent->spool);
	agent_config_free(agent->config);
	sigprocmask(SIG_SETMASK, &agent->signals_before, NULL);
	sigaction(SIGPIPE, &agent->pipe_before, NULL);
}

static void block_signals(struct agent *agent)
{
	ending_signals_heeded(&agent->signals);
	sigaddset(&agent->signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &agent->signals, &agent->signals_before);
	ending_signals_write_on(SIGPIPE, &agent->pipe_before);
}

/* That children write and the agent reads. */
static void *shared_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		memory_out();
	return memory;
}

int agent_run(const struct agent_options *options, struct error *error)
{
	struct agent agent = {.options = options, .helpers = {.say = options->say, .listener = -1}};
	int result;

	agent.config = read_config(&agent, error);
	if (!agent.config)
		return -1;
	if (agent_helpers_listen(&agent.helpers, NULL, agent.config, error) == 0)
		agent.spool = spool_open(agent.config->spool, agent.config->spool_limit, error);
	if (!agent.spool) {
		agent_helpers_end(&agent.helpers);
		agent_config_free(agent.config);
		return -1;
	}
	delivery_set_stores(agent.spool, agent.config);
	agent.metrics = metrics_new();
	agent.helpers.spool = agent.spool;
	agent.helpers.metrics = agent.metrics;
	agent.helpers.signals = &agent.signals_before;
	agent.notes = agent_notes_new();
	agent.setbacks = setbacks_new();
	agent.kept = agent.helpers.kept = kept_outputs_new();
	kept_outputs_begin(agent.kept, agent.config);
	agent.shared = shared_memory(sizeof(*agent.shared));
	agent.found = shared_memory(sizeof(*agent.found));
	agent.cache = watch_cache_new();
	agent.dropped = spool_state(agent.spool).dropped;
	agent.next_ns = monotonic_ns();
	block_signals(&agent);
	publish(&agent);
	result = run(&agent, error);
	end(&agent);
	return result;
}
