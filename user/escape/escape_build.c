/* SPDX-License-Identifier: BSD-2-Clause */
#include "escape/escape_build.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "escape/escape_parser.h"
#include "base/memory.h"

struct reader {
	struct escape_parser *parser;
	FILE *copy;
};

/*
 * Returns the go command's pattern for the packages of the module that a directory is in, relative to the directory:
 * "./../../...". What is in no module (GOPATH) is represented by what is below the directory. The caller frees it.
 */
static char *module_pattern(const char *directory)
{
	char *here = realpath(directory, NULL), *pattern = memory_text("./"), *end;
	bool found = false;

	for (size_t length = here ? strlen(here) : 0; !found && length; length = end ? (size_t)(end - here) : 0) {
		char *file = memory_format("%.*s/go.mod", (int)length, here), *outer;

		found = access(file, F_OK) == 0;
		free(file);
		here[length] = 0;
		end = strrchr(here, '/');
		if (found)
			break;
		outer = memory_format("%s../", pattern);
		free(pattern);
		pattern = outer;
	}
	free(here);
	here = memory_format("%s...", found ? pattern : "./");
	free(pattern);
	return here;
}

/* go list -export [-gcflags=./...=-m=2 ...] -gcflags=[all=]-m=2 ... FLAGS -- PACKAGES. The last flag that matches a package
 * decides. The caller frees the vector and its gcflags. */
static const char **command_of(const struct escape_build *build, char *gcflags[2])
{
	static const char *const plain[] = {"go", NULL};
	const char *const *go = build->go ? build->go : plain;
	char *module = build->module_of ? module_pattern(build->module_of) : NULL;
	int length = 0;
	int64_t unique = wall_ns();
	const char **words;

	while (go[length])
		length++;
	words = memory_zeroed((size_t)(length + build->flag_count + build->package_count) + 9, sizeof(*words));
	/* Makes the cache key unique: the rate of a memory profile that is not requested, an option that exists since Go 1.5. */
	gcflags[0] = memory_format("-gcflags=%s%s%s-m=2 -memprofilerate=%" PRId64, build->dependencies ? "all=" : "",
				   build->compiler_flags ? build->compiler_flags : "", build->compiler_flags ? " " : "",
				   unique);
	gcflags[1] = module ? memory_format("-gcflags=%s=-m=2 -memprofilerate=%" PRId64, module, unique) : NULL;
	free(module);
	memcpy(words, go, (size_t)length * sizeof(*words));
	words[length++] = "list";
	words[length++] = "-export";
	words[length++] = "-f={{.ImportPath}}";
	if (gcflags[1])
		words[length++] = gcflags[1];
	words[length++] = gcflags[0];
	for (int i = 0; i < build->flag_count; i++)
		words[length++] = build->flags[i];
	words[length++] = "--";
	for (int i = 0; i < build->package_count; i++)
		words[length++] = build->packages[i];
	return words;
}

static void take(void *context, bool error_stream, const char *bytes, size_t length)
{
	struct reader *reader = context;

	if (!error_stream)
		return;
	escape_parser_feed(reader->parser, bytes, length);
	if (reader->copy)
		fwrite(bytes, 1, length, reader->copy);
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
	struct subprocess command = *build->as;
	struct reader reader = {escape_parser_new(), build->copy};
	struct escape_output *output;
	char *gcflags[2];
	const char **words = command_of(build, gcflags);
	struct error failure;
	int status;

	command.words = words;
	command.take = take;
	command.context = &reader;
	status = subprocess_run(&command, &failure);
	output = escape_parser_finish(reader.parser);
	if (status == SUBPROCESS_NO_PROGRAM)
		error_set(error, STATUS_CANNOT_MEASURE, "%s; name the go command with --go", failure.text);
	else if (status < 0)
		*error = failure;
	else if (status)
		describe_failure(output, status, error);
	else if (!output->annotation_count)
		error_set(error, STATUS_USAGE, "the compiler printed nothing about these packages");
	free(words);
	free(gcflags[0]);
	free(gcflags[1]);
	if (status == 0 && output->annotation_count)
		return output;
	escape_free(output);
	return NULL;
}
