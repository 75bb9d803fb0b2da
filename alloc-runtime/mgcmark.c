/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See mgcmark.h.
 *
 * Of each 64-byte object, the bit, the entry of its page and the object itself are in different pages, which the processor
 * rarely has addresses of. Therefore references are sorted by regions of the arena before they are followed: each region has a
 * queue of words that may refer to its objects, and a queue is emptied as a whole, while the region's pages, bits and entries
 * are at hand. What its objects refer to goes to the queues.
 */
#include "mgcmark.h"

#include "cachealloc.h"
#include "debug.h"
#include "malloc_fast.h"
#include "sys.h"

enum {
	WordSize = 8,
	PageWords = PageSize / WordSize,
	/* of the queues: a chunk for so many bytes of the arena, within limits, and two for each region */
	ChunkShare = 8 * 1024,
	ChunksLeast = 1 << 10,
	ChunksMost = 1 << 18,
	ScanWords = 128,  /* of an object that are scanned at a time, so that a long one does not fill the queues */
	RegionShift = 21, /* a region's pages, bits and entries: few enough for what the processor keeps of addresses */
	ChunkWords = 126, /* a chunk takes 1 KiB */
	MaxParts = 1 << 12,
	Ahead = 8, /* objects are requested so many words before they are looked at */
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

/* Words that may refer to objects of a region. */
struct chunk {
	uint32_t next; /* index + 1, 0: none */
	uint32_t n;
	uintptr_t reserved;
	uintptr_t words[ChunkWords];
};

struct region {
	uint32_t chunk; /* index + 1; 0: it has no words */
	uint32_t next_ready;
	bool is_ready;
};

struct gcmark {
	uintptr_t start; /* of the arena */
	size_t bytes;	 /* with holes */
	size_t mapped;	 /* bytes of this struct and of the tables behind it */
	struct mark_page *pages;
	/* Bits by object. reached: from roots, or free. visited, indirect: in the second pass, of those not reached. */
	uint64_t *reached, *visited, *indirect;
	uintptr_t lost;		      /* second pass: the object whose references are followed; 0 in the first */
	struct address_range dropped; /* of objects that were marked but not scanned; empty: start >= limit */
	const struct address_range *unreadable;
	size_t nunreadable;
	struct region *regions;
	uint32_t ready, last_ready; /* regions with words, as a list; index + 1, 0: none */
	struct chunk *chunks;
	uint32_t free_chunks, unused_chunk, nchunks; /* a list; the first that was never used; all */
	struct address_range parts[MaxParts];	     /* of long objects that are still to be scanned */
	size_t nparts;
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

/* ---- the queues ---- */

static void drop(struct gcmark *m, uintptr_t object)
{
	if (m->dropped.start >= m->dropped.limit)
		m->dropped = (struct address_range){object, object + 1};
	else if (object < m->dropped.start)
		m->dropped.start = object;
	else if (object >= m->dropped.limit)
		m->dropped.limit = object + 1;
}

/* Marks an object. Returns whether it is to be scanned. */
static inline bool greyobject(struct gcmark *m, const struct object *object)
{
	size_t bit = bit_of(m, object->address);

	if (m->lost == 0) {
		if (set_bit(m->reached, bit))
			return false;
	} else {
		if (is_set(m->reached, bit) || object->address == m->lost)
			return false;
		set_bit(m->indirect, bit);
		if (set_bit(m->visited, bit))
			return false;
	}
	return object->scan;
}

static uint32_t take_chunk(struct gcmark *m)
{
	uint32_t chunk = m->free_chunks;

	if (chunk != 0)
		m->free_chunks = m->chunks[chunk - 1].next;
	else if (m->unused_chunk < m->nchunks)
		chunk = ++m->unused_chunk;
	return chunk;
}

/* Begins a chunk for a region. Returns false if there is none. */
static __attribute__((noinline)) bool begin_chunk(struct gcmark *m, struct region *r)
{
	uint32_t chunk = take_chunk(m);

	if (chunk == 0)
		return false;
	m->chunks[chunk - 1].next = r->chunk;
	m->chunks[chunk - 1].n = 0;
	r->chunk = chunk;
	if (!r->is_ready) {
		uint32_t number = (uint32_t)(r - m->regions) + 1;
		r->is_ready = true;
		r->next_ready = 0;
		*(m->ready ? &m->regions[m->last_ready - 1].next_ready : &m->ready) = number;
		m->last_ready = number;
	}
	return true;
}

/* Queues a word that may refer to an object. */
static inline void note_word(struct gcmark *m, uintptr_t word)
{
	uintptr_t offset = word - m->start;

	if (likely(offset >= m->bytes))
		return;
	struct region *r = &m->regions[offset >> RegionShift];
	if (unlikely(r->chunk == 0 || m->chunks[r->chunk - 1].n == ChunkWords) && !begin_chunk(m, r)) {
		struct object object;
		if (findObject(m, word, &object) && greyobject(m, &object))
			drop(m, object.address);
		return;
	}
	struct chunk *chunk = &m->chunks[r->chunk - 1];
	chunk->words[chunk->n++] = word;
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

/* Scans an object, of a long one the first part. */
static inline void scan_first(struct gcmark *m, struct address_range object)
{
	uintptr_t limit = object.limit;

	if (limit - object.start > ScanWords * WordSize) {
		limit = object.start + ScanWords * WordSize;
		if (m->nparts == MaxParts) {
			drop(m, object.start);
			return;
		}
		m->parts[m->nparts++] = (struct address_range){limit, object.limit};
	}
	scanobject(m, (struct address_range){object.start, limit});
}

/* Follows the references in one chunk of the region. */
static void drain_region(struct gcmark *m, struct region *r)
{
	while (r->chunk != 0) {
		uint32_t number = r->chunk;
		struct chunk *chunk = &m->chunks[number - 1];
		struct object object;
		r->chunk = chunk->next;
		for (uint32_t i = 0; i < chunk->n; i++) {
			if (i + Ahead < chunk->n)
				__builtin_prefetch((const void *)chunk->words[i + Ahead]);
			if (findObject(m, chunk->words[i], &object) && greyobject(m, &object))
				scan_first(m, (struct address_range){object.address, object.address + object.bytes});
		}
		chunk->next = m->free_chunks;
		m->free_chunks = number;
	}
}

static void drain_queues(struct gcmark *m)
{
	for (;;) {
		if (m->ready != 0) {
			struct region *r = &m->regions[m->ready - 1];
			drain_region(m, r);
			m->ready = r->next_ready;
			r->is_ready = false;
		} else if (m->nparts != 0) {
			scan_first(m, m->parts[--m->nparts]);
		} else {
			return;
		}
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
		scan_first(m, (struct address_range){object, object + s->elemsize});
		drain_queues(m);
	}
}

static bool is_noscan(const struct mspan *s)
{
	return s->spanclass & 1;
}

static void gcDrain(struct gcmark *m)
{
	drain_queues(m);
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
		scan_first(m, (struct address_range){object, object + s->elemsize});
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
	size_t nregions = (bytes >> RegionShift) + 1, nchunks = bytes / ChunkShare;
	if (nchunks < ChunksLeast)
		nchunks = ChunksLeast;
	nchunks = 2 * nregions + (nchunks > ChunksMost ? ChunksMost : nchunks);
	size_t head = page_align(sizeof(struct gcmark)), regions = page_align(nregions * sizeof(struct region)),
	       queues = page_align(nchunks * sizeof(struct chunk));
	size_t mapped = head + table + 3 * bits + regions + queues;
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
	m->regions = (struct region *)((char *)m->indirect + bits);
	m->chunks = (struct chunk *)((char *)m->regions + regions);
	m->nchunks = (uint32_t)nchunks;
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
