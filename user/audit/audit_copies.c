/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/audit_copies.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit_calls.h"
#include "base/hash.h"
#include "base/memory.h"

/* Heap moves by where they are, and a set of (function, subject) of copies that allocated. */
struct copies {
	const struct escape_output *output;
	uint32_t *at; /* annotation + 1, by position */
	uint64_t *seen;
	size_t capacity, seen_count;
};

static bool is_heap_move(const struct escape_annotation *annotation)
{
	return annotation->kind != ESCAPE_DOES_NOT_ESCAPE && call_allocates(annotation);
}

static uint64_t position_hash(const struct escape_annotation *annotation)
{
	return hash_fold((uintptr_t)annotation->file, (uint64_t)annotation->line << 32 | annotation->column);
}

static bool same_position(const struct escape_annotation *a, const struct escape_annotation *b)
{
	return a->file == b->file && a->line == b->line && a->column == b->column;
}

/* Where a name begins behind the package that qualifies it; the name itself if none does. */
static const char *unqualified(const char *name)
{
	const char *dot = strchr(name, '.'), *bracket = strpbrk(name, "[({&\" ");

	return dot && (!bracket || dot < bracket) ? dot + 1 : name;
}

/* A hash of a name without type arguments. */
static uint64_t plain_hash(const char *name)
{
	uint64_t hash = 1;
	int depth = 0;

	for (; *name; name++) {
		depth += *name == '[';
		if (!depth)
			hash = hash_fold(hash, (unsigned char)*name);
		depth -= *name == ']' && depth;
	}
	return hash;
}

/* A function's variable. The package is told by its path or by its name; not of generic functions, which stand under the
 * packages that instantiate them. */
static uint64_t copy_hash(const char *package, size_t package_length, const char *function, const char *subject)
{
	bool generic = strchr(function, '[');
	uint64_t hash = hash_fold(plain_hash(function), plain_hash(unqualified(subject)));

	return hash_fold(hash, generic ? 0 : hash_bytes(package, package_length)) | 1;
}

static const char *last_element(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static uint64_t *seen_slot(const struct copies *copies, uint64_t hash)
{
	size_t at = hash & (copies->capacity - 1);

	while (copies->seen[at] && copies->seen[at] != hash)
		at = (at + 1) & (copies->capacity - 1);
	return &copies->seen[at];
}

static void see(struct copies *copies, uint64_t hash)
{
	uint64_t *seen = 2 * copies->seen_count < copies->capacity ? seen_slot(copies, hash) : NULL;

	if (!seen)
		return;
	copies->seen_count += !*seen;
	*seen = hash;
}

static bool is_seen(const struct copies *copies, const struct escape_annotation *move)
{
	const char *package = move->package ? move->package : "", *name = last_element(package);

	return *seen_slot(copies, copy_hash(package, strlen(package), move->function, move->subject)) ||
	       *seen_slot(copies, copy_hash(name, strlen(name), move->function, move->subject));
}

/* Enters the heap moves by position. Returns how many there are. */
static size_t index_moves(struct copies *copies)
{
	size_t count = 0;

	for (size_t i = 0; i < copies->output->annotation_count; i++)
		count += is_heap_move(&copies->output->annotations[i]);
	for (copies->capacity = 16; copies->capacity < 4 * count + 2;)
		copies->capacity *= 2;
	copies->at = memory_zeroed(copies->capacity, sizeof(*copies->at));
	copies->seen = memory_zeroed(copies->capacity, sizeof(*copies->seen));
	for (size_t i = 0; i < copies->output->annotation_count; i++) {
		size_t slot = position_hash(&copies->output->annotations[i]) & (copies->capacity - 1);

		if (!is_heap_move(&copies->output->annotations[i]))
			continue;
		while (copies->at[slot])
			slot = (slot + 1) & (copies->capacity - 1);
		copies->at[slot] = (uint32_t)i + 1;
	}
	return count;
}

/* Looks at the heap moves where a call was inlined. */
static void follow_call(struct copies *copies, const struct escape_annotation *call, uint8_t *claimed)
{
	const struct escape_annotation *annotations = copies->output->annotations;
	const char *name;

	for (size_t slot = position_hash(call) & (copies->capacity - 1); copies->at[slot];
	     slot = (slot + 1) & (copies->capacity - 1)) {
		uint32_t number = copies->at[slot] - 1;
		const struct escape_annotation *move = &annotations[number];

		if (!same_position(move, call))
			continue;
		/* A wrapper inlines the function of the same name where that is declared. */
		if (move->function && plain_hash(move->function) == plain_hash(unqualified(call->subject)))
			claimed[number] = 1;
		if (!claimed[number])
			continue;
		name = unqualified(call->subject);
		see(copies, copy_hash(call->package ? call->package : "", call->package ? strlen(call->package) : 0,
				      call->subject, move->subject));
		if (name != call->subject)
			see(copies, copy_hash(call->subject, (size_t)(name - call->subject) - 1, name, move->subject));
	}
}

void audit_copies_claim(const struct escape_output *output, uint8_t *claimed)
{
	struct copies copies = {.output = output};

	if (!output->counts[ESCAPE_INLINED_CALL])
		return;
	if (index_moves(&copies)) {
		for (size_t i = 0; i < output->annotation_count; i++) {
			if (output->annotations[i].kind == ESCAPE_INLINED_CALL)
				follow_call(&copies, &output->annotations[i], claimed);
		}
	}
	for (size_t i = 0; copies.seen_count && i < output->annotation_count; i++) {
		const struct escape_annotation *move = &output->annotations[i];

		if (!claimed[i] && is_heap_move(move) && move->function && is_seen(&copies, move))
			claimed[i] = 1;
	}
	free(copies.at);
	free(copies.seen);
}
