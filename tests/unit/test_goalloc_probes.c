/* SPDX-License-Identifier: BSD-2-Clause */
/* The probe sites and the description, as linked into this program and into the shared library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "goalloc.h"
#include "goalloc_contract.h"

/* The registers of the first arguments, and the instructions of a site. */
#ifdef __aarch64__
static const char *const registers[] = {"x0", "x1", "x2", "x3", "x4", "x5"};
static const unsigned char site_bytes[] = {0x01, 0x00, 0x00, 0x14}; /* b to the next instruction */
#else
static const char *const registers[] = {"%rdi", "%rsi", "%rdx", "%rcx", "%r8", "%r9"};
static const unsigned char site_bytes[] = {0x90, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0};
#endif
static const struct {
	const char *name;
	unsigned arguments;
	bool rated;
} probes[] = {
	{"mcache_refill", 6, true}, {"mcentral_grow", 5, true}, {"mheap_grow", 4, false}, {"large_alloc", 6, true},
	{"alloc_sample", 6, true},  {"span_sweep", 3, false},	{"stack", 0, false},
};
static const char *const rates[] = {"", "_8k", "_64k", "_512k"};
enum { NumProbes = sizeof probes / sizeof *probes, NumSites = 19 };

struct image {
	const char *bytes;
	size_t size;
	const Elf64_Ehdr *header;
	const Elf64_Shdr *sections;
};

static struct image open_image(const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		fail_msg("cannot read '%s'", path);
	struct image image = {.size = (size_t)st.st_size};
	image.bytes = mmap(NULL, image.size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	assert_ptr_not_equal(image.bytes, MAP_FAILED);
	image.header = (const Elf64_Ehdr *)image.bytes;
	image.sections = (const Elf64_Shdr *)(image.bytes + image.header->e_shoff);
	return image;
}

static const Elf64_Shdr *section(const struct image *image, const char *name)
{
	const char *names = image->bytes + image->sections[image->header->e_shstrndx].sh_offset;

	for (unsigned i = 0; i < image->header->e_shnum; i++)
		if (strcmp(names + image->sections[i].sh_name, name) == 0)
			return &image->sections[i];
	fail_msg("no section '%s'", name);
	return NULL;
}

/* The bytes in the file at a virtual address, and the flags of its segment. */
static const char *at_address(const struct image *image, uint64_t address, uint32_t *flags)
{
	const Elf64_Phdr *segment = (const Elf64_Phdr *)(image->bytes + image->header->e_phoff);

	for (unsigned i = 0; i < image->header->e_phnum; i++, segment++) {
		if (segment->p_type == PT_LOAD && address - segment->p_vaddr < segment->p_filesz) {
			*flags = segment->p_flags;
			return image->bytes + segment->p_offset + (address - segment->p_vaddr);
		}
	}
	fail_msg("no segment of the file contains %#lx", (unsigned long)address);
	return NULL;
}

struct site {
	char name[32];
	const char *arguments;
	uint64_t address, semaphore;
};

static unsigned read_sites(const struct image *image, struct site *sites)
{
	const Elf64_Shdr *notes = section(image, ".note.stapsdt");
	const Elf64_Shdr *base = section(image, ".stapsdt.base");
	unsigned n = 0;

	for (size_t at = 0; at < notes->sh_size;) {
		const Elf64_Nhdr *note = (const Elf64_Nhdr *)(image->bytes + notes->sh_offset + at);
		const char *owner = (const char *)(note + 1), *desc = owner + (note->n_namesz + 3) / 4 * 4;
		uint64_t words[3];
		assert_string_equal(owner, "stapsdt");
		assert_int_equal(note->n_type, 3);
		memcpy(words, desc, sizeof words);
		const char *provider = desc + sizeof words, *name = provider + strlen(provider) + 1;
		assert_string_equal(provider, "goalloc");
		assert_int_equal(words[1], base->sh_addr);
		assert_true(n < NumSites);
		snprintf(sites[n].name, sizeof sites[n].name, "%s", name);
		sites[n].arguments = name + strlen(name) + 1;
		sites[n].address = words[0];
		sites[n].semaphore = words[2];
		n++;
		at = (size_t)(desc + (note->n_descsz + 3) / 4 * 4 - (image->bytes + notes->sh_offset));
	}
	return n;
}

static void assert_arguments(const char *arguments, unsigned count)
{
	char expected[64] = "";

	for (unsigned i = 0; i < count; i++)
		snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "%s8@%s", i ? " " : "",
			 registers[i]);
	assert_string_equal(arguments, expected);
}

static void check_sites(const char *path)
{
	struct image image = open_image(path);
	const Elf64_Shdr *semaphores = section(&image, ".probes");
	struct site sites[NumSites];
	unsigned n = read_sites(&image, sites), found = 0;

	assert_int_equal(n, NumSites);
	for (unsigned p = 0; p < NumProbes; p++) {
		for (unsigned r = 0; r < (probes[p].rated ? 4 : 1); r++) {
			char name[32];
			snprintf(name, sizeof name, "%s%s", probes[p].name, rates[r]);
			for (unsigned i = 0; i < n; i++) {
				if (strcmp(sites[i].name, name) != 0)
					continue;
				uint32_t flags;
				found++;
				assert_arguments(sites[i].arguments, probes[p].arguments);
				const char *code = at_address(&image, sites[i].address, &flags);
				assert_memory_equal(code, site_bytes, sizeof site_bytes);
				assert_true(flags & PF_X);
				uint16_t semaphore;
				memcpy(&semaphore, at_address(&image, sites[i].semaphore, &flags), 2);
				assert_int_equal(semaphore, 0);
				assert_true(flags & PF_W);
				assert_int_equal(sites[i].semaphore % 2, 0);
				assert_true(sites[i].semaphore - semaphores->sh_addr < semaphores->sh_size);
			}
		}
	}
	assert_int_equal(found, NumSites);
	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < i; k++) {
			assert_int_not_equal(sites[i].address, sites[k].address);
			assert_int_not_equal(sites[i].semaphore, sites[k].semaphore);
		}
	}
	munmap((void *)image.bytes, image.size);
}

static void sites_are_the_machines_with_arguments_in_registers(void **state)
{
	(void)state;
	check_sites("/proc/self/exe");
}

static void the_shared_library_has_the_same_sites(void **state)
{
	(void)state;
	char path[4096], *slash;
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
	assert_true(n > 0);
	path[n] = 0;
	/* BUILD/tests/unit/PROGRAM */
	for (int i = 0; i < 3; i++) {
		slash = strrchr(path, '/');
		assert_non_null(slash);
		*slash = 0;
	}
	strcat(path, "/libgoalloc.so");
	check_sites(path);
}

/* Finds the description through its note in memory, as an observer does. */
static int find_note(struct dl_phdr_info *info, size_t size, void *found)
{
	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		if (segment->p_type != PT_NOTE)
			continue;
		const char *at = (const char *)info->dlpi_addr + segment->p_vaddr, *end = at + segment->p_memsz;
		while (at < end) {
			const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)at;
			const char *owner = (const char *)(note + 1), *desc = owner + (note->n_namesz + 3) / 4 * 4;
			if (note->n_namesz == sizeof GOALLOC_NOTE_OWNER && strcmp(owner, GOALLOC_NOTE_OWNER) == 0 &&
			    note->n_type == GOALLOC_NOTE_DESCRIPTION && note->n_descsz == 8)
				*(const char **)found = desc + *(const int64_t *)desc;
			at = desc + (note->n_descsz + 3) / 4 * 4;
		}
	}
	return 0;
}

static uint64_t word(uint64_t address)
{
	return *(const uint64_t *)address;
}

static void the_description_gives_the_exact_counters(void **state)
{
	(void)state;
	enum { N = 777 };
	const struct goalloc_description *d = NULL;
	struct goalloc_stats stats;

	for (unsigned i = 0; i < N; i++) {
		assert_non_null(goalloc_scan(48));
		assert_non_null(goalloc_noscan(3));
		assert_non_null(goalloc_noscan(40000));
	}
	dl_iterate_phdr(find_note, &d);
	assert_non_null(d);
	assert_int_equal(d->version, GOALLOC_DESCRIPTION_VERSION);
	assert_int_equal(d->size, sizeof *d);
	assert_int_equal(d->span_classes, GOALLOC_SPAN_CLASSES);
	assert_int_equal(((const uint16_t *)d->class_sizes)[5], 48);
	goalloc_read_stats(&stats);
	for (unsigned class = 0; class < d->span_classes; class ++) {
		uint64_t objects = 0;
		const struct goalloc_ended *ended = (const void *)d->ended;
		objects = ((const struct goalloc_class_counters *)(ended->sums[ended->folds % 2] +
								   d->cache_class_counters))[class]
				  .objects;
		for (const struct goalloc_cache *place = (const void *)word(d->caches); place;
		     place = (const void *)place->next) {
			uint64_t c = place->cache;
			if (place->state % 2 == 0)
				continue;
			const struct goalloc_class_counters *counters = (const void *)(c + d->cache_class_counters);
			uint64_t span = word(c + d->cache_alloc + 8 * class);
			assert_int_equal(word(c + d->cache_sequence) % 2, 0);
			assert_true(d->cache_pending < d->cache_size);
			objects += counters[class].objects;
			if (span != 0)
				objects += *(const uint32_t *)(span + d->span_alloc_count) -
					   *(const uint32_t *)(span + d->span_alloc_count_before_cache);
			if (class == d->tiny_span_class)
				objects += word(c + d->cache_tiny_objects) - word(c + d->cache_tiny_blocks);
		}
		assert_int_equal(objects, stats.by_span_class[class].objects);
	}
	assert_true(stats.by_span_class[10].objects >= N);
	assert_true(stats.by_span_class[d->tiny_span_class].objects >= N);
	assert_int_equal(((const struct goalloc_heap_counters *)d->heap_counters)->heap_grows, stats.heap_grows);
	assert_true(stats.heap_grows > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sites_are_the_machines_with_arguments_in_registers),
		cmocka_unit_test(the_shared_library_has_the_same_sites),
		cmocka_unit_test(the_description_gives_the_exact_counters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
