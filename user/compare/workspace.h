/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_COMPARE_WORKSPACE_H
#define ESCAPEMENT_COMPARE_WORKSPACE_H

/*
 * A temporary directory for everything that a comparison creates: worktrees, binaries, patched files. It belongs to the
 * user as whom git, go and the program run, and is removed with its contents.
 */

#include <signal.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/subprocess.h"
#include "target/privilege.h"

struct workspace {
	char *directory; /* absolute, without symbolic links */
	struct identity user;
	const volatile sig_atomic_t *stop; /* raised: commands are ended, and what was made is removed */
};

/* Makes the directory below $TMPDIR or /tmp. */
int workspace_make(struct workspace *workspace, const struct identity *user, const volatile sig_atomic_t *stop,
		   struct error *error);
/* Removes it. An error names it: something of it is left. Does nothing if none was created (all zero). */
int workspace_remove(struct workspace *workspace, struct error *error);

/* A path below the directory; the caller frees it. */
char *workspace_path(const struct workspace *workspace, const char *name);

/* How the user's commands are run; to be completed by words and place. */
struct subprocess workspace_command(const struct workspace *workspace, const char *const *words);

/*
 * Runs a command of the user's and takes its standard output, at most 64 MiB of it, as a string without the last newline;
 * the caller frees it. NULL if it fails: STATUS_CANNOT_MEASURE with the last line that it wrote to standard error; or if
 * it was interrupted.
 */
char *workspace_run(const struct workspace *workspace, const struct subprocess *process, struct error *error);
/* The same, which also stores what subprocess_run() returned. */
char *workspace_answer(const struct workspace *workspace, const struct subprocess *process, int *status,
		       struct error *error);

/* Sets the error of an interrupted comparison. */
int workspace_interrupted(struct error *error);

#endif
