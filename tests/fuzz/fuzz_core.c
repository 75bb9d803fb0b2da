/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes a heap snapshot of a core file. The core is of the program that FUZZ_GO names, as its kernel would write it before the
 * first instruction, but with a memory profile of a few buckets; an input changes bytes of its headers, its notes and its memory,
 * by the list of changes that image.h describes. Its code is read from the program.
 */
#include <sys/procfs.h>

#include "heap/snapshot.h"
#include "image.h"
#include "profile/profile.h"
#include "runtime/go_heap_profile.h"
#include "symbols/go_binary.h"
#include "target/core.h"
#include "target/target.h"

enum { PAGE = 4096, SEGMENTS = 16, NOTES = 2048, MEMORY_MAX = 1 << 20, CORE_MAX = 4 << 20 };
enum { BUCKETS = 4, BUCKET_SIZE = 512, DEPTH = 3, OBJECT_SIZE = 64 };
#define HEAP 0xc000000000ULL

/* A core file in the making. */
struct writer {
	uint8_t *bytes;
	size_t size;
};

static const char *program;
static struct image image;

static void put(struct writer *writer, const void *bytes, size_t size)
{
	memcpy(writer->bytes + writer->size, bytes, size);
	writer->size += size;
}

static void put_note(struct writer *writer, uint32_t type, const void *content, size_t size)
{
	const Elf64_Nhdr header = {sizeof("CORE"), (Elf64_Word)size, type};

	put(writer, &header, sizeof(header));
	put(writer, "CORE\0\0\0", 8);
	put(writer, content, size);
	writer->size = (writer->size + 3) / 4 * 4;
}

static bool is_loaded(const Elf64_Phdr *part)
{
	return part->p_type == PT_LOAD;
}

/* Count, page size, a range for each part of the program, then its path for each. */
static void put_files(struct writer *writer, const Elf64_Phdr *parts, int count)
{
	uint64_t words[2 + 3 * SEGMENTS] = {0, PAGE};
	uint8_t content[sizeof(words) + SEGMENTS * 64];
	struct writer note = {content, 0};
	size_t length = strlen("/program") + 1;

	for (int i = 0; i < count; i++) {
		uint64_t *range = words + 2 + 3 * words[0], before = parts[i].p_vaddr % PAGE;

		if (!is_loaded(&parts[i]) || !parts[i].p_filesz)
			continue;
		range[0] = parts[i].p_vaddr - before;
		range[1] = (parts[i].p_vaddr + parts[i].p_filesz + PAGE - 1) / PAGE * PAGE;
		range[2] = (parts[i].p_offset - before) / PAGE;
		words[0]++;
	}
	put(&note, words, (2 + 3 * words[0]) * sizeof(words[0]));
	for (uint64_t i = 0; i < words[0]; i++)
		put(&note, "/program", length);
	put_note(writer, NT_FILE, content, note.size);
}

static void put_notes(struct writer *writer, const Elf64_Ehdr *header, const Elf64_Phdr *parts, int count)
{
	const uint64_t auxiliary[] = {AT_ENTRY, header->e_entry, AT_NULL, 0};
	const prpsinfo_t information = {.pr_pid = 1, .pr_fname = "program", .pr_psargs = "program with words"};

	put_note(writer, NT_PRPSINFO, &information, sizeof(information));
	put_note(writer, NT_AUXV, auxiliary, sizeof(auxiliary));
	put_files(writer, parts, count);
}

/* A list of buckets as struct bucket of src/runtime/mprof.go: next, allnext, typ, hash, size, nstk, the stack, the active record. */
static void put_buckets(uint8_t *heap, uint64_t address_of_code)
{
	for (uint64_t i = 0; i < BUCKETS; i++) {
		const uint64_t next = i + 1 < BUCKETS ? HEAP + (i + 1) * BUCKET_SIZE : 0;
		const uint64_t words[] = {0,
					  next,
					  1, /* memProfile */
					  0,
					  OBJECT_SIZE,
					  DEPTH,
					  address_of_code + i,
					  address_of_code,
					  address_of_code,
					  i + 2,
					  1,
					  (i + 2) * OBJECT_SIZE,
					  OBJECT_SIZE};

		memcpy(heap + i * BUCKET_SIZE, words, sizeof(words));
	}
}

/* Where in the core the word at an address is. */
static uint8_t *word_at(const struct writer *core, const Elf64_Phdr *segments, size_t count, uint64_t address)
{
	for (size_t i = 0; i < count; i++) {
		if (segments[i].p_type == PT_LOAD && address - segments[i].p_vaddr + 8 <= segments[i].p_filesz)
			return core->bytes + segments[i].p_offset + (address - segments[i].p_vaddr);
	}
	REQUIRE(false);
	return NULL;
}

/* Writes the core: of what can be written, the memory, and of the rest nothing. */
static void write_core(struct writer *core, const uint8_t *file, size_t file_size, uint64_t buckets)
{
	const Elf64_Ehdr *from = (const void *)file;
	const Elf64_Phdr *parts = (const void *)(file + from->e_phoff);
	Elf64_Ehdr header = *from;
	Elf64_Phdr segments[2 + SEGMENTS] = {{.p_type = PT_NOTE}};
	uint8_t content[NOTES];
	struct writer notes = {content, 0};
	size_t at = PAGE, count = 1;

	REQUIRE(from->e_phnum <= SEGMENTS);
	put_notes(&notes, from, parts, from->e_phnum);
	segments[0].p_offset = at;
	segments[0].p_filesz = notes.size;
	memcpy(core->bytes + at, content, notes.size);
	at += NOTES;
	for (int i = 0; i < from->e_phnum; i++) {
		Elf64_Phdr *segment = &segments[count];

		if (!is_loaded(&parts[i]))
			continue;
		*segment = parts[i];
		segment->p_offset = at;
		segment->p_filesz = parts[i].p_flags & PF_W ? parts[i].p_memsz : 0;
		REQUIRE(segment->p_filesz <= MEMORY_MAX && parts[i].p_offset + parts[i].p_filesz <= file_size);
		if (segment->p_filesz)
			memcpy(core->bytes + at, file + parts[i].p_offset, parts[i].p_filesz);
		at += segment->p_filesz;
		count++;
	}
	segments[count++] = (Elf64_Phdr){.p_type = PT_LOAD,
					 .p_flags = PF_R | PF_W,
					 .p_offset = at,
					 .p_vaddr = HEAP,
					 .p_filesz = PAGE,
					 .p_memsz = PAGE};
	put_buckets(core->bytes + at, from->e_entry);
	memcpy(word_at(core, segments, count, buckets), &(uint64_t){HEAP}, sizeof(uint64_t));
	at += PAGE;
	header.e_type = ET_CORE;
	header.e_phoff = sizeof(header);
	header.e_phnum = (Elf64_Half)count;
	header.e_shoff = header.e_shnum = header.e_shstrndx = 0;
	memcpy(core->bytes, &header, sizeof(header));
	memcpy(core->bytes + sizeof(header), segments, count * sizeof(segments[0]));
	core->size = at;
	image_add_region(&image, 0, sizeof(header));
	image_add_region(&image, sizeof(header), count * sizeof(segments[0]));
	image_add_region(&image, PAGE, notes.size);
	image_add_region(&image, PAGE + NOTES, at - PAGE - NOTES);
	image_add_region(&image, at - PAGE, BUCKETS * BUCKET_SIZE);
}

static uint64_t address_of_buckets(void)
{
	struct go_binary *binary = go_binary_open(program, NULL);
	struct go_heap_profile profile;

	REQUIRE(binary);
	go_heap_profile_init(&profile, binary, 0);
	go_binary_close(binary);
	REQUIRE(profile.buckets);
	return profile.buckets;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct writer core = {0};
	int from, to = memfd_create("core", 0);
	struct stat file;
	void *bytes;

	(void)argc, (void)argv;
	program = getenv("FUZZ_GO");
	from = program ? open(program, O_RDONLY | O_CLOEXEC) : -1;
	if (from < 0) {
		fprintf(stderr, "FUZZ_GO must name the program that cores are of\n");
		exit(1);
	}
	REQUIRE(to >= 0 && ftruncate(to, CORE_MAX) == 0 && fstat(from, &file) == 0);
	bytes = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, from, 0);
	image.bytes = core.bytes = mmap(NULL, CORE_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, to, 0);
	image.size = CORE_MAX;
	REQUIRE(bytes != MAP_FAILED && image.bytes != MAP_FAILED);
	write_core(&core, bytes, (size_t)file.st_size, address_of_buckets());
	image.size = core.size;
	REQUIRE(ftruncate(to, (off_t)core.size) == 0);
	snprintf(image.path, sizeof(image.path), "/proc/self/fd/%d", to);
	munmap(bytes, (size_t)file.st_size);
	close(from);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct error error = {0};
	struct heap_process *process = NULL;
	struct profile *profile = NULL;
	struct target *target;

	image_change(&image, bytes, size);
	target = core_open(image.path, program, &error);
	REQUIRE(target || error.text[0]);
	if (target)
		process = heap_process_open(target, &error);
	if (process) {
		profile = heap_snapshot(process, &error);
		REQUIRE(profile || error.text[0]);
	}
	if (!size)
		REQUIRE(profile && profile->sample_count == BUCKETS);
	profile_free(profile);
	heap_process_close(process);
	target_close(target);
	image_restore(&image);
	return 0;
}
