/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/audit_copies.h"

#include <stdbool.h>
#include <string.h>

#include "audit/audit_calls.h"
#include "base/hash.h"
#include "base/hash_index.h"
#include "base/text_compare.h"
#include "escape/escape_by_position.h"
#include "profile/frames.h"

struct copies {
	struct escape_by_position moves; /* to the heap */
	struct hash_index seen;		 /* a set of the (function, subject) of inlined copies that allocated */
};

static bool is_heap_move(const struct escape_annotation *annotation)
{
	return annotation->kind != ESCAPE_DOES_NOT_ESCAPE && call_allocates(annotation);
}

/* Returns the part of a name after its package qualifier; the name itself if it has none. */
static const char *unqualified(const char *name)
{
	const char *dot = strchr(name, '.'), *bracket = strpbrk(name, "[({&\" ");

	return dot && (!bracket || dot < bracket) ? dot + 1 : name;
}

/* Hashes a variable of a function. The package is identified by its path or its name, except for generic functions,
 * which are printed under the packages that instantiate them. */
static uint64_t copy_hash(const char *package, size_t package_length, const char *function, const char *subject)
{
	bool generic = strchr(function, '[');
	uint64_t hash = hash_fold(frames_plain_hash(function), frames_plain_hash(unqualified(subject)));

	return hash_fold(hash, generic ? 0 : hash_bytes(package, package_length));
}

static void see(struct copies *copies, uint64_t hash)
{
	/* More copies than moves there cannot be; hostile input may name any number. */
	if (copies->seen.count < 2 * copies->moves.count)
		hash_index_add(&copies->seen, hash);
}

static bool is_seen(const struct copies *copies, const struct escape_annotation *move)
{
	const char *package = move->package ? move->package : "", *name = text_base_name(package);

	return hash_index_has(&copies->seen, copy_hash(package, strlen(package), move->function, move->subject)) ||
	       hash_index_has(&copies->seen, copy_hash(name, strlen(name), move->function, move->subject));
}

/* Examines the heap moves at the place where a call was inlined. */
static void follow_call(struct copies *copies, const struct escape_annotation *call, uint8_t *claimed)
{
	const struct escape_annotation *move = escape_by_position_first(&copies->moves, call);
	const char *name;

	for (; move; move = escape_by_position_next(&copies->moves, move)) {
		size_t number = (size_t)(move - copies->moves.annotations);

		/* A wrapper inlines the function of the same name at that function's declaration. */
		if (move->function &&
		    frames_plain_hash(move->function) == frames_plain_hash(unqualified(call->subject)))
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
	struct copies copies = {0};

	if (!output->counts[ESCAPE_INLINED_CALL])
		return;
	escape_by_position_init(&copies.moves, output, is_heap_move);
	for (size_t i = 0; copies.moves.count && i < output->annotation_count; i++) {
		if (output->annotations[i].kind == ESCAPE_INLINED_CALL)
			follow_call(&copies, &output->annotations[i], claimed);
	}
	for (size_t i = 0; copies.seen.count && i < output->annotation_count; i++) {
		const struct escape_annotation *move = &output->annotations[i];

		if (!claimed[i] && is_heap_move(move) && move->function && is_seen(&copies, move))
			claimed[i] = 1;
	}
	escape_by_position_free(&copies.moves);
	hash_index_free(&copies.seen);
}
