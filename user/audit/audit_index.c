/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/audit_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit_calls.h"
#include "audit/audit_positions.h"
#include "base/memory.h"
#include "base/pointer_map.h"
#include "escape/escape_files.h"
#include "escape/escape_functions.h"
#include "profile/frames.h"

enum { PACKAGE_MAX = 4096 };

struct audit_index {
	const struct escape_output *output;
	struct pathmatch *paths;
	struct pointer_map annotated_files;   /* annotated file -> number */
	struct pointer_map measured_files;    /* measured file -> number of its annotated file, or NO_FILE */
	struct pointer_map covered_files;     /* measured file -> 1: in a directory of a matched file */
	struct pointer_map covered_functions; /* function -> NOT_COVERED, … */
	const char **file_names;	      /* by number */
	uint32_t file_count, file_capacity;
	struct position_table allocations, calls;
	bool has_calls;	       /* the table of calls is filled */
	const char **packages; /* sorted */
	size_t package_count;
	struct generic *generics; /* sorted */
	size_t generic_count;
};

/* A generic function whose package is not in the output, although a package that instantiates it is. */
struct generic {
	uint32_t file; /* number of an annotated file */
	char *name;    /* without package and type arguments: "(*Stack).Push" */
};

#define NO_FILE (POINTER_MAP_NONE - 1)

/* Whether the output covers a function: decided by its name, or still to be decided by its file or its lines. */
enum { NOT_COVERED, COVERED, INSTANTIATED, BY_FILE, BY_LINE };

static void *must(void *memory)
{
	if (!memory)
		memory_out();
	return memory;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static uint32_t number_file(struct audit_index *index, const char *file)
{
	uint32_t *number = pointer_map_at(&index->annotated_files, file);

	if (*number != POINTER_MAP_NONE)
		return *number;
	if (index->file_count == index->file_capacity) {
		index->file_capacity = index->file_capacity ? 2 * index->file_capacity : 64;
		index->file_names =
			must(memory_resize(index->file_names, index->file_capacity, sizeof(*index->file_names)));
	}
	index->file_names[index->file_count] = file;
	return *number = index->file_count++;
}

/* Numbers the files of the output. All names of one file get the same number. */
static void number_files(struct audit_index *index)
{
	const char *last = NULL;

	for (size_t i = 0; i < index->output->annotation_count; i++) {
		const char *file = index->output->annotations[i].file;
		uint32_t number;

		if (!file || file == last)
			continue;
		number = number_file(index, pathmatch_name(index->paths, last = file));
		*pointer_map_at(&index->annotated_files, file) = number;
	}
}

static bool is_inlined_call(const struct escape_annotation *annotation)
{
	return annotation->kind == ESCAPE_INLINED_CALL;
}

/* Headers name test variants "pkg [pkg.test]". */
static void collect_packages(struct audit_index *index)
{
	index->packages = must(memory_zeroed(index->output->package_count + 1, sizeof(*index->packages)));
	for (size_t i = 0; i < index->output->package_count; i++)
		index->packages[index->package_count++] =
			must(memory_text_of(index->output->packages[i], strcspn(index->output->packages[i], " ")));
	qsort(index->packages, index->package_count, sizeof(*index->packages), by_name);
}

static const char *package_of(const struct audit_index *index, const char *header)
{
	char name[PACKAGE_MAX];
	const char *key = name, **found;
	size_t length = header ? strcspn(header, " ") : 0;

	if (!length || length >= sizeof(name))
		return NULL;
	memcpy(name, header, length);
	name[length] = 0;
	found = bsearch(&key, index->packages, index->package_count, sizeof(*index->packages), by_name);
	return found ? *found : NULL;
}

static void add_annotated_files(struct audit_index *index)
{
	const char *last_file = NULL, *last_header = NULL;
	int last_declared = -1; /* whether the file belongs to the package; -1: unknown */

	for (size_t i = 0; i < index->output->annotation_count; i++) {
		const struct escape_annotation *annotation = &index->output->annotations[i];

		if (!annotation->file)
			continue;
		if (annotation->file != last_file || annotation->package != last_header) {
			last_file = annotation->file;
			last_header = annotation->package;
			last_declared = -1;
			pathmatch_add_annotated(index->paths, last_file, package_of(index, last_header));
		}
		if (last_declared < 1 && escape_is_declaration(annotation)) {
			int own = !escape_instance_dot(annotation->subject);

			if (own != last_declared)
				pathmatch_declare(index->paths, last_file, package_of(index, last_header), own);
			last_declared = own;
		}
	}
}

/* ---- generic functions of packages that the output does not cover ---- */

/* Copies a function's local name, without closures in it and without type arguments. */
static char *without_type_arguments(const char *name)
{
	size_t length = escape_declared_function(name), depth = 0;
	char *copy = must(memory_allocate(length + 1)), *to = copy;

	for (size_t i = 0; i < length; i++) {
		depth += name[i] == '[';
		if (!depth)
			*to++ = name[i];
		depth -= name[i] == ']' && depth;
	}
	*to = 0;
	return copy;
}

static int by_file_and_name(const void *a, const void *b)
{
	const struct generic *x = a, *y = b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void collect_generics(struct audit_index *index)
{
	size_t capacity = 0;

	for (size_t i = 0; i < index->output->annotation_count; i++) {
		const struct escape_annotation *annotation = &index->output->annotations[i];
		const char *dot = escape_is_declaration(annotation) ? escape_instance_dot(annotation->subject) : NULL;

		if (!dot)
			continue;
		if (index->generic_count == capacity) {
			capacity = capacity ? 2 * capacity : 64;
			index->generics = must(memory_resize(index->generics, capacity, sizeof(*index->generics)));
		}
		index->generics[index->generic_count++] = (struct generic){
			pointer_map_get(&index->annotated_files, annotation->file), without_type_arguments(dot + 1)};
	}
	if (index->generic_count)
		qsort(index->generics, index->generic_count, sizeof(*index->generics), by_file_and_name);
}

static bool is_instantiated(const struct audit_index *index, uint32_t file, const char *function)
{
	struct generic key = {file, without_type_arguments(frames_local_name(function))};
	bool found = index->generic_count &&
		     bsearch(&key, index->generics, index->generic_count, sizeof(*index->generics), by_file_and_name);

	free(key.name);
	return found;
}

/* Writes the package of a function, as headers name it; "" if it is unknown. */
static void measured_package(const struct profile *profile, const struct profile_sample *sample, const char *function,
			     char *package, size_t size)
{
	const struct profile_process *process;

	package[0] = 0;
	frames_package(function, package, size);
	if (strcmp(package, "main") != 0)
		return;
	process = profile_process_find(profile, sample->key.pid);
	snprintf(package, size, "%s",
		 process && process->package && strcmp(process->package, "command-line-arguments") != 0
			 ? process->package
			 : "");
}

/* Adds every file of the profile once, with the package of one of its functions. */
static void add_measured_files(struct audit_index *index, const struct profile *profile, char ***packages)
{
	bool *seen = must(memory_zeroed(profile->locations->count + 1, sizeof(*seen))); /* by the location's id */
	size_t count = 0;
	char package[PACKAGE_MAX];

	for (size_t i = 0; i < profile->sample_count; i++) {
		const struct profile_stack *stack = profile->samples[i]->key.stack;

		for (uint32_t j = 0; stack && j < stack->depth; j++) {
			const struct profile_location *location;

			if (seen[stack->ids[j]])
				continue;
			seen[stack->ids[j]] = true;
			location = profile_stack_at(stack, j);
			for (uint32_t k = 0; k < location->frame_count; k++) {
				const struct profile_frame *frame = &location->frames[k];
				uint32_t *number =
					frame->file ? pointer_map_at(&index->measured_files, frame->file) : NULL;

				if (!number || *number == 1)
					continue; /* its package is known */
				measured_package(profile, profile->samples[i], frame->function, package,
						 sizeof(package));
				*number = *package != 0;
				*packages = must(memory_resize(*packages, count + 2, sizeof(**packages)));
				(*packages)[count++] = must(memory_text(package));
				(*packages)[count] = NULL;
				pathmatch_add_measured(index->paths, frame->file,
						       package[0] ? (*packages)[count - 1] : NULL);
			}
		}
	}
	free(seen);
}

static size_t directory_length(const char *file)
{
	const char *slash = strrchr(file, '/'), *backslash = strrchr(file, '\\');

	if (backslash > slash)
		slash = backslash;
	return slash ? (size_t)(slash - file) : 0;
}

/* A file without annotations belongs to a covered package if another file in its directory does. */
static void cover_directories(struct audit_index *index)
{
	char **directories = must(memory_zeroed(index->measured_files.count + 1, sizeof(*directories)));
	size_t count = 0;

	for (size_t i = 0; i < index->measured_files.count; i++) {
		const struct pointer_map_entry *file = &index->measured_files.entries[i];

		if (file->value != NO_FILE)
			directories[count++] = must(memory_text_of(file->key, directory_length(file->key)));
	}
	qsort(directories, count, sizeof(*directories), by_name);
	for (size_t i = 0; i < index->measured_files.count; i++) {
		const char *file = index->measured_files.entries[i].key;
		char *directory = must(memory_text_of(file, directory_length(file)));

		*pointer_map_at(&index->covered_files, file) =
			bsearch(&directory, directories, count, sizeof(*directories), by_name) != NULL;
		free(directory);
	}
	for (size_t i = 0; i < count; i++)
		free(directories[i]);
	free(directories);
}

struct audit_index *audit_index_new(const struct profile *profile, const struct escape_output *output,
				    const struct audit_options *options)
{
	struct audit_index *index = must(memory_zeroed(1, sizeof(*index)));
	char **packages = NULL;

	index->output = output;
	index->paths = pathmatch_new(options->maps, options->map_count, options->directory);
	collect_packages(index);
	add_annotated_files(index);
	add_measured_files(index, profile, &packages);
	pathmatch_resolve(index->paths);
	number_files(index);
	position_table_fill(&index->allocations, output, &index->annotated_files, index->file_count, call_allocates);
	collect_generics(index);
	for (size_t i = 0; i < index->measured_files.count; i++) {
		struct pointer_map_entry *file = &index->measured_files.entries[i];
		const char *found = pathmatch_find(index->paths, file->key);

		file->value = found ? pointer_map_get(&index->annotated_files, found) : NO_FILE;
	}
	cover_directories(index);
	for (size_t i = 0; packages && packages[i]; i++)
		free(packages[i]);
	free(packages);
	return index;
}

void audit_index_free(struct audit_index *index)
{
	if (!index)
		return;
	pathmatch_free(index->paths);
	pointer_map_free(&index->annotated_files);
	pointer_map_free(&index->measured_files);
	pointer_map_free(&index->covered_files);
	pointer_map_free(&index->covered_functions);
	for (size_t i = 0; i < index->package_count; i++)
		free((char *)index->packages[i]);
	free(index->packages);
	for (size_t i = 0; i < index->generic_count; i++)
		free(index->generics[i].name);
	free(index->generics);
	free(index->file_names);
	position_table_free(&index->allocations);
	position_table_free(&index->calls);
	free(index);
}

struct audit_positions audit_index_all(const struct audit_index *index)
{
	return (struct audit_positions){index->allocations.positions, index->allocations.count};
}

/* Returns the number of the annotated file that is the measured one, NO_FILE if there is none. */
static uint32_t file_number(const struct audit_index *index, const char *measured)
{
	uint32_t number = pointer_map_get(&index->measured_files, measured);

	return number == POINTER_MAP_NONE ? NO_FILE : number;
}

struct audit_positions audit_index_line(const struct audit_index *index, const struct profile_frame *frame)
{
	uint32_t number = file_number(index, frame->file);

	return number == NO_FILE ? (struct audit_positions){NULL, 0}
				 : position_table_line(&index->allocations, number, frame->line);
}

struct audit_positions audit_index_calls(struct audit_index *index, const struct profile_frame *frame)
{
	uint32_t number = file_number(index, frame->file);

	if (number == NO_FILE)
		return (struct audit_positions){NULL, 0};
	if (!index->has_calls)
		position_table_fill(&index->calls, index->output, &index->annotated_files, index->file_count,
				    is_inlined_call);
	index->has_calls = true;
	return position_table_line(&index->calls, number, frame->line);
}

const char *audit_index_file(const struct audit_index *index, const char *measured)
{
	uint32_t number = file_number(index, measured);

	return number == NO_FILE ? NULL : index->file_names[number];
}

const char *audit_index_annotated_file(const struct audit_index *index, const char *annotated)
{
	return index->file_names[pointer_map_get(&index->annotated_files, annotated)];
}

/* If the package's name is known, it is covered if the output has a header for it. Below headers of other packages
 * there are only those of its generic functions that the other packages instantiate. */
static uint32_t coverage_by_name(const struct audit_index *index, const struct profile_frame *frame)
{
	char package[PACKAGE_MAX];
	size_t length = frame->file ? strlen(frame->file) : 0;
	uint32_t file;

	if (length < 3 || strcmp(frame->file + length - 3, ".go") != 0 || !index->package_count ||
	    !frames_package(frame->function, package, sizeof(package)) || strcmp(package, "main") == 0)
		return BY_FILE;
	if (package_of(index, package))
		return COVERED;
	file = file_number(index, frame->file);
	if (file == NO_FILE || !strchr(frames_local_name(frame->function), '['))
		return NOT_COVERED;
	return is_instantiated(index, file, frame->function) ? INSTANTIATED : BY_LINE;
}

/* Only at -m=2 does the compiler mention functions that cannot be inlined. Otherwise, looks for annotations from the
 * beginning of the function (if known) to the frame's line. */
static bool has_lines(const struct audit_index *index, const struct profile_frame *frame)
{
	uint32_t first = frame->start_line ? frame->start_line : frame->line;

	return position_table_has(&index->allocations, file_number(index, frame->file), first, frame->line);
}

static uint32_t coverage_of(struct audit_index *index, const struct profile_frame *frame)
{
	uint32_t *known;

	if (!frame->function)
		return BY_FILE;
	known = pointer_map_at(&index->covered_functions, frame->function);
	if (*known == POINTER_MAP_NONE)
		*known = coverage_by_name(index, frame);
	return *known;
}

bool audit_index_is_instance(struct audit_index *index, const struct profile_frame *frame)
{
	uint32_t coverage = coverage_of(index, frame);

	return coverage == INSTANTIATED || coverage == BY_LINE;
}

bool audit_index_covers(struct audit_index *index, const struct profile_frame *frame, bool physical)
{
	uint32_t coverage = coverage_of(index, frame);

	switch (coverage) {
	case INSTANTIATED:
		return physical;
	case BY_LINE:
		return physical && has_lines(index, frame);
	case BY_FILE:
		return pointer_map_get(&index->covered_files, frame->file) == 1;
	default:
		return coverage == COVERED;
	}
}
