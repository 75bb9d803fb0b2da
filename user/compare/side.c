/* SPDX-License-Identifier: BSD-2-Clause */
#include "compare/side.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "compare/go_line.h"
#include "compare/overlay.h"
#include "escape/escape_build.h"
#include "escape/escape_functions.h"
#include "gate/go_test.h"
#include "target/go_command.h"

static void add_variable(struct compare_side *side, char *text)
{
	for (int i = 0; i < SIDE_VARIABLES_MAX; i++) {
		if (!side->variables[i]) {
			side->variables[i] = text;
			return;
		}
	}
	free(text);
}

void compare_side_use_toolchain(struct compare_side *side, const char *directory)
{
	const char *path = getenv("PATH");

	add_variable(side, memory_format("PATH=%s:%s", directory, path ? path : "/usr/bin:/bin"));
	add_variable(side, memory_text("GOTOOLCHAIN=local"));
	add_variable(side, memory_text("GOROOT")); /* unset: the go command finds its own */
}

struct start_place compare_side_place(const struct compare_side *side)
{
	return (struct start_place){side->directory, (const char *const *)side->variables};
}

static struct subprocess command_of(const struct compare_side *side, const struct workspace *workspace,
				    const char *const *words)
{
	struct subprocess process = workspace_command(workspace, words);

	process.place = compare_side_place(side);
	return process;
}

static void show(void *context, bool error_stream, const char *bytes, size_t length)
{
	(void)context;
	(void)error_stream;
	fwrite(bytes, 1, length, stderr);
}

/* Runs a command and shows its output on standard error. */
static int run_shown(const struct compare_side *side, const struct workspace *workspace, const char *const *words,
		     const char *what, struct error *error)
{
	struct subprocess process = command_of(side, workspace, words);
	int status;

	process.take = show;
	status = subprocess_run(&process, error);
	if (status < 0)
		return -1;
	if (workspace->stop && *workspace->stop)
		return workspace_interrupted(error);
	return status ? error_set(error, STATUS_CANNOT_MEASURE, "%s: %s failed", side->name, what) : 0;
}

static char *keep(struct compare_side *side, char *text)
{
	int count = 0;

	while (side->made && side->made[count])
		count++;
	side->made = memory_resize(side->made, (size_t)count + 2, sizeof(*side->made));
	side->made[count] = text;
	side->made[count + 1] = NULL;
	return text;
}

/* The flags of the line, and the overlay. The caller frees the array. */
static const char **flags_of(struct compare_side *side, const struct go_line *line, bool tests, int *count)
{
	const char **flags = memory_zeroed((size_t)line->flag_count + 3, sizeof(*flags));

	*count = line->flag_count;
	memcpy(flags, line->flags, (size_t)line->flag_count * sizeof(*flags));
	if (tests)
		flags[(*count)++] = "-test";
	if (side->overlay)
		flags[(*count)++] = keep(side, memory_format("-overlay=%s", side->overlay));
	return flags;
}

/* Runs the compiler. This is the build, which fails if the program does not compile. */
static int ask_compiler(struct compare_side *side, const struct workspace *workspace, const struct go_line *line,
			struct error *error)
{
	struct subprocess as = command_of(side, workspace, NULL);
	const char *top = side->directory ? side->directory : ".", *below = line->directory ? line->directory : "";
	char *directory = *below == '/' ? memory_text(below) : memory_format("%s/%s", top, below);
	struct escape_build build = {.go = line->go,
				     .as = &as,
				     .packages = line->packages,
				     .package_count = line->package_count,
				     .compiler_flags = line->compiler_flags,
				     .module_of = directory};
	const char **flags = flags_of(side, line, !line->runs, &build.flag_count);
	char *said = NULL;
	size_t length;

	build.flags = flags;
	build.copy = open_memstream(&said, &length);
	if (!build.copy)
		memory_out();
	side->escape = escape_build(&build, error);
	fclose(build.copy);
	if (side->escape)
		escape_name_functions(side->escape, top);
	if (side->escape && side->overlay)
		overlay_name_originals(side->overlay, directory, side->escape);
	free(directory);
	free(flags);
	if (workspace->stop && *workspace->stop) {
		workspace_interrupted(error);
	} else if (!side->escape && error->status == STATUS_CANNOT_MEASURE) {
		fwrite(said, 1, length, stderr);
		error_set(error, STATUS_CANNOT_MEASURE, "%s does not build: its output is above", side->name);
	}
	free(said);
	if (workspace->stop && *workspace->stop)
		return -1;
	if (!side->escape &&
	    error->status != STATUS_USAGE) /* STATUS_USAGE: the compiler printed nothing, which is not a failure */
		return -1;
	return 0;
}

static char **words_of(char *const *words, int count)
{
	char **copy = memory_zeroed((size_t)count + 2, sizeof(*copy));

	memcpy(copy, words, (size_t)count * sizeof(*copy));
	return copy;
}

static int count_words(char *const *words)
{
	int count = 0;

	while (words[count])
		count++;
	return count;
}

/* Sets the side's words to the user's `go test`, with the overlay and the flags that a gate adds. */
static void prepare_test(struct compare_side *side, const struct go_line *line, char *const *words)
{
	int count = count_words(words), at = line->subcommand;
	char **with_overlay = words_of(words, count);

	if (side->overlay) {
		memmove(with_overlay + at + 2, with_overlay + at + 1, (size_t)(count - at) * sizeof(*with_overlay));
		with_overlay[at + 1] = keep(side, memory_format("-overlay=%s", side->overlay));
	}
	side->words = go_test_command(with_overlay);
	free(with_overlay);
}

/* Replaces `go run` by `go build`, and sets the side's words to the binary, because the go command itself is not to
 * be measured. */
static int build_program(struct compare_side *side, const struct workspace *workspace, const struct go_line *line,
			 struct error *error)
{
	int go_count = count_words((char *const *)line->go), flag_count, to = 0, count = count_words(line->arguments);
	const char **flags = flags_of(side, line, false, &flag_count), **words;
	char name[32], *binary;
	int failed;

	snprintf(name, sizeof(name), "program%d", side->number);
	binary = keep(side, workspace_path(workspace, name));
	words = memory_zeroed((size_t)(go_count + flag_count + line->package_count) + 6, sizeof(*words));
	memcpy(words, line->go, (size_t)go_count * sizeof(*words));
	to = go_count;
	words[to++] = "build";
	words[to++] = "-o";
	words[to++] = binary;
	for (int i = 0; i < flag_count; i++)
		words[to++] = flags[i];
	if (line->compiler_flags)
		words[to++] = keep(side, memory_format("-gcflags=%s", line->compiler_flags));
	words[to++] = "--";
	for (int i = 0; i < line->package_count; i++)
		words[to++] = line->packages[i];
	failed = run_shown(side, workspace, words, "the build", error);
	free(words);
	free(flags);
	side->words = memory_zeroed((size_t)(line->go_word + count) + 6, sizeof(*side->words));
	for (to = 0; to < line->go_word; to++)
		side->words[to] = (char *)line->go[to];
	if (line->directory) { /* go run -C starts the program there */
		side->words[to++] = (char *)"env";
		side->words[to++] = (char *)"-C";
		side->words[to++] = (char *)line->directory;
	}
	side->words[to++] = binary;
	memcpy(side->words + to, line->arguments, (size_t)count * sizeof(*side->words));
	return failed;
}

int compare_side_build(struct compare_side *side, const struct workspace *workspace, char *const *words,
		       const char *script, struct error *error)
{
	struct go_line *line = script ? NULL : go_line_read(words);
	const char *const shell[] = {"sh", "-c", script, NULL};
	int failed;

	if (!line) {
		side->words = go_test_command((char **)words);
		return script ? run_shown(side, workspace, shell, "the build", error) : 0;
	}
	failed = ask_compiler(side, workspace, line, error);
	if (!failed && line->runs)
		failed = build_program(side, workspace, line, error);
	else if (!failed)
		prepare_test(side, line, words);
	go_line_free(line);
	return failed;
}

int compare_side_test(const struct compare_side *side, const struct workspace *workspace, char *const *words,
		      struct error *error)
{
	struct go_line *line = go_line_read(words);
	const char **command;
	char *overlay;
	int count, failed;

	if (!line)
		return error_set(error, STATUS_USAGE,
				 "--test runs go test: the program must be given as go test or go run");
	count = count_words((char *const *)line->go);
	command = memory_zeroed((size_t)(count + line->flag_count) + 6, sizeof(*command));
	memcpy(command, line->go, (size_t)count * sizeof(*command));
	command[count++] = "test";
	for (int i = 0; i < line->flag_count; i++)
		command[count++] = line->flags[i];
	overlay = memory_format("-overlay=%s", side->overlay ? side->overlay : "");
	if (side->overlay)
		command[count++] = overlay;
	command[count++] = "./...";
	failed = run_shown(side, workspace, command, "go test ./...", error);
	free(overlay);
	free(command);
	go_line_free(line);
	return failed;
}

struct traced {
	struct gc_trace *gc;
	bool error_stream; /* on which of its outputs the process writes the lines */
};

static void take_trace(void *context, bool error_stream, const char *bytes, size_t length)
{
	struct traced *traced = context;

	if (error_stream == traced->error_stream)
		gc_trace_read(traced->gc, bytes, length);
}

int compare_side_trace(struct compare_side *side, const struct workspace *workspace, struct error *error)
{
	const char *old = getenv("GODEBUG");
	char *variable = memory_format("GODEBUG=%s%sgctrace=1", old ? old : "", old && *old ? "," : "");
	const char *variables[SIDE_VARIABLES_MAX + 2] = {NULL};
	struct subprocess process = command_of(side, workspace, (const char *const *)side->words);
	/* go test copies the output of its test binaries to standard output; its standard error has the go command's
	 * own lines */
	struct traced traced = {&side->gc, go_command_find((const char *const *)side->words, "test") < 0};
	int status, count = 0;

	for (; side->variables[count]; count++)
		variables[count] = side->variables[count];
	variables[count] = variable;
	process.place.environment = variables;
	process.take = take_trace;
	process.context = &traced;
	status = subprocess_run(&process, error);
	free(variable);
	if (status < 0)
		return -1;
	if (workspace->stop && *workspace->stop)
		return workspace_interrupted(error);
	gc_trace_end(&side->gc);
	return 0;
}

void compare_side_clear(struct compare_side *side)
{
	free(side->name);
	free(side->directory);
	free(side->overlay);
	for (int i = 0; i < SIDE_VARIABLES_MAX; i++)
		free(side->variables[i]);
	for (int i = 0; side->made && side->made[i]; i++)
		free(side->made[i]);
	free(side->made);
	free(side->words);
	escape_free(side->escape);
	gate_counts_free(side->counts);
	*side = (struct compare_side){0};
}
