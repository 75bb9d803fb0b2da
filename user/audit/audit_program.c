/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/audit_program.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/command_line.h"
#include "base/memory.h"
#include "audit/audit_calls.h"
#include "audit/pathname.h"
#include "profile/frames.h"
#include "symbols/go_binary.h"
#include "target/go_versions.h"

enum { PACKAGE_MAX = 4096 };

/* A function in the output. */
struct spoken {
	const char *package, *name; /* name: without its package */
	const char *file;	    /* NULL if it is said to be in several */
	bool heap;		    /* it has heap moves */
	bool found;		    /* in the program */
};

struct package {
	const char *path;
	bool complete; /* the output says for every function whether it can be inlined */
	bool linked;   /* the program has functions of this package */
};

struct comparison {
	const struct go_binary *binary;
	const char *main_path; /* import path of the program's package main; not terminated */
	size_t main_length;
	struct package *packages; /* by path */
	size_t package_count;
	struct spoken *spoken; /* by package, then name */
	size_t spoken_count;
};

static void *must(void *memory)
{
	if (!memory)
		memory_out();
	return memory;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct package *)a)->path, ((const struct package *)b)->path);
}

static int by_name(const void *a, const void *b)
{
	const struct spoken *x = a, *y = b;

	if (x->package != y->package) /* interned */
		return x->package < y->package ? -1 : 1;
	return strcmp(x->name, y->name);
}

static bool is_numbered(const char *name, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(name, prefix, length) == 0 && isdigit((unsigned char)name[length]);
}

/* Whether the name is that of a function or method in the source. */
static bool is_plain(const char *name)
{
	const char *dot = strrchr(name, '.'), *method = dot ? dot + 1 : name;

	if (strchr(name, '[') || strchr(name, '-') || strchr(name, ' ') || strncmp(name, "_cgo", 4) == 0 ||
	    strncmp(name, "_C", 2) == 0 || strncmp(name, "C.", 2) == 0 ||
	    strcmp(name, "init") == 0) /* cgo's: Go 1.27 says C.f */
		return false;
	if (dot && name[0] != '(' && strchr(name, '.') != dot)
		return false;
	return *method && !isdigit((unsigned char)*method) && !is_numbered(method, "func") &&
	       !is_numbered(method, "gowrap") && !is_numbered(method, "deferwrap");
}

/* ---- functions in the output ---- */

static struct package *package_at(const struct comparison *comparison, const char *path)
{
	struct package key = {.path = path};

	return bsearch(&key, comparison->packages, comparison->package_count, sizeof(key), by_path);
}

static void collect_packages(struct comparison *comparison, const struct escape_output *output)
{
	comparison->packages = must(memory_zeroed(output->package_count + 1, sizeof(*comparison->packages)));
	for (size_t i = 0; i < output->package_count; i++)
		comparison->packages[comparison->package_count++] = (struct package){.path = output->packages[i]};
	qsort(comparison->packages, comparison->package_count, sizeof(*comparison->packages), by_path);
}

static void add_spoken(struct spoken *sum, const struct spoken *other)
{
	sum->heap |= other->heap;
	if (sum->file != other->file) /* interned */
		sum->file = NULL;
}

static void collect_functions(struct comparison *comparison, const struct escape_output *output)
{
	const char *last_package = NULL;
	struct package *package = NULL;
	size_t capacity = 0, unique = 0;

	for (size_t i = 0; i < output->annotation_count; i++) {
		const struct escape_annotation *annotation = &output->annotations[i];
		bool names = (annotation->kind == ESCAPE_CAN_INLINE || annotation->kind == ESCAPE_CANNOT_INLINE) &&
			     annotation->function == annotation->subject;
		bool heap = call_allocates(annotation) && annotation->kind != ESCAPE_DOES_NOT_ESCAPE;

		if (!annotation->package || !annotation->function || (!names && !heap) ||
		    !is_plain(annotation->function))
			continue;
		if (annotation->package != last_package)
			package = package_at(comparison, last_package = annotation->package);
		package->complete |= names && annotation->kind == ESCAPE_CANNOT_INLINE;
		if (comparison->spoken_count == capacity) {
			capacity = capacity ? 2 * capacity : 256;
			comparison->spoken =
				must(memory_resize(comparison->spoken, capacity, sizeof(*comparison->spoken)));
		}
		comparison->spoken[comparison->spoken_count++] =
			(struct spoken){annotation->package, annotation->function, annotation->file, heap, false};
	}
	if (comparison->spoken_count)
		qsort(comparison->spoken, comparison->spoken_count, sizeof(*comparison->spoken), by_name);
	for (size_t i = 0; i < comparison->spoken_count; i++) {
		struct spoken *spoken = &comparison->spoken[i];

		if (unique && by_name(&comparison->spoken[unique - 1], spoken) == 0)
			add_spoken(&comparison->spoken[unique - 1], spoken);
		else
			comparison->spoken[unique++] = *spoken;
	}
	comparison->spoken_count = unique;
}

/* ---- functions in the program ---- */

/* Returns the package of a symbol of the program, NULL if the output does not have it. */
static struct package *package_of(const struct comparison *comparison, const char *symbol)
{
	char path[PACKAGE_MAX];
	struct package *found = NULL;

	if (!frames_package(symbol, path, sizeof(path)))
		return NULL;
	if (strcmp(path, "main") == 0 && comparison->main_length < sizeof(path)) {
		found = package_at(comparison, path); /* an optimisation log has no other name for it */
		memcpy(path, comparison->main_path, comparison->main_length);
		path[comparison->main_length] = 0;
	}
	return found ? found : package_at(comparison, path);
}

static struct spoken *spoken_of(const struct comparison *comparison, const struct package *package, const char *symbol)
{
	struct spoken key = {.package = package->path, .name = frames_local_name(symbol)};

	return comparison->spoken_count
		       ? bsearch(&key, comparison->spoken, comparison->spoken_count, sizeof(key), by_name)
		       : NULL;
}

static bool is_main(const struct comparison *comparison, const char *path)
{
	return strcmp(path, "main") == 0 ||
	       (strncmp(path, comparison->main_path, comparison->main_length) == 0 && !path[comparison->main_length]);
}

/* Whether the package is not in the standard library. */
static bool is_own(const struct comparison *comparison, const char *path)
{
	size_t module = comparison->binary->module ? strlen(comparison->binary->module) : 0;

	return !go_version_is_standard(path, strlen(path)) || is_main(comparison, path) ||
	       (module && strncmp(path, comparison->binary->module, module) == 0 &&
		(path[module] == '/' || !path[module]));
}

/* Returns the file that a function was compiled from; NULL if that is not a Go file, or a test: the compiler may have
 * generated the function, or it is assembly. */
static const char *source_of(const struct comparison *comparison, uint64_t entry)
{
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];
	size_t count = gopclntab_lookup(comparison->binary->symbols, entry, frames);
	const char *file = count ? frames[count - 1].file : NULL;
	size_t length = file ? strlen(file) : 0;
	bool found = length > 3 && strcmp(file + length - 3, ".go") == 0 &&
		     !(length > 8 && strcmp(file + length - 8, "_test.go") == 0) && !strstr(file, "_testmain.go");

	return found ? file : NULL;
}

static void name_it(char *buffer, size_t size, const char *package, const char *name)
{
	snprintf(buffer, size, "%s.%s", package, name);
}

/* The output may be of a compiler on another system. */
static const char *file_name(const char *path)
{
	const char *base = pathname_base(path), *backslash = strrchr(base, '\\');

	return backslash ? backslash + 1 : base;
}

/* Takes a function that both sides have. */
static void take_common(struct spoken *spoken, const char *file, struct audit_program *result)
{
	spoken->found = true;
	if (!file || !spoken->file || strcmp(file_name(file), file_name(spoken->file)) == 0)
		return;
	result->elsewhere++;
	name_it(result->elsewhere_name, sizeof(result->elsewhere_name), spoken->package, spoken->name);
	snprintf(result->elsewhere_file, sizeof(result->elsewhere_file), "%s", file_name(file));
	snprintf(result->elsewhere_said, sizeof(result->elsewhere_said), "%s", file_name(spoken->file));
}

static void look_up_functions(struct comparison *comparison, struct audit_program *result)
{
	const struct gopclntab *symbols = comparison->binary->symbols;
	struct go_function function;

	for (uint32_t i = 0; i < gopclntab_function_count(symbols); i++) {
		struct package *package;
		struct spoken *spoken;
		const char *name;

		if (!gopclntab_function(symbols, i, &function) || !(package = package_of(comparison, function.name)))
			continue;
		package->linked = true;
		spoken = spoken_of(comparison, package, function.name);
		if (spoken)
			take_common(spoken,
				    is_own(comparison, package->path) ? source_of(comparison, function.entry) : NULL,
				    result);
		name = frames_local_name(function.name);
		if (spoken || !package->complete || !is_plain(name) || !is_own(comparison, package->path) ||
		    !source_of(comparison, function.entry))
			continue;
		result->unknown++;
		name_it(result->unknown_name, sizeof(result->unknown_name), package->path, name);
	}
}

static bool mark_inlined(const char *name, void *context)
{
	const struct comparison *comparison = context;
	const struct package *package = package_of(comparison, name);
	struct spoken *spoken = package ? spoken_of(comparison, package, name) : NULL;

	if (spoken)
		spoken->found = true;
	return true;
}

static void count_missing(struct comparison *comparison, struct audit_program *result)
{
	const struct gopclntab *symbols = comparison->binary->symbols;
	uint64_t steps = GOPCLNTAB_WALK_STEPS;

	for (uint32_t i = 0; i < gopclntab_function_count(symbols); i++)
		gopclntab_inlined(symbols, i, &steps, mark_inlined, comparison);
	for (size_t i = 0; i < comparison->spoken_count; i++) {
		const struct spoken *spoken = &comparison->spoken[i];
		bool in_main = is_main(comparison, spoken->package);

		if (!spoken->heap || !is_own(comparison, spoken->package) ||
		    !package_at(comparison, spoken->package)->linked)
			continue;
		result->spoken_of++;
		result->main_spoken_of += in_main;
		if (spoken->found)
			continue;
		result->missing++;
		result->main_missing += in_main;
		name_it(result->missing_name, sizeof(result->missing_name), spoken->package, spoken->name);
	}
	for (size_t i = 0; i < comparison->package_count; i++)
		result->packages += comparison->packages[i].linked;
}

/* ---- finding the program ---- */

/* Our recordings have Go's build id; profiles that Go programs write have the GNU one. */
static bool is_build(const struct go_binary *binary, const char *build_id)
{
	return (binary->build_id && strcmp(binary->build_id, build_id) == 0) ||
	       (binary->gnu_build_id && strcasecmp(binary->gnu_build_id, build_id) == 0);
}

/* Opens the measured program again; NULL if no process names it, or another file is in its place now. */
static struct go_binary *open_measured(const struct profile *profile)
{
	for (size_t i = 0; i < profile->process_count; i++) {
		const struct profile_process *process = &profile->processes[i];
		struct go_binary *binary;

		if (!process->executable || !process->build_id)
			continue;
		binary = go_binary_open(process->executable, NULL);
		if (binary && is_build(binary, process->build_id))
			return binary;
		go_binary_close(binary);
	}
	return NULL;
}

/* Build settings that are build constraints as well, and so decide which files are compiled. */
static const struct constraint {
	const char *name;
	const char *usual; /* the value without which the setting need not be said; NULL: it is always said */
	bool variable;	   /* of the environment; else an option, of which the value is "true" */
} constraints[] = {
	{"CGO_ENABLED", "1", true}, {"GOARCH", NULL, true},    {"GOOS", NULL, true},
	{"GOAMD64", "v1", true},    {"GOARM64", "v8.0", true}, {"GOEXPERIMENT", "", true},
	{"-race", "false", false},  {"-msan", "false", false}, {"-asan", "false", false},
};

/* Appends the program's constraints to a command's words. Returns the new number of words. */
static size_t constrain(const struct go_binary *binary, bool variables, char **words, size_t count)
{
	char value[256];

	for (size_t i = 0; i < sizeof(constraints) / sizeof(constraints[0]); i++) {
		const struct constraint *setting = &constraints[i];

		if (setting->variable != variables || !go_binary_setting(binary, setting->name, value, sizeof(value)) ||
		    (setting->usual && strcmp(value, setting->usual) == 0))
			continue;
		words[count++] = variables ? memory_format("%s=%s", setting->name, value) : memory_text(setting->name);
	}
	return count;
}

/* Returns the program's build tags; NULL if it has none. */
static char *tags_of(const struct go_binary *binary)
{
	size_t size = binary->build_info ? strlen(binary->build_info) + 1 : 1;
	char *tags = memory_zeroed(size, 1);

	if (go_binary_setting(binary, "-tags", tags, size) && *tags)
		return tags;
	free(tags);
	return NULL;
}

/* Returns the command that has the compiler speak of the same files; a general one if the program is not known. */
static char *command_of(const struct go_binary *binary, const char *flags, bool *tagged)
{
	enum { WORDS = sizeof(constraints) / sizeof(constraints[0]) + 5 };
	char *words[WORDS + 1] = {0}, *tags = binary ? tags_of(binary) : NULL, *line, *command;
	size_t count = binary ? constrain(binary, true, words, 0) : 0;

	words[count++] = memory_text("go");
	words[count++] = memory_text("build");
	*tagged = tags != NULL;
	if (tags)
		words[count++] = memory_format("-tags=%s", tags);
	count = binary ? constrain(binary, false, words, count) : count;
	words[count++] = memory_text(flags);
	words[count] = memory_text("./...");
	line = command_line_text((const char *const *)words);
	command = memory_format("%s 2> FILE", line);
	for (size_t i = 0; i <= count; i++)
		free(words[i]);
	free(tags);
	free(line);
	return command;
}

void audit_program_clear(struct audit_program *result)
{
	free(result->command);
	free(result->command_all);
}

void audit_program_compare(const struct audit *audit, struct audit_program *result)
{
	struct go_binary *binary = open_measured(audit->profile);
	struct comparison comparison = {.binary = binary};
	const char *path;

	*result = (struct audit_program){0};
	result->command = command_of(binary, "-gcflags=-m=2", &result->tagged);
	result->command_all = command_of(binary, "-gcflags=all=-m=2", &result->tagged);
	if (!binary || !audit->output->package_count)
		goto done;
	path = binary->build_info ? strstr(binary->build_info, "path\t") : NULL;
	comparison.main_path = path ? path + strlen("path\t") : "main";
	comparison.main_length = strcspn(comparison.main_path, "\t\n");
	collect_packages(&comparison, audit->output);
	collect_functions(&comparison, audit->output);
	look_up_functions(&comparison, result);
	count_missing(&comparison, result);
	result->compared = true;
	free(comparison.packages);
	free(comparison.spoken);
done:
	go_binary_close(binary);
}
