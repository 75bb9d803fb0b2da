/* SPDX-License-Identifier: BSD-2-Clause */
/* See valid.h. */
#include "valid.h"

#include "cachealloc.h"
#include "stack.h"

#define CHECK(condition)                   \
	do {                               \
		if (!(condition))          \
			return #condition; \
	} while (0)

static const char *bits_are_valid(const struct mspan *s)
{
	struct mcache *owner = atomic_load_explicit(&s->owner, memory_order_relaxed);

	for (unsigned w = 0; w < mspan_words(s); w++) {
		uint64_t mask = mspan_word_mask(s, w), shared = 0;
		for (unsigned half = 0; half < 2; half++) {
			uint64_t word = atomic_load_explicit(&s->freeBits[2 * w + half], memory_order_relaxed);
			CHECK(bit_count(word & UINT32_MAX) == word >> 32);
			shared |= (word & UINT32_MAX) << 32 * half;
		}
		CHECK((shared & ~mask) == 0);
		if (!owner)
			continue;
		CHECK((s->allocBits[w] & ~mask) == 0);
		CHECK((shared & ~s->allocBits[w]) == 0);
	}
	return NULL;
}

static const char *window_is_valid(const struct mspan *s)
{
	uint64_t window = s->allocCache | s->allocHeld;
	unsigned free = bit_count(window);

	for (unsigned w = 0; w < mspan_words(s); w++)
		free += bit_count(~s->allocBits[w] & mspan_word_mask(s, w));
	CHECK(free == mspan_ownFree(s));
	CHECK((s->allocCache & s->allocHeld) == 0);
	if (window == 0)
		return NULL;
	CHECK(s->freeindex % 64 == 0 && s->freeindex > 0);
	CHECK(s->allocCache == 0 ||
	      s->next_object == s->cacheBase + (uint64_t)__builtin_ctzll(s->allocCache) * s->elemsize);
	CHECK((window & ~s->allocBits[s->freeindex / 64 - 1]) == 0);
	CHECK(s->cacheBase == s->base + (s->freeindex - 64) * s->elemsize);
	return NULL;
}

const char *mspan_is_valid(const struct mspan *s)
{
	const char *wrong;

	CHECK(s->npages > 0);
	CHECK(s->base >= mheap.arena_start && s->base + mspan_bytes(s) <= mheap.arena_used);
	CHECK((s->base - mheap.arena_start) % PageSize == 0);
	if (s->state == mSpanStack)
		return s->divMagic == 0 ? stack_span_is_valid(s) : "nothing of a span of stacks is freed as an object";
	if (s->state != mSpanInUse) {
		CHECK(s->divMagic == 0);
		CHECK(reader_get(&s->list) != NULL);
		return NULL;
	}
	const struct size_class *class = &size_classes[spanclass_size_class(s->spanclass)];
	CHECK(s->elemsize == class->size);
	CHECK(s->npages == class->span_pages);
	CHECK(s->nelems == mspan_bytes(s) / class->size);
	CHECK(s->divMagic == 0 || s->divMagic == class->divMagic);
	CHECK(s->allocCount >= s->allocCountBeforeCache);
	if ((wrong = bits_are_valid(s)))
		return wrong;
	return atomic_load_explicit(&s->owner, memory_order_relaxed) ? window_is_valid(s) : NULL;
}

static const char *list_is_valid(const struct mSpanList *list, struct mcache *owner, unsigned spanclass,
				 unsigned *length)
{
	const struct mspan *before = NULL;

	*length = 0;
	for (const struct mspan *s = list->first; s; before = s, s = s->next, ++*length) {
		CHECK(s->prev == before);
		CHECK(reader_get(&s->list) == list);
		CHECK(s->state == mSpanInUse);
		CHECK(s->spanclass == spanclass);
		CHECK(atomic_load_explicit(&s->owner, memory_order_relaxed) == owner);
	}
	CHECK(list->last == before);
	return NULL;
}

const char *mcache_is_valid(struct mcache *c)
{
	const char *wrong;
	unsigned length;

	CHECK(c->sequence.moving % 2 == 0 && c->sequence.allocating % 2 == 0);
	for (unsigned i = 0; i < NumSpanClasses; i++) {
		const struct mspan *s = c->alloc[i];
		if ((wrong = list_is_valid(&c->full[i], c, i, &length)))
			return wrong;
		if ((wrong = list_is_valid(&c->ready[i], c, i, &length)))
			return wrong;
		CHECK(length == c->nready[i]);
		if (s == &emptymspan)
			continue;
		CHECK(s->state == mSpanInUse && s->spanclass == i && reader_get(&s->list) == NULL);
		CHECK(atomic_load_explicit(&s->owner, memory_order_relaxed) == c);
	}
	return NULL;
}

const char *mcentral_is_valid(const struct mcentral *central)
{
	const char *wrong = NULL;
	unsigned length;

	if ((wrong = list_is_valid(&central->nonempty, NULL, mcentral_spanclass(central), &length)))
		return wrong;
	return list_is_valid(&central->empty, NULL, mcentral_spanclass(central), &length);
}

static const char *table_is_valid(const struct mspan *s, uintptr_t page)
{
	for (size_t i = 0; i < s->npages; i++) {
		bool end = i == 0 || i == s->npages - 1;
		const struct mspan *entry = arena_map.spans[page + i];
		CHECK(entry == (end || mspan_inEveryPage(s) || mheap_isWhole(s) ? s : &emptymspan));
	}
	return NULL;
}

/* allspans contains every span of the arena once, and otherwise only dead spans. */
static const char *allspans_are_valid(size_t in_arena)
{
	size_t alive = 0;

	for (const struct mspan *s = mheap.allspans; s; s = s->alllink) {
		CHECK(s->recorded);
		if (s->state == mSpanDead)
			continue;
		CHECK(arena_map.spans[(s->base - mheap.arena_start) >> PageShift] == s);
		alive++;
	}
	CHECK(alive == in_arena);
	return NULL;
}

static const char *arena_is_valid(void)
{
	size_t inuse = 0, released = 0, spans = 0, holes = 0, whole = 0;
	const struct mspan *before = NULL;
	const char *wrong;

	for (uintptr_t page = 0; page < arena_map.pages;) {
		const struct mspan *s = arena_map.spans[page];
		CHECK(s && s != &emptymspan);
		CHECK(s->base == mheap.arena_start + (page << PageShift));
		if (s->state == mSpanHole) {
			CHECK(arena_map.spans[page + s->npages - 1] == s);
			holes += s->npages << PageShift;
			before = s;
			spans++;
			page += s->npages;
			continue;
		}
		if ((wrong = mspan_is_valid(s)) || (wrong = table_is_valid(s, page)))
			return wrong;
		if (mheap_isWhole(s)) {
			released += s->npreleased;
			whole++;
		} else if (s->state == mSpanFree) {
			CHECK(!before || before->state != mSpanFree || mheap_isWhole(before));
			struct free_spans *of = mheap_freeSpansOf(s);
			CHECK(reader_get(&s->list) ==
			      (s->npages < NumFreeLists ? &of->lists[s->npages] : &of->large.root));
			CHECK(s->npreleased <= s->npages);
			CHECK(s->released_tail <= s->npreleased);
			CHECK(s->young <= s->npages);
			released += s->npreleased;
		} else {
			CHECK(s->state == mSpanInUse || s->state == mSpanLarge || s->state == mSpanStack);
			inuse += s->npages;
		}
		before = s;
		spans++;
		page += s->npages;
		CHECK(page <= arena_map.pages);
	}
	CHECK(holes == mheap.holes);
	CHECK(inuse == mheap.pagesInUse);
	CHECK(released == mheap.pagesReleased);
	CHECK(whole == mheap.nwhole);
	return allspans_are_valid(spans);
}

static const char *tree_is_valid(const struct mTreap *tree, const struct mspan *s, size_t shortest, size_t longest)
{
	const char *wrong;

	if (!s)
		return NULL;
	CHECK(s->state == mSpanFree && reader_get(&s->list) == &tree->root);
	CHECK(s->npages >= shortest && s->npages <= longest);
	if ((wrong = tree_is_valid(tree, s->prev, shortest, s->npages)))
		return wrong;
	return tree_is_valid(tree, s->next, s->npages, longest);
}

static const char *free_spans_are_valid(const struct free_spans *spans)
{
	for (size_t n = 0; n < NumFreeLists; n++) {
		CHECK((spans->lists[n].first != NULL) == (spans->map[n / 64] >> n % 64 & 1));
		for (const struct mspan *s = spans->lists[n].first; s; s = s->next)
			CHECK(s->npages == n && s->state == mSpanFree);
	}
	return tree_is_valid(&spans->large, spans->large.root.first, NumFreeLists, SIZE_MAX);
}

const char *mheap_is_valid(void)
{
	const char *wrong;

	CHECK(arena_map.pages == (mheap.arena_used - mheap.arena_start) >> PageShift);
	if ((wrong = arena_is_valid()) || (wrong = free_spans_are_valid(&mheap.free)) ||
	    (wrong = free_spans_are_valid(&mheap.scav)) || (wrong = stackpool_is_valid()))
		return wrong;
	for (unsigned i = 0; i < NumSpanClasses; i++)
		if ((wrong = mcentral_is_valid(&mheap.central[i])))
			return wrong;
	for (struct mcache *c = mcache_first(); c; c = mcache_next(c))
		if ((wrong = mcache_is_valid(c)))
			return wrong;
	return NULL;
}
