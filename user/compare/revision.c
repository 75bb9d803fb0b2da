/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes a git tree of the working tree as it is, without modifying the user's repository: a copy of the index is
 * brought up to date in the workspace, and the objects that this makes are written there too (GIT_OBJECT_DIRECTORY),
 * not into the repository.
 */
#include "compare/revision.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"

enum { WORDS_MAX = 32, WORKTREES_MAX = 4, VARIABLES_MAX = 12 };

struct repository_view {
	const struct workspace *workspace;
	char *top, *prefix;    /* the prefix is empty or ends with a slash */
	char *objects, *index; /* the repository's */
	char *worktrees[WORKTREES_MAX];
	int worktree_count;
	int status; /* of the last git, as subprocess_run() returns it */
};

/* Removes the variables that a git hook sets, in case one runs us; keeps git from writing the index and from asking. */
#define CLEAN_ENVIRONMENT \
	"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0"

/* Runs git in `directory` with the words up to NULL. Its standard output, or NULL with an error. */
static char *git_in(struct repository_view *view, const char *directory, const char *const *variables, bool cleaning,
		    struct error *error, va_list arguments)
{
	const char *words[WORDS_MAX] = {"git", "-c",	   "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false",
					"-c",  "gc.auto=0"};
	const char *environment[VARIABLES_MAX + 1] = {CLEAN_ENVIRONMENT};
	struct subprocess process;
	int count = 7, variable = 6;

	while (count < WORDS_MAX - 1 && (words[count] = va_arg(arguments, const char *)))
		count++;
	for (; variables && *variables && variable < VARIABLES_MAX; variables++)
		environment[variable++] = *variables;
	process = workspace_command(view->workspace, words);
	process.place = (struct start_place){directory, environment};
	if (cleaning) {
		process.stop = NULL;
		process.protected_from_terminal = true;
	}
	return workspace_answer(view->workspace, &process, &view->status, error);
}

static char *git(struct repository_view *view, const char *directory, struct error *error, ...)
{
	va_list arguments;
	char *answer;

	va_start(arguments, error);
	answer = git_in(view, directory, NULL, false, error, arguments);
	va_end(arguments);
	return answer;
}

static char *git_with(struct repository_view *view, const char *directory, const char *const *variables,
		      struct error *error, ...)
{
	va_list arguments;
	char *answer;

	va_start(arguments, error);
	answer = git_in(view, directory, variables, false, error, arguments);
	va_end(arguments);
	return answer;
}

static char *git_cleaning(struct repository_view *view, struct error *error, ...)
{
	va_list arguments;
	char *answer;

	va_start(arguments, error);
	answer = git_in(view, view->top, NULL, true, error, arguments);
	va_end(arguments);
	return answer;
}

/* Whether the last git ran, and failed by itself. */
static bool said_no(const struct repository_view *view)
{
	return view->status > 0 && WIFEXITED(view->status) && !*view->workspace->stop;
}

struct repository_view *repository_view_open(const struct workspace *workspace, struct error *error)
{
	struct repository_view *view = memory_zeroed(1, sizeof(*view));

	view->workspace = workspace;
	if ((view->top = git(view, NULL, error, "rev-parse", "--show-toplevel", NULL)) &&
	    (view->prefix = git(view, NULL, error, "rev-parse", "--show-prefix", NULL)) &&
	    (view->objects = git(view, view->top, error, "rev-parse", "--path-format=absolute", "--git-path", "objects",
				 NULL)) &&
	    (view->index =
		     git(view, view->top, error, "rev-parse", "--path-format=absolute", "--git-path", "index", NULL)))
		return view;
	if (said_no(view)) {
		error->status = STATUS_USAGE;
		error_prefix(error, "--base compares revisions of a git repository");
	}
	repository_view_close(view, NULL);
	return NULL;
}

const char *repository_view_top(const struct repository_view *view)
{
	return view->top;
}

/* Adds a worktree of a commit, checked out or empty. Its directory belongs to the view. */
static const char *add_worktree(struct repository_view *view, const char *commit, bool check_out, struct error *error)
{
	char *directory, *answer, name[16];

	if (view->worktree_count == WORKTREES_MAX) {
		error_set(error, STATUS_CANNOT_MEASURE, "too many worktrees");
		return NULL;
	}
	snprintf(name, sizeof(name), "tree%d", view->worktree_count);
	directory = workspace_path(view->workspace, name);
	view->worktrees[view->worktree_count++] =
		directory; /* counted first, because a command that fails or is interrupted may leave a part of it */
	answer = git(view, view->top, error, "worktree", "add", "--quiet", "--detach",
		     check_out ? "--checkout" : "--no-checkout", directory, commit, NULL);
	free(answer);
	return answer ? directory : NULL;
}

/* Fills an empty worktree with the user's tree, including its uncommitted changes. */
static int fill(struct repository_view *view, const char *directory, struct error *error)
{
	char *index_copy = workspace_path(view->workspace, "index"),
	     *objects = workspace_path(view->workspace, "objects");
	char *index_variable = memory_format("GIT_INDEX_FILE=%s", index_copy);
	char *objects_variable = memory_format("GIT_OBJECT_DIRECTORY=%s", objects);
	char *others_variable = memory_format("GIT_ALTERNATE_OBJECT_DIRECTORIES=%s", view->objects);
	const char *const adding[] = {objects_variable, others_variable, index_variable, NULL};
	const char *const reading[] = {objects_variable, others_variable, NULL};
	const char *const copy_words[] = {
		"sh",	     "-c",	 "mkdir -p -- \"$2\" && { [ ! -e \"$0\" ] || cp -- \"$0\" \"$1\"; }",
		view->index, index_copy, objects,
		NULL};
	struct subprocess copying = workspace_command(view->workspace, copy_words);
	char *copied = workspace_run(view->workspace, &copying, error), *added = NULL, *tree = NULL, *read = NULL;

	if (copied)
		added = git_with(view, view->top, adding, error, "add", "--all", "--", ".", NULL);
	if (added)
		tree = git_with(view, view->top, adding, error, "write-tree", NULL);
	if (tree)
		read = git_with(view, directory, reading, error, "read-tree", "--reset", "-u", tree, NULL);
	free(copied);
	free(added);
	free(tree);
	free(index_copy);
	free(objects);
	free(index_variable);
	free(objects_variable);
	free(others_variable);
	free(read);
	return read ? 0 : -1;
}

/* Whether something is not committed; -1 with an error. */
static int is_dirty(struct repository_view *view, struct error *error)
{
	char *changes = git(view, view->top, error, "status", "--porcelain", "--untracked-files=normal", NULL);
	int dirty = changes ? *changes != 0 : -1;

	free(changes);
	return dirty;
}

/* The commit that a revision is; NULL with an error. */
static char *resolve(struct repository_view *view, const char *revision, struct error *error)
{
	char *wanted = memory_format("%s^{commit}", revision);
	char *commit =
		git(view, view->top, error, "rev-parse", "--verify", "--quiet", "--end-of-options", wanted, NULL);

	free(wanted);
	if (!commit && said_no(view))
		error_set(error, STATUS_USAGE, "no revision '%s' in '%s'; 'git log --oneline --all' lists them",
			  revision, view->top);
	return commit;
}

/* The directory of the worktree that stands for the working directory. */
static char *inner_directory(struct repository_view *view, const char *worktree, const char *name, struct error *error)
{
	char *directory = memory_format("%s/%s", worktree, view->prefix);

	if (access(directory, F_OK) == 0)
		return directory;
	error_set(error, STATUS_USAGE, "%s has no directory '%s'", name, view->prefix);
	free(directory);
	return NULL;
}

char *repository_view_check_out(struct repository_view *view, const char *revision, char **name, struct error *error)
{
	int dirty = revision ? 0 : is_dirty(view, error);
	char *commit = dirty < 0 ? NULL : resolve(view, revision ? revision : "HEAD", error), *directory = NULL;
	const char *worktree = commit ? add_worktree(view, commit, !dirty, error) : NULL;

	*name = NULL;
	if (worktree && dirty && fill(view, worktree, error))
		worktree = NULL;
	if (worktree) {
		*name = dirty ? memory_text("the tree as it is, with changes that are not committed")
			      : memory_format("%s (%.7s)", revision ? revision : "HEAD", commit);
		directory = inner_directory(view, worktree, *name, error);
	}
	free(commit);
	return directory;
}

int repository_view_close(struct repository_view *view, struct error *error)
{
	struct error ignored;
	int failed = 0;

	if (!view)
		return 0;
	for (int i = 0; i < view->worktree_count; i++) {
		/* Twice --force: also one that is locked because its making was interrupted. */
		char *answer = git_cleaning(view, failed || !error ? &ignored : error, "worktree", "remove", "--force",
					    "--force", view->worktrees[i], NULL);

		if (!answer && access(view->worktrees[i], F_OK) == 0)
			failed = -1;
		free(answer);
		free(view->worktrees[i]);
	}
	free(view->top);
	free(view->prefix);
	free(view->objects);
	free(view->index);
	free(view);
	return failed;
}
