/* SPDX-License-Identifier: BSD-2-Clause */
#include "heap/process_roots.h"

#include <elf.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash_index.h"
#include "base/memory.h"
#include "base/regular_file.h"
#include "machine.h"
#include "symbols/elf_file.h"

enum {
	CHUNK = 64 << 10,
	HEADERS_MAX = 64,
	DYNAMIC_MAX = 1024, /* entries */
	LIBRARIES_MAX = 1 << 16,
	THREADS_MAX = 1 << 20,	 /* in a list of the C library */
	LINK_MAP_BYTES = 2048,	 /* at least what glibc's struct link_map takes */
	DESCRIPTOR_BYTES = 2304, /* of glibc's struct pthread, if it does not say */
	TLS_BYTES_MAX = 64 << 20,
	CALLED_BYTES = 256, /* of the stack of a thread in which libgoalloc calls another function, such as madvise() */
	HANDLED_BYTES = 1024, /* of the stack of a thread inside libgoalloc that may refer to spans */
	LINE = 64,
};

struct walk {
	struct marks *marks;
	const struct goalloc_objects *objects;
	const struct target *target;
	struct stopped_threads *stopped;
	struct resident *resident;
	struct glibc glibc;
	struct hash_index threads; /* their thread pointers */
	uint64_t tls_bytes;	   /* of the largest thread-local block */
	uint64_t *chunk;
};

static uint64_t word_at(const struct walk *walk, uint64_t address)
{
	uint64_t word;

	return address && target_read(walk->target, address, &word, sizeof(word)) == 0 ? word : 0;
}

static void mark_word(struct walk *walk, uint64_t word)
{
	marks_words(walk->marks, &word, 1);
}

/* Marks from the readable parts of a range. What is unmapped meanwhile, by another process, is left out. */
static void mark_range(struct walk *walk, uint64_t start, uint64_t limit)
{
	uint64_t end;

	start = (start + 7) & ~UINT64_C(7);
	limit &= ~UINT64_C(7);
	for (; start < limit && resident_next(walk->resident, &start, limit, &end); start = end) {
		end = end - start > CHUNK ? start + CHUNK : end;
		if (target_read(walk->target, start, walk->chunk, end - start) == 0)
			marks_words(walk->marks, walk->chunk, (end - start) / sizeof(uint64_t));
	}
}

/* --- the C library, before the stop --- */

static bool is_same_file(const struct target_mapping *a, const struct target_mapping *b)
{
	return a->inode == b->inode && a->device == b->device;
}

/* Returns the address of what a mapped library exports under that name; 0 if it does not. */
static uint64_t exported(const struct target *target, Elf *elf, const struct target_mapping *library, const char *name)
{
	uint64_t offset;

	if (!elf_exported_offset(elf, name, &offset))
		return 0;
	for (size_t i = 0; i < target->mapping_count; i++) {
		const struct target_mapping *mapping = &target->mappings[i];

		if (is_same_file(mapping, library) && offset >= mapping->offset &&
		    offset - mapping->offset < mapping->limit - mapping->start)
			return mapping->start + (offset - mapping->offset);
	}
	return 0;
}

static Elf *open_library(const struct target *target, const char *name, const struct target_mapping **library,
			 int *file, struct error *error)
{
	error->status = STATUS_USAGE;
	for (size_t i = 0; i < target->mapping_count; i++) {
		const struct target_mapping *mapping = &target->mappings[i];
		const char *base = strrchr(mapping->path, '/');
		char path[REGULAR_FILE_NAME];
		int mapped;
		Elf *elf;

		if (!mapping->inode || mapping->offset || !base || strncmp(base + 1, name, strlen(name)) != 0)
			continue;
		*library = mapping;
		mapped = target_file_open(target, mapping, error);
		elf = mapped >= 0 ? elf_file_open(regular_file_name(mapped, path), ELF_EXPORTS, file, error) : NULL;
		if (mapped >= 0)
			close(mapped);
		if (mapped >= 0 && !elf)
			error_prefix(error, "'%s'", mapping->path);
		return elf;
	}
	return NULL;
}

/* nptl_db describes a field as {bits, elements, offset}. */
static uint64_t field_offset(const struct target *target, uint64_t description)
{
	uint32_t field[3];

	return description && target_read(target, description, field, sizeof(field)) == 0 ? field[2] : 0;
}

int process_roots_glibc(const struct target *target, struct glibc *glibc, struct error *error)
{
	const struct target_mapping *library;
	uint64_t stacks = 0, global = 0;
	uint32_t bytes;
	int file;
	Elf *elf = open_library(target, "libc.so.6", &library, &file, error);

	*glibc = (struct glibc){.descriptor_bytes = DESCRIPTOR_BYTES};
	if (elf) {
		uint64_t size = exported(target, elf, library, "_thread_db_sizeof_pthread");

		if (size && target_read(target, size, &bytes, sizeof(bytes)) == 0 && bytes && bytes <= CHUNK)
			glibc->descriptor_bytes = bytes;
		stacks = field_offset(target, exported(target, elf, library, "_thread_db_rtld_global__dl_stack_used"));
		glibc->list_offset = field_offset(target, exported(target, elf, library, "_thread_db_pthread_list"));
		elf_end(elf);
		close(file);
	}
	elf = stacks ? open_library(target, "ld-linux", &library, &file, error) : NULL;
	if (elf) {
		global = exported(target, elf, library, "_rtld_global");
		elf_end(elf);
		close(file);
	}
	if (global && glibc->list_offset)
		glibc->lists = global + stacks;
	return error->status == STATUS_USAGE ? 0 : -1;
}

/* --- data segments --- */

/* Marks from a range without libgoalloc's own variables. */
static void mark_segment(struct walk *walk, uint64_t start, uint64_t limit)
{
	const uint64_t(*own)[2] = walk->objects->search.own;

	while (start < limit) {
		uint64_t next_start = limit, next_limit = limit;

		for (int i = 1; i < 3; i++) {
			if (own[i][0] < next_start && own[i][1] > start) {
				next_start = own[i][0];
				next_limit = own[i][1];
			}
		}
		if (start < next_start)
			mark_range(walk, start, next_start);
		start = next_limit;
	}
}

/* Marks the dynamic linker's structs: the first of them are in memory of its own, which refer to those in the heap. */
static void mark_link_maps(struct walk *walk, uint64_t debug)
{
	uint64_t map = word_at(walk, debug + offsetof(struct r_debug, r_map));

	for (int i = 0; i < LIBRARIES_MAX && map; i++) {
		mark_word(walk, map);
		if (!marks_object_end(walk->marks, map))
			mark_range(walk, map, map + LINK_MAP_BYTES);
		map = word_at(walk, map + offsetof(struct link_map, l_next));
	}
}

static void look_at_dynamic(struct walk *walk, uint64_t address, uint64_t bytes)
{
	for (uint64_t i = 0; i < bytes / sizeof(Elf64_Dyn) && i < DYNAMIC_MAX; i++) {
		Elf64_Dyn entry;

		if (target_read(walk->target, address + i * sizeof(entry), &entry, sizeof(entry)) ||
		    entry.d_tag == DT_NULL)
			return;
		if (entry.d_tag == DT_DEBUG && entry.d_un.d_ptr)
			mark_link_maps(walk, entry.d_un.d_ptr);
	}
}

/* Whether code of the file is mapped behind its first page: it is loaded, not only read. */
static bool has_code(const struct target *target, const struct target_mapping *first)
{
	const struct target_mapping *end = target->mappings + target->mapping_count;

	for (const struct target_mapping *m = first; m < end && (m == first || !m->inode || m->offset); m++) {
		if (m->executable && is_same_file(m, first))
			return true;
	}
	return false;
}

static void look_at_image(struct walk *walk, const struct target_mapping *first)
{
	Elf64_Ehdr header;
	Elf64_Phdr programs[HEADERS_MAX];
	uint64_t bias = first->start;

	if (target_read(walk->target, first->start, &header, sizeof(header)) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_phentsize != sizeof(programs[0]) || header.e_phnum > HEADERS_MAX ||
	    !has_code(walk->target, first) ||
	    target_read(walk->target, first->start + header.e_phoff, programs, header.e_phnum * sizeof(programs[0])))
		return;
	for (int i = header.e_phnum - 1; i >= 0; i--) {
		if (programs[i].p_type == PT_LOAD)
			bias = first->start - (programs[i].p_vaddr - programs[i].p_offset);
	}
	for (int i = 0; i < header.e_phnum; i++) {
		const Elf64_Phdr *p = &programs[i];

		if (p->p_type == PT_LOAD && p->p_flags & PF_W)
			mark_segment(walk, bias + p->p_vaddr, bias + p->p_vaddr + p->p_memsz);
		else if (p->p_type == PT_DYNAMIC)
			look_at_dynamic(walk, bias + p->p_vaddr, p->p_memsz);
		else if (p->p_type == PT_TLS && p->p_memsz > walk->tls_bytes && p->p_memsz <= TLS_BYTES_MAX)
			walk->tls_bytes = p->p_memsz;
	}
}

static void mark_images(struct walk *walk)
{
	for (size_t i = 0; i < walk->target->mapping_count && !walk->target->reader->spent; i++) {
		const struct target_mapping *mapping = &walk->target->mappings[i];

		if (mapping->inode && !mapping->offset && mapping->readable)
			look_at_image(walk, mapping);
		if (!mapping->inode && strcmp(mapping->path, "[heap]") == 0)
			mark_range(walk, mapping->start, mapping->limit);
	}
}

/* --- threads --- */

static uint64_t stack_limit(const struct walk *walk, uint64_t sp, uint64_t thread)
{
	const struct target_mapping *mapping = target_mapping_at(walk->target, sp);
	uint64_t object = marks_object_end(walk->marks, sp), end;

	if (object)
		return object;
	if (!mapping)
		return sp;
	/* The C library's description is at the stack's end, also if the memory behind it has been mapped, too. */
	end = machine_descriptor(thread, walk->glibc.descriptor_bytes) + walk->glibc.descriptor_bytes;
	return thread > sp && thread < mapping->limit && end < mapping->limit ? end : mapping->limit;
}

/* A thread that stands on a stack of its own making, or of a signal handler, has its first one beside it. */
static void mark_first_stack(struct walk *walk, uint64_t sp, uint64_t thread, bool main)
{
	const struct target *target = walk->target;
	const struct target_mapping *own = target_mapping_at(target, thread);

	if (!main && own && own != target_mapping_at(target, sp) && !marks_object_end(walk->marks, thread))
		mark_range(walk, own->start, own->limit);
	for (size_t i = 0; main && i < target->mapping_count; i++) {
		const struct target_mapping *mapping = &target->mappings[i];

		if (!mapping->inode && strcmp(mapping->path, "[stack]") == 0 &&
		    (sp < mapping->start || sp >= mapping->limit))
			mark_range(walk, mapping->start, mapping->limit);
	}
}

static void mark_descriptor(struct walk *walk, uint64_t thread)
{
	uint64_t descriptor = machine_descriptor(thread, walk->glibc.descriptor_bytes);

	mark_range(walk, descriptor, descriptor + walk->glibc.descriptor_bytes + 2 * sizeof(uint64_t));
}

/* Thread-local blocks: entry n of the table is {address, address to free}, and the one before the first has their number. How
 * long a block is depends on its library: none is longer than the longest. */
static void mark_tls(struct walk *walk, uint64_t thread)
{
	uint64_t table = word_at(walk, thread + MACHINE_DTV), capacity = table ? word_at(walk, table - 16) : 0;

	if (capacity > LIBRARIES_MAX)
		capacity = LIBRARIES_MAX;
	mark_word(walk, table);
	mark_range(walk, table, table + (capacity + 1) * 16);
	for (uint64_t i = 1; i <= capacity && !walk->target->reader->spent; i++) {
		uint64_t block = word_at(walk, table + i * 16);

		if (block && block != UINT64_MAX && !marks_object_end(walk->marks, block))
			mark_range(walk, block, block + walk->tls_bytes);
	}
}

static void mark_thread(struct walk *walk, const struct stopped_thread *thread)
{
	bool main = thread->tid == walk->target->pid;
	uint64_t sp = thread->sp - MACHINE_RED_ZONE;

	marks_words(walk->marks, thread->words, thread->word_count);
	mark_word(walk, sp); /* a stack may be an object */
	mark_range(walk, sp, stack_limit(walk, sp, thread->thread));
	mark_first_stack(walk, sp, thread->thread, main);
	mark_descriptor(walk, thread->thread);
	mark_tls(walk, thread->thread);
	hash_index_add(&walk->threads, thread->thread);
}

/* --- threads inside libgoalloc --- */

static bool is_between(uint64_t address, const uint64_t range[2])
{
	return address >= range[0] && address < range[1];
}

/* Reads up to `bytes` of the stack; returns the number of words. */
static size_t read_stack(const struct target *target, uint64_t sp, uint64_t *words, size_t bytes)
{
	const struct target_mapping *mapping = target_mapping_at(target, sp);

	if (!mapping || sp % 8)
		return 0;
	if (bytes > mapping->limit - sp)
		bytes = mapping->limit - sp;
	return target_read(target, sp, words, bytes) == 0 ? bytes / sizeof(*words) : 0;
}

static bool thread_is_inside(const struct target *target, const struct stopped_thread *thread, const uint64_t code[2])
{
	uint64_t words[CALLED_BYTES / sizeof(uint64_t)];
	size_t count = read_stack(target, thread->sp, words, sizeof(words));
	bool inside = is_between(thread->pc, code);

	for (size_t i = 0; i < count && !inside; i++)
		inside = is_between(words[i], code);
	return inside;
}

bool process_is_inside(const struct target *target, struct stopped_threads *stopped,
		       const struct goalloc_search *search)
{
	for (size_t i = 0; i < stopped_threads_count(stopped); i++) {
		struct stopped_thread thread = stopped_threads_at(stopped, i);

		if (thread_is_inside(target, &thread, search->own[0]))
			return true;
	}
	return false;
}

static void add_lines(struct hash_index *lines, const uint64_t *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		hash_index_add(lines, words[i] / LINE);
}

static void mark_handled_spans(struct walk *walk)
{
	const struct goalloc_objects *objects = walk->objects;
	struct hash_index lines = {0};

	for (size_t i = 0; i < stopped_threads_count(walk->stopped); i++) {
		struct stopped_thread thread = stopped_threads_at(walk->stopped, i);
		uint64_t words[HANDLED_BYTES / sizeof(uint64_t)];

		if (!thread_is_inside(walk->target, &thread, objects->search.own[0]))
			continue;
		add_lines(&lines, thread.words, thread.word_count);
		add_lines(&lines, words, read_stack(walk->target, thread.sp, words, sizeof(words)));
	}
	for (size_t i = 0; lines.count && i < objects->span_count && !memory_is_spent(walk->target->reader); i++) {
		const struct goalloc_span *span = &objects->spans[i];
		bool handled = false;

		for (uint64_t at = span->address; at < span->address + objects->search.span_size; at += LINE)
			handled |= hash_index_has(&lines, at / LINE);
		if (handled)
			marks_span(walk->marks, span);
	}
	hash_index_free(&lines);
}

/* --- threads that have ended --- */

/* The description of a thread that nobody has joined has its result. One whose stack the C library keeps for a later thread has
 * only a table of thread-local blocks that is still of use. */
static void mark_ended_threads(struct walk *walk)
{
	enum { USED, OF_PROGRAM, KEPT, LISTS };

	for (int list = 0; walk->glibc.lists && list < LISTS; list++) {
		uint64_t head = walk->glibc.lists + (uint64_t)list * 16, at = word_at(walk, head);

		for (int i = 0; i < THREADS_MAX && at && at != head && !walk->target->reader->spent; i++) {
			uint64_t thread = machine_thread_of(at - walk->glibc.list_offset, walk->glibc.descriptor_bytes);

			if (list == KEPT)
				mark_word(walk, word_at(walk, thread + MACHINE_DTV));
			else if (!hash_index_has(&walk->threads, thread))
				mark_descriptor(walk, thread);
			at = word_at(walk, at);
		}
	}
}

/* --- all of them --- */

int process_roots_mark(struct marks *marks, const struct goalloc_objects *objects, const struct target *target,
		       struct stopped_threads *stopped, struct resident *resident, const struct glibc *glibc)
{
	struct walk walk = {.marks = marks,
			    .objects = objects,
			    .target = target,
			    .stopped = stopped,
			    .resident = resident,
			    .glibc = *glibc,
			    .chunk = memory_allocate(CHUNK)};

	mark_images(&walk);
	marks_words(marks, objects->arguments, objects->argument_count);
	for (size_t i = 0; i < objects->stack_count; i++)
		mark_range(&walk, objects->stacks[i].start, objects->stacks[i].limit);
	for (size_t i = 0; i < stopped_threads_count(stopped) && !target->reader->spent; i++) {
		struct stopped_thread thread = stopped_threads_at(stopped, i);

		mark_thread(&walk, &thread);
	}
	mark_handled_spans(&walk);
	mark_ended_threads(&walk);
	hash_index_free(&walk.threads);
	free(walk.chunk);
	return target->reader->spent ? -1 : 0;
}
