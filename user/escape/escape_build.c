/* SPDX-License-Identifier: BSD-2-Clause */
#include "escape/escape_build.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "escape/escape_parser.h"
#include "base/memory.h"

struct reader {
	struct escape_parser *parser;
	FILE *copy;
};

/* go list -export -gcflags=[all=]-m=2 ... FLAGS -- PACKAGES. The caller frees the vector and its gcflags. */
static const char **command_of(const struct escape_build *build, char **gcflags)
{
	static const char *const plain[] = {"go", NULL};
	const char *const *go = build->go ? build->go : plain;
	int length = 0;
	const char **words;

	while (go[length])
		length++;
	words = memory_zeroed((size_t)(length + build->flag_count + build->package_count) + 8, sizeof(*words));
	/* Makes the cache key unique: the rate of a memory profile that is not requested, an option that exists since Go 1.5. */
	*gcflags = memory_format("-gcflags=%s%s%s-m=2 -memprofilerate=%" PRId64, build->dependencies ? "all=" : "",
				 build->compiler_flags ? build->compiler_flags : "", build->compiler_flags ? " " : "",
				 wall_ns());
	memcpy(words, go, (size_t)length * sizeof(*words));
	words[length++] = "list";
	words[length++] = "-export";
	words[length++] = "-f={{.ImportPath}}";
	words[length++] = *gcflags;
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
	struct subprocess command = build->as ? *build->as : (struct subprocess){0};
	struct reader reader = {escape_parser_new(), build->copy};
	struct escape_output *output;
	char *gcflags;
	const char **words = command_of(build, &gcflags);
	struct error failure;
	int status;

	command.words = words;
	command.take = take;
	command.context = &reader;
	status = subprocess_run(&command, &failure);
	output = escape_parser_finish(reader.parser);
	if (status < 0)
		error_set(error, STATUS_CANNOT_MEASURE, "%s; name the go command with --go", failure.text);
	else if (status)
		describe_failure(output, status, error);
	else if (!output->annotation_count)
		error_set(error, STATUS_USAGE, "the compiler printed nothing about these packages");
	free(words);
	free(gcflags);
	if (status == 0 && output->annotation_count)
		return output;
	escape_free(output);
	return NULL;
}
