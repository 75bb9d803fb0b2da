/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/pathmatch.h"
#include "base/hash_table.h"
#include "base/memory.h"
#include "base/search.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct file {
	const char *name;     /* as added */
	char *path;	      /* normal form */
	const char *tail;     /* the path without leading ".."; suffixes are compared by it */
	const char *package;  /* NULL if unknown; not owned */
	const char *stranger; /* the last package that only instantiates generics of the file; not owned */
	bool declared;	      /* a declaration shows that the file belongs to the package */
	size_t order;	      /* order of addition */
	struct file *partner; /* matched file of the other side */
	struct file *same;    /* the same file under another name, which represents both; NULL if none */
	size_t strength;      /* of a match by suffix: number of common components */
	UT_hash_handle hh;    /* by name */
};

struct side {
	struct file *by_name;
	struct file **by_suffix; /* sorted by the reversed path, component by component */
	struct file **by_key;	 /* files with a package, sorted by package and base name */
	size_t count, key_count;
};

struct pathmatch {
	struct side annotated, measured;
	struct pathmatch_map *maps;
	size_t map_count;
	char *directory;
};

static void *must(void *memory)
{
	if (!memory)
		memory_out();
	return memory;
}

static bool is_absolute(const char *path)
{
	return path[0] == '/' || (path[0] && path[1] == ':' && path[2] == '/');
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Returns what follows `prefix` in `path` if `prefix` consists of whole leading components; else NULL. */
static const char *after_prefix(const char *path, const char *prefix)
{
	size_t length = strlen(prefix);

	while (length && prefix[length - 1] == '/')
		length--;
	if (strncmp(path, prefix, length) != 0 || (path[length] != '/' && (path[length] || !length)))
		return NULL;
	return path + length;
}

/* Copies one component in normal form and returns the end of the copy. */
static char *copy_component(char *to, const char *from, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (from[i] == '@' && i + 2 < length && from[i + 1] == 'v' && isdigit((unsigned char)from[i + 2]))
			break;
		if (from[i] == '!' && i + 1 < length && islower((unsigned char)from[i + 1]))
			*to++ = (char)toupper((unsigned char)from[++i]);
		else
			*to++ = from[i];
	}
	return to;
}

static char *normalise(const struct pathmatch *match, const char *name)
{
	char *copy = must(memory_text(name)), *path, *end;
	const char *rest;

	for (char *c = copy; *c; c++) {
		if (*c == '\\')
			*c = '/';
	}
	if (copy[0] && copy[1] == ':')
		copy[0] = (char)tolower((unsigned char)copy[0]);
	for (size_t i = 0; i < match->map_count; i++) {
		const char *tail = after_prefix(copy, match->maps[i].from);
		char *mapped;

		if (!tail)
			continue;
		mapped = memory_format("%s%s", match->maps[i].to, tail);
		free(copy);
		copy = mapped;
		break;
	}
	path = end = must(memory_allocate(strlen(copy) + 1));
	if (copy[0] == '/')
		*end++ = '/';
	for (rest = copy; *rest;) {
		size_t length = strcspn(rest, "/");
		bool up = length == 2 && rest[0] == '.' && rest[1] == '.';
		char *start = path + (copy[0] == '/');

		if (up && end > start) {
			char *slash = end;

			while (slash > start && slash[-1] != '/')
				slash--;
			/* ".." removes only a component that is not ".." itself. */
			if (end - slash == 2 && slash[0] == '.' && slash[1] == '.') {
				*end++ = '/';
				end = copy_component(end, rest, length);
			} else {
				end = slash > start ? slash - 1 : start;
			}
		} else if (length && !(length == 1 && rest[0] == '.')) {
			if (end > start)
				*end++ = '/';
			end = copy_component(end, rest, length);
		}
		rest += length;
		rest += strspn(rest, "/");
	}
	*end = 0;
	free(copy);
	return path;
}

struct pathmatch *pathmatch_new(const struct pathmatch_map *maps, size_t map_count, const char *directory)
{
	struct pathmatch *match = must(memory_zeroed(1, sizeof(*match)));

	if (directory)
		match->directory = normalise(match, directory);
	match->maps = must(memory_zeroed(map_count + 1, sizeof(*maps)));
	for (size_t i = 0; i < map_count; i++)
		match->maps[i] = maps[i];
	match->map_count = map_count;
	return match;
}

static void side_free(struct side *side)
{
	struct file *file, *next;

	HASH_ITER (hh, side->by_name, file, next) {
		HASH_DEL(side->by_name, file);
		free(file->path);
		free(file);
	}
	free(side->by_suffix);
	free(side->by_key);
}

void pathmatch_free(struct pathmatch *match)
{
	if (!match)
		return;
	side_free(&match->annotated);
	side_free(&match->measured);
	free(match->maps);
	free(match->directory);
	free(match);
}

static struct file *file_find(const struct side *side, const char *name)
{
	struct file *file;

	HASH_FIND_STR(side->by_name, name, file);
	return file;
}

static const char *without_parents(const char *path)
{
	while (strncmp(path, "../", 3) == 0)
		path += 3;
	return path;
}

static struct file *file_add(struct pathmatch *match, struct side *side, const char *name)
{
	struct file *file = file_find(side, name);

	if (file)
		return file;
	file = must(memory_zeroed(1, sizeof(*file)));
	file->name = name;
	file->path = normalise(match, name);
	file->tail = without_parents(file->path);
	file->order = side->count++;
	HASH_ADD_KEYPTR(hh, side->by_name, file->name, strlen(file->name), file);
	return file;
}

/* Returns the component of a package path that names its directory: "bar" of "github.com/foo/bar/v2". */
static size_t package_directory(const char *package, const char **start)
{
	const char *end = package + strlen(package), *last;

	for (;;) {
		for (last = end; last > package && last[-1] != '/'; last--)
			continue;
		if (!(last[0] == 'v' && isdigit((unsigned char)last[1]) && last > package))
			break;
		end = last - 1;
	}
	*start = last;
	return (size_t)(end - last);
}

/* Whether a file at `path` may belong to the package: its directory has the package's name. */
static bool owns(const char *package, const char *path)
{
	const char *base = base_name(path), *directory, *name;
	size_t length;

	if (strcmp(package, "command-line-arguments") == 0 || strcmp(package, "main") == 0)
		return false;
	if (base == path)
		return true; /* the compiler ran in the package's directory */
	for (directory = base - 1; directory > path && directory[-1] != '/'; directory--)
		continue;
	length = package_directory(package, &name);
	if ((size_t)(base - 1 - directory) == length && strncmp(directory, name, length) == 0)
		return true;
	/* "…/bar/v2/x.go": the directory is the version */
	length = strlen(package);
	return length > (size_t)(base - 1 - directory) &&
	       strncmp(package + length - (size_t)(base - 1 - directory), directory, (size_t)(base - 1 - directory)) ==
		       0 &&
	       package[length - (size_t)(base - 1 - directory) - 1] == '/';
}

void pathmatch_add_annotated(struct pathmatch *match, const char *file, const char *package)
{
	struct file *added = file_add(match, &match->annotated, file);

	if (package && !added->package && package != added->stranger && owns(package, added->path))
		added->package = package;
}

void pathmatch_declare(struct pathmatch *match, const char *file, const char *package, bool own)
{
	struct file *added = file_add(match, &match->annotated, file);

	if (own && strcmp(package, "command-line-arguments") != 0) {
		added->package = package;
		added->declared = true;
	} else if (!own) {
		added->stranger = package;
		if (added->package == package && !added->declared)
			added->package = NULL;
	}
}

void pathmatch_add_measured(struct pathmatch *match, const char *file, const char *package)
{
	struct file *added = file_add(match, &match->measured, file);

	if (package && !added->package && package[0] && strcmp(package, "main") != 0)
		added->package = package;
}

/* Compares paths from the end: the last component first. */
static int compare_backwards(const char *a, const char *b)
{
	size_t i = strlen(a), j = strlen(b);

	while (i && j) {
		unsigned char x = (unsigned char)a[--i], y = (unsigned char)b[--j];

		if (x != y) {
			/* '/' orders first, so that paths with a common end are adjacent */
			if (x == '/' || y == '/')
				return x == '/' ? -1 : 1;
			return x < y ? -1 : 1;
		}
	}
	return i ? 1 : j ? -1 : 0;
}

static int by_suffix(const void *a, const void *b)
{
	const struct file *const *x = a, *const *y = b;
	int order = compare_backwards((*x)->tail, (*y)->tail);

	return order ? order : (*x)->order < (*y)->order ? -1 : 1;
}

static int by_key(const void *a, const void *b)
{
	const struct file *const *x = a, *const *y = b;
	int order = strcmp((*x)->package, (*y)->package);

	return order ? order : strcmp(base_name((*x)->path), base_name((*y)->path));
}

static void side_sort(struct side *side)
{
	size_t count = 0;

	free(side->by_suffix);
	free(side->by_key);
	side->by_suffix = must(memory_zeroed(side->count + 1, sizeof(*side->by_suffix)));
	side->by_key = must(memory_zeroed(side->count + 1, sizeof(*side->by_key)));
	side->key_count = 0;
	for (struct file *file = side->by_name; file; file = file->hh.next) {
		side->by_suffix[count++] = file;
		if (file->package)
			side->by_key[side->key_count++] = file;
	}
	qsort(side->by_suffix, count, sizeof(*side->by_suffix), by_suffix);
	qsort(side->by_key, side->key_count, sizeof(*side->by_key), by_key);
}

/* Returns the number of whole components at the end of both paths. `*contained`: one path is the end of the other. */
static size_t common_suffix(const char *a, const char *b, bool *contained)
{
	size_t i = strlen(a), j = strlen(b), components = 0;

	while (i && j && a[i - 1] == b[j - 1]) {
		i--, j--;
		if (a[i] == '/')
			components++;
	}
	*contained = (i == 0 || j == 0) && (i == 0 || a[i - 1] == '/' || a[i] == '/') &&
		     (j == 0 || b[j - 1] == '/' || b[j] == '/');
	/* If the first component is common as a whole, no slash before it was counted. */
	return components + (*contained && a[i] != '/');
}

/* Whether both packages are known and differ: then these are two files, however similar their paths are. */
static bool packages_differ(const struct file *a, const struct file *b)
{
	return a->package && b->package && strcmp(a->package, b->package) != 0;
}

/* Returns the only annotated file with that package and base name. */
static struct file *find_by_key(const struct side *side, const struct file *file)
{
	const struct file *key = file;
	struct file **found = file->package && side->key_count
				      ? bsearch(&key, side->by_key, side->key_count, sizeof(*side->by_key), by_key)
				      : NULL;
	size_t index;

	if (!found)
		return NULL;
	index = (size_t)(found - side->by_key);
	if ((index > 0 && by_key(&side->by_key[index - 1], &key) == 0) ||
	    (index + 1 < side->key_count && by_key(&side->by_key[index + 1], &key) == 0))
		return NULL;
	return *found;
}

static bool stands_before(const void *by_suffix, size_t index, const void *path)
{
	return compare_backwards(((struct file *const *)by_suffix)[index]->tail, path) < 0;
}

/* The index at which `path` would be in by_suffix. */
static size_t place_of(const struct side *side, const char *path)
{
	return search_place(0, side->count, stands_before, side->by_suffix, path);
}

static struct file *find_by_path(const struct side *side, const char *path)
{
	const char *tail = without_parents(path);

	for (size_t i = place_of(side, tail); i < side->count && strcmp(side->by_suffix[i]->tail, tail) == 0; i++) {
		if (strcmp(side->by_suffix[i]->path, path) == 0)
			return side->by_suffix[i];
	}
	return NULL;
}

/* Returns the file whose path is `tail`, apart from leading ".."; *several: there are more of them. */
static struct file *find_by_tail(const struct side *side, const char *tail, bool *several)
{
	size_t index = place_of(side, tail);

	*several = false;
	if (index >= side->count || strcmp(side->by_suffix[index]->tail, tail) != 0)
		return NULL;
	*several = index + 1 < side->count && strcmp(side->by_suffix[index + 1]->tail, tail) == 0;
	return side->by_suffix[index];
}

/* Returns the file at `path` below `directory`; each leading ".." of the path removes one component of the
 * directory. */
static struct file *find_joined(const struct side *side, const char *directory, const char *path)
{
	size_t length = strlen(directory);
	char *joined = must(memory_allocate(length + strlen(path) + 2));
	struct file *file;

	for (; length && strncmp(path, "../", 3) == 0; path += 3) {
		while (length > 1 && directory[length - 1] == '/')
			length--;
		while (length > 1 && directory[length - 1] != '/')
			length--;
	}
	memcpy(joined, directory, length);
	if (length && joined[length - 1] != '/')
		joined[length++] = '/';
	strcpy(joined + length, path);
	file = find_by_path(side, joined);
	free(joined);
	return file;
}

static void pair(struct file *annotated, struct file *measured, size_t strength)
{
	if (!annotated || !measured || packages_differ(annotated, measured))
		return;
	if (measured->partner) {
		/* Another name of the same file. */
		if (strength == SIZE_MAX && measured->strength == SIZE_MAX && !annotated->partner) {
			annotated->partner = measured;
			annotated->strength = strength;
		}
		return;
	}
	measured->partner = annotated;
	measured->strength = strength;
	if (!annotated->partner || annotated->strength < strength) {
		annotated->partner = measured;
		annotated->strength = strength;
	}
}

/*
 * go:linkname puts functions of one package into files of another, as the runtime does for internal/godebug. If an
 * annotated file has the same path, and its directory is that of the package it was compiled in, the file belongs to
 * that package.
 */
static void forget_linked_package(const struct side *annotated, struct file *measured)
{
	const struct file *same =
		measured->package && is_absolute(measured->path) ? find_by_path(annotated, measured->path) : NULL;

	if (same && same->package && packages_differ(same, measured) && !owns(measured->package, measured->path))
		measured->package = NULL;
}

static void name_twice(struct file *file, struct file *absolute)
{
	if (absolute && !absolute->same)
		absolute->same = file;
}

/* Returns the only absolute path that ends in a relative one; NULL if there are several. */
static struct file *find_absolute(const struct side *side, const char *tail)
{
	size_t length = strlen(tail);
	struct file *found = NULL;

	for (size_t i = place_of(side, tail); i < side->count; i++) {
		struct file *file = side->by_suffix[i];
		size_t whole = strlen(file->tail);

		if (whole < length || strcmp(file->tail + whole - length, tail) != 0)
			break;
		/* With a drive's letter, a path behind "../" is whole. */
		if (!is_absolute(file->path) || whole == length || file->path[whole - length - 1] != '/')
			continue;
		if (found)
			return NULL;
		found = file;
	}
	return found;
}

/* Rules 1 to 3. These do not guess, so one annotated file may match several measured ones. */
static void pair_certain(struct pathmatch *match)
{
	for (struct file *file = match->measured.by_name; file; file = file->hh.next) {
		forget_linked_package(&match->annotated, file);
		pair(find_by_key(&match->annotated, file), file, SIZE_MAX);
		pair(find_by_path(&match->annotated, file->path), file, SIZE_MAX);
	}
	for (struct file *file = match->annotated.by_name; file; file = file->hh.next) {
		if (match->directory && !is_absolute(file->path)) {
			name_twice(file, find_joined(&match->annotated, match->directory, file->path));
			pair(file, find_joined(&match->measured, match->directory, file->path), SIZE_MAX);
		}
		if (file->tail != file->path && strchr(file->tail, '/'))
			name_twice(file, find_absolute(&match->annotated, file->tail));
		if (file->package)
			pair(file, find_joined(&match->measured, file->package, base_name(file->path)), SIZE_MAX);
	}
}

/* The quality of a match by suffix; 0: no match. One path must be the end of the other, or both must be absolute. */
static size_t suffix_strength(const struct file *annotated, const struct file *measured)
{
	bool contained;
	size_t components = common_suffix(annotated->tail, measured->tail, &contained);

	if (components < 2 || packages_differ(annotated, measured))
		return 0;
	if (contained)
		return 2 * components + 1; /* better than a common end of that length */
	return is_absolute(annotated->path) && is_absolute(measured->path) ? 2 * components : 0;
}

/* Returns the part of a path that matches by suffix compare; further directories would not distinguish files. */
static const char *last_components(const char *path)
{
	enum { DEEPEST = 64 };
	const char *start = path + strlen(path);

	for (int slashes = 0; start > path; start--) {
		if (start[-1] == '/' && ++slashes > DEEPEST)
			break;
	}
	return start;
}

/*
 * Returns the best match of `side` by suffix, NULL if two are equally good. Those with the longest common suffix are
 * next to where the path itself would be in the order. A path that is contained in this one, however short, is before
 * all paths that end in it, so every shorter end of the path is looked up as well.
 */
static struct file *find_by_suffix(const struct side *side, const struct file *file, size_t *strength)
{
	enum { NEIGHBOURS = 2 };
	size_t index = place_of(side, file->tail);
	struct file *best = NULL;
	bool tie = false, several;

	*strength = 0;
	for (const char *end = last_components(file->tail); end; end = strchr(end, '/') ? strchr(end, '/') + 1 : NULL) {
		struct file *other = find_by_tail(side, end, &several);
		size_t found = other ? suffix_strength(other, file) : 0;

		if (found > *strength) {
			best = other;
			*strength = found;
			tie = several;
		}
	}
	for (size_t i = index > NEIGHBOURS ? index - NEIGHBOURS : 0; i < side->count && i < index + NEIGHBOURS; i++) {
		struct file *other = side->by_suffix[i];
		size_t found = suffix_strength(other, file);

		if (found > *strength) {
			best = other;
			*strength = found;
			tie = false;
		} else if (found && found == *strength && strcmp(other->path, best->path) != 0) {
			tie = true;
		}
	}
	return tie ? NULL : best;
}

/* Rule 4: each must be the other's only best. */
static void pair_by_suffix(struct pathmatch *match)
{
	for (struct file *file = match->measured.by_name; file; file = file->hh.next) {
		struct file *annotated, *back;
		size_t strength, unused;

		if (file->partner)
			continue;
		annotated = find_by_suffix(&match->annotated, file, &strength);
		if (!annotated || (annotated->partner && strcmp(annotated->partner->path, file->path) != 0))
			continue;
		back = find_by_suffix(&match->measured, annotated, &unused);
		if (back && strcmp(back->path, file->path) == 0)
			pair(annotated, file, strength);
	}
}

/* Returns the directory that a matched relative path starts from, as its length in the measured path; 0 if there is
 * none. */
static size_t root_length(const struct file *annotated)
{
	size_t whole, tail = strlen(annotated->path);

	if (!annotated->partner || is_absolute(annotated->path) || annotated->tail != annotated->path ||
	    !strchr(annotated->path, '/'))
		return 0;
	whole = strlen(annotated->partner->path);
	if (whole <= tail + 1 || strcmp(annotated->partner->path + whole - tail, annotated->path) != 0)
		return 0;
	return whole - tail - 1;
}

/* Rule 5, if all matches agree on one root. */
static void pair_by_root(struct pathmatch *match)
{
	char *root = NULL;
	bool agreed = true;

	for (struct file *file = match->annotated.by_name; file && agreed; file = file->hh.next) {
		size_t length = root_length(file);

		if (!length)
			continue;
		if (!root)
			root = must(memory_text_of(file->partner->path, length));
		agreed = strlen(root) == length && strncmp(root, file->partner->path, length) == 0;
	}
	for (struct file *file = match->annotated.by_name; root && agreed && file; file = file->hh.next) {
		if (!file->partner && !is_absolute(file->path))
			pair(file, find_joined(&match->measured, root, file->path), SIZE_MAX);
	}
	free(root);
}

/* Returns the only file with that base name, NULL if there are several. */
static struct file *find_by_base(const struct side *side, const char *base)
{
	size_t index = place_of(side, base), last = index;
	struct file *found = NULL;

	for (; last < side->count && last < index + 2 && strcmp(base_name(side->by_suffix[last]->tail), base) == 0;
	     last++)
		found = side->by_suffix[last];
	return last == index + 1 ? found : NULL;
}

/* Rule 6. Only a path without directories may match by it. */
static void pair_by_base(struct pathmatch *match)
{
	for (struct file *file = match->measured.by_name; file; file = file->hh.next) {
		const char *base = base_name(file->path);
		struct file *annotated = file->partner ? NULL : find_by_base(&match->annotated, base);

		if (annotated && !annotated->partner && find_by_base(&match->measured, base) == file &&
		    (base == file->path || base_name(annotated->tail) == annotated->tail))
			pair(annotated, file, 1);
	}
}

void pathmatch_resolve(struct pathmatch *match)
{
	side_sort(&match->annotated);
	side_sort(&match->measured);
	pair_certain(match);
	pair_by_suffix(match);
	pair_by_root(match);
	pair_by_base(match);
}

const char *pathmatch_find(const struct pathmatch *match, const char *measured)
{
	struct file *file = file_find(&match->measured, measured);

	return file && file->partner ? file->partner->name : NULL;
}

const char *pathmatch_name(const struct pathmatch *match, const char *annotated)
{
	struct file *file = file_find(&match->annotated, annotated);

	if (file && file->partner && file->partner->partner)
		file = file->partner->partner;
	return file ? file->same ? file->same->name : file->name : annotated;
}

int pathmatch_map_parse(const char *text, struct pathmatch_map *map)
{
	const char *equals = strchr(text, '=');

	if (!equals || equals == text || !equals[1])
		return -1;
	map->from = must(memory_text_of(text, (size_t)(equals - text)));
	map->to = must(memory_text(equals + 1));
	return 0;
}
