// SPDX-License-Identifier: BSD-2-Clause
/*
 * A program on libgoalloc that publishes false data about itself.
 *
 *   liar LIE [ARG...]   publishes the false data, prints "ready", and allocates until it is killed; or waits, if the lie is
 *                       of its spans or objects
 *
 *   field OFFSET SIZE VALUE   writes VALUE into SIZE bytes of its published description
 *   random SEED               writes random bytes into a third of its description, except the version
 *   search SEED               publishes other offsets in a third of the fields that a search for lost objects needs
 *   spans SEED                exchanges two words in a third of its spans
 *   giant                     its only span is one object of 4 TiB
 *   many N                    its N spans have 2^16 objects of 8 bytes each, without memory behind them
 *   table                     its heap profile has a table of 2^26 slots, which are the same few lost objects again and again
 *   strings N                 no lie: it has lost N objects of 3 bytes
 *   circle                    the list of caches is circular
 *   chain                     the list of caches has 8,000 entries of 64 KiB each
 *   torn                      each of 4,000 caches is permanently in the middle of a refill
 *   counters                  counters have impossibly high values
 *   sites                     each allocation has a different site with names of 4,000 bytes
 *   probes ADDRESS...         runs these probe sites (offsets from the start of the program) with random arguments
 */
#include <goalloc.h>
#include <goalloc_contract.h>

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

extern const char __ehdr_start[] __attribute__((visibility("hidden")));

static struct goalloc_description *description;

/* Finds the description by its note, as an observer does. */
static int find_description(struct dl_phdr_info *image, size_t size, void *context)
{
	(void)size, (void)context;
	for (int i = 0; i < image->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &image->dlpi_phdr[i];
		const char *at = (const char *)image->dlpi_addr + segment->p_vaddr, *end = at + segment->p_memsz;

		while (segment->p_type == PT_NOTE && at + sizeof(ElfW(Nhdr)) < end) {
			const ElfW(Nhdr) *note = (const void *)at;
			const char *name = at + sizeof(*note), *value = name + (note->n_namesz + 3) / 4 * 4;
			int64_t distance;

			if (note->n_type == GOALLOC_NOTE_DESCRIPTION && strcmp(name, GOALLOC_NOTE_OWNER) == 0) {
				memcpy(&distance, value, sizeof(distance));
				description = (void *)(uintptr_t)(value + distance);
			}
			at = value + (note->n_descsz + 3) / 4 * 4;
		}
	}
	return 1; /* the executable comes first */
}

static uint64_t random_state;

static uint64_t random_word(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Small ones, too: they are classes and counts that can be. */
static uint64_t random_number(void)
{
	return random_word() >> random_word() % 64;
}

/* A list of fake caches: each begins with the address of the next one. */
static void build_list(uint64_t count, uint64_t size, bool circle, uint32_t moving)
{
	char *caches =
		mmap(NULL, count * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	for (uint64_t i = 0; i < count; i++) {
		char *next = i + 1 < count ? caches + (i + 1) * size : circle ? caches : NULL;
		struct goalloc_sequence sequence = {moving, 0};

		memcpy(caches + i * size, &next, sizeof(next));
		if (moving)
			memcpy(caches + i * size + description->cache_sequence, &sequence, sizeof(sequence));
	}
	memcpy((void *)(uintptr_t)description->caches, &caches, sizeof(caches));
	description->version = 1;
	description->cache_next = 0;
}

static void allocate_at_sites(void)
{
	enum { SITES = 20000, NAME = 4000 };
	struct goalloc_site *sites = calloc(SITES, sizeof(*sites));
	char *names = malloc((size_t)SITES * NAME);

	memset(names, 'x', (size_t)SITES * NAME);
	for (int i = 0; i < SITES; i++) {
		names[(size_t)i * NAME + NAME - 1] = 0;
		sites[i].file = sites[i].function = names + (size_t)i * NAME;
		sites[i].line = (uint32_t)i;
	}
	puts("ready");
	fflush(stdout);
	for (int i = 0;; i = (i + 1) % SITES)
		goalloc_free(goalloc_noscan_at(64, &sites[i]));
}

typedef void probe_site(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f);

static void run_probes(char *const *distances)
{
	for (int i = 0; i < 2000; i++) {
		for (char *const *distance = distances; *distance; distance++) {
			uintptr_t address = (uintptr_t)__ehdr_start + strtoull(*distance, NULL, 0);

			((probe_site *)address)(random_number(), random_number(), random_number(), random_number(),
						random_number(), random_number());
		}
	}
}

/* Writes random bytes into a third of a struct, from that offset on. */
static void spoil(void *at, size_t from, size_t size)
{
	for (size_t i = from; i < size; i++) {
		uint64_t word = random_word();

		if (word % 3 == 0)
			((char *)at)[i] = (char)(word >> 8);
	}
}

/* Offsets that may be in a span, of the wrong fields. */
static void spoil_search(struct goalloc_search *search)
{
	for (uint32_t *offset = &search->span_owner; offset <= &search->cache_tiny; offset++) {
		if (random_word() % 3 == 0)
			*offset = (uint32_t)(random_word() % (search->span_size / 8)) * 8;
	}
}

/* Two words of a span each have the other's value. */
static void spoil_spans(void)
{
	const struct goalloc_search *search = (const void *)(uintptr_t)description->search;
	char *span;

	memcpy(&span, (void *)(uintptr_t)description->spans, sizeof(span));
	for (char *next; span; span = next) {
		uint64_t *words = (uint64_t *)(void *)span, a = random_word() % (search->span_size / 8),
			 b = random_word() % (search->span_size / 8), word = words[a];

		memcpy(&next, span + description->span_link, sizeof(next));
		if (random_word() % 3)
			continue;
		words[a] = words[b];
		words[b] = word;
		memcpy(span + description->span_link, &next, sizeof(next));
	}
}

/* The only spans: `count` of so many pages each, one behind the other, of which no object is free. */
static void publish_spans(size_t count, uint64_t pages, uint8_t state, uint8_t class)
{
	enum { FIRST = 1 << 30 };
	const struct goalloc_search *search = (const void *)(uintptr_t)description->search;
	/* mapped, as libgoalloc's own are: in the C library's heap they would be references */
	char *spans = mmap(NULL, count * search->span_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *free_bits = mmap(NULL, 256 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < count; i++) {
		char *span = spans + i * search->span_size, *next = i + 1 < count ? span + search->span_size : NULL;
		uint64_t base = FIRST + i * pages * GOALLOC_PAGE;

		memcpy(span + description->span_link, &next, sizeof(next));
		memcpy(span + description->span_base, &base, sizeof(base));
		memcpy(span + description->span_pages, &pages, sizeof(pages));
		memcpy(span + search->span_free_bits, &free_bits, sizeof(free_bits));
		span[description->span_state] = (char)state;
		span[description->span_class] = (char)class;
	}
	memcpy((void *)(uintptr_t)description->spans, &spans, sizeof(spans));
}

static void publish_table(void)
{
	enum { PIECE = 64 << 10, SLOTS = 1 << 26, HEAD = 4096, LOST = 400 };
	const struct goalloc_search *search = (const void *)(uintptr_t)description->search;
	size_t bytes = (size_t)SLOTS * sizeof(struct goalloc_object_slot);
	struct goalloc_object_slots **place = (void *)(uintptr_t)search->objects, *table;
	int file = memfd_create("slots", 0);
	char *at = mmap(NULL, HEAD + bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	for (int i = 0; i < LOST; i++)
		memset(goalloc_noscan(64), 1, 64);
	for (size_t i = 0, part; i < PIECE; i += part) {
		part = (*place)->capacity * sizeof((*place)->slots[0]);
		part = part < PIECE ? part : PIECE;
		if (write(file, (*place)->slots, part) != (ssize_t)part)
			abort();
	}
	for (size_t i = 0; i < bytes; i += PIECE)
		mmap(at + HEAD + i, PIECE, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0);
	table = (void *)(at + HEAD - offsetof(struct goalloc_object_slots, slots));
	table->capacity = SLOTS;
	*place = table;
}

static void lose_strings(size_t count)
{
	for (size_t i = 0; i < count; i++)
		memcpy(goalloc_noscan(3), "ab", 3);
}

static void lie(int argc, char **argv)
{
	const char *name = argv[1];
	uint64_t value = UINT64_MAX;

	random_state = argc > 2 ? strtoull(argv[2], NULL, 0) * 2 + 1 : 1;
	if (strcmp(name, "field") == 0 && argc > 4) {
		value = strtoull(argv[4], NULL, 0);
		memcpy((char *)description + atoi(argv[2]), &value, (size_t)atoi(argv[3]));
	} else if (strcmp(name, "random") == 0) {
		spoil(description, offsetof(struct goalloc_description, tiny_span_class), sizeof(*description));
	} else if (strcmp(name, "search") == 0) {
		spoil_search((void *)(uintptr_t)description->search);
	} else if (strcmp(name, "spans") == 0) {
		spoil_spans();
	} else if (strcmp(name, "giant") == 0) {
		publish_spans(1, (UINT64_C(4) << 40) / GOALLOC_PAGE, GOALLOC_STATE_LARGE, 0);
	} else if (strcmp(name, "many") == 0 && argc > 2) {
		publish_spans(strtoull(argv[2], NULL, 0), (512 << 10) / GOALLOC_PAGE, GOALLOC_STATE_SMALL, 2);
	} else if (strcmp(name, "table") == 0) {
		publish_table();
	} else if (strcmp(name, "strings") == 0 && argc > 2) {
		lose_strings(strtoull(argv[2], NULL, 0));
	} else if (strcmp(name, "circle") == 0) {
		build_list(1000, 64 << 10, true, 0);
	} else if (strcmp(name, "chain") == 0) {
		description->cache_size = 64 << 10;
		build_list(8000, 64 << 10, false, 0);
	} else if (strcmp(name, "torn") == 0) {
		build_list(4000, 64 << 10, false, 1);
	} else if (strcmp(name, "counters") == 0) {
		struct goalloc_cache *place;

		memcpy(&place, (void *)(uintptr_t)description->caches, sizeof(place));
		memcpy((char *)(uintptr_t)place->cache + description->cache_class_counters +
			       10 * sizeof(struct goalloc_class_counters),
		       &value, sizeof(value));
	}
}

static bool is_one_of(const char *name, const char *const *names)
{
	while (*names && strcmp(*names, name) != 0)
		names++;
	return *names;
}

int main(int argc, char **argv)
{
	uintptr_t page;

	dl_iterate_phdr(find_description, NULL);
	if (argc < 2 || !description)
		return 2;
	for (size_t size = 8; size < 100000; size += size / 8)
		goalloc_free(goalloc_scan(size));
	page = (uintptr_t)description & -(uintptr_t)sysconf(_SC_PAGESIZE);
	mprotect((void *)page, 2 * (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE);
	lie(argc, argv);
	if (strcmp(argv[1], "sites") == 0)
		allocate_at_sites();
	puts("ready");
	fflush(stdout);
	while (is_one_of(argv[1], (const char *const[]){"spans", "giant", "many", "table", "strings", NULL}))
		pause();
	random_state = 1;
	for (unsigned size = 8;; size = size % 500 + 8) {
		goalloc_free(goalloc_noscan(size));
		if (strcmp(argv[1], "probes") == 0)
			run_probes(argv + 2);
		if (size % 100 == 0)
			usleep(1000);
	}
}
