/* SPDX-License-Identifier: BSD-2-Clause */
#include "escape/escape_functions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash_table.h"
#include "escape/escape_parser.h"
#include "escape/go_source.h"
#include "base/memory.h"
#include "base/search.h"
#include "base/source_file.h"
#include "base/string_table.h"

enum { COLUMN_MAX = 255 /* before Go 1.26 the compiler limits columns to this */ };

/* A message about inlining names a function and the place where it begins. */
struct declaration {
	const char *file;
	uint32_t line, column;
	const char *name;
	bool inner; /* a function literal, or made up by the compiler: it is not declared in the source */
};

/* A function in the source, and the function that contains it. */
struct range {
	uint32_t line, column, end_line, end_column;
	const char *name;
	size_t parent; /* number + 1; 0 for none */
};

struct file {
	const char *name;
	const struct declaration *declarations; /* sorted by position */
	size_t declaration_count;
	struct range *ranges; /* sorted by beginning; NULL if there is no source */
	size_t range_count;
	UT_hash_handle hh;
};

struct naming {
	struct escape_output *output;
	struct string_table *strings;
	const char *directory;
	bool complete; /* every function is declared: -m=2 with inlining */
	struct declaration *declarations;
	size_t declaration_count;
	struct file *files;
};

size_t escape_declared_function(const char *function)
{
	const char *literal = strstr(function, ".func");
	const char *range = strstr(function, "-range");
	size_t length = strlen(function);

	for (; literal; literal = strstr(literal + 1, ".func")) {
		if (literal[5] >= '1' && literal[5] <= '9')
			break;
	}
	if (strncmp(function, "glob..", 6) == 0)
		return length;
	if (literal)
		length = (size_t)(literal - function);
	if (range && (size_t)(range - function) < length)
		length = (size_t)(range - function);
	return length;
}

/* Returns "F[...]" for "F[go.shape.int]"; removes hashes that distinguish copies of a literal. */
static const char *canonical(struct naming *naming, const char *name)
{
	char *text, *to;
	const char *result;
	int depth = 0;

	if (!strpbrk(name, "[#"))
		return name;
	text = to = memory_resize(NULL, strlen(name) * strlen("[...]") + 1, 1);
	for (; *name; name++) {
		const char *hash = *name == '#' && !depth ? strchr(name + 1, '#') : NULL;

		if (hash) {
			name = hash;
			continue;
		}
		if (*name == '[' && !depth++)
			to = stpcpy(to, "[...]");
		else if (!depth)
			*to++ = *name;
		if (*name == ']' && depth)
			depth--;
	}
	result = string_table_intern(naming->strings, text, (size_t)(to - text));
	free(text);
	return result;
}

static int by_position(const void *a, const void *b)
{
	const struct declaration *left = a, *right = b;

	if (left->file != right->file)
		return left->file < right->file ? -1 : 1;
	if (left->line != right->line)
		return left->line < right->line ? -1 : 1;
	return left->column < right->column ? -1 : left->column > right->column;
}

/* Whether the compiler generated the function: it has a place in the source, but no `func` there. */
static bool is_made_up(const char *name)
{
	return strstr(name, "-range") ||
	       (strstr(name, "wrap") && (strstr(name, "gowrap") || strstr(name, "deferwrap") || strstr(name, "dwrap")));
}

static bool is_literal(const char *name)
{
	return name[escape_declared_function(name)] || strncmp(name, "glob..", 6) == 0;
}

static void collect_declarations(struct naming *naming)
{
	const struct escape_output *output = naming->output;
	size_t count = output->counts[ESCAPE_CAN_INLINE] + output->counts[ESCAPE_CANNOT_INLINE];

	naming->complete = output->counts[ESCAPE_CANNOT_INLINE] > 0;
	naming->declarations = memory_resize(NULL, count + 1, sizeof(*naming->declarations));
	for (size_t i = 0; i < output->annotation_count; i++) {
		const struct escape_annotation *a = &output->annotations[i];
		const char *name;

		if ((a->kind != ESCAPE_CAN_INLINE && a->kind != ESCAPE_CANNOT_INLINE) || a->function != a->subject)
			continue;
		naming->complete |= a->kind == ESCAPE_CAN_INLINE && a->detail;
		name = canonical(naming, a->subject);
		naming->declarations[naming->declaration_count++] =
			(struct declaration){a->file, a->line, a->column, name, is_literal(name) || is_made_up(name)};
	}
	qsort(naming->declarations, naming->declaration_count, sizeof(*naming->declarations), by_position);
}

/* ---- the source ---- */

/* Reads the whole file; NULL if that is impossible. */
static char *read_source(const struct naming *naming, const char *name, size_t *length)
{
	size_t name_length = strlen(name), size;
	char *text;
	ssize_t count;
	int fd;

	if (name_length < 3 || strcmp(name + name_length - 3, ".go") != 0)
		return NULL;
	fd = source_file_open(name, naming->directory, &size);
	if (fd < 0)
		return NULL;
	text = memory_resize(NULL, size + 1, 1);
	count = read(fd, text, size);
	*length = count > 0 ? (size_t)count : 0;
	close(fd);
	return text;
}

static bool is_named_above(const void *functions, size_t index, const void *declaration)
{
	return ((const struct source_function *)functions)[index].name_line <
	       ((const struct declaration *)declaration)->line;
}

/* Returns the function of the source that begins where the compiler says one does. */
static const struct source_function *function_at(const struct source_functions *functions, const struct declaration *d)
{
	size_t low = search_place(0, functions->count, is_named_above, functions->functions, d);

	for (; low < functions->count && functions->functions[low].name_line == d->line; low++) {
		const struct source_function *f = &functions->functions[low];

		if (f->name_column == d->column || !d->column || f->name_column > COLUMN_MAX)
			return f;
	}
	return NULL;
}

/* Whether the source is the one that was compiled. */
static bool is_current(const struct file *file, const struct source_functions *functions)
{
	for (size_t i = 0; i < file->declaration_count; i++) {
		const struct declaration *d = &file->declarations[i];
		const struct source_function *f;

		if (d->inner)
			continue;
		f = function_at(functions, d);
		/* An instance from another package is called "pkg.F[...]", an initialiser "init.0". */
		if (!f || (strcmp(f->name, "init") != 0 && !is_literal(f->name) && !strstr(d->name, f->name)))
			return false;
	}
	return true;
}

/* Returns the compiler's name for a function literal or a package's initialiser, which it numbers, if a message has
 * one. */
static const char *numbered_name(const struct file *file, const struct source_function *function)
{
	size_t declared = escape_declared_function(function->name);
	bool init = strncmp(function->name, "init", declared) == 0;

	for (size_t i = 0; i < file->declaration_count; i++) {
		const struct declaration *d = &file->declarations[i];

		if (d->line == function->name_line && d->column == function->name_column &&
		    (init ? strncmp(d->name, "init.", 5) == 0
			  : escape_declared_function(d->name) == declared &&
				     strncmp(d->name, function->name, declared) == 0))
			return d->name;
	}
	return function->name;
}

static void take_ranges(struct naming *naming, struct file *file, const struct source_functions *functions)
{
	size_t around = 0;

	file->ranges = memory_resize(NULL, functions->count + 1, sizeof(*file->ranges));
	file->range_count = functions->count;
	for (size_t i = 0; i < functions->count; i++) {
		const struct source_function *f = &functions->functions[i];
		const char *name =
			is_literal(f->name) || strcmp(f->name, "init") == 0 ? numbered_name(file, f) : f->name;

		while (around && (file->ranges[around - 1].end_line < f->line ||
				  (file->ranges[around - 1].end_line == f->line &&
				   file->ranges[around - 1].end_column < f->column)))
			around = file->ranges[around - 1].parent;
		file->ranges[i] = (struct range){f->line,
						 f->column,
						 f->end_line,
						 f->end_column,
						 string_table_intern(naming->strings, name, strlen(name)),
						 around};
		around = i + 1;
	}
}

static void read_functions(struct naming *naming, struct file *file)
{
	struct source_functions functions;
	size_t length;
	char *text = read_source(naming, file->name, &length);

	if (!text)
		return;
	go_source_scan(text, length, &functions);
	if (is_current(file, &functions))
		take_ranges(naming, file, &functions);
	go_functions_free(&functions);
	free(text);
}

/* ---- names ---- */

static bool is_declared_before(const void *declarations, size_t index, const void *key)
{
	return by_position((const struct declaration *)declarations + index, key) < 0;
}

static struct file *find_file(struct naming *naming, const char *name)
{
	struct declaration key = {.file = name};
	struct file *file;
	size_t low, end;

	HASH_FIND_PTR(naming->files, &name, file);
	if (file)
		return file;
	file = memory_zeroed(1, sizeof(*file));
	file->name = name;
	low = search_place(0, naming->declaration_count, is_declared_before, naming->declarations, &key);
	for (end = low; end < naming->declaration_count && naming->declarations[end].file == name;)
		end++;
	file->declarations = naming->declarations + low;
	file->declaration_count = end - low;
	if (naming->directory)
		read_functions(naming, file);
	HASH_ADD_PTR(naming->files, name, file);
	return file;
}

static bool before(uint32_t line, uint32_t column, uint32_t than_line, uint32_t than_column)
{
	return line < than_line || (line == than_line && column && than_column && column < than_column);
}

static bool begins_at_or_before(const void *ranges, size_t index, const void *key)
{
	const struct range *range = (const struct range *)ranges + index, *place = key;

	return !before(place->line, place->column, range->line, range->column);
}

/* Returns the innermost function of the source that contains the place. */
static const char *source_function(const struct file *file, uint32_t line, uint32_t column)
{
	const struct range place = {.line = line, .column = column};
	size_t low = search_place(0, file->range_count, begins_at_or_before, file->ranges, &place);

	/* The value of a function literal is created by the function that contains it. */
	while (low && (before(file->ranges[low - 1].end_line, file->ranges[low - 1].end_column, line, column) ||
		       (file->ranges[low - 1].line == line && file->ranges[low - 1].column == column)))
		low = file->ranges[low - 1].parent;
	return low ? file->ranges[low - 1].name : "init";
}

static bool is_declared_by(const void *declarations, size_t index, const void *line)
{
	return ((const struct declaration *)declarations)[index].line <= *(const uint32_t *)line;
}

/* Returns the last function that is declared before the place. */
static const char *declared_function(const struct file *file, uint32_t line)
{
	size_t low = search_place(0, file->declaration_count, is_declared_by, file->declarations, &line);

	while (low && file->declarations[low - 1].inner)
		low--;
	return low ? file->declarations[low - 1].name : NULL;
}

static const char *name_of(struct naming *naming, const struct escape_annotation *annotation)
{
	const char *said = annotation->function ? canonical(naming, annotation->function) : NULL;
	const struct file *file;
	const char *name;

	if (annotation->kind == ESCAPE_CAN_INLINE || annotation->kind == ESCAPE_CANNOT_INLINE || !annotation->line)
		return said;
	file = find_file(naming, annotation->file);
	if (file->ranges) {
		name = source_function(file, annotation->line, annotation->column);
		if (said && strncmp(said, name, strlen(name)) == 0)
			return said; /* the body of a loop over a function: "foo-range1" */
		return string_table_intern(naming->strings, name, strlen(name));
	}
	if (said)
		return said;
	return naming->complete && annotation->file[0] != '<' ? declared_function(file, annotation->line) : NULL;
}

size_t escape_name_functions(struct escape_output *output, const char *directory)
{
	struct naming naming = {.output = output, .strings = escape_output_strings(output), .directory = directory};
	struct file *file, *next;
	size_t without = 0;

	collect_declarations(&naming);
	for (size_t i = 0; i < output->annotation_count; i++) {
		output->annotations[i].function = name_of(&naming, &output->annotations[i]);
		without += !output->annotations[i].function;
	}
	HASH_ITER (hh, naming.files, file, next) {
		HASH_DEL(naming.files, file);
		free(file->ranges);
		free(file);
	}
	free(naming.declarations);
	return without;
}
