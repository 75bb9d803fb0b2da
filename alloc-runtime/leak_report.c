/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What GOALLOC_LEAKS asks for: a report of lost objects by site when the process ends, on standard error.
 *
 * The search comes after the destructors of the program and of all libraries, so that what they free is not reported. Nothing
 * here allocates.
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime.h"
#include "sys.h"

enum {
	FirstSites = 1 << 8,
	MostShown = 100, /* sites */
	FramesShown = 16,
	ExitStatusMost = 255,
};

/* Lost objects that were allocated at one place. */
struct site {
	struct goalloc_unreachable first; /* of them */
	size_t objects, bytes;
};

struct report {
	struct site *sites; /* from the system: a hash table, objects 0: free */
	size_t used, capacity;
	size_t objects[2], bytes[2]; /* by `indirect` */
	bool incomplete;
};

static int exit_status; /* 0: as the program says */
static bool asked;

/* ---- sites ---- */

/* Objects whose site is not known are told apart by their size. */
static uint64_t hash_of(const struct goalloc_unreachable *lost)
{
	uint64_t hash = lost->indirect + (lost->depth == 0 ? lost->bytes : 0);

	hash = (hash ^ (uintptr_t)lost->site) * 0x9e3779b97f4a7c15;
	for (size_t i = 0; i < lost->depth; i++)
		hash = ((hash ^ hash >> 29) ^ lost->pcs[i]) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 32;
}

static bool same_site(const struct goalloc_unreachable *a, const struct goalloc_unreachable *b)
{
	if (a->indirect != b->indirect || a->site != b->site || a->depth != b->depth)
		return false;
	return a->depth == 0 ? a->bytes == b->bytes : memcmp(a->pcs, b->pcs, a->depth * sizeof *a->pcs) == 0;
}

static struct site *place_of(struct site *sites, size_t capacity, const struct goalloc_unreachable *lost)
{
	size_t at = hash_of(lost) & (capacity - 1);

	while (sites[at].objects != 0 && !same_site(&sites[at].first, lost))
		at = (at + 1) & (capacity - 1);
	return &sites[at];
}

static bool make_room(struct report *report)
{
	size_t capacity = report->capacity ? 2 * report->capacity : FirstSites;

	if (2 * (report->used + 1) <= report->capacity)
		return true;
	struct site *sites = sysAlloc(capacity * sizeof *sites);
	if (!sites)
		return false;
	for (size_t i = 0; i < report->capacity; i++)
		if (report->sites[i].objects != 0)
			*place_of(sites, capacity, &report->sites[i].first) = report->sites[i];
	if (report->sites)
		sysFree(report->sites, report->capacity * sizeof *sites);
	report->sites = sites;
	report->capacity = capacity;
	return true;
}

static void count(const struct goalloc_unreachable *lost, void *argument)
{
	struct report *report = argument;

	report->objects[lost->indirect]++;
	report->bytes[lost->indirect] += lost->bytes;
	if (!make_room(report)) {
		report->incomplete = true;
		return;
	}
	struct site *site = place_of(report->sites, report->capacity, lost);
	if (site->objects == 0) {
		site->first = *lost;
		report->used++;
	}
	site->objects++;
	site->bytes += lost->bytes;
}

/* ---- printing ---- */

static __attribute__((format(printf, 1, 2))) void print(const char *format, ...)
{
	char line[1024];
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	if (length >= (int)sizeof line) {
		length = sizeof line - 1;
		line[length - 1] = '\n';
	}
	if (length > 0)
		sysWrite(line, (size_t)length);
}

#pragma weak dladdr

/* The address in the file that addr2line takes. The dynamic linker gives where the file begins; an executable that is not
 * position-independent has addresses of the process in its file. */
static unsigned long address_in_file(uintptr_t address, const Dl_info *info)
{
	const ElfW(Ehdr) *header = info->dli_fbase;

	return header->e_type == ET_EXEC ? address : address - (uintptr_t)header;
}

/* A return address is looked up by the call before it. Names come from dynamic symbols. */
static void print_frame(uint64_t pc)
{
	Dl_info info = {0};

	if (!dladdr || dladdr((void *)(uintptr_t)(pc - 1), &info) == 0 || !info.dli_fname) {
		print("        %#lx\n", (unsigned long)pc);
		return;
	}
	unsigned long address = address_in_file((uintptr_t)(pc - 1), &info);
	if (info.dli_sname)
		print("        %s (%s+%#lx)\n", info.dli_sname, info.dli_fname, address);
	else
		print("        %s+%#lx\n", info.dli_fname, address);
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void print_site(const struct site *site)
{
	const struct goalloc_unreachable *first = &site->first;

	print("goalloc: lost %s: %zu byte%s in %zu object%s, for example at %p%s\n",
	      first->indirect ? "indirectly" : "directly", site->bytes, plural(site->bytes), site->objects,
	      plural(site->objects), first->object,
	      first->depth != 0 || first->site ? ", allocated at" : ", allocated where nothing was sampled");
	if (first->site)
		print("        %s (%s:%u)\n", first->site->function, first->site->file, first->site->line);
	for (size_t i = 0; i < first->depth && i < FramesShown; i++)
		print_frame(first->pcs[i]);
	if (first->depth > FramesShown)
		print("        and %zu more\n", first->depth - FramesShown);
}

static int by_bytes(const void *a, const void *b)
{
	const struct site *left = a, *right = b;

	if (left->first.indirect != right->first.indirect)
		return left->first.indirect ? 1 : -1;
	if (left->bytes != right->bytes)
		return left->bytes < right->bytes ? 1 : -1;
	return (left->first.object > right->first.object) - (left->first.object < right->first.object);
}

/* Moves the sites to the front of the table and sorts them by heapsort, since qsort may allocate. */
static void sort(struct report *report)
{
	struct site *sites = report->sites;
	size_t n = 0;

	for (size_t i = 0; i < report->capacity; i++)
		if (sites[i].objects != 0)
			sites[n++] = sites[i];
	for (size_t start = n / 2, end = n; end > 1;) {
		if (start > 0) {
			start--;
		} else {
			struct site last = sites[--end];
			sites[end] = sites[0];
			sites[0] = last;
		}
		for (size_t root = start, child; (child = 2 * root + 1) < end; root = child) {
			if (child + 1 < end && by_bytes(&sites[child], &sites[child + 1]) < 0)
				child++;
			if (by_bytes(&sites[root], &sites[child]) >= 0)
				break;
			struct site swapped = sites[root];
			sites[root] = sites[child];
			sites[child] = swapped;
		}
	}
}

static void print_report(struct report *report)
{
	bool sampled = false;

	sort(report);
	for (size_t i = 0; i < report->used && i < MostShown; i++)
		print_site(&report->sites[i]);
	for (size_t i = 0; i < report->used; i++)
		sampled |= report->sites[i].first.depth != 0;
	if (report->used > MostShown)
		print("goalloc: and %zu more sites\n", report->used - MostShown);
	if (report->incomplete)
		print("goalloc: out of memory: some lost objects are counted, but not shown\n");
	print("goalloc: process %d lost %zu byte%s in %zu object%s directly, %zu byte%s in %zu object%s indirectly\n",
	      (int)getpid(), report->bytes[0], plural(report->bytes[0]), report->objects[0], plural(report->objects[0]),
	      report->bytes[1], plural(report->bytes[1]), report->objects[1], plural(report->objects[1]));
	if (!sampled)
		print("goalloc: run it with GOALLOC_HEAP_PROFILE=1, too, to see where they were allocated\n");
}

/* ---- at exit ---- */

static void search(int status, void *argument)
{
	static struct report report;
	bool failed = goalloc_find_unreachable(count, &report) != 0;

	(void)status, (void)argument;

	if (failed)
		print("goalloc: process %d: cannot search for lost objects: %s\n", (int)getpid(), strerror(errno));
	else if (report.objects[0] + report.objects[1] != 0)
		print_report(&report);
	else
		return;
	/* A search that failed is not one that found nothing. Exiting again goes on with the handlers that are left, and
	 * flushes stdio. */
	if (exit_status != 0)
		exit(exit_status);
}

/*
 * All destructors of libraries run inside one exit handler, and a preloaded library's come before those of the libraries
 * that the program needs. A handler that is registered meanwhile runs when that one has returned. atexit() would not do: its
 * handlers belong to a library, and run with this one's destructors.
 *
 * That handler has left its place in the list, so registering fails only if other destructors have filled the list and memory
 * is out.
 */
static __attribute__((destructor(101))) void finish(void)
{
	if (asked && on_exit(search, NULL) != 0)
		search(0, NULL);
}

#pragma weak dladdr1
#pragma weak dlsym

/* Keeps the library with this file from being unloaded, since the handler stays registered. A program is not unloaded. dlopen()
 * is looked up by name, because the linker warns of it in a static program. */
static void stay_loaded(void)
{
	struct link_map *map = NULL;
	Dl_info info;

	if (!dladdr1 || !dlsym || dladdr1((void *)(uintptr_t)finish, &info, (void **)&map, RTLD_DL_LINKMAP) == 0 ||
	    !map || map->l_name[0] == 0)
		return;
	void *(*open)(const char *name, int mode) = (void *(*)(const char *, int))dlsym(RTLD_DEFAULT, "dlopen");
	if (open)
		open(map->l_name, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

static __attribute__((constructor(101))) void begin(void)
{
	const char *setting = secure_getenv("GOALLOC_LEAKS"), *status;
	static const char name[] = "exitcode=";
	long number = 0;
	char *end;

	if (!setting || !*setting || strcmp(setting, "0") == 0)
		return;
	asked = strcmp(setting, "1") == 0;
	if (!asked && strncmp(setting, name, sizeof name - 1) == 0) {
		status = setting + sizeof name - 1;
		number = *status >= '0' && *status <= '9' ? strtol(status, &end, 10) : 0;
		asked = number > 0 && number <= ExitStatusMost && *end == 0;
	}
	if (!asked) {
		goalloc_warn("ignored GOALLOC_LEAKS: it must be 1, or exitcode=N with a number N from 1 to 255");
		return;
	}
	exit_status = (int)number;
	stay_loaded();
}
