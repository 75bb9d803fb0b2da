/* SPDX-License-Identifier: BSD-2-Clause */
#include "compare/words.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/hash_index.h"
#include "base/memory.h"
#include "base/text_compare.h"
#include "escape/escape_by_position.h"

struct folding {
	struct comparison_words *words;
	struct escape_by_position inlined[2]; /* the calls that each side's compiler inlined */
	struct hash_index originals;	      /* the first difference of a function and kind: its number + 1 */
	uint32_t *next;			      /* by number: the next one of the same function and kind, + 1 */
	struct hash_index first_copies;
	uint32_t *into; /* by number: the difference that stands for this one, + 1; 0: itself */
};

static bool is_inlined_call(const struct escape_annotation *annotation)
{
	return annotation->kind == ESCAPE_INLINED_CALL;
}

/* The length of the package in front of a function as it is called, "codec." of "codec.(*Box).Parse"; 0: of its own. */
static size_t qualifier_length(const char *called)
{
	const char *dot = strchr(called, '.'), *bracket = strpbrk(called, "([");

	return dot && (!bracket || dot < bracket) ? (size_t)(dot - called) + 1 : 0;
}

/* Whether `copy`, seen from another package, is about what `own` is about: "&codec.Box{...}" and "&Box{...}". */
static bool same_subject(const char *own, const char *copy, const char *qualifier, size_t length)
{
	while (*own || *copy) {
		if (length && strncmp(copy, qualifier, length) == 0 && strncmp(own, qualifier, length) != 0)
			copy += length;
		if (*own != *copy)
			return false;
		own += *own != 0;
		copy += *copy != 0;
	}
	return true;
}

static uint64_t function_hash(const char *function, enum escape_change_kind kind)
{
	return hash_fold(hash_bytes(function, strlen(function)), (uint64_t)kind);
}

/* Finds the same difference in the function that a call inlined, of which the first `length` bytes are its package. */
static struct comparison_words *difference_in(struct folding *folding, const struct comparison_words *copy,
					      const char *called, size_t length)
{
	const struct escape_annotation *said = comparison_words_shown(copy);
	uint64_t item = hash_index_get(&folding->originals, function_hash(called + length, copy->change->kind), NULL,
				       NULL, NULL);

	for (; item; item = folding->next[item - 1]) {
		struct comparison_words *words = &folding->words[item - 1];
		const struct escape_annotation *own = comparison_words_shown(words);
		const char *package = text_base_name(own->package);
		bool same_package =
			length ? package && strlen(package) == length - 1 && strncmp(package, called, length - 1) == 0
			       : text_same(own->package, said->package);

		if (words != copy && !words->was && same_package && own->kind == said->kind && own->subject &&
		    said->subject && strcmp(own->function, called + length) == 0 &&
		    same_subject(own->subject, said->subject, called, length))
			return words;
	}
	return NULL;
}

static struct comparison_words *original_of(struct folding *folding, const struct comparison_words *copy,
					    const char *called)
{
	size_t length = qualifier_length(called);
	struct comparison_words *original = difference_in(folding, copy, called, length);

	/* "Box.Parse" is a function of package Box, or a method of type Box */
	return original || !length ? original : difference_in(folding, copy, called, 0);
}

/* Whether two differences are the same, at calls that inline the same function. */
static bool same_copy(const void *items, uint64_t item, const void *key)
{
	const struct comparison_words *a = (const struct comparison_words *)items + item - 1, *b = key;
	const struct escape_annotation *x = comparison_words_shown(a), *y = comparison_words_shown(b);

	return a->change->kind == b->change->kind && x->kind == y->kind && text_same(x->package, y->package) &&
	       text_same(x->subject, y->subject) && text_same(a->inlined, b->inlined);
}

/* Finds the first copy of the function that `called` names, which is remembered if this is it. */
static struct comparison_words *first_copy(struct folding *folding, struct comparison_words *words, const char *called)
{
	struct comparison_words key = *words;
	uint64_t *first;

	key.inlined = called;
	first = hash_index_at(&folding->first_copies, function_hash(called, words->change->kind), same_copy,
			      folding->words, &key);
	if (*first)
		return &folding->words[*first - 1];
	words->inlined = called;
	*first = (uint64_t)(words - folding->words) + 1;
	return NULL;
}

/* Finds the difference that stands for this one; NULL if it stands for itself. */
static struct comparison_words *find_original(struct folding *folding, struct comparison_words *words)
{
	const struct escape_annotation *said = comparison_words_shown(words);
	const struct escape_by_position *inlined = &folding->inlined[words->change->after != NULL];
	const struct escape_annotation *call = escape_by_position_first(inlined, said);
	const char *called = NULL;

	for (; call; call = escape_by_position_next(inlined, call)) {
		struct comparison_words *original;

		called = call->subject; /* the last one is the innermost */
		original = called ? original_of(folding, words, called) : NULL;
		if (original)
			return original;
	}
	return called ? first_copy(folding, words, called) : NULL;
}

static size_t times(const struct escape_change *change)
{
	if (change->kind == ESCAPE_CHANGED)
		return change->new_count;
	return change->kind == ESCAPE_NEW ? change->new_count - change->old_count
					  : change->old_count - change->new_count;
}

static void index_originals(struct folding *folding, size_t count)
{
	folding->next = memory_zeroed(count + 1, sizeof(*folding->next));
	for (size_t i = count; i-- > 0;) {
		const struct escape_annotation *said = comparison_words_shown(&folding->words[i]);
		uint64_t *first;

		if (!said->function)
			continue;
		first = hash_index_at(&folding->originals,
				      function_hash(said->function, folding->words[i].change->kind), NULL, NULL, NULL);
		folding->next[i] = (uint32_t)*first;
		*first = i + 1;
	}
}

/* Finds for each copy what stands for it, and has that count it. */
static void mark_copies(struct folding *folding, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct comparison_words *words = &folding->words[i], *original;
		size_t at;

		if (words->was || comparison_words_counted(words))
			continue;
		original = find_original(folding, words);
		if (!original)
			continue;
		at = (size_t)(original - folding->words);
		while (folding->into[at])
			at = folding->into[at] - 1;
		if (at == i)
			continue;
		folding->words[at].copies += times(words->change) + words->copies;
		folding->into[i] = (uint32_t)at + 1;
	}
}

size_t comparison_words_fold(struct comparison_words *words, size_t count, const struct escape_output *before,
			     const struct escape_output *after)
{
	struct folding folding = {.words = words, .into = memory_zeroed(count + 1, sizeof(*folding.into))};
	size_t kept = 0;

	escape_by_position_init(&folding.inlined[0], before, is_inlined_call);
	escape_by_position_init(&folding.inlined[1], after, is_inlined_call);
	index_originals(&folding, count);
	mark_copies(&folding, count);
	for (size_t i = 0; i < count; i++) {
		if (!folding.into[i])
			words[kept++] = words[i];
	}
	for (int i = 0; i < 2; i++)
		escape_by_position_free(&folding.inlined[i]);
	hash_index_free(&folding.originals);
	hash_index_free(&folding.first_copies);
	free(folding.next);
	free(folding.into);
	return kept;
}
