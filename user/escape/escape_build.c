/* SPDX-License-Identifier: BSD-2-Clause */
#include "escape/escape_build.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "escape/escape_parser.h"
#include "base/memory.h"

extern char **environ;

/* go list -export -gcflags=[all=]-m=2 ... FLAGS -- PACKAGES. The caller frees the vector and its gcflags. */
static char **command_of(const struct escape_build *build, char **gcflags)
{
	char **command = memory_zeroed((size_t)build->flag_count + (size_t)build->package_count + 8, sizeof(*command));
	int length = 0;

	/* Makes the cache key unique: the rate of a memory profile that is not requested, an option that exists since
	 * Go 1.5. */
	if (asprintf(gcflags, "-gcflags=%s-m=2 -memprofilerate=%" PRId64, build->dependencies ? "all=" : "",
		     wall_ns()) < 0)
		memory_out();
	command[length++] = (char *)(build->go ? build->go : "go");
	command[length++] = "list";
	command[length++] = "-export";
	command[length++] = "-f={{.ImportPath}}";
	command[length++] = *gcflags;
	for (int i = 0; i < build->flag_count; i++)
		command[length++] = (char *)build->flags[i];
	command[length++] = "--";
	for (int i = 0; i < build->package_count; i++)
		command[length++] = (char *)build->packages[i];
	return command;
}

/* Starts the go command with its standard error on a pipe. Returns the pipe's read end, -1 with an error. */
static int start(const struct escape_build *build, pid_t *pid, struct error *error)
{
	posix_spawn_file_actions_t actions;
	char *gcflags, **command = command_of(build, &gcflags);
	int ends[2], failure;

	if (pipe2(ends, O_CLOEXEC)) {
		failure = errno;
		ends[0] = -1;
	} else {
		posix_spawn_file_actions_init(&actions);
		posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
		posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
		posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
		if (build->directory)
			posix_spawn_file_actions_addchdir_np(&actions, build->directory);
		failure = posix_spawnp(pid, command[0], &actions, NULL, command, environ);
		posix_spawn_file_actions_destroy(&actions);
		close(ends[1]);
		if (failure) {
			close(ends[0]);
			ends[0] = -1;
		}
	}
	if (failure)
		error_set(error, STATUS_CANNOT_MEASURE, "cannot run '%s'%s%s: %s; name the go command with --go",
			  command[0], build->directory ? " in " : "", build->directory ? build->directory : "",
			  strerror(failure));
	free(gcflags);
	free(command);
	return ends[0];
}

/* Sets the error to the last lines that are not annotations, which are the errors of the go command or the compiler. */
static void describe_failure(const struct escape_output *output, int status, struct error *error)
{
	size_t first = output->unrecognized_count > 3 ? output->unrecognized_count - 3 : 0;
	char text[600] = "";
	size_t length = 0;

	for (size_t i = first; i < output->unrecognized_count && length < sizeof(text); i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%.180s", i > first ? "; " : "",
					   output->unrecognized[i].text);
	if (WIFSIGNALED(status))
		error_set(error, STATUS_CANNOT_MEASURE, "the go command was ended by signal %d", WTERMSIG(status));
	else
		error_set(error, STATUS_CANNOT_MEASURE, "the go command failed with status %d: %s", WEXITSTATUS(status),
			  *text ? text : "it printed no message");
}

struct escape_output *escape_build(const struct escape_build *build, struct error *error)
{
	struct escape_parser *parser;
	struct escape_output *output;
	char buffer[1 << 16];
	ssize_t count;
	pid_t pid;
	int status, end = start(build, &pid, error);

	if (end < 0)
		return NULL;
	parser = escape_parser_new();
	while ((count = read(end, buffer, sizeof(buffer))) > 0 || (count < 0 && errno == EINTR)) {
		if (count < 0)
			continue;
		escape_parser_feed(parser, buffer, (size_t)count);
		if (build->copy)
			fwrite(buffer, 1, (size_t)count, build->copy);
	}
	close(end);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	output = escape_parser_finish(parser);
	if (status)
		describe_failure(output, status, error);
	else if (!output->annotation_count)
		error_set(error, STATUS_USAGE, "the compiler printed nothing about these packages");
	else
		return output;
	escape_free(output);
	return NULL;
}
