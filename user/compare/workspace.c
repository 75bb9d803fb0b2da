/* SPDX-License-Identifier: BSD-2-Clause */
#include "compare/workspace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/temporary_directory.h"
#include "target/descendants.h"
#include "target/obstacle.h"

enum { OUTPUT_MAX = 64 << 20, COMPLAINT_MAX = 400 };

struct subprocess workspace_command(const struct workspace *workspace, const char *const *words)
{
	return (struct subprocess){.words = words,
				   .become = identity_become,
				   .identity = &workspace->user,
				   .stop = workspace->stop,
				   .end_all = descendants_end,
				   .refused = obstacle_no_process};
}

int workspace_interrupted(struct error *error)
{
	return error_set(error, STATUS_CANNOT_MEASURE, "interrupted: nothing is compared");
}

int workspace_make(struct workspace *workspace, const struct identity *user, const volatile sig_atomic_t *stop,
		   struct error *error)
{
	struct temporary_directory made;

	*workspace = (struct workspace){.user = *user, .stop = stop};
	if (temporary_directory_make(&made, "escapement-compare", user->other ? user->uid : geteuid(), user->gid,
				     error))
		return -1;
	workspace->directory = memory_text(made.path);
	temporary_directory_close(&made);
	return 0;
}

int workspace_remove(struct workspace *workspace, struct error *error)
{
	/* Makes everything writable first, because tests may have made files read-only. The user removes what belongs
	 * to the user, so that nobody can make root remove other files. */
	static const char script[] = "chmod -R u+rwX -- \"$0\" 2>/dev/null; rm -rf -- \"$0\"";
	const char *const words[] = {"sh", "-c", script, workspace->directory, NULL};
	struct subprocess process = workspace_command(workspace, words);
	int status = 0;

	if (!workspace->directory)
		return 0;
	process.stop = NULL;
	process.protected_from_terminal = true;
	if (workspace->user.other || rmdir(workspace->directory)) /* an empty one of ours needs no process */
		status = subprocess_run(&process, error);
	if (status < 0)
		error_prefix(error, "cannot remove '%s'", workspace->directory);
	else if (status)
		error_set(error, STATUS_CANNOT_MEASURE, "cannot remove '%s' and all that is in it",
			  workspace->directory);
	free(workspace->directory);
	workspace->directory = NULL;
	return status ? -1 : 0;
}

char *workspace_path(const struct workspace *workspace, const char *name)
{
	return memory_format("%s/%s", workspace->directory, name);
}

struct answer {
	char *text;
	size_t length;
	char complaint[COMPLAINT_MAX]; /* the last line of standard error, and the beginning of the next */
	size_t complaint_length;
	bool line_ended;
};

static void take_complaint(struct answer *answer, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] == '\n') {
			answer->line_ended = true;
			continue;
		}
		if (answer->line_ended)
			answer->complaint_length = 0;
		answer->line_ended = false;
		if (answer->complaint_length + 1 < COMPLAINT_MAX)
			answer->complaint[answer->complaint_length++] = bytes[i];
		answer->complaint[answer->complaint_length] = 0;
	}
}

static void take(void *context, bool error_stream, const char *bytes, size_t length)
{
	struct answer *answer = context;

	if (error_stream) {
		take_complaint(answer, bytes, length);
	} else if (answer->length + length <= OUTPUT_MAX) {
		answer->text = memory_resize(answer->text, answer->length + length + 1, 1);
		memcpy(answer->text + answer->length, bytes, length);
		answer->length += length;
		answer->text[answer->length] = 0;
	}
}

char *workspace_answer(const struct workspace *workspace, const struct subprocess *process, int *status,
		       struct error *error)
{
	struct answer answer = {.text = memory_text("")};
	struct subprocess run = *process;

	run.take = take;
	run.context = &answer;
	*status = subprocess_run(&run, error);
	if (*status == 0) {
		if (answer.length && answer.text[answer.length - 1] == '\n')
			answer.text[answer.length - 1] = 0;
		return answer.text;
	}
	if (run.stop && *workspace->stop)
		workspace_interrupted(error);
	else if (*status > 0)
		error_set(error, STATUS_CANNOT_MEASURE, "'%s' failed: %s", run.words[0],
			  *answer.complaint ? answer.complaint : "it printed no message");
	free(answer.text);
	return NULL;
}

char *workspace_run(const struct workspace *workspace, const struct subprocess *process, struct error *error)
{
	int status;

	return workspace_answer(workspace, process, &status, error);
}
