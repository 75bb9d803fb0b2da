/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See mgcmark.h.
 *
 * Of each 64-byte object, the bit, the entry of its page and the object itself are in different cache lines, which are
 * rarely in the cache. Therefore pointers pass through a short queue (`near`) between the moment that these lines are
 * requested and the moment that they are used.
 */
#include "mgcmark.h"

#include "cachealloc.h"
#include "debug.h"
#include "malloc_fast.h"
#include "sys.h"

enum {
	WordSize = 8,
	PageWords = PageSize / WordSize,
	/* of the work list: an entry for so many bytes of the arena, within limits */
	WorkShare = 128,
	WorkLeast = 1 << 16,
	WorkMost = 1 << 24,
	ScanWords = 128, /* of an object that are scanned at a time, so that a long one does not fill the work list */
	NearLength = 16, /* powers of two */
	AheadLength = 8,
};

enum page_kind { PageNone, PageNoscan, PageScan };

/* What findObject needs to know of a page, in a quarter of a cache line instead of the span's three. */
struct mark_page {
	uint32_t back;	/* pages from the span's first one to this one */
	uint32_t magic; /* ceil(2^31 / elem); 0: one large object */
	uint32_t elem;	/* words of an object; pages if large */
	uint16_t nelems;
	uint8_t kind; /* enum page_kind */
};
_Static_assert(sizeof(struct mark_page) == 16, "four in a cache line");

struct object {
	uintptr_t address; /* 0: none */
	size_t bytes;
	bool scan;
};

struct gcmark {
	uintptr_t start; /* of the arena */
	size_t bytes;	 /* with holes */
	size_t mapped;	 /* bytes of this struct and of the tables behind it */
	struct mark_page *pages;
	/* Bits by object. reached: from roots, or free. visited, indirect: in the second pass, of those not reached. */
	uint64_t *reached, *visited, *indirect;
	uintptr_t lost;		      /* second pass: the object whose references are followed; 0 in the first */
	struct address_range dropped; /* of objects that found no room on the work list; empty: start >= limit */
	const struct address_range *unreadable;
	size_t nunreadable;
	struct object near[NearLength];
	unsigned near_at;
	/* What comes off the work list has often been on it for long, and has left the cache: it is requested again, and looked at
	 * some objects later. Empty: start 0. */
	struct address_range ahead[AheadLength];
	unsigned ahead_at;
	size_t nwork, maxwork;
	struct address_range *work;
};

/* Words that belong to other threads, or that nobody has written. */
#define UNSANITIZED __attribute__((no_sanitize_address, no_sanitize_thread, no_sanitize_undefined))

static size_t page_align(size_t bytes)
{
	return (bytes + PageSize - 1) & ~(size_t)(PageSize - 1);
}

bool gcmark_spanInUse(const struct mspan *s)
{
	uintptr_t page = (s->base - mheap.arena_start) >> PageShift;

	return (s->state == mSpanInUse || s->state == mSpanLarge || s->state == mSpanStack) && page < arena_map.pages &&
	       arena_map.spans[page] == s;
}

static bool has_objects(const struct mspan *s)
{
	return s->state != mSpanStack && gcmark_spanInUse(s);
}

static uintptr_t address_of(const struct mspan *s, unsigned index)
{
	return s->base + (uintptr_t)index * s->elemsize;
}

/* ---- bits ---- */

static size_t bit_of(const struct gcmark *m, uintptr_t object)
{
	return (object - m->start) / WordSize;
}

static bool is_set(const uint64_t *bits, size_t bit)
{
	return bits[bit / 64] >> bit % 64 & 1;
}

/* Returns whether it was set. */
static inline bool set_bit(uint64_t *bits, size_t bit)
{
	uint64_t before = bits[bit / 64], mask = 1ULL << bit % 64;

	bits[bit / 64] = before | mask;
	return (before & mask) != 0;
}

/* ---- objects ---- */

/* Whether the debug level keeps an object in its queue that the program has freed. */
static bool is_queued(const struct mspan *s, unsigned index)
{
	return debug_level && debug_isFreed(s, (void *)address_of(s, index));
}

/* The objects of a word of bits that are free, in a span of small objects. */
static uint64_t free_in(struct mspan *s, unsigned word)
{
	uint64_t mask = mspan_word_mask(s, word), free = mspan_freeIn(s, word) & mask;

	for (uint64_t left = debug_level ? mask & ~free : 0; left != 0; left &= left - 1) {
		unsigned bit = (unsigned)__builtin_ctzll(left);
		if (is_queued(s, word * 64 + bit))
			free |= 1ULL << bit;
	}
	return free;
}

/* Finds the object that the address points into. False if there is none. */
static inline bool findObject(const struct gcmark *m, uintptr_t address, struct object *object)
{
	uintptr_t offset = address - m->start;
	const struct mark_page *p = &m->pages[offset >> PageShift];

	if (p->kind == PageNone)
		return false;
	uintptr_t base = (address & ~(uintptr_t)(PageSize - 1)) - ((uintptr_t)p->back << PageShift);
	object->scan = p->kind == PageScan;
	if (p->magic == 0) {
		object->address = base;
		object->bytes = (size_t)p->elem << PageShift;
		return true;
	}
	/* Exact, because spans of small objects have less than 2^16 words, and objects less than 2^13. */
	uint32_t words = p->back * PageWords + (uint32_t)(address % PageSize) / WordSize;
	uint32_t index = (uint32_t)((uint64_t)words * p->magic >> 31);
	if (index >= p->nelems)
		return false;
	object->bytes = (size_t)p->elem * WordSize;
	object->address = base + index * object->bytes;
	return true;
}

/* ---- the work list ---- */

static void drop(struct gcmark *m, uintptr_t object)
{
	if (m->dropped.start >= m->dropped.limit)
		m->dropped = (struct address_range){object, object + 1};
	else if (object < m->dropped.start)
		m->dropped.start = object;
	else if (object >= m->dropped.limit)
		m->dropped.limit = object + 1;
}

static void greyobject(struct gcmark *m, const struct object *object)
{
	size_t bit = bit_of(m, object->address);

	if (m->lost == 0) {
		if (set_bit(m->reached, bit))
			return;
	} else {
		if (is_set(m->reached, bit) || object->address == m->lost)
			return;
		set_bit(m->indirect, bit);
		if (set_bit(m->visited, bit))
			return;
	}
	if (!object->scan)
		return;
	if (m->nwork == m->maxwork)
		drop(m, object->address);
	else
		m->work[m->nwork++] = (struct address_range){object->address, object->address + object->bytes};
}

/* Queues the object that a word refers to, if it does, and takes the oldest of the queue instead. */
static inline void note_word(struct gcmark *m, uintptr_t word)
{
	struct object *slot = &m->near[m->near_at % NearLength], object;

	if (likely(word - m->start >= m->bytes) || !findObject(m, word, &object))
		return;
	__builtin_prefetch(&(m->lost == 0 ? m->reached : m->visited)[bit_of(m, object.address) / 64], 1);
	if (object.scan)
		__builtin_prefetch((const void *)object.address);
	struct object oldest = *slot;
	*slot = object;
	m->near_at++;
	if (oldest.address != 0)
		greyobject(m, &oldest);
}

static void empty_queue(struct gcmark *m)
{
	for (unsigned i = 0; i < NearLength; i++) {
		struct object object = m->near[i];
		m->near[i].address = 0;
		if (object.address != 0)
			greyobject(m, &object);
	}
}

static UNSANITIZED void scan_words(struct gcmark *m, uintptr_t start, uintptr_t limit)
{
	for (const uintptr_t *word = (const uintptr_t *)start, *end = (const uintptr_t *)limit; word < end; word++)
		note_word(m, *word);
}

/* Returns the first unreadable range that ends behind the address; NULL if there is none. */
static const struct address_range *unreadable_from(const struct gcmark *m, uintptr_t address)
{
	size_t low = 0, high = m->nunreadable;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (m->unreadable[middle].limit > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low < m->nunreadable ? &m->unreadable[low] : NULL;
}

static void scanobject(struct gcmark *m, struct address_range part)
{
	const struct address_range *gap = NULL;

	for (; m->nunreadable != 0 && (gap = unreadable_from(m, part.start)) && gap->start < part.limit;
	     part.start = gap->limit)
		scan_words(m, part.start, gap->start);
	scan_words(m, part.start, part.limit);
}

/* Takes a part of an object off the work list; empty if there is none. */
static inline struct address_range take_work(struct gcmark *m)
{
	if (m->nwork == 0)
		return (struct address_range){0, 0};
	struct address_range part = m->work[--m->nwork];
	if (part.limit - part.start > ScanWords * WordSize) {
		m->work[m->nwork++] = (struct address_range){part.start + ScanWords * WordSize, part.limit};
		part.limit = part.start + ScanWords * WordSize;
	}
	__builtin_prefetch((const void *)part.start);
	return part;
}

static void drain_list(struct gcmark *m)
{
	for (unsigned idle = 0; idle <= AheadLength;) {
		struct address_range *slot = &m->ahead[m->ahead_at++ % AheadLength], part = *slot;
		*slot = take_work(m);
		if (part.start != 0)
			scanobject(m, part);
		else if (m->nwork == 0 && slot->start == 0 && ++idle % AheadLength == 0)
			empty_queue(m);
		if (part.start != 0 || slot->start != 0)
			idle = 0;
	}
}

/* Scans the marked objects of a span that lie in the range. */
static void rescan_span(struct gcmark *m, struct mspan *s, struct address_range range)
{
	for (unsigned i = 0; i < s->nelems; i++) {
		uintptr_t object = address_of(s, i);
		bool marked = is_set(m->lost == 0 ? m->reached : m->visited, bit_of(m, object));
		if (object < range.start || object >= range.limit || !marked)
			continue;
		if (s->state == mSpanInUse && (free_in(s, i / 64) >> i % 64 & 1))
			continue;
		m->work[m->nwork++] = (struct address_range){object, object + s->elemsize};
		drain_list(m);
	}
}

static bool is_noscan(const struct mspan *s)
{
	return s->spanclass & 1;
}

static void gcDrain(struct gcmark *m)
{
	drain_list(m);
	while (m->dropped.start < m->dropped.limit) {
		struct address_range range = m->dropped;
		m->dropped.limit = 0;
		for (struct mspan *s = mheap.allspans; s; s = s->alllink)
			if (has_objects(s) && !is_noscan(s) && s->base < range.limit &&
			    s->base + mspan_bytes(s) > range.start)
				rescan_span(m, s, range);
	}
}

/* ---- roots ---- */

void markroot(struct gcmark *m, uintptr_t start, uintptr_t limit)
{
	start = (start + WordSize - 1) & ~(uintptr_t)(WordSize - 1);
	limit &= ~(uintptr_t)(WordSize - 1);
	for (uintptr_t next; start < limit; start = next) {
		next = limit - start > ScanWords * WordSize ? start + ScanWords * WordSize : limit;
		scan_words(m, start, next);
		gcDrain(m);
	}
}

void markroot_word(struct gcmark *m, uintptr_t word)
{
	note_word(m, word);
	gcDrain(m);
}

void markroot_span(struct gcmark *m, struct mspan *s)
{
	for (unsigned i = 0; has_objects(s) && i < s->nelems; i++)
		markroot_word(m, address_of(s, i));
}

uintptr_t gcmark_objectEnd(const struct gcmark *m, uintptr_t address)
{
	struct object object;

	return address - m->start < m->bytes && findObject(m, address, &object) ? object.address + object.bytes : 0;
}

/* ---- lost objects ---- */

/* Follows the references of all lost objects, each of which starts as one that is lost directly. */
static void visit_lost(struct gcmark *m, struct mspan *s)
{
	for (unsigned i = 0; i < s->nelems; i++) {
		uintptr_t object = address_of(s, i);
		size_t bit = bit_of(m, object);
		if (is_set(m->reached, bit) || set_bit(m->visited, bit) || is_noscan(s))
			continue;
		m->lost = object;
		m->work[m->nwork++] = (struct address_range){object, object + s->elemsize};
		gcDrain(m);
	}
}

void gcmark_lost(struct gcmark *m, bool (*visit)(void *argument, struct mspan *s, unsigned index, bool indirect),
		 void *argument)
{
	for (struct mspan *s = mheap.allspans; s; s = s->alllink)
		if (has_objects(s))
			visit_lost(m, s);
	for (struct mspan *s = mheap.allspans; s; s = s->alllink)
		for (unsigned i = 0; has_objects(s) && i < s->nelems; i++) {
			size_t bit = bit_of(m, address_of(s, i));
			if (!is_set(m->reached, bit) && !visit(argument, s, i, is_set(m->indirect, bit)))
				return;
		}
}

/* ---- begin and end ---- */

static void mark_free(struct gcmark *m, struct mspan *s)
{
	if (s->state == mSpanLarge) {
		if (is_queued(s, 0))
			set_bit(m->reached, bit_of(m, s->base));
		return;
	}
	for (unsigned word = 0; word < mspan_words(s); word++)
		for (uint64_t free = free_in(s, word); free != 0; free &= free - 1)
			set_bit(m->reached, bit_of(m, address_of(s, word * 64 + (unsigned)__builtin_ctzll(free))));
}

/* A block that an mcache holds for tiny objects to come counts as allocated, but as free here if all objects in it are. */
static void mark_held_blocks(struct gcmark *m)
{
	for (const struct mcache *c = mcache_first(); c; c = mcache_next(c)) {
		const struct mspan *s = c->tiny != 0 ? span_at((void *)c->tiny) : NULL;
		unsigned bytes;
		if (s && has_objects(s) && tiny_live(s, (unsigned)((c->tiny - s->base) / TinySize), &bytes) == 0)
			set_bit(m->reached, bit_of(m, c->tiny));
	}
}

static void add_span(struct gcmark *m, struct mspan *s)
{
	struct mark_page *p = &m->pages[(s->base - m->start) >> PageShift];
	uint32_t elem = (uint32_t)(s->state == mSpanLarge ? s->npages : s->elemsize / WordSize);

	for (size_t i = 0; i < s->npages; i++)
		p[i] = (struct mark_page){.back = (uint32_t)i,
					  .magic = s->state == mSpanLarge ? 0 : ((1U << 31) - 1) / elem + 1,
					  .elem = elem,
					  .nelems = (uint16_t)s->nelems,
					  .kind = is_noscan(s) ? PageNoscan : PageScan};
	mark_free(m, s);
}

struct gcmark *gcmark_begin(const struct address_range *unreadable, size_t count)
{
	size_t bytes = mheap.arena_used - mheap.arena_start, npages = bytes >> PageShift;
	size_t bits = page_align(bytes / WordSize / 8 + 8), table = page_align(npages * sizeof(struct mark_page));
	size_t maxwork = bytes / WorkShare < WorkLeast	? WorkLeast
			 : bytes / WorkShare < WorkMost ? bytes / WorkShare
							: WorkMost;
	size_t head = page_align(sizeof(struct gcmark)),
	       list = page_align((maxwork + 1) * sizeof(struct address_range));
	size_t mapped = head + table + 3 * bits + list;
	struct gcmark *m = sysAllocSparse(mapped);

	if (!m)
		return NULL;
	m->start = mheap.arena_start;
	m->bytes = bytes;
	m->mapped = mapped;
	m->pages = (struct mark_page *)((char *)m + head);
	m->reached = (uint64_t *)((char *)m->pages + table);
	m->visited = m->reached + bits / sizeof *m->reached;
	m->indirect = m->visited + bits / sizeof *m->visited;
	m->work = (struct address_range *)((char *)m->indirect + bits);
	m->maxwork = maxwork;
	m->unreadable = unreadable;
	m->nunreadable = count;
	for (struct mspan *s = mheap.allspans; s; s = s->alllink)
		if (has_objects(s))
			add_span(m, s);
	mark_held_blocks(m);
	return m;
}

void gcmark_end(struct gcmark *m)
{
	sysFree(m, m->mapped);
}
