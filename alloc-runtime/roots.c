/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See roots.h.
 *
 * All that is read here belongs to others, who may have been stopped anywhere: every range is cut to what the kernel
 * says is mapped and readable, every list has a bound.
 */
#include "roots.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "malloc_fast.h"
#include "sections.h"
#include "special.h"
#include "stack.h"
#include "sys.h"
#include "unwind.h"

enum {
	FirstItems = 256,
	MostThreads = 1 << 20, /* in a list of the C library, which may be broken */
	MostLibraries = 1 << 16,
	LinkMapSize = 2048,	 /* at least what glibc's struct link_map takes */
	DescriptorSize = 2304,	 /* of glibc's struct pthread, if the C library does not say */
	InsideStack = 16 * 1024, /* bytes of the stack of a thread inside this library that may refer to spans */
	InsideWords = 1 << 16,	 /* a power of two */
};

/* An array that grows. */
struct items {
	void *at;
	size_t count, capacity;
};

struct mapping {
	uintptr_t start, limit;
	bool readable, is_heap, is_stack;
};

struct tls_module {
	size_t id, bytes;
};

/* What nptl_db knows of glibc's structures; 0: not known. */
struct glibc {
	size_t descriptor_size, list_offset;
	uintptr_t stack_lists; /* heads of the lists: stacks in use, of the program, and cached */
};

struct roots {
	struct items segments; /* struct address_range */
	struct items tls;      /* struct tls_module */
	struct items mappings; /* struct mapping */
	struct items unreadable;
	struct glibc glibc;
	uintptr_t sp;
	bool failed;
	struct gcmark *mark;
	const struct stopped_world *world;
};

/* Words that belong to other threads, or that nobody has written. */
#define UNSANITIZED __attribute__((no_sanitize_address, no_sanitize_thread, no_sanitize_undefined))

static void *item(struct roots *roots, struct items *items, size_t size)
{
	if (items->count == items->capacity) {
		void *at = sysGrow(items->at, &items->capacity, FirstItems, size);
		if (!at) {
			roots->failed = true;
			return NULL;
		}
		items->at = at;
	}
	return (char *)items->at + items->count++ * size;
}

static void free_items(struct items *items, size_t size)
{
	if (items->at)
		sysFree(items->at, items->capacity * size);
}

static void add_range(struct roots *roots, struct items *items, uintptr_t start, uintptr_t limit)
{
	struct address_range *range = item(roots, items, sizeof *range);

	if (range)
		*range = (struct address_range){start, limit};
}

/* ---- what the dynamic linker knows ---- */

static int add_library(struct dl_phdr_info *info, size_t size, void *argument)
{
	struct roots *roots = argument;

	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + p->p_vaddr;
		if (p->p_type == PT_LOAD && (p->p_flags & PF_W))
			add_range(roots, &roots->segments, start, start + p->p_memsz);
		if (p->p_type == PT_TLS && size > offsetof(struct dl_phdr_info, dlpi_tls_modid)) {
			struct tls_module *module = item(roots, &roots->tls, sizeof *module);
			if (module)
				*module = (struct tls_module){info->dlpi_tls_modid, p->p_memsz};
		}
	}
	return 0;
}

#pragma weak dlsym

/* nptl_db describes a field as {bits, elements, offset}. */
static size_t field_offset(const char *name)
{
	const uint32_t *field = dlsym(RTLD_DEFAULT, name);

	return field ? field[2] : 0;
}

/* A program that is linked statically, or another C library, has none of these names. */
static struct glibc glibc_find(void)
{
	struct glibc glibc = {.descriptor_size = DescriptorSize};

	if (!dlsym)
		return glibc;
	const uint32_t *size = dlsym(RTLD_DEFAULT, "_thread_db_sizeof_pthread");
	const void *global = dlsym(RTLD_DEFAULT, "_rtld_global");
	size_t stacks = field_offset("_thread_db_rtld_global__dl_stack_used");
	glibc.list_offset = field_offset("_thread_db_pthread_list");
	if (size)
		glibc.descriptor_size = *size;
	if (global && stacks != 0 && glibc.list_offset != 0)
		glibc.stack_lists = (uintptr_t)global + stacks;
	return glibc;
}

struct collection {
	struct roots roots;
	void (*run)(struct roots *roots, void *argument);
	void *argument;
	bool complete;
};

/* Called for the first library, while the dynamic linker's lock is held. */
static int with_lock(struct dl_phdr_info *info, size_t size, void *argument)
{
	struct collection *c = argument;

	(void)info, (void)size;
	dl_iterate_phdr(add_library, &c->roots);
	c->complete = !c->roots.failed;
	if (c->complete)
		c->run(&c->roots, c->argument);
	return 1;
}

bool roots_collect(void (*run)(struct roots *roots, void *argument), void *argument)
{
	struct collection c = {.roots.glibc = glibc_find(), .run = run, .argument = argument};

	dl_iterate_phdr(with_lock, &c);
	free_items(&c.roots.segments, sizeof(struct address_range));
	free_items(&c.roots.tls, sizeof(struct tls_module));
	free_items(&c.roots.mappings, sizeof(struct mapping));
	free_items(&c.roots.unreadable, sizeof(struct address_range));
	return c.complete;
}

/* ---- mappings ---- */

static uintptr_t parse_hex(const char **text)
{
	uintptr_t n = 0;

	for (;; ++*text) {
		char c = **text;
		if (c >= '0' && c <= '9')
			n = n * 16 + (uintptr_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			n = n * 16 + (uintptr_t)(c - 'a' + 10);
		else
			return n;
	}
}

/* Returns what is left behind a number of fields; an empty string if there are fewer. */
static const char *skip_fields(const char *text, unsigned fields)
{
	for (; fields > 0; fields--) {
		text += strcspn(text, " ");
		text += strspn(text, " ");
	}
	return text;
}

/* A line: START-LIMIT PERMISSIONS OFFSET DEVICE INODE PATH. What is not a line of this form adds no mapping. The path of a file
 * begins with a slash; a name in brackets is the kernel's. */
static void add_mapping(struct roots *roots, const char *line)
{
	const char *name = skip_fields(line, 5);
	struct mapping mapping = {.start = parse_hex(&line)};

	if (*line++ != '-')
		return;
	mapping.limit = parse_hex(&line);
	if (*line++ != ' ' || mapping.limit <= mapping.start)
		return;
	mapping.readable = line[0] == 'r';
	mapping.is_heap = strcmp(name, "[heap]") == 0;
	mapping.is_stack = strcmp(name, "[stack]") == 0;
	/* Reading the kernel's own pages may be impossible, and they hold no pointers. */
	if (strncmp(name, "[v", 2) == 0)
		mapping.readable = false;
	struct mapping *to = item(roots, &roots->mappings, sizeof *to);
	if (to)
		*to = mapping;
	if (!mapping.readable && mapping.start < mheap.arena_used && mapping.limit > mheap.arena_start)
		add_range(roots, &roots->unreadable, mapping.start, mapping.limit);
}

int roots_readMaps(struct roots *roots, uintptr_t sp)
{
	int file = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	char buffer[4096], line[256];
	size_t length = 0;
	long got;

	roots->sp = sp;
	if (file < 0)
		return errno;
	while ((got = syscall(SYS_read, file, buffer, sizeof buffer)) > 0) {
		for (long i = 0; i < got; i++) {
			if (buffer[i] != '\n') {
				if (length < sizeof line - 1)
					line[length++] = buffer[i];
				continue;
			}
			line[length] = 0;
			length = 0;
			add_mapping(roots, line);
		}
	}
	int error = got < 0 ? errno : 0;
	syscall(SYS_close, file);
	if (error == 0 && roots->failed)
		error = ENOMEM;
	return error == 0 && roots->mappings.count == 0 ? ENOENT : error;
}

const struct address_range *roots_unreadable(const struct roots *roots, size_t *count)
{
	*count = roots->unreadable.count;
	return roots->unreadable.at;
}

/* Returns the first mapping that ends behind the address; NULL if there is none. */
static const struct mapping *mapping_from(const struct roots *roots, uintptr_t address)
{
	const struct mapping *mappings = roots->mappings.at;
	size_t low = 0, high = roots->mappings.count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (mappings[middle].limit > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low < roots->mappings.count ? &mappings[low] : NULL;
}

static const struct mapping *mapping_of(const struct roots *roots, uintptr_t address)
{
	const struct mapping *mapping = mapping_from(roots, address);

	return mapping && mapping->start <= address && mapping->readable ? mapping : NULL;
}

/* Whether all of these bytes can be read, which lie in one mapping. */
static bool is_readable(const struct roots *roots, uintptr_t address, size_t size)
{
	const struct mapping *mapping = mapping_of(roots, address);

	return mapping && address % sizeof(uintptr_t) == 0 && mapping->limit - address >= size;
}

/* Reads a word that may be anywhere; 0 if it cannot be read. */
static UNSANITIZED uintptr_t word_at(const struct roots *roots, uintptr_t address)
{
	return is_readable(roots, address, sizeof(uintptr_t)) ? *(const uintptr_t *)address : 0;
}

/* ---- marking ---- */

/* Marks from the readable parts of a range. */
static void mark_range(struct roots *roots, uintptr_t start, uintptr_t limit)
{
	const struct mapping *end = (const struct mapping *)roots->mappings.at + roots->mappings.count;

	for (const struct mapping *m = mapping_from(roots, start); m && m < end && m->start < limit; m++)
		if (m->readable)
			markroot(roots->mark, start > m->start ? start : m->start, limit < m->limit ? limit : m->limit);
}

/* Marks from a range without this library's own variables, which refer to what is allocated. */
static void mark_segment(struct roots *roots, uintptr_t start, uintptr_t limit)
{
	const struct address_range own[] = {
		{(uintptr_t)data_start, (uintptr_t)data_end},
		{(uintptr_t)bss_start, (uintptr_t)bss_end},
	};

	while (start < limit) {
		struct address_range next = {limit, limit};
		for (unsigned i = 0; i < sizeof own / sizeof *own; i++)
			if (own[i].start < next.start && own[i].limit > start)
				next = own[i];
		if (start < next.start)
			mark_range(roots, start, next.start);
		start = next.limit;
	}
}

static void mark_libraries(struct roots *roots)
{
	const struct address_range *segments = roots->segments.at;
	const struct mapping *mappings = roots->mappings.at;

	for (size_t i = 0; i < roots->segments.count; i++)
		mark_segment(roots, segments[i].start, segments[i].limit);
	for (size_t i = 0; i < roots->mappings.count; i++)
		if (mappings[i].is_heap)
			mark_range(roots, mappings[i].start, mappings[i].limit);
}

#pragma weak _r_debug

/* The dynamic linker has the first of its structs in memory of its own, which refer to those in this heap. */
static void mark_link_maps(struct roots *roots)
{
	uintptr_t map = &_r_debug ? (uintptr_t)_r_debug.r_map : 0;

	for (unsigned i = 0; i < MostLibraries && is_readable(roots, map, sizeof(struct link_map)); i++) {
		markroot_word(roots->mark, map);
		if (gcmark_objectEnd(roots->mark, map) == 0)
			mark_range(roots, map, map + LinkMapSize);
		map = word_at(roots, map + offsetof(struct link_map, l_next));
	}
}

static void mark_heap_roots(struct roots *roots)
{
	for (struct mspan *s = mheap.allspans; s; s = s->alllink) {
		if (!gcmark_spanInUse(s))
			continue;
		for (unsigned i = 0; s->state == mSpanStack && i < s->nelems; i++) {
			struct address_range stack = stack_inUse(s, i);
			markroot(roots->mark, stack.start, stack.limit);
		}
		for (const struct special *p = s->state == mSpanStack ? NULL : s->specials; p; p = p->next)
			markroot_word(roots->mark, (uintptr_t)p->argument);
	}
}

/* ---- threads ---- */

static void mark_descriptor(struct roots *roots, uintptr_t descriptor)
{
	mark_range(roots, descriptor, descriptor + roots->glibc.descriptor_size + 2 * sizeof(uintptr_t));
}

/* Thread-local blocks: entry n of the table is {address, address to free}, and the one before the first has their number. The
 * blocks of libraries that were loaded later are objects of this heap, those of libraries that are gone too. */
static void mark_tls(struct roots *roots, uintptr_t thread)
{
	enum { EntrySize = 2 * sizeof(uintptr_t) };
	const struct tls_module *modules = roots->tls.at;
	uintptr_t dtv = word_at(roots, thread + MachineDtv);
	size_t capacity = word_at(roots, dtv - EntrySize);

	if (capacity > MostLibraries)
		capacity = MostLibraries;
	markroot_word(roots->mark, dtv);
	mark_range(roots, dtv, dtv + (capacity + 1) * EntrySize);
	for (size_t i = 0; i < roots->tls.count; i++) {
		uintptr_t block = modules[i].id > capacity ? 0 : word_at(roots, dtv + modules[i].id * EntrySize);
		if (block != 0 && block != UINTPTR_MAX)
			mark_range(roots, block, block + modules[i].bytes);
	}
}

static uintptr_t stack_limit(const struct roots *roots, uintptr_t sp, uintptr_t thread)
{
	const struct mapping *mapping = mapping_of(roots, sp);
	uintptr_t object = gcmark_objectEnd(roots->mark, sp);

	if (object != 0)
		return object;
	if (!mapping)
		return sp;
	/* The C library's description is at the stack's end, also if the memory behind it has been mapped, too. */
	if (thread > sp && thread < mapping->limit) {
		uintptr_t end = machine_descriptor(thread, roots->glibc.descriptor_size) + roots->glibc.descriptor_size;
		return end < mapping->limit ? end : mapping->limit;
	}
	return mapping->limit;
}

/* A thread that stands on a stack of its own making, or of a signal handler, has its first one beside it. */
static void mark_first_stack(struct roots *roots, uintptr_t sp, uintptr_t thread, bool main)
{
	const struct mapping *mappings = roots->mappings.at, *own = mapping_of(roots, thread);

	if (!main && own && own != mapping_of(roots, sp) && gcmark_objectEnd(roots->mark, thread) == 0)
		mark_range(roots, own->start, own->limit);
	for (size_t i = 0; main && i < roots->mappings.count; i++)
		if (mappings[i].is_stack && (sp < mappings[i].start || sp >= mappings[i].limit))
			mark_range(roots, mappings[i].start, mappings[i].limit);
}

static void mark_thread(struct roots *roots, uintptr_t sp, uintptr_t thread, bool main)
{
	/* a stack may be an object */
	markroot_word(roots->mark, sp);
	markroot_word(roots->mark, thread);
	mark_range(roots, sp, stack_limit(roots, sp, thread));
	mark_first_stack(roots, sp, thread, main);
	mark_descriptor(roots, machine_descriptor(thread, roots->glibc.descriptor_size));
	mark_tls(roots, thread);
}

/* ---- threads inside this library ---- */

static size_t place_of(const uintptr_t *words, uintptr_t word)
{
	size_t at = word * 0x9e3779b97f4a7c15 >> 32 & (InsideWords - 1);

	while (words[at] != 0 && words[at] != word)
		at = (at + 1) & (InsideWords - 1);
	return at;
}

static UNSANITIZED size_t add_words(uintptr_t *set, size_t used, const uintptr_t *words, size_t count)
{
	for (size_t i = 0; i < count && used < InsideWords / 2; i++) {
		uintptr_t line = words[i] / CACHE_LINE;
		size_t at = line != 0 ? place_of(set, line) : 0;
		if (line != 0 && set[at] == 0) {
			set[at] = line;
			used++;
		}
	}
	return used;
}

static bool is_inside(const struct roots *roots, const struct stopped_thread *t)
{
	return unwind_isIn(&t->registers, stack_limit(roots, t->registers.sp, t->thread), code_start(), code_end());
}

static bool refers_to(const uintptr_t *set, const struct mspan *s)
{
	for (uintptr_t line = (uintptr_t)s / CACHE_LINE; line < (uintptr_t)(s + 1) / CACHE_LINE; line++)
		if (set[place_of(set, line)] == line)
			return true;
	return false;
}

static void mark_handled_spans(struct roots *roots)
{
	uintptr_t *set = NULL;
	size_t used = 0;

	for (size_t i = 0; i < roots->world->nthreads; i++) {
		const struct stopped_thread *t = &roots->world->threads[i];
		uintptr_t sp = t->registers.sp, limit = stack_limit(roots, sp, t->thread);
		if (!is_inside(roots, t))
			continue;
		if (!set && !(set = sysAlloc(InsideWords * sizeof *set))) {
			roots->failed = true;
			return;
		}
		if (limit - sp > InsideStack)
			limit = sp + InsideStack;
		used = add_words(set, used, t->words, t->nwords);
		used = add_words(set, used, (const uintptr_t *)sp, (limit - sp) / sizeof *set);
	}
	for (struct mspan *s = mheap.allspans; set && s; s = s->alllink)
		if (refers_to(set, s))
			markroot_span(roots->mark, s);
	if (set)
		sysFree(set, InsideWords * sizeof *set);
}

/* ---- threads that have ended ---- */

static bool is_stopped_thread(const struct roots *roots, uintptr_t thread)
{
	for (size_t i = 0; i < roots->world->nthreads; i++)
		if (roots->world->threads[i].thread == thread)
			return true;
	return thread == machine_thread();
}

/* The description of a thread that nobody has joined has its result. One whose stack the C library keeps for a later thread
 * has only a table of thread-local blocks that is still of use. */
static void mark_ended_threads(struct roots *roots)
{
	enum { Used, OfProgram, Cached, NumLists };
	size_t size = roots->glibc.descriptor_size;

	for (unsigned list = 0; roots->glibc.stack_lists != 0 && list < NumLists; list++) {
		uintptr_t head = roots->glibc.stack_lists + list * 2 * sizeof(uintptr_t), at = word_at(roots, head);
		for (unsigned i = 0; i < MostThreads && at != 0 && at != head; i++, at = word_at(roots, at)) {
			uintptr_t descriptor = at - roots->glibc.list_offset;
			uintptr_t thread = machine_thread_of(descriptor, size);
			if (list == Cached)
				markroot_word(roots->mark, word_at(roots, thread + MachineDtv));
			else if (!is_stopped_thread(roots, thread))
				mark_descriptor(roots, descriptor);
		}
	}
}

bool roots_mark(struct roots *roots, struct gcmark *m, const struct stopped_world *world)
{
	int caller = world->caller;

	roots->mark = m;
	roots->world = world;
	mark_libraries(roots);
	mark_link_maps(roots);
	mark_heap_roots(roots);
	mark_thread(roots, roots->sp, machine_thread(), caller == world->pid);
	for (size_t i = 0; i < world->nthreads; i++) {
		const struct stopped_thread *t = &world->threads[i];
		markroot(m, (uintptr_t)t->words, (uintptr_t)(t->words + t->nwords));
		mark_thread(roots, t->registers.sp - MachineRedZone, t->thread, t->tid == world->pid);
	}
	mark_handled_spans(roots);
	mark_ended_threads(roots);
	return !roots->failed;
}
