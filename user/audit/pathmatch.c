/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/pathmatch.h"
#include "base/hash_table.h"
#include "base/memory.h"
#include "base/search.h"

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

struct pathmatch *pathmatch_new(const struct pathmatch_map *maps, size_t map_count, const char *directory)
{
	struct pathmatch *match = memory_zeroed(1, sizeof(*match));

	if (directory)
		match->directory = pathname_normal(NULL, 0, directory);
	match->maps = memory_zeroed(map_count + 1, sizeof(*maps));
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
	file = memory_zeroed(1, sizeof(*file));
	file->name = name;
	file->path = pathname_normal(match->maps, match->map_count, name);
	file->tail = without_parents(file->path);
	file->order = side->count++;
	HASH_ADD_KEYPTR(hh, side->by_name, file->name, strlen(file->name), file);
	return file;
}

void pathmatch_add_annotated(struct pathmatch *match, const char *file, const char *package)
{
	struct file *added = file_add(match, &match->annotated, file);

	if (package && !added->package && package != added->stranger && pathname_is_in(package, added->path))
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

static int by_suffix(const void *a, const void *b)
{
	const struct file *const *x = a, *const *y = b;
	int order = pathname_compare((*x)->tail, (*y)->tail);

	return order ? order : (*x)->order < (*y)->order ? -1 : 1;
}

static int by_key(const void *a, const void *b)
{
	const struct file *const *x = a, *const *y = b;
	int order = strcmp((*x)->package, (*y)->package);

	return order ? order : strcmp(pathname_base((*x)->path), pathname_base((*y)->path));
}

static void side_sort(struct side *side)
{
	size_t count = 0;

	free(side->by_suffix);
	free(side->by_key);
	side->by_suffix = memory_zeroed(side->count + 1, sizeof(*side->by_suffix));
	side->by_key = memory_zeroed(side->count + 1, sizeof(*side->by_key));
	side->key_count = 0;
	for (struct file *file = side->by_name; file; file = file->hh.next) {
		side->by_suffix[count++] = file;
		if (file->package)
			side->by_key[side->key_count++] = file;
	}
	qsort(side->by_suffix, count, sizeof(*side->by_suffix), by_suffix);
	qsort(side->by_key, side->key_count, sizeof(*side->by_key), by_key);
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
	return pathname_compare(((struct file *const *)by_suffix)[index]->tail, path) < 0;
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
	char *joined = memory_allocate(length + strlen(path) + 2);
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
	const struct file *same = measured->package && pathname_is_absolute(measured->path)
					  ? find_by_path(annotated, measured->path)
					  : NULL;

	if (same && same->package && packages_differ(same, measured) &&
	    !pathname_is_in(measured->package, measured->path))
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
		/* A path with a drive letter is absolute even after "../". */
		if (!pathname_is_absolute(file->path) || whole == length || file->path[whole - length - 1] != '/')
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
		if (match->directory && !pathname_is_absolute(file->path)) {
			name_twice(file, find_joined(&match->annotated, match->directory, file->path));
			pair(file, find_joined(&match->measured, match->directory, file->path), SIZE_MAX);
		}
		if (file->tail != file->path && strchr(file->tail, '/'))
			name_twice(file, find_absolute(&match->annotated, file->tail));
		if (file->package)
			pair(file, find_joined(&match->measured, file->package, pathname_base(file->path)), SIZE_MAX);
	}
}

/* The quality of a match by suffix; 0: no match. One path must be the end of the other, or both must be absolute. */
static size_t suffix_strength(const struct file *annotated, const struct file *measured)
{
	bool contained;
	size_t components = pathname_common_end(annotated->tail, measured->tail, &contained);

	if (components < 2 || packages_differ(annotated, measured))
		return 0;
	if (contained)
		return 2 * components + 1; /* better than a common end of that length */
	return pathname_is_absolute(annotated->path) && pathname_is_absolute(measured->path) ? 2 * components : 0;
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
	for (const char *end = pathname_last_components(file->tail); end;
	     end = strchr(end, '/') ? strchr(end, '/') + 1 : NULL) {
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

	if (!annotated->partner || pathname_is_absolute(annotated->path) || annotated->tail != annotated->path ||
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
			root = memory_text_of(file->partner->path, length);
		agreed = strlen(root) == length && strncmp(root, file->partner->path, length) == 0;
	}
	for (struct file *file = match->annotated.by_name; root && agreed && file; file = file->hh.next) {
		if (!file->partner && !pathname_is_absolute(file->path))
			pair(file, find_joined(&match->measured, root, file->path), SIZE_MAX);
	}
	free(root);
}

/* Returns the only file with that base name, NULL if there are several. */
static struct file *find_by_base(const struct side *side, const char *base)
{
	size_t index = place_of(side, base), last = index;
	struct file *found = NULL;

	for (; last < side->count && last < index + 2 && strcmp(pathname_base(side->by_suffix[last]->tail), base) == 0;
	     last++)
		found = side->by_suffix[last];
	return last == index + 1 ? found : NULL;
}

/* Rule 6. Only a path without directories may match by it. */
static void pair_by_base(struct pathmatch *match)
{
	for (struct file *file = match->measured.by_name; file; file = file->hh.next) {
		const char *base = pathname_base(file->path);
		struct file *annotated = file->partner ? NULL : find_by_base(&match->annotated, base);

		if (annotated && !annotated->partner && find_by_base(&match->measured, base) == file &&
		    (base == file->path || pathname_base(annotated->tail) == annotated->tail))
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
	map->from = memory_text_of(text, (size_t)(equals - text));
	map->to = memory_text(equals + 1);
	return 0;
}
