/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/in_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/temporary_directory.h"
#include "record/go_memory_profile.h"
#include "target/descendants.h"
#include "target/launch.h"
#include "target/privilege.h"
#include "record/raw_profile.h"

enum {
	POLL_MS = 20,
};

/* What the program's process needs to become it. */
struct start {
	const struct session_options *options;
	char *const *argv;
	const char *file; /* of GOALLOC_PROFILE */
	int report;	  /* receives the errno of a failure */
};

static void become(void *context)
{
	const struct start *start = context;

	setenv("GOALLOC_PROFILE", start->file, 1);
	launch_become(start->argv, &start->options->ignored, &start->options->user, &start->options->place,
		      start->report);
}

/* Runs the program with GOALLOC_PROFILE set. NULL with an error. */
static struct guard *start(const struct session_options *options, char *const *argv, const char *file,
			   struct error *error)
{
	int report[2], failure = 0;
	ssize_t got = 0;
	struct start start = {options, argv, file, -1};
	struct guard *guard;

	if (pipe2(report, O_CLOEXEC)) {
		error_set(error, STATUS_CANNOT_MEASURE, "cannot start '%s': %m", options->argv[0]);
		return NULL;
	}
	start.report = report[1];
	guard = guard_start(become, &start, options->argv[0], error);
	close(report[1]);
	while (guard && (got = read(report[0], &failure, sizeof(failure))) < 0 && errno == EINTR)
		;
	if (got > 0) {
		launch_refused(error, options->argv[0], failure);
		guard_free(guard);
		guard = NULL;
	}
	close(report[0]);
	return guard;
}

/* Waits until the program ends. Asks it to end when the time is up or a signal came, and stops waiting some time later,
 * which it stores. Returns whether it has ended. */
static bool wait_for(const struct guard *guard, const struct session_options *options, struct session_result *result,
		     int *grace_ms)
{
	int64_t begin = clock_ns(CLOCK_MONOTONIC), asked = 0;
	const struct timespec pause = {0, POLL_MS * 1000000};

	result->started = true;
	while (!guard_ended(guard, &result->wait_status)) {
		int64_t now = clock_ns(CLOCK_MONOTONIC);
		bool over = options->duration > 0 && (double)(now - begin) >= options->duration * 1e9;
		int signal = options->stop ? *options->stop : 0;

		if ((signal || over) && !result->asked) {
			if (signal >= 0) /* otherwise the terminal has sent the signal to the program too */
				guard_signal(guard, signal ? signal : SIGTERM);
			result->asked = true;
			*grace_ms = session_grace_ms(options);
			asked = now;
		}
		if (result->asked && now - asked > *grace_ms * 1000000LL)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

static struct profile *describe(char *const *argv, bool redact)
{
	struct profile *profile = profile_new();
	struct utsname kernel;

	uname(&kernel);
	profile->redacted = redact;
	profile->tool_version = ESCAPEMENT_VERSION;
	profile->target = profile_command(profile, (const char *const *)argv);
	profile->kernel = profile_format(profile, "%s %s", kernel.sysname, kernel.release);
	profile->rate = 1;
	profile->totals_exact = profile->rows_exact = true;
	profile->row_measured = (1u << VALUE_COUNT) - 1;
	return profile;
}

/* Adds the recording that one process wrote. Returns whether it is complete. `result` stays nonzero if it was not a
 * recording at all. */
static bool read_one(struct profile *profile, const struct temporary_directory *directory, const char *name,
		     int *result, struct error *error)
{
	int file = temporary_directory_open(directory, name, error);
	const struct profile_process *process;

	*result = file < 0 ? error_prefix(error, "in the directory of the program's recordings")
			   : raw_profile_read(profile, file, name, error);
	if (*result <= 0)
		return *result == 0;
	*result = 0;
	process = &profile->processes[profile->process_count - 1];
	profile->totals_exact = profile->rows_exact = false;
	profile->rows_least = true;
	profile_warn(profile,
		     "process %d (%s) was killed, called _exit, became another program by exec, or still runs: what it "
		     "allocated is missing",
		     process->pid, process->comm);
	return false;
}

/* Reads the recordings that the processes wrote into the directory. */
static int read_all(struct profile *profile, const struct temporary_directory *directory, struct error *error)
{
	char **names = temporary_directory_list(directory, error);
	int found = 0, complete = 0, result = 0;

	if (!names)
		return -1;
	for (; names[found]; found++) {
		if (!result)
			complete += read_one(profile, directory, names[found], &result, error);
		free(names[found]);
	}
	free(names);
	if (!found)
		return error_set(
			error, STATUS_CANNOT_MEASURE,
			"the program recorded nothing: it does not use libgoalloc "
			"(of Go programs only go test can do without probes: leave out --in-process), "
			"or its file gives it rights of its own (set-user-ID, set-group-ID, capabilities), with "
			"which it heeds no environment");
	return result || !complete ? -1 : 0;
}

/* What the program left in the directory, as a profile; NULL with an error. */
static struct profile *read_profile(const struct session_options *options, const struct temporary_directory *directory,
				    int64_t start_ns, struct error *error)
{
	int64_t duration_ns = clock_ns(CLOCK_REALTIME) - start_ns;
	struct profile *profile = go_memory_profile_can(options->argv)
					  ? go_memory_profile_read(directory, options->argv, error)
					  : describe(options->argv, options->redact);

	if (!profile)
		return NULL;
	profile->start_ns = start_ns;
	profile->duration_ns = duration_ns;
	if (go_memory_profile_can(options->argv) || read_all(profile, directory, error) == 0)
		return profile;
	profile_free(profile);
	return NULL;
}

struct profile *in_process_record(const struct session_options *options, struct session_result *result,
				  struct error *error)
{
	struct temporary_directory directory;
	struct profile *profile;
	char *const *argv = options->argv;
	char *file, **go_command = NULL;
	int64_t start_ns;
	bool ended, go_command_failed;
	int privileged, grace_ms = 0; /* `privileged`: the errno of a failure to give up privileges; 0: none */
	struct guard *guard;

	*result = (struct session_result){0};
	if (temporary_directory_make(&directory, "escapement", options->user.other ? options->user.uid : geteuid(),
				     options->user.gid, error))
		return NULL;
	file = memory_format("%s/raw", directory.path);
	if (go_memory_profile_can(options->argv))
		argv = go_command = go_memory_profile_command(options->argv, directory.path);
	descendants_adopt(true);
	start_ns = clock_ns(CLOCK_REALTIME);
	guard = start(options, argv, file, error);
	go_memory_profile_free_command(go_command);
	free(file);
	if (!guard) {
		descendants_adopt(false);
		temporary_directory_remove(&directory);
		temporary_directory_close(&directory);
		return NULL;
	}
	privileged = guard_privileged(guard);
	if (!options->stays_privileged && privilege_keep(PRIVILEGE_SIGNAL | PRIVILEGE_WRITE))
		privileged = errno;
	ended = wait_for(guard, options, result, &grace_ms);
	if (!ended || result->asked || options->end_all)
		descendants_end(TERM_GRACE_MS);
	guard_free(guard);
	descendants_adopt(false);
	go_command_failed = go_memory_profile_can(options->argv) && result->wait_status != 0;
	profile = read_profile(options, &directory, start_ns, error);
	if (!profile && go_command_failed)
		error_set(error, STATUS_CANNOT_MEASURE, "go test failed: its output is above");
	temporary_directory_remove(&directory);
	temporary_directory_close(&directory);
	if (profile && privileged)
		profile_warn(profile, "the recorder could not give up its privileges: %s", strerror(privileged));
	if (!ended && profile)
		profile_warn(profile,
			     "the program did not end within %.1f s of being asked to, so it was killed: what it had "
			     "not written yet is missing",
			     (double)grace_ms / 1e3);
	else if (!ended)
		error_set(
			error, STATUS_CANNOT_MEASURE,
			"the program did not end within %.1f s of being asked to, so it was killed before it wrote what it "
			"had allocated",
			(double)grace_ms / 1e3);
	return profile;
}

struct profile *in_process_import(const char *path, struct error *error)
{
	char *const none[] = {NULL};
	int file = open(path, O_RDONLY | O_CLOEXEC);
	struct profile *profile;

	if (file < 0) {
		error_set(error, STATUS_USAGE, "cannot read '%s': %m", path);
		return NULL;
	}
	profile = describe(none, false);
	if (raw_profile_read(profile, file, path, error)) {
		profile_free(profile);
		return NULL;
	}
	profile->target = profile->processes[0].executable;
	return profile;
}
