/* SPDX-License-Identifier: BSD-2-Clause */
#include "escape/escape_files.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/hash_index.h"
#include "base/memory.h"
#include "base/pointer_map.h"
#include "base/string_table.h"
#include "escape/escape_facts.h"
#include "escape/escape_functions.h"
#include "escape/escape_parser.h"

/* What follows from it, and what to do. */
#define UNKNOWN "so nobody knows which lines are about which file. "
#define APART                                                                                                                 \
	UNKNOWN "Give each command an output of its own (or let make keep them apart: make --output-sync), and the whole of " \
		"it: a filter takes away what tells packages apart"
#define ONE                                                                                                                     \
	UNKNOWN "Keep only the output of the build that is measured, and of each command that runs at the same time an output " \
		"of its own (make --output-sync)"

enum { COLUMN_MAX = 255 /* before Go 1.26 the compiler limits columns to this */ };

/* A file below the header of a package. */
struct pair {
	const char *file, *package;  /* interned */
	bool declares, instantiates; /* functions of its own; of another package */
	bool owns;
	const char *renamed; /* NULL: it keeps its name */
};

struct settling {
	struct escape_output *output;
	struct pair *pairs;
	size_t count, capacity;
	struct hash_index by_content; /* pairs, + 1 */
	struct pointer_map alike;     /* packages that have a file in a directory of their name */
};

const char *escape_instance_dot(const char *subject)
{
	const char *bracket = strchr(subject, '['), *dot = strchr(subject, '.');

	return bracket && dot && dot < bracket && subject[0] != '(' ? dot : NULL;
}

bool escape_is_declaration(const struct escape_annotation *annotation)
{
	return (annotation->kind == ESCAPE_CAN_INLINE || annotation->kind == ESCAPE_CANNOT_INLINE) &&
	       annotation->package && annotation->file[0] != '<' &&
	       !annotation->subject[escape_declared_function(annotation->subject)];
}

/* ---- files below headers ---- */

static bool is_relative(const char *file)
{
	return file[0] != '/' && file[0] != '<' && file[0] != '$' && file[0] && file[1] != ':';
}

static bool is_separator(char c)
{
	return c == '/' || c == '\\';
}

static const char *base_of(const char *file)
{
	const char *base = file + strlen(file);

	while (base > file && !is_separator(base[-1]))
		base--;
	return base;
}

/* Whether the file's directory, as printed, is the end of the package's path. */
static bool is_in_directory_of(const char *file, const char *package)
{
	size_t length, whole = strlen(package);

	while (file[0] == '.' && file[1] == '.' && is_separator(file[2]))
		file += 3;
	length = (size_t)(base_of(file) - file);
	if (length < 2 || --length > whole)
		return false;
	for (size_t i = 0; i < length; i++) {
		char c = package[whole - length + i];

		if (c != file[i] && !(c == '/' && is_separator(file[i])))
			return false;
	}
	return length == whole || package[whole - length - 1] == '/';
}

static bool same_pair(const void *pairs, uint64_t item, const void *key)
{
	const struct pair *a = (const struct pair *)pairs + item - 1;
	const struct escape_annotation *b = key;

	return a->file == b->file && a->package == b->package;
}

static uint64_t pair_hash(const struct escape_annotation *annotation)
{
	return hash_fold((uintptr_t)annotation->file, (uintptr_t)annotation->package);
}

static struct pair *pair_at(struct settling *settling, const struct escape_annotation *annotation)
{
	uint64_t *item =
		hash_index_at(&settling->by_content, pair_hash(annotation), same_pair, settling->pairs, annotation);

	if (!*item) {
		settling->pairs =
			array_reserve(settling->pairs, settling->count, &settling->capacity, sizeof(*settling->pairs));
		settling->pairs[settling->count++] =
			(struct pair){.file = annotation->file, .package = annotation->package};
		*item = settling->count;
		if (is_in_directory_of(annotation->file, annotation->package))
			*pointer_map_at(&settling->alike, annotation->package) = 1;
	}
	return &settling->pairs[*item - 1];
}

static bool has_pair(const struct escape_annotation *annotation)
{
	return annotation->file && annotation->package && is_relative(annotation->file) &&
	       strcmp(annotation->package, "command-line-arguments") != 0 && !escape_of_generated_main(annotation);
}

/* Whether the message is about a variable of a function of another package, "sub.x": variables of a package's own functions have
 * no dot. It stands in that function, of which there is an instance here, or where a call of it was inlined. */
static bool names_foreign_variable(const struct escape_annotation *annotation)
{
	const char *dot =
		annotation->kind == ESCAPE_MOVED_TO_HEAP || (annotation->kind >= ESCAPE_LEAKING_PARAM &&
							     annotation->kind <= ESCAPE_LEAKING_PARAM_TO_RESULT)
			? strchr(annotation->subject, '.')
			: NULL;

	return dot && dot > annotation->subject && !strchr(annotation->subject, '#');
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);

	return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static bool same_place(const void *annotations, uint64_t item, const void *key)
{
	const struct escape_annotation *a = (const struct escape_annotation *)annotations + item - 1, *b = key;

	return a->line == b->line && a->column == b->column && a->file == b->file && a->package == b->package;
}

static uint64_t place_hash(const struct escape_annotation *annotation)
{
	return hash_fold(pair_hash(annotation), (uint64_t)annotation->line << 32 | annotation->column);
}

/* Adds the places of the calls that were inlined. */
static struct hash_index inlined_calls(const struct escape_output *output)
{
	struct hash_index calls = {0};

	for (size_t i = 0; i < output->annotation_count; i++) {
		const struct escape_annotation *annotation = &output->annotations[i];

		if (annotation->kind == ESCAPE_INLINED_CALL)
			*hash_index_at(&calls, place_hash(annotation), same_place, output->annotations, annotation) =
				i + 1;
	}
	return calls;
}

static void collect(struct settling *settling)
{
	const struct escape_output *output = settling->output;
	const char *file = NULL, *package = NULL;
	struct hash_index calls = {0};
	bool looked = false; /* for calls, which few outputs need */
	struct pair *pair = NULL;

	for (size_t i = 0; i < output->annotation_count; i++) {
		const struct escape_annotation *annotation = &output->annotations[i];

		if (annotation->file != file || annotation->package != package) {
			file = annotation->file;
			package = annotation->package;
			pair = has_pair(annotation) ? pair_at(settling, annotation) : NULL;
		}
		if (!pair || pair->declares)
			continue;
		if (names_foreign_variable(annotation)) {
			if (!looked)
				calls = inlined_calls(output);
			looked = true;
			pair->instantiates |= !hash_index_get(&calls, place_hash(annotation), same_place,
							      output->annotations, annotation);
		} else if (escape_is_declaration(annotation)) {
			*(escape_instance_dot(annotation->subject) ? &pair->instantiates : &pair->declares) = true;
		}
	}
	hash_index_free(&calls);
}

static int by_file(const void *a, const void *b)
{
	const struct pair *const *x = a, *const *y = b;

	return (*x)->file < (*y)->file ? -1 : (*x)->file > (*y)->file;
}

/* Whether the package has the tests of another one of the output. */
static bool is_external_test(const struct escape_output *output, const char *package)
{
	size_t length = strlen(package);

	if (!ends_with(package, "_test"))
		return false;
	length -= strlen("_test");
	for (size_t i = 0; i < output->package_count; i++) {
		if (strncmp(output->packages[i], package, length) == 0 && !output->packages[i][length])
			return true;
	}
	return false;
}

/* A package that has files in a directory of its name was compiled from elsewhere: a file without a directory is another's. */
static bool owns(const struct settling *settling, const struct pair *pair)
{
	if (pair->declares || pair->instantiates)
		return pair->declares;
	if (is_external_test(settling->output, pair->package) && !ends_with(pair->file, "_test.go"))
		return false;
	if (base_of(pair->file) != pair->file)
		return is_in_directory_of(pair->file, pair->package);
	return pointer_map_get(&settling->alike, pair->package) != 1;
}

/* Gives the pairs of one name other names if several packages own a file that is called so. Returns whether they do. */
static bool rename_pairs(struct settling *settling, struct pair *const *pairs, size_t count)
{
	struct string_table *strings = escape_output_strings(settling->output);
	size_t owners = 0;

	for (size_t i = 0; i < count; i++)
		owners += pairs[i]->owns = owns(settling, pairs[i]);
	for (size_t i = 0; owners > 1 && i < count; i++) {
		char *name = memory_format("%s/%s", pairs[i]->package, base_of(pairs[i]->file));

		if (pairs[i]->owns)
			pairs[i]->renamed = string_table_intern(strings, name, strlen(name));
		free(name);
	}
	return owners > 1;
}

/* Returns whether any file was given another name. */
static bool name_pairs(struct settling *settling)
{
	struct pair **sorted = memory_resize(NULL, settling->count + 1, sizeof(*sorted));
	bool any = false;

	for (size_t i = 0; i < settling->count; i++)
		sorted[i] = &settling->pairs[i];
	qsort(sorted, settling->count, sizeof(*sorted), by_file);
	for (size_t i = 0, end; i < settling->count; i = end) {
		for (end = i + 1; end < settling->count && sorted[end]->file == sorted[i]->file;)
			end++;
		if (end - i > 1)
			any |= rename_pairs(settling, sorted + i, end - i);
	}
	free(sorted);
	return any;
}

/* ---- what contradicts itself ---- */

/* Whether there is one function of that name in a package. */
static bool is_plain(const char *name)
{
	return !strpbrk(name, "-[#") && strcmp(name, "_") != 0 && strncmp(name, "init", 4) != 0 &&
	       strncmp(name, "glob..", 6) != 0 && !strstr(name, "wrap");
}

static bool is_comparable(const struct escape_annotation *annotation)
{
	return annotation->line && annotation->column && annotation->column < COLUMN_MAX &&
	       escape_is_declaration(annotation) && !escape_of_generated_main(annotation) &&
	       strcmp(annotation->package, "command-line-arguments") != 0 && ends_with(annotation->file, ".go") &&
	       strncmp(base_of(annotation->file), "_cgo_", 5) != 0 && is_plain(annotation->subject);
}

static bool same_name(const void *annotations, uint64_t item, const void *key)
{
	const struct escape_annotation *a = (const struct escape_annotation *)annotations + item - 1, *b = key;

	return a->subject == b->subject && a->file == b->file && a->package == b->package;
}

static char *contradiction(const struct escape_annotation *a, const struct escape_annotation *b)
{
	if (a->subject == b->subject)
		return memory_format("has two versions of %s (%s): %s begins at line %" PRIu32 " and at line %" PRIu32
				     "; " ONE,
				     a->file, a->package, a->subject, a->line, b->line);
	return memory_format("has two versions of %s (%s): %s and %s begin at line %" PRIu32 "; " ONE, a->file,
			     a->package, a->subject, b->subject, a->line);
}

static char *find_contradiction(const struct escape_output *output)
{
	const struct escape_annotation *all = output->annotations;
	struct hash_index names = {0}, places = {0};
	char *found = NULL;

	for (size_t i = 0; i < output->annotation_count && !found; i++) {
		const struct escape_annotation *annotation = &all[i];
		uint64_t *name, *place;

		if (!is_comparable(annotation))
			continue;
		name = hash_index_at(&names, hash_fold(pair_hash(annotation), (uintptr_t)annotation->subject),
				     same_name, all, annotation);
		place = hash_index_at(&places, place_hash(annotation), same_place, all, annotation);
		if (*name && all[*name - 1].line != annotation->line)
			found = contradiction(&all[*name - 1], annotation);
		else if (*place && all[*place - 1].subject != annotation->subject)
			found = contradiction(&all[*place - 1], annotation);
		*name = *place = i + 1;
	}
	hash_index_free(&names);
	hash_index_free(&places);
	return found;
}

/* ---- messages about functions of others ---- */

static struct pair *pair_find(const struct settling *settling, const char *file, const char *package)
{
	const struct escape_annotation key = {.file = file, .package = package};
	uint64_t item = hash_index_get(&settling->by_content, pair_hash(&key), same_pair, settling->pairs, &key);

	return item ? &settling->pairs[item - 1] : NULL;
}

/* Whether the compiler said of which function this is, and that is one in the source. */
static bool names_function(const struct escape_annotation *annotation)
{
	const char *name = annotation->function;

	return name && annotation->package && annotation->kind != ESCAPE_CAN_INLINE &&
	       annotation->kind != ESCAPE_CANNOT_INLINE && is_plain(name) && !strchr(name, '.') &&
	       !name[escape_declared_function(name)];
}

static uint64_t function_hash(const char *name, const char *package)
{
	return hash_fold((uintptr_t)name, (uintptr_t)package);
}

/*
 * Whether a message names a function that its package does not declare, and another one does. Packages of which both kinds of
 * messages are there declare all functions of the source: with -m=2, unless somebody has filtered it. Methods are left out, because
 * the compiler makes some.
 */
static char *find_stranger(const struct escape_output *output)
{
	enum { INLINED = 1, KEPT = 2, BOTH = INLINED | KEPT };
	const struct escape_annotation *all = output->annotations;
	struct hash_index declared = {0}, anywhere = {0};
	struct pointer_map kinds = {0};
	char *found = NULL;

	for (size_t i = 0; i < output->annotation_count; i++) {
		uint32_t *kind;

		if (!escape_is_declaration(&all[i]))
			continue;
		kind = pointer_map_at(&kinds, all[i].package);
		*kind = (*kind == POINTER_MAP_NONE ? 0 : *kind) | (all[i].kind == ESCAPE_CAN_INLINE ? INLINED : KEPT);
		hash_index_add(&declared, function_hash(all[i].subject, all[i].package));
		hash_index_add(&anywhere, function_hash(all[i].subject, NULL));
	}
	for (size_t i = 0; i < output->annotation_count && !found; i++) {
		if (names_function(&all[i]) && pointer_map_get(&kinds, all[i].package) == BOTH &&
		    !hash_index_has(&declared, function_hash(all[i].function, all[i].package)) &&
		    hash_index_has(&anywhere, function_hash(all[i].function, NULL)))
			found = memory_format("has a message about function %s (%s:%" PRIu32
					      ") below the header of %s, which has no "
					      "such function; " APART,
					      all[i].function, all[i].file, all[i].line, all[i].package);
	}
	hash_index_free(&declared);
	hash_index_free(&anywhere);
	pointer_map_free(&kinds);
	return found;
}

/* ---- new names ---- */

static const char *name_of(const struct settling *settling, const char *file, const char *package)
{
	const struct pair *pair = pair_find(settling, file, package);

	return pair && pair->renamed ? pair->renamed : file;
}

static void rename_annotation(const struct settling *settling, struct escape_annotation *annotation)
{
	for (uint32_t i = 0; i < annotation->flow_count; i++) {
		/* its own, in the arena of the output */
		struct escape_step *steps = (struct escape_step *)annotation->flows[i].steps;

		for (uint32_t j = 0; j < annotation->flows[i].step_count; j++)
			steps[j].file = name_of(settling, steps[j].file, annotation->package);
	}
	annotation->file = name_of(settling, annotation->file, annotation->package);
}

char *escape_settle_files(struct escape_output *output)
{
	struct settling settling = {.output = output};
	char *found = NULL;
	bool named;

	if (output->refusal)
		return memory_text(output->refusal);
	if (output->mixed)
		return memory_format("has lines that two commands wrote at once (\"%.120s\"); " APART, output->mixed);
	collect(&settling);
	named = name_pairs(&settling);
	if (settling.alike.count)
		output->hollow = NULL;
	if (named || output->repeated || output->hollow)
		found = find_contradiction(output);
	if (!found && (named || output->hollow))
		found = output->strayed
				? memory_format(
					  "has lines of explanations that do not follow the messages which they explain; " APART)
				: find_stranger(output);
	for (size_t i = 0; named && !found && i < output->annotation_count; i++)
		rename_annotation(&settling, &output->annotations[i]);
	free(settling.pairs);
	hash_index_free(&settling.by_content);
	pointer_map_free(&settling.alike);
	return found;
}
