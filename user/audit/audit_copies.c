/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/audit_copies.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit_calls.h"
#include "base/hash.h"
#include "base/hash_index.h"
#include "base/memory.h"

/* Heap moves by position, and a set of the (function, subject) of inlined copies that allocated. */
struct copies {
	const struct escape_output *output;
	struct hash_index at; /* the first move of a position: its number + 1 */
	uint32_t *next;	      /* by number: the next move there, + 1; 0: none */
	struct hash_index seen;
	size_t moves;
};

static bool is_heap_move(const struct escape_annotation *annotation)
{
	return annotation->kind != ESCAPE_DOES_NOT_ESCAPE && call_allocates(annotation);
}

static uint64_t position_hash(const struct escape_annotation *annotation)
{
	return hash_fold((uintptr_t)annotation->file, (uint64_t)annotation->line << 32 | annotation->column);
}

static bool same_position(const void *annotations, uint64_t item, const void *key)
{
	const struct escape_annotation *a = (const struct escape_annotation *)annotations + item - 1, *b = key;

	return a->file == b->file && a->line == b->line && a->column == b->column;
}

/* Returns the part of a name after its package qualifier; the name itself if it has none. */
static const char *unqualified(const char *name)
{
	const char *dot = strchr(name, '.'), *bracket = strpbrk(name, "[({&\" ");

	return dot && (!bracket || dot < bracket) ? dot + 1 : name;
}

/* Hashes a name without type arguments. */
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

/* Hashes a variable of a function. The package is identified by its path or its name, except for generic functions,
 * which are printed under the packages that instantiate them. */
static uint64_t copy_hash(const char *package, size_t package_length, const char *function, const char *subject)
{
	bool generic = strchr(function, '[');
	uint64_t hash = hash_fold(plain_hash(function), plain_hash(unqualified(subject)));

	return hash_fold(hash, generic ? 0 : hash_bytes(package, package_length));
}

static const char *last_element(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void see(struct copies *copies, uint64_t hash)
{
	/* More copies than moves there cannot be; hostile input may name any number. */
	if (copies->seen.count < 2 * copies->moves)
		hash_index_add(&copies->seen, hash);
}

static bool is_seen(const struct copies *copies, const struct escape_annotation *move)
{
	const char *package = move->package ? move->package : "", *name = last_element(package);

	return hash_index_has(&copies->seen, copy_hash(package, strlen(package), move->function, move->subject)) ||
	       hash_index_has(&copies->seen, copy_hash(name, strlen(name), move->function, move->subject));
}

/* Enters the heap moves by position; those of one position in their order. */
static void index_moves(struct copies *copies)
{
	const struct escape_annotation *annotations = copies->output->annotations;

	copies->next = memory_zeroed(copies->output->annotation_count, sizeof(*copies->next));
	for (size_t i = copies->output->annotation_count; i-- > 0;) {
		uint64_t *first;

		if (!is_heap_move(&annotations[i]))
			continue;
		first = hash_index_at(&copies->at, position_hash(&annotations[i]), same_position, annotations,
				      &annotations[i]);
		copies->next[i] = (uint32_t)*first;
		*first = i + 1;
		copies->moves++;
	}
}

/* Examines the heap moves at the place where a call was inlined. */
static void follow_call(struct copies *copies, const struct escape_annotation *call, uint8_t *claimed)
{
	const struct escape_annotation *annotations = copies->output->annotations;
	const char *name;

	for (uint64_t item = hash_index_get(&copies->at, position_hash(call), same_position, annotations, call); item;
	     item = copies->next[item - 1]) {
		size_t number = item - 1;
		const struct escape_annotation *move = &annotations[number];

		/* A wrapper inlines the function of the same name at that function's declaration. */
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
	index_moves(&copies);
	for (size_t i = 0; copies.moves && i < output->annotation_count; i++) {
		if (output->annotations[i].kind == ESCAPE_INLINED_CALL)
			follow_call(&copies, &output->annotations[i], claimed);
	}
	for (size_t i = 0; copies.seen.count && i < output->annotation_count; i++) {
		const struct escape_annotation *move = &output->annotations[i];

		if (!claimed[i] && is_heap_move(move) && move->function && is_seen(&copies, move))
			claimed[i] = 1;
	}
	hash_index_free(&copies.at);
	hash_index_free(&copies.seen);
	free(copies.next);
}
