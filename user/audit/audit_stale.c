/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/audit_stale.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "audit/audit_calls.h"
#include "audit/audit_program.h"
#include "profile/frames.h"

/* A function that allocates: where it begins by the program and by the compiler output. */
struct function {
	const char *file; /* as in the output */
	const char *name; /* without its package */
	uint32_t line;
	uint32_t said; /* its line in the output, if different; else 0 */
	bool fits;
};

struct functions {
	struct function *list;
	size_t count;
};

/* From this release on the compiler says for appends whether they escape. */
enum { APPEND_RELEASE = 25, LEAST_MISSING = 3 };

static int by_name(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Closures and instantiated generics have no line of their own in the output. */
static bool is_comparable(const struct audit_row *row)
{
	const char *name = row->site.function;

	return name && row->site.start_line && row->file && row->file != row->site.file && !strchr(name, '[') &&
	       !strstr(name, ".func") && row->verdict != AUDIT_NOT_COVERED;
}

static struct functions collect(const struct audit *audit)
{
	struct functions functions = {memory_zeroed(audit->row_count + 1, sizeof(struct function)), 0};
	size_t unique = 0;

	for (size_t i = 0; i < audit->row_count; i++) {
		const struct audit_row *row = &audit->rows[i];

		if (is_comparable(row))
			functions.list[functions.count++] = (struct function){
				row->file, frames_local_name(row->site.function), row->site.start_line, 0, false};
	}
	qsort(functions.list, functions.count, sizeof(*functions.list), by_name);
	for (size_t i = 0; i < functions.count; i++) {
		if (!unique || by_name(&functions.list[unique - 1], &functions.list[i]) != 0)
			functions.list[unique++] = functions.list[i];
	}
	functions.count = unique;
	return functions;
}

static void compare(struct functions *functions, const struct escape_output *output)
{
	for (size_t i = 0; functions->count && i < output->annotation_count; i++) {
		const struct escape_annotation *annotation = &output->annotations[i];
		struct function key = {.file = annotation->file, .name = annotation->subject}, *found;

		if (annotation->kind != ESCAPE_CAN_INLINE && annotation->kind != ESCAPE_CANNOT_INLINE)
			continue;
		found = bsearch(&key, functions->list, functions->count, sizeof(key), by_name);
		if (!found)
			continue;
		if (annotation->line == found->line)
			found->fits = true;
		else
			found->said = annotation->line;
	}
}

/* "go1.24.4" -> 24; 0 if the program is not a Go program, or several releases built it. */
static int program_release(const struct profile *profile)
{
	int release = 0;

	for (size_t i = 0; i < profile->process_count; i++) {
		const char *runtime = profile->processes[i].runtime;
		int minor;

		if (!runtime || sscanf(runtime, "go1.%d", &minor) != 1 || (release && minor != release))
			return 0;
		release = minor;
	}
	return release;
}

/* Determines the release that wrote the output, from the directory of its standard library, and whether the output
 * mentions appends. */
static void output_release(const struct escape_output *output, int *release, bool *speaks_of_append)
{
	const char *last = NULL;

	*release = 0;
	*speaks_of_append = false;
	for (size_t i = 0; i < output->annotation_count; i++) {
		const struct escape_annotation *annotation = &output->annotations[i];
		const char *root;

		*speaks_of_append |= call_allocates(annotation) && strcmp(annotation->subject, "append") == 0;
		if (annotation->file == last || *release)
			continue;
		last = annotation->file;
		root = strstr(annotation->file, "/go-1.");
		root = root ? root + 6 : (root = strstr(annotation->file, "/go1.")) ? root + 5 : NULL;
		if (root && strstr(root, "/src/"))
			sscanf(root, "%d", release);
	}
}

static void say(FILE *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(FILE *text, const char *format, ...)
{
	va_list arguments;

	if (ftell(text) > 0)
		fputs("; ", text);
	va_start(arguments, format);
	vfprintf(text, format, arguments);
	va_end(arguments);
}

static void check_functions(const struct audit *audit, FILE *text)
{
	struct functions functions = collect(audit);
	const struct function *example = NULL;
	size_t moved = 0;

	compare(&functions, audit->output);
	for (size_t i = 0; i < functions.count; i++) {
		if (!functions.list[i].said || functions.list[i].fits)
			continue;
		moved++;
		example = &functions.list[i];
	}
	if (moved)
		say(text, "%zu function%s at another line (%s: %" PRIu32 " in the program, %" PRIu32 " in the output)",
		    moved, moved == 1 ? " begins" : "s begin", example->name, example->line, example->said);
	free(functions.list);
}

static void check_release(const struct audit *audit, FILE *text)
{
	int program = program_release(audit->profile), release;
	bool speaks_of_append, silent_append = false;

	if (!program)
		return;
	output_release(audit->output, &release, &speaks_of_append);
	for (size_t i = 0; i < audit->row_count; i++)
		silent_append |= audit->rows[i].verdict == AUDIT_UNANNOTATED && !audit->rows[i].inlined_count &&
				 call_family(audit->rows[i].runtime_call) == CALL_APPEND;
	if (release && release != program)
		say(text, "Go 1.%d built the program and the output is from Go 1.%d", program, release);
	else if (speaks_of_append && program < APPEND_RELEASE)
		say(text, "Go 1.%d built the program and the output is from Go 1.%d or newer", program, APPEND_RELEASE);
	else if (silent_append && !speaks_of_append && program >= APPEND_RELEASE)
		say(text, "Go 1.%d built the program and the output is from a release before Go 1.%d", program,
		    APPEND_RELEASE);
}

/* A wrapper that the compiler has made, such as that of a promoted method: what it says of that has no place in the source. */
static bool is_generated(const struct profile_frame *function)
{
	return function->file && strcmp(function->file, "<autogenerated>") == 0;
}

static void check_silence(const struct audit *audit, FILE *text)
{
	size_t silent = 0, uninlined = 0;

	for (size_t i = 0; i < audit->row_count; i++) {
		const struct audit_row *row = &audit->rows[i];
		const struct profile_frame *physical =
			row->inlined_count ? &row->inlined_at[row->inlined_count - 1] : &row->site;
		const struct call call = call_of(row->runtime_call, row->type);
		uint32_t own = row->annotation_count - row->linked_count;

		/* A file that the output does not have cannot have annotations. */
		if (row->verdict == AUDIT_UNANNOTATED && row->file != row->site.file &&
		    call_is_always_spoken_of(&call) && !(physical->function && strstr(physical->function, ".init")))
			silent++;
		/* The only annotation is at the callee's own line, although the compiler repeats it at an inlined
		 * call. */
		uninlined += row->verdict == AUDIT_ESCAPES && row->inlined_count && own && !is_generated(physical) &&
			     row->site.line != physical->line && row->annotations[0]->line == row->site.line;
	}
	if (silent)
		say(text, "%zu allocation%s that it would have mentioned", silent, silent == 1 ? "" : "s");
	if (uninlined)
		say(text, "%zu allocation%s inlined in the program and not in the output (was it made with -l?)",
		    uninlined, uninlined == 1 ? " is" : "s are");
}

/* The linker removes functions that nothing calls. Therefore missing functions alone are evidence only if there are
 * several, and most of those of package main. */
static void check_program(const struct audit_program *program, FILE *text)
{
	if (!program->compared)
		return;
	if (!program->packages)
		say(text, "none of its packages is in the program");
	if (program->elsewhere)
		say(text,
		    "%zu function%s in another file, as with other build tags (%s: %s in the program, %s in the output)",
		    program->elsewhere, program->elsewhere == 1 ? " is" : "s are", program->elsewhere_name,
		    program->elsewhere_file, program->elsewhere_said);
	if (program->unknown)
		say(text, "%zu function%s of the program %s not in it (%s)", program->unknown,
		    program->unknown == 1 ? "" : "s", program->unknown == 1 ? "is" : "are", program->unknown_name);
	if (program->missing && (ftell(text) > 0 || (program->main_missing >= LEAST_MISSING &&
						     2 * program->main_missing > program->main_spoken_of)))
		say(text, "%zu of %zu functions in it that move something to the heap %s not in the program (%s)",
		    program->missing, program->spoken_of, program->missing == 1 ? "is" : "are", program->missing_name);
}

char *audit_stale(const struct audit *audit, const struct audit_program *program, const char *uncovered)
{
	char *findings = NULL, *sentence = NULL;
	size_t size = 0;
	FILE *text = open_memstream(&findings, &size);

	if (!text)
		memory_out();
	check_functions(audit, text);
	check_program(program, text);
	check_release(audit, text);
	check_silence(audit, text);
	if (uncovered && ftell(text) > 0)
		say(text, "it says %s", uncovered);
	if (fclose(text))
		memory_out();
	if (size)
		sentence = memory_format("the compiler output does not match the program: %s; create it again from the "
					 "same sources with the same go command and flags: %s",
					 findings, program->command);
	free(findings);
	return sentence;
}
