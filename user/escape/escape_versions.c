/* SPDX-License-Identifier: BSD-2-Clause */
#include "escape/escape_versions.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/hash_index.h"
#include "base/memory.h"
#include "base/pointer_map.h"
#include "base/text_compare.h"
#include "escape/escape_functions.h"
#include "escape/escape_parser.h"

#define ONE                                                                                                                  \
	"so nobody knows which lines are about which file. Keep only the output of the build that is measured, and of each " \
	"command that runs at the same time an output of its own (make --output-sync)"

enum { COLUMN_MAX = 255 /* before Go 1.26 the compiler limits columns to this */ };

struct versions {
	struct escape_output *output;
	bool mixed; /* as for escape_settle_versions() */
	struct hash_index names,
		places;		   /* declarations, + 1: of those that have the same key, the one that came last */
	struct hash_index files;   /* annotations, + 1: the last one of a file */
	struct pointer_map latest; /* headers: their last blocks */
	struct pointer_map first;  /* packages that contradict themselves: the first block of the latest version */
	uint8_t *kinds;		   /* of each block: which kinds of declarations it has */
	char *example;		   /* how two versions of one package differ */
};

static uint32_t block_of(const struct versions *versions, size_t annotation)
{
	return versions->output->last_blocks[annotation];
}

/* ---- keys ---- */

static uint64_t file_hash(const struct escape_annotation *a)
{
	return hash_fold((uintptr_t)a->file, (uintptr_t)a->package);
}

static bool same_file(const void *annotations, uint64_t item, const void *key)
{
	const struct escape_annotation *a = (const struct escape_annotation *)annotations + item - 1, *b = key;

	return a->file == b->file && a->package == b->package;
}

static uint64_t name_hash(const struct escape_annotation *a)
{
	return hash_fold(file_hash(a), (uintptr_t)a->subject);
}

static bool same_name(const void *annotations, uint64_t item, const void *key)
{
	const struct escape_annotation *a = (const struct escape_annotation *)annotations + item - 1, *b = key;

	return a->subject == b->subject && same_file(annotations, item, key);
}

static uint64_t place_hash(const struct escape_annotation *a)
{
	return hash_fold(file_hash(a), (uint64_t)a->line << 32 | a->column);
}

static bool same_place(const void *annotations, uint64_t item, const void *key)
{
	const struct escape_annotation *a = (const struct escape_annotation *)annotations + item - 1, *b = key;

	return a->line == b->line && a->column == b->column && same_file(annotations, item, key);
}

/* ---- what is compared ---- */

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);

	return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static bool is_comparable(const struct escape_annotation *a)
{
	return a->line && a->column && a->column < COLUMN_MAX && escape_is_declaration(a) &&
	       !escape_of_generated_main(a) && ends_with(a->file, ".go") &&
	       strncmp(text_base_name(a->file), "_cgo_", 5) != 0 && escape_is_plain(a->subject);
}

/* ---- contradictions ---- */

/* Whether the go command printed one header twice. It has others for the variants of a package, such as that of its tests. */
static bool is_rebuilt(const struct versions *versions, size_t a, size_t b)
{
	const struct escape_output *output = versions->output;

	return output->blocks[block_of(versions, a)].header == output->blocks[block_of(versions, b)].header;
}

/* Notes that of the two the one that came last is of another version. Returns false if nothing tells which is of which. */
static bool separate(struct versions *versions, size_t a, size_t b)
{
	uint32_t x = block_of(versions, a), y = block_of(versions, b), older = x < y ? x : y;
	uint32_t *first;

	if (x == y || (versions->mixed && !is_rebuilt(versions, a, b)))
		return false;
	first = pointer_map_at(&versions->first, versions->output->annotations[a].package);
	if (*first == POINTER_MAP_NONE || *first <= older)
		*first = older + 1;
	return true;
}

/* The last annotation of the same file. */
static size_t last_of_file(const struct versions *versions, const struct escape_annotation *a)
{
	return hash_index_get(&versions->files, file_hash(a), same_file, versions->output->annotations, a) - 1;
}

/* Whether an annotation is of a version that a later one replaces, which also has something to say of the file. */
static bool is_old(const struct versions *versions, size_t i)
{
	const struct escape_annotation *a = &versions->output->annotations[i];
	const struct escape_block *block = &versions->output->blocks[block_of(versions, i)];
	uint32_t own = block_of(versions, i), first, latest, last;

	if (!a->package || !block->header)
		return false;
	first = pointer_map_get(&versions->first, a->package);
	latest = pointer_map_get(&versions->latest, block->header);
	last = block_of(versions, last_of_file(versions, a));
	return (own < latest && latest <= last) || (first != POINTER_MAP_NONE && own < first && first <= last);
}

static char *difference(const struct escape_annotation *a, const struct escape_annotation *b)
{
	if (a->subject == b->subject && a->line != b->line)
		return memory_format("two versions of %s (%s): %s begins at line %" PRIu32 " and at line %" PRIu32,
				     a->file, a->package, a->subject, a->line, b->line);
	if (a->subject != b->subject)
		return memory_format("two versions of %s (%s): %s and %s begin at line %" PRIu32, a->file, a->package,
				     a->subject, b->subject, a->line);
	return memory_format("two versions of %s (%s), which differ at line %" PRIu32, a->file, a->package, a->line);
}

static void note_example(struct versions *versions, size_t a, size_t b)
{
	const struct escape_annotation *all = versions->output->annotations;

	if (!versions->example)
		versions->example = block_of(versions, a) <= block_of(versions, b) ? difference(&all[a], &all[b])
										   : difference(&all[b], &all[a]);
}

/* Adds an item, unless there is one with the key that comes later. Returns the one that was there; SIZE_MAX: none. */
static size_t add_latest(struct versions *versions, struct hash_index *index, uint64_t hash, hash_same *same, size_t i)
{
	uint64_t *item =
		hash_index_at(index, hash, same, versions->output->annotations, &versions->output->annotations[i]);
	size_t there = *item ? *item - 1 : SIZE_MAX;

	if (!*item || block_of(versions, there) <= block_of(versions, i))
		*item = i + 1;
	return there;
}

/* Compares a declaration with those before it. Returns one of another version that nothing tells apart; SIZE_MAX: none. */
static size_t add_declaration(struct versions *versions, size_t i)
{
	const struct escape_annotation *all = versions->output->annotations, *a = &all[i];
	const size_t others[] = {add_latest(versions, &versions->names, name_hash(a), same_name, i),
				 add_latest(versions, &versions->places, place_hash(a), same_place, i)};
	size_t mixed = SIZE_MAX;

	versions->kinds[block_of(versions, i)] |= a->kind == ESCAPE_CAN_INLINE ? 1 : 2;
	for (int j = 0; j < 2; j++) {
		if (others[j] == SIZE_MAX || (all[others[j]].subject == a->subject && all[others[j]].line == a->line))
			continue;
		note_example(versions, others[j], i);
		if (!separate(versions, others[j], i))
			mixed = others[j];
	}
	return mixed;
}

/* A block of which both kinds of declarations are there has all of them: with -m=2, unless somebody has filtered it. */
static void note_lost_function(struct versions *versions, size_t i)
{
	const struct escape_annotation *a = &versions->output->annotations[i];
	uint64_t named = hash_index_get(&versions->names, name_hash(a), same_name, versions->output->annotations, a);
	size_t last = last_of_file(versions, a);

	if (named != i + 1 || block_of(versions, i) >= block_of(versions, last) ||
	    versions->kinds[block_of(versions, last)] != 3 || !separate(versions, i, last))
		return;
	if (!versions->example)
		versions->example = memory_format("two versions of %s (%s): only the earlier one has %s", a->file,
						  a->package, a->subject);
}

static void find_latest(struct versions *versions)
{
	const struct escape_output *output = versions->output;

	for (size_t i = 0; i < output->block_count; i++) {
		if (output->blocks[i].header)
			*pointer_map_at(&versions->latest, output->blocks[i].header) = (uint32_t)i;
	}
	for (size_t i = 0; i < output->annotation_count; i++)
		add_latest(versions, &versions->files, file_hash(&output->annotations[i]), same_file, i);
}

/* Finds where versions begin. Returns what nothing tells apart, as escape_settle_versions() does. */
static char *find_versions(struct versions *versions)
{
	const struct escape_output *output = versions->output;
	size_t *mixed = memory_resize(NULL, output->annotation_count + 1, sizeof(*mixed));
	char *found = NULL, *text;

	find_latest(versions);
	for (size_t i = 0; i < output->annotation_count; i++)
		mixed[i] = is_comparable(&output->annotations[i]) ? add_declaration(versions, i) : SIZE_MAX;
	for (size_t i = 0; output->repeated && i < output->annotation_count; i++) {
		if (is_comparable(&output->annotations[i]))
			note_lost_function(versions, i);
	}
	for (size_t i = 0; i < output->annotation_count && !found; i++) {
		if (mixed[i] == SIZE_MAX || is_old(versions, i) || is_old(versions, mixed[i]))
			continue;
		text = difference(&output->annotations[mixed[i]], &output->annotations[i]);
		found = memory_format("has %s; " ONE, text);
		free(text);
	}
	free(mixed);
	return found;
}

/* ---- what is left ---- */

/* Whether a word is about where values are, and not about what is inlined and what that costs, which differs between systems. */
static bool is_of_values(const struct escape_annotation *a)
{
	return a->kind == ESCAPE_MOVED_TO_HEAP || a->kind == ESCAPE_ESCAPES || a->kind == ESCAPE_DOES_NOT_ESCAPE ||
	       a->kind == ESCAPE_LEAKING_PARAM || a->kind == ESCAPE_LEAKING_PARAM_CONTENT ||
	       a->kind == ESCAPE_LEAKING_PARAM_TO_RESULT;
}

/* Returns how many packages have lost something that matters. */
static size_t remove_old(struct versions *versions)
{
	struct escape_output *output = versions->output;
	bool *old = memory_zeroed(output->annotation_count + 1, sizeof(*old));
	struct pointer_map packages = {0};
	size_t kept = 0, count;

	for (size_t i = 0; i < output->annotation_count; i++)
		old[i] = is_old(versions, i);
	for (size_t i = 0; i < output->annotation_count; i++) {
		const struct escape_annotation *a = &output->annotations[i];

		if (old[i]) {
			output->counts[a->kind]--;
			if (pointer_map_get(&versions->first, a->package) == POINTER_MAP_NONE && !is_of_values(a))
				continue;
			if (!versions->example)
				versions->example =
					memory_format("two versions of %s (%s), which differ at line %" PRIu32, a->file,
						      a->package, a->line);
			*pointer_map_at(&packages, a->package) = 1;
		} else {
			output->annotations[kept++] = *a;
		}
	}
	output->annotation_count = kept;
	count = packages.count;
	pointer_map_free(&packages);
	free(old);
	return count;
}

static void say_what_is_used(const struct versions *versions, size_t packages)
{
	char *more = packages > 1 ? memory_format(", and of %zu more package%s", packages - 1, packages > 2 ? "s" : "")
				  : NULL;
	char *text = memory_format("has %s%s. The later one is used; if the program is of the earlier build, give the "
				   "output of that one alone",
				   versions->example, more ? more : "");

	escape_output_caution(versions->output, text);
	free(text);
	free(more);
}

char *escape_settle_versions(struct escape_output *output, bool mixed)
{
	struct versions versions = {.output = output,
				    .mixed = mixed,
				    .kinds = memory_zeroed(output->block_count + 1, sizeof(*versions.kinds))};
	char *found = find_versions(&versions);
	size_t packages = found ? 0 : remove_old(&versions);

	if (packages)
		say_what_is_used(&versions, packages);
	hash_index_free(&versions.names);
	hash_index_free(&versions.places);
	hash_index_free(&versions.files);
	pointer_map_free(&versions.latest);
	pointer_map_free(&versions.first);
	free(versions.kinds);
	free(versions.example);
	return found;
}
