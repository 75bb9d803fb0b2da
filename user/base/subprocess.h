/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_BASE_SUBPROCESS_H
#define ESCAPEMENT_BASE_SUBPROCESS_H

/*
 * Runs commands to their end for their output: compilers, git. Measured programs are started by target/launch.h
 * instead, in a place as described here.
 */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/* Where a program starts, and with what environment. */
struct start_place {
	const char *directory;		/* NULL: the present one */
	const char *const *environment; /* "NAME=VALUE" sets, "NAME" takes away; NULL-terminated; NULL: none */
};

/* In a child: changes to the directory and makes the changes of the environment. -1 with errno on failure. */
int start_place_enter(const struct start_place *place);

/* Receives the command's output as it comes. `error_stream`: it was written to standard error. */
typedef void subprocess_take(void *context, bool error_stream, const char *bytes, size_t length);

struct subprocess {
	const char *const *words; /* NULL-terminated; the first is looked for in the PATH of the place */
	struct start_place place;
	int (*become)(
		const void *identity); /* in the child, before it enters the place: 0, or -1 with errno. NULL: none */
	const void *identity;
	subprocess_take *take; /* NULL: output is dropped */
	void *context;
	/* Nonzero: it is sent SIGINT, upon which commands remove what they made, and has a second to end. NULL: never. */
	const volatile sig_atomic_t *stop;
	void (*end_all)(int grace_ms); /* with `stop`: then ends what this process has started, and reaps it */
	/* Fills the error where fork() made no process, by its errno. NULL: the errno's text says all. */
	int (*refused)(struct error *error, int code, const char *what, ...) __attribute__((format(printf, 3, 4)));
	bool protected_from_terminal; /* Ctrl-C does not reach it: for commands that clean up */
};

/* In a child: the kernel sends it the signal when `parent` ends. Ends at once if that has ended before. */
void subprocess_end_with(pid_t parent, int signal);

enum {
	SUBPROCESS_NOT_STARTED = -1,
	SUBPROCESS_NO_PROGRAM = -2, /* its first word names nothing that can be run */
};

/* Runs it with an empty standard input, and waits. Returns the wait status, or one of these with STATUS_CANNOT_MEASURE. */
int subprocess_run(const struct subprocess *process, struct error *error);

#endif
