/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/priority.h"

enum {
	POLL_MS = 100,
	END_MS = 1, /* between looks at a command that has closed its outputs: it is about to end */
	INT_MS = 1000,
	TERM_MS = 1000,
};

int start_place_enter(const struct start_place *place)
{
	if (place->directory && chdir(place->directory))
		return -1;
	for (const char *const *change = place->environment; change && *change; change++) {
		const char *value = strchr(*change, '=');
		char *name = memory_text_of(*change, value ? (size_t)(value - *change) : strlen(*change));

		if (value)
			setenv(name, value + 1, 1);
		else
			unsetenv(name);
		free(name);
	}
	return 0;
}

void subprocess_end_with(pid_t parent, int signal)
{
	prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0);
	if (getppid() != parent)
		_exit(127);
}

/* What the child reports if it does not become the program. */
struct failure {
	int code; /* errno */
	bool of_program;
};

/* In the child. */
__attribute__((noreturn)) static void become(const struct subprocess *process, pid_t parent, const int outputs[2],
					     int report)
{
	int empty = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct failure failure = {0};

	subprocess_end_with(parent, SIGTERM);
	if (process->protected_from_terminal)
		setpgid(0, 0);
	if (empty >= 0 && dup2(empty, STDIN_FILENO) >= 0 && dup2(outputs[0], STDOUT_FILENO) >= 0 &&
	    dup2(outputs[1], STDERR_FILENO) >= 0 && (!process->become || process->become(process->identity) == 0) &&
	    start_place_enter(&process->place) == 0) {
		execvp(process->words[0], (char *const *)process->words);
		failure.of_program = !error_is_shortage(errno);
	}
	failure.code = errno;
	if (write(report, &failure, sizeof(failure)) < 0)
		_exit(126);
	_exit(127);
}

/* Passes on what can be read. Returns false at the end. */
static bool pass_on(const struct subprocess *process, int file, bool error_stream)
{
	char buffer[1 << 14];
	ssize_t count = read(file, buffer, sizeof(buffer));

	if (count < 0)
		return errno == EINTR || errno == EAGAIN;
	if (count > 0 && process->take)
		process->take(process->context, error_stream, buffer, (size_t)count);
	return count > 0;
}

/* A command that runs. */
struct run {
	const struct subprocess *process;
	pid_t pid;
	int status; /* once it has ended */
	bool ended;
	int64_t asked_ns; /* when it was asked to end; 0: it was not */
};

/* Looks whether it has ended, and ends it if that is wanted. */
static void look_after(struct run *run)
{
	const struct subprocess *process = run->process;

	if (!run->ended)
		run->ended = waitpid(run->pid, &run->status, WNOHANG) == run->pid;
	if (run->ended || !process->stop || !*process->stop)
		return;
	if (!run->asked_ns) {
		/* from now on, what it leaves behind becomes ours, for end_all(); not what it has left running before */
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
		kill(run->pid, SIGINT);
		run->asked_ns = monotonic_ns();
	} else if (monotonic_ns() - run->asked_ns > INT_MS * INT64_C(1000000)) {
		process->end_all(TERM_MS);
		run->status = SIGTERM;
		run->ended = true;
	}
}

/* Reads until both outputs have ended, or the command has ended and nothing more comes: processes that it left behind
 * may keep them open. Returns when it has ended. */
static int read_outputs(const struct subprocess *process, pid_t pid, int files[2])
{
	struct run run = {.process = process, .pid = pid};

	while (files[0] >= 0 || files[1] >= 0) {
		struct pollfd ready[2] = {{.fd = files[0], .events = POLLIN}, {.fd = files[1], .events = POLLIN}};
		int count = poll(ready, 2, POLL_MS);

		if (count == 0 && run.ended)
			break;
		for (int i = 0; i < 2 && count > 0; i++) {
			if (files[i] >= 0 && ready[i].revents && !pass_on(process, files[i], i == 1)) {
				close(files[i]);
				files[i] = -1;
			}
		}
		look_after(&run);
	}
	for (look_after(&run); !run.ended; look_after(&run))
		poll(NULL, 0, END_MS);
	if (run.asked_ns) {
		process->end_all(TERM_MS);
		prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
	}
	return run.status;
}

int subprocess_run(const struct subprocess *process, struct error *error)
{
	int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}}, status = SUBPROCESS_NOT_STARTED;
	struct failure failure = {0};
	bool refused = false;
	pid_t parent = getpid(), pid = -1;

	if (pipe2(pipes[0], O_CLOEXEC) || pipe2(pipes[1], O_CLOEXEC) || pipe2(pipes[2], O_CLOEXEC)) {
		failure.code = errno;
	} else if ((pid = fork()) < 0) {
		failure.code = errno;
		refused = process->refused != NULL;
	}
	if (pid == 0) {
		priority_restore();
		become(process, parent, (int[]){pipes[0][1], pipes[1][1]}, pipes[2][1]);
	}
	for (int i = 0; i < 3; i++) {
		if (pipes[i][1] >= 0)
			close(pipes[i][1]);
	}
	while (pid > 0 && read(pipes[2][0], &failure, sizeof(failure)) < 0 && errno == EINTR)
		;
	if (refused) {
		process->refused(error, failure.code, "'%s'", process->words[0]);
	} else if (failure.code) {
		if (failure.of_program)
			status = SUBPROCESS_NO_PROGRAM;
		if (pid > 0)
			waitpid(pid, NULL, 0);
		error_set(error, STATUS_CANNOT_MEASURE, "cannot run '%s'%s%s: %s", process->words[0],
			  process->place.directory ? " in " : "",
			  process->place.directory ? process->place.directory : "", strerror(failure.code));
	} else {
		status = read_outputs(process, pid, (int[]){pipes[0][0], pipes[1][0]});
		pipes[0][0] = pipes[1][0] = -1;
	}
	for (int i = 0; i < 3; i++) {
		if (pipes[i][0] >= 0)
			close(pipes[i][0]);
	}
	return status;
}
