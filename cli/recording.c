/* SPDX-License-Identifier: BSD-2-Clause */
#include "recording.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ending_signals.h"
#include "base/memory.h"
#include "base/priority.h"
#include "cli.h"
#include "gate/go_test.h"
#include "record/in_process.h"
#include "record/session.h"
#include "symbols/symbolizer.h"
#include "target/go_command.h"
#include "target/target.h"

/* Who watches a process may do so for hours: bursts (in percent of a CPU) and views together cost less than 1 %. */
static const double own_limit = 0.2;

/* Signals that come together are one request: `timeout` sends its own to the process and to the group. */
enum { TOGETHER_NS = 500 * 1000 * 1000 };

static volatile sig_atomic_t stop_signal;
static atomic_llong stopped_ns; /* when it was set */
static volatile sig_atomic_t asked_again;
static sigset_t ignored_signals; /* by our caller */
static sigset_t watched_signals; /* whose handler is note_signal() */

static void stop_by(int signal)
{
	if (!stop_signal)
		stopped_ns = monotonic_ns();
	stop_signal = signal;
}

/* The terminal sends signals to the program as well, so those are not passed on. Instead of signals that are about us, such as
 * a limit of CPU time, the program gets SIGTERM, and instead of SIGQUIT, which would have it dump its memory. */
static void note_signal(int signal, siginfo_t *information, void *context)
{
	bool for_all = ending_signal_is_for_all(signal);

	(void)context;
	/* a limit of CPU time sends its signal every second */
	if (for_all && stop_signal && monotonic_ns() - stopped_ns > TOGETHER_NS)
		asked_again = true;
	if (for_all && information->si_code == SI_KERNEL)
		stop_by(-signal);
	else
		stop_by(for_all && signal != SIGQUIT ? signal : SIGTERM);
	priority_hurry(); /* the target's threads may leave the recorder little of the CPU */
}

/* A progress line that is overwritten; only on a terminal. */
static void show_progress(void *context, const struct session_progress *progress)
{
	(void)context;
	if (progress->processes == 0)
		return;
	fprintf(stderr, "\rrecording: %.0f s, %d process%s, %" PRId64 " objects \033[K", progress->seconds,
		progress->processes, progress->processes == 1 ? "" : "es", progress->events);
}

static void show_phase(void *context, const char *phase, int pid, double milliseconds)
{
	(void)context;
	if (pid)
		cli_say("%s process %d in %.1f ms", phase, pid, milliseconds);
	else
		cli_say("%s in %.1f ms", phase, milliseconds);
}

static int choose_target(struct recording *recording, int argc, char **argv, int first, bool separator,
			 struct error *error)
{
	int given = (recording->pid != 0) + (recording->name != NULL) + separator;

	if (given > 1)
		return error_set(error, STATUS_USAGE, "give only one of -p PID, --name NAME and -- PROGRAM");
	if (given == 0)
		return error_set(error, STATUS_USAGE, "nothing to record: give -p PID, --name NAME or -- PROGRAM%s%s",
				 first < argc ? "; a '--' must stand before " : "", first < argc ? argv[first] : "");
	if (separator && first >= argc)
		return error_set(error, STATUS_USAGE, "no program after '--'");
	if (!separator && first < argc)
		return options_unexpected(argv[first], recording->pid != 0, error);
	if (recording->name) {
		recording->pid = target_find(recording->name, error);
		if (recording->pid < 0)
			return -1;
	}
	if (recording->pid == getpid())
		return error_set(error, STATUS_USAGE, "%d is this process itself", getpid());
	if (recording->pid > INT32_MAX)
		return error_set(error, STATUS_CANNOT_MEASURE, "no process with PID %" PRId64, recording->pid);
	return 0;
}

/* Warns of a go command that compiles: its compiler is recorded as well, and allocates more than most programs. With
 * -exec, the command may be there for what it executes. */
static void warn_of_compiler(char *const *words)
{
	static const struct {
		const char *subcommand, *remedy;
	} rows[] = {
		{"test", "build the tests with 'go test -c', then record the test binary"},
		{"run", "build the program with 'go build', then record that"},
		{"build", "record the program that it builds"},
		{"install", "record the program that it builds"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int at = go_command_find((const char *const *)words, rows[i].subcommand);

		if (at < 0 || go_test_flag(words + at, "exec"))
			continue;
		cli_warn("go %s compiles, and most of what is recorded will be the compiler's: %s", rows[i].subcommand,
			 rows[i].remedy);
		return;
	}
}

void recording_end(void)
{
	stop_by(SIGTERM);
}

bool recording_is_ending(void)
{
	return stop_signal != 0;
}

static void describe_end(struct recording *recording, const struct session_result *result)
{
	int status = result->wait_status;

	if (!result->started || result->asked)
		return;
	if (WIFEXITED(status) && WEXITSTATUS(status)) {
		recording->program_failed = true;
		snprintf(recording->program_status, sizeof(recording->program_status), "exited with status %d",
			 WEXITSTATUS(status));
	} else if (WIFSIGNALED(status)) {
		recording->program_failed = true;
		snprintf(recording->program_status, sizeof(recording->program_status), "was killed by SIG%s",
			 sigabbrev_np(WTERMSIG(status)));
	}
}

void recording_unwatch_signals(void)
{
	for (int number = 1; number <= SIGRTMAX; number++) {
		if (sigismember(&watched_signals, number) == 1)
			signal(number, sigismember(&ignored_signals, number) ? SIG_IGN : SIG_DFL);
	}
	sigemptyset(&watched_signals);
	ending_signals_leave_nothing();
}

const volatile sig_atomic_t *recording_watch_signals(void)
{
	struct sigaction action = {.sa_sigaction = note_signal, .sa_flags = SA_SIGINFO};
	sigset_t ending;

	symbolizer_give_up_when(&asked_again);
	ending_signals_heeded(&ending);
	for (int number = 1; number <= SIGRTMAX; number++) {
		struct sigaction before;

		if (sigismember(&ending, number) != 1 || sigaction(number, NULL, &before))
			continue;
		/* What is ignored stays so in the program. In a second run, our handlers are installed. */
		if (before.sa_handler == SIG_IGN)
			sigaddset(&ignored_signals, number);
		/* by nohup; but scripts end a recording in the background by signals that their `&` made it ignore */
		if (before.sa_handler == SIG_IGN && number == SIGHUP)
			continue;
		sigaction(number, &action, NULL);
		sigaddset(&watched_signals, number);
	}
	return &stop_signal;
}

struct profile *recording_run(struct recording *recording, int argc, char **argv, int first, bool separator,
			      struct error *error)
{
	struct session_options options = {.rate = recording->rate,
					  .duration = recording->duration,
					  .max_overhead = recording->max_overhead,
					  .follow = !recording->no_follow,
					  .only = recording->only,
					  .go_tests = recording->go_tests,
					  .functions = recording->functions,
					  .place = recording->place,
					  .function_count = recording->function_count,
					  .no_stacks = recording->no_stacks,
					  .redact = recording->redact,
					  .stays_privileged = recording->stays_privileged,
					  .end_all = recording->end_all,
					  .verbose = cli_verbosity > 0,
					  .enable_sampler = recording->enable_sampler,
					  .stop = &stop_signal,
					  .stopped_ns = &stopped_ns,
					  .sink = recording->sink,
					  .sink_context = recording->sink_context};
	struct sigaction pipe_before;
	bool watched = isatty(STDERR_FILENO) && cli_verbosity >= 0;
	struct session_result result;
	struct profile *profile;

	if (choose_target(recording, argc, argv, first, separator, error))
		return NULL;
	if (recording->in_process && recording->pid) {
		error_set(error, STATUS_USAGE, "--in-process is for a program that is started: give -- PROGRAM");
		return NULL;
	}
	if (recording->user && recording->pid) {
		error_set(error, STATUS_USAGE, "--user is for a program that is started: give -- PROGRAM");
		return NULL;
	}
	if (!recording->pid && identity_find(recording->user, &options.user, error))
		return NULL;
	if (!recording->pid && !recording->go_tests)
		warn_of_compiler(argv + first);
	options.pid = (int)recording->pid;
	options.argv = argv + first;
	if (watched)
		options.progress = show_progress;
	if (recording->view) {
		watched = false;
		options.progress = recording->progress;
		options.view = recording->view;
		options.view_seconds = recording->view_seconds;
		options.own_limit = own_limit;
		options.input = recording->input;
		options.context = recording->view_context;
	}
	if (options.verbose)
		options.phase = show_phase;
	recording_watch_signals();
	options.ignored = ignored_signals;
	/* the reader of our messages may exit; that must not end the recording */
	ending_signals_write_on(SIGPIPE, &pipe_before);
	profile = (recording->in_process ? in_process_record : session_record)(&options, &result, error);
	sigaction(SIGPIPE, &pipe_before, NULL);
	if (watched)
		fputs("\r\033[K", stderr);
	recording->interrupted = stop_signal != 0;
	if (profile)
		describe_end(recording, &result);
	return profile;
}

int recording_check_unused(const struct recording *recording, struct error *error)
{
	struct recording given = *recording, defaults = RECORDING_DEFAULTS;
	const struct option_row rows[] = {RECORDING_ROWS(given), {0}}, unchanged[] = {RECORDING_ROWS(defaults), {0}};
	const char *name = options_first_changed(rows, unchanged);

	if (!name)
		return 0;
	return error_set(error, STATUS_USAGE,
			 "--%s is for a recording that is made now: give it with -p PID, --name NAME or -- PROGRAM, in "
			 "place of a recording that exists",
			 name);
}

int recording_status(const struct recording *recording, const struct profile *profile)
{
	struct profile_loss loss = profile_loss(profile);
	int64_t totals[VALUE_COUNT];

	for (size_t i = 0; i < profile->warning_count; i++)
		cli_warn("%s", profile->warnings[i]);
	profile_totals(profile, totals);
	if (totals[VALUE_OBJECTS] == 0 && totals[VALUE_REFILLS] <= 0 && !profile_loss_any(&loss) &&
	    !profile_lacks_some(profile))
		cli_warn("nothing was allocated during the recording");
	if (loss.stacks)
		cli_warn("%" PRId64 " events were counted without their stack", loss.stacks);
	if (loss.events)
		cli_warn("%" PRId64 " events were lost: rows are a lower bound", loss.events);
	if (profile_forked(profile) > 0)
		cli_warn("%" PRId64
			 " processes that the process forked meanwhile are not observed: what they allocated is "
			 "in no number",
			 profile_forked(profile));
	if (memory_is_low()) {
		struct error error;

		error_set(&error, STATUS_CANNOT_MEASURE,
			  "out of memory while recording: the recording ended early; what was measured until then was "
			  "kept");
		return cli_fail(&error);
	}
	if (recording->program_failed) {
		struct error error;

		error_set(&error, STATUS_CANNOT_MEASURE, "the program %s", recording->program_status);
		return cli_fail(&error);
	}
	return profile_loss_any(&loss) ? STATUS_LOST : STATUS_OK;
}
