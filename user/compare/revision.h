/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_COMPARE_REVISION_H
#define ESCAPEMENT_COMPARE_REVISION_H

/*
 * Git revisions as directories: worktrees in the workspace, outside of the user's tree. The user's tree, index,
 * branches and stash are only read. Git's administrative data about the worktrees is removed with them.
 */

#include "base/error.h"
#include "compare/workspace.h"

struct repository_view; /* the repository that the working directory is in */

/* STATUS_USAGE if the working directory is in no repository. */
struct repository_view *repository_view_open(const struct workspace *workspace, struct error *error);

/*
 * Checks `revision` out in a worktree; NULL: the tree as it is, with what is not committed and not ignored. Returns the
 * directory in it that the working directory is in the user's tree, which the caller frees. `name` receives what to call it:
 * "main (3f2a1b9)", "the tree as it is, not committed". NULL with an error: STATUS_USAGE if there is no such revision.
 */
char *repository_view_check_out(struct repository_view *view, const char *revision, char **name, struct error *error);

/* The top directory of the user's tree. */
const char *repository_view_top(const struct repository_view *view);

/* Removes all worktrees. An error says what is left. */
int repository_view_close(struct repository_view *view, struct error *error); /* NULL is allowed */

#endif
