/* SPDX-License-Identifier: BSD-2-Clause */
#include "counted_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "gate/go_test.h"
#include "target/obstacle.h"
#include "target/privilege.h"

/* Copies the program's standard output to standard error, and reads its benchmarks. */
struct output_copy {
	int pipe[2], saved;
	struct gate_counts *counts;
	pthread_t thread;
	atomic_bool ended; /* the program has */
	int privileged;	   /* the errno with which the thread could not give up its privileges; 0: it has */
};

/* Processes the complete lines of a buffer. Moves an incomplete last line to the start of the buffer and returns its
 * length. */
static size_t take_lines(struct gate_counts *counts, char *buffer, size_t length)
{
	char *line = buffer, *end;

	while ((end = memchr(line, '\n', length - (size_t)(line - buffer)))) {
		*end = 0;
		go_test_line(counts, line);
		line = end + 1;
	}
	length -= (size_t)(line - buffer);
	memmove(buffer, line, length);
	return length;
}

/* Thread that copies the output, until it ends or, after the program has ended, as soon as nothing more comes: a
 * process that the program left behind may keep the pipe open. */
static void *copy_output(void *argument)
{
	enum { PATIENCE_MS = 50 };
	struct output_copy *copy = argument;
	char buffer[4096];
	size_t length = 0;

	if (privilege_keep(0)) /* all, because this thread reads what the program writes */
		copy->privileged = errno;
	for (;;) {
		struct pollfd ready = {.fd = copy->pipe[0], .events = POLLIN};
		int events = poll(&ready, 1, PATIENCE_MS);
		ssize_t count;

		if (events == 0 && atomic_load(&copy->ended))
			break;
		if (events <= 0)
			continue;
		count = read(copy->pipe[0], buffer + length, sizeof(buffer) - length);
		if (count <= 0)
			break;
		fwrite(buffer + length, 1, (size_t)count, stderr);
		length = take_lines(copy->counts, buffer, length + (size_t)count);
		if (length == sizeof(buffer)) /* a line that is not a benchmark's */
			length = 0;
	}
	close(copy->pipe[0]);
	return NULL;
}

/* Starts the thread, which takes no signal: their handlers need the capabilities that it gives up. 0, or an errno. */
static int start_copying(struct output_copy *copy)
{
	sigset_t all, before;
	int failure;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failure = pthread_create(&copy->thread, NULL, copy_output, copy);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failure;
}

/* Redirects the program's output, so that standard output has only ours. */
static int move_output(struct output_copy *copy, struct gate_counts *counts, struct error *error)
{
	int failure;

	fflush(stdout);
	copy->counts = counts;
	copy->privileged = 0;
	atomic_init(&copy->ended, false);
	if (pipe2(copy->pipe, O_CLOEXEC))
		return error_set(error, STATUS_CANNOT_MEASURE, "cannot make a pipe for the program's output: %m");
	copy->saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (copy->saved < 0 || dup2(copy->pipe[1], STDOUT_FILENO) < 0)
		return error_set(error, STATUS_CANNOT_MEASURE, "cannot move the program's output: %m");
	failure = start_copying(copy);
	if (failure)
		return obstacle_no_thread(error, failure, "a thread for the program's output");
	close(copy->pipe[1]);
	return 0;
}

static void put_output_back(struct output_copy *copy)
{
	dup2(copy->saved, STDOUT_FILENO);
	close(copy->saved);
	atomic_store(&copy->ended, true);
	pthread_join(copy->thread, NULL);
}

struct profile *counted_run(struct recording *recording, char **command, struct gate_counts *counts,
			    struct error *error)
{
	struct output_copy copy;
	struct profile *profile;
	int count = 0;

	while (command[count])
		count++;
	if (move_output(&copy, counts, error))
		return NULL;
	profile = recording_run(recording, count, command, 0, true, error);
	put_output_back(&copy);
	if (!profile)
		return NULL;
	if (copy.privileged)
		profile_warn(profile, "the reader of the program's output could not give up its privileges: %s",
			     strerror(copy.privileged));
	/* every count of a run that was cut short is too small */
	if (memory_is_low())
		error_set(error, STATUS_CANNOT_MEASURE,
			  "out of memory while recording: a run that ended early is not compared");
	else if (recording->interrupted)
		error_set(error, STATUS_CANNOT_MEASURE, "interrupted: a run that was cut short is not compared");
	else if (recording->program_failed)
		error_set(error, STATUS_CANNOT_MEASURE, "the program %s", recording->program_status);
	else
		return profile;
	profile_free(profile);
	return NULL;
}
