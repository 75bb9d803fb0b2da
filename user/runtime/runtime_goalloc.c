/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libgoalloc, observed from outside: its USDT probes, its published counters, its sites. Only goalloc_contract.h is
 * known about it.
 *
 * A row's stack reads leaf first: the runtime call (a C function that the lowered program names after Go's, such as
 * runtime.newobject), the site, its callers. The site describes the C function that it is in, so it takes the place of
 * that function's frame.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profile/frames.h"
#include "base/hash_table.h"
#include "base/memory.h"
#include "base/regular_file.h"
#include "collect/event_process.h"
#include "symbols/elf_file.h"
#include "goalloc_contract.h"
#include "machine.h"
#include "target/procfs.h"
#include "runtime/goalloc_counters.h"
#include "runtime/runtime.h"
#include "runtime/site_stack.h"
#include "symbols/usdt.h"

enum {
	SITES_BYTES = 16 << 20,	  /* limit for the names of all sites of one process */
	AWAKE_THREADS_MAX = 4096, /* with more threads, they are not examined one by one */
	FILES_MAX = 4096,	  /* at most this many mapped files are searched for the probes */
};

/* The rates that the library offers, from coarse to fine, and the suffixes of their probes' names. */
static const struct rate_row {
	int64_t rate;
	uint64_t distance;
	const char *suffix;
} rate_rows[] = {
	{512 << 10, 512 << 10, "_512k"},
	{64 << 10, 64 << 10, "_64k"},
	{8 << 10, 8 << 10, "_8k"},
	{1, 0, ""},
	{0, 0, ""},
};

/* The rates at which a probe is attached to. */
enum { AT_ZERO = 1, AT_ONE = 2, AT_SAMPLED = 4, AT_ALL = 7 };

static const struct probe_row {
	const char *probe, *program;
	bool thinned; /* has one variant per rate */
	unsigned when;
	unsigned totals; /* the rates at which it counts the objects and bytes of the totals */
	bool for_stacks;
} probe_rows[] = {
	/* attached first, so that no event comes without a stack */
	{"stack", "goalloc_stack", false, AT_ALL, 0, true},
	{"mcache_refill", "goalloc_mcache_refill", true, AT_ALL, AT_ZERO | AT_SAMPLED, false},
	{"mcentral_grow", "goalloc_mcentral_grow", true, AT_ALL, 0, false},
	{"mheap_grow", "goalloc_mheap_grow", false, AT_ALL, 0, false},
	{"large_alloc", "goalloc_large_alloc", true, AT_ZERO | AT_SAMPLED, AT_ZERO | AT_SAMPLED, false},
	{"alloc_sample", "goalloc_alloc_sample", true, AT_ONE | AT_SAMPLED, AT_ONE, false},
};

struct site {
	uint64_t address;
	struct profile_frame frame;
	char *file, *function;
	UT_hash_handle hh;
};

struct goalloc {
	struct runtime runtime;
	struct usdt_probes probes;
	int file;     /* with the probes: where they are was read from it, and it is what they are attached to */
	char *mapped; /* its name, as the process sees it */
	struct goalloc_counters counters;
	size_t sites_bytes; /* bytes of the names of `sites` */
	struct site *sites;
};

static const struct rate_row *rate_row_for(int64_t rate)
{
	const struct rate_row *row = rate_rows;

	if (rate <= 1)
		return rate == 1 ? &rate_rows[3] : &rate_rows[4];
	while (row->rate > rate && row->rate > (8 << 10))
		row++;
	return row;
}

static const struct usdt_probe *probe_find(const struct usdt_probes *probes, const char *name)
{
	for (size_t i = 0; i < probes->count; i++) {
		if (strcmp(probes->items[i].name, name) == 0)
			return &probes->items[i];
	}
	return NULL;
}

/* The BPF programs read arguments from the ABI's registers; checks that the notes say so. */
static bool arguments_in_registers(const char *arguments)
{
	static const char *const registers[] = {MACHINE_ARGUMENTS};
	char expected[128] = "";
	size_t length = 0;

	for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]) && strcmp(arguments, expected) != 0; i++)
		length += (size_t)snprintf(expected + length, sizeof(expected) - length, "%s8@%s", i ? " " : "",
					   registers[i]);
	return strcmp(arguments, expected) == 0;
}

static uint32_t probe_flags(const struct probe_row *probe, unsigned when, const struct rate_row *rate)
{
	uint32_t flags = probe->totals & when ? EVENT_FLAG_TOTAL_OBJECTS : 0;

	return probe->thinned && rate->distance ? flags | EVENT_FLAG_SHIFT(__builtin_ctzll(rate->distance)) : flags;
}

static int goalloc_probes(struct runtime *runtime, int64_t rate, struct probe_set *set, struct profile *profile,
			  struct error *error)
{
	struct goalloc *goalloc = (struct goalloc *)runtime;
	const struct rate_row *row = rate_row_for(rate);
	unsigned when = row->rate == 0 ? AT_ZERO : row->rate == 1 ? AT_ONE : AT_SAMPLED;

	runtime->rate = row->rate;
	if (row->rate != rate)
		profile_warn(profile, "libgoalloc samples every 8k, 64k or 512k bytes: using %lldk",
			     (long long)row->rate >> 10);
	for (size_t i = 0; i < sizeof(probe_rows) / sizeof(probe_rows[0]); i++) {
		const struct probe_row *wanted = &probe_rows[i];
		const struct usdt_probe *probe;
		char name[64];

		if (!(wanted->when & when) || (wanted->for_stacks && !runtime->stacks))
			continue;
		snprintf(name, sizeof(name), "%s%s", wanted->probe, wanted->thinned ? row->suffix : "");
		probe = probe_find(&goalloc->probes, name);
		if (!probe || !arguments_in_registers(probe->arguments))
			return error_set(error, STATUS_CANNOT_MEASURE,
					 "the libgoalloc in '%s' %s probe goalloc:%s: it is another version",
					 goalloc->mapped, probe ? "passes other arguments to" : "lacks", name);
		probe_set_add(set, wanted->program, goalloc->file, probe->offset, probe->semaphore_offset,
			      probe_flags(wanted, when, row));
	}
	return 0;
}

static int goalloc_read(struct runtime *runtime, const struct target *target, int64_t rate,
			struct heap_counters *counters)
{
	struct goalloc *goalloc = (struct goalloc *)runtime;
	const struct goalloc_telling telling = {rate == 1, rate_row_for(rate)->distance};

	bool has_allocated = runtime->events && event_process_hits(runtime->events) > 0;

	if (goalloc_counters_read(&goalloc->counters, target, &telling, counters, &runtime->refusal))
		return -1;
	if (has_allocated && !goalloc->counters.known)
		return error_set(&runtime->refusal, STATUS_CANNOT_MEASURE,
				 "its libgoalloc description has no addresses (class_sizes, heap_counters, caches), "
				 "although it allocates");
	return 0;
}

/*
 * Returns an upper bound of the objects that are allocated without an event at rate 1: a thread that was on the fast
 * path when its allocations were redirected to the slow one finishes that allocation unseen, and may not have run
 * since.
 */
static int64_t goalloc_unsettled(struct runtime *runtime, const struct target *target)
{
	size_t count = 0;
	int *threads = runtime->rate == 1 ? procfs_threads(target->pid, &count) : NULL;
	int64_t awake = 0;

	if (count > AWAKE_THREADS_MAX)
		awake = (int64_t)count;
	for (size_t i = 0; i < count && count <= AWAKE_THREADS_MAX; i++)
		awake += procfs_state(threads[i]) == 'R';
	free(threads);
	return awake;
}

static void goalloc_remember(struct runtime *runtime, const struct target *target, const struct event_key *key)
{
	struct goalloc *goalloc = (struct goalloc *)runtime;
	char file[4096], function[4096];
	struct site *site;
	struct {
		uint64_t file, function;
		uint32_t line, column;
	} raw; /* struct goalloc_site */

	HASH_FIND(hh, goalloc->sites, &key->site, sizeof(key->site), site);
	if (site || !key->site || runtime->refusal.text[0] || target_read(target, key->site, &raw, sizeof(raw)) ||
	    target_read_string(target, raw.file, file, sizeof(file)) ||
	    target_read_string(target, raw.function, function, sizeof(function)))
		return;
	goalloc->sites_bytes += sizeof(*site) + strlen(file) + strlen(function);
	if (goalloc->sites_bytes > SITES_BYTES) {
		error_set(&runtime->refusal, STATUS_CANNOT_MEASURE,
			  "its allocation sites (struct goalloc_site) have more than %d MiB of names",
			  SITES_BYTES >> 20);
		return;
	}
	site = memory_zeroed(1, sizeof(*site));
	site->file = memory_text(file);
	site->function = memory_text(function);
	site->address = key->site;
	site->frame = (struct profile_frame){
		.function = site->function, .file = site->file, .line = raw.line, .column = raw.column};
	HASH_ADD(hh, goalloc->sites, address, sizeof(site->address), site);
}

static const struct profile_stack *goalloc_stack(struct runtime *runtime, struct address_space *space,
						 struct profile *profile, const struct event_key *key,
						 const struct event_stack *stack)
{
	struct goalloc *goalloc = (struct goalloc *)runtime;
	struct site *site;

	HASH_FIND(hh, goalloc->sites, &key->site, sizeof(key->site), site);
	return site_stack(space, profile, site ? &site->frame : NULL, stack ? (const uint64_t *)stack->pcs : NULL,
			  stack ? stack->depth : 0, stack && stack->truncated);
}

static const char *goalloc_type(struct runtime *runtime, struct profile *profile, const struct event_key *key)
{
	(void)runtime, (void)profile, (void)key;
	return NULL; /* C has no types at run time */
}

static void goalloc_free_runtime(struct runtime *runtime)
{
	struct goalloc *goalloc = (struct goalloc *)runtime;
	struct site *site, *next;

	HASH_ITER (hh, goalloc->sites, site, next) {
		HASH_DEL(goalloc->sites, site);
		free(site->file);
		free(site->function);
		free(site);
	}
	usdt_free(&goalloc->probes);
	goalloc_counters_free(&goalloc->counters);
	free(goalloc->mapped);
	close(goalloc->file);
	free(goalloc);
}

static const struct runtime_ops goalloc_ops = {
	.counter_source = "goalloc counters",
	.probes = goalloc_probes,
	.read = goalloc_read,
	.unsettled = goalloc_unsettled,
	.remember = goalloc_remember,
	.stack = goalloc_stack,
	.type = goalloc_type,
	.free = goalloc_free_runtime,
};

uint64_t runtime_goalloc_description(const struct runtime *runtime)
{
	return ((const struct goalloc *)runtime)->counters.description;
}

/* Returns the address of the description of the libgoalloc in a mapped file, opened as `path`; 0: it has none. A file may be loaded
 * more than once (dlmopen): it is that of the copy that the mapping belongs to. */
static uint64_t description_in(const struct target *target, const struct target_mapping *mapping, const char *path)
{
	uint64_t address, relative, bias;

	if (elf_note_find(path, GOALLOC_NOTE_OWNER, GOALLOC_NOTE_DESCRIPTION, &address, &relative, NULL) <= 0)
		return 0;
	while (mapping > target->mappings && mapping[-1].inode == mapping->inode &&
	       mapping[-1].device == mapping->device && mapping[-1].offset < mapping->offset)
		mapping--;
	if (elf_load_bias(path, mapping->start, mapping->offset, &bias, NULL))
		return 0;
	return bias + address + relative;
}

/* Whether that libgoalloc has counted an object; what cannot be read may have. */
static bool has_allocated(const struct target *target, uint64_t description)
{
	static const struct goalloc_telling telling = {.every_object = true};
	struct goalloc_counters counters = {.description = description};
	struct heap_counters *sums = memory_zeroed(1, sizeof(*sums));
	struct error refusal = {0};
	bool has = goalloc_counters_read(&counters, target, &telling, sums, &refusal) != 0;

	for (int class = 0; class < SPAN_CLASSES; class ++)
		has |= sums->classes[class].objects > 0;
	goalloc_counters_free(&counters);
	free(sums);
	return has;
}

bool runtime_idle_may_have_begun(const struct runtime_idle *idle, const struct target *target)
{
	if (idle->count > RUNTIME_IDLE_MAX)
		return true;
	for (size_t i = 0; i < idle->count; i++) {
		if (has_allocated(target, idle->descriptions[i]))
			return true;
	}
	return false;
}

void runtime_goalloc_find_others(const struct runtime *observed, const struct target *target,
				 struct runtime_others *others)
{
	/* each copy's mappings follow each other */
	uint64_t own = observed->ops == &goalloc_ops ? runtime_goalloc_description(observed) : 0, last = 0;
	size_t files = 0;

	for (size_t i = 0; i < target->mapping_count && files < FILES_MAX; i++) {
		const struct target_mapping *mapping = &target->mappings[i];
		char path[REGULAR_FILE_NAME];
		uint64_t description;
		int file;

		if (!mapping->executable || !mapping->inode)
			continue;
		files++;
		file = target_file_open(target, mapping, NULL);
		if (file < 0)
			continue;
		description = description_in(target, mapping, regular_file_name(file, path));
		close(file);
		if (!description || description == own || description == last)
			continue;
		last = description;
		if (!has_allocated(target, description)) {
			if (others->idle.count < RUNTIME_IDLE_MAX)
				others->idle.descriptions[others->idle.count] = description;
			others->idle.count++;
			continue;
		}
		others->file = mapping->path;
		others->kind = "with a libgoalloc and a heap of its own";
		others->count++;
		others->uncounted = true;
	}
}

/* Detects the runtime in one mapped file; returns NULL and leaves *absent true if the file has none. `file`: its descriptor, kept
 * if the runtime is returned. */
static struct runtime *detect_in(const struct target *target, const struct target_mapping *mapping, int file,
				 bool *absent, struct error *error)
{
	char path[REGULAR_FILE_NAME];
	const struct target_mapping *image = target_image_start(target, mapping);
	uint64_t address, relative, bias;
	int found;
	struct usdt_probes probes;
	struct goalloc *goalloc;

	if (usdt_read(regular_file_name(file, path), GOALLOC_PROVIDER, &probes, error)) {
		error_prefix(error, "'%s'", mapping->path);
		*absent = false;
		return NULL;
	}
	if (!probes.count)
		return NULL;
	*absent = false;
	found = elf_note_find(path, GOALLOC_NOTE_OWNER, GOALLOC_NOTE_DESCRIPTION, &address, &relative, error);
	if (found == 0)
		error_set(error, STATUS_CANNOT_MEASURE,
			  "it has goalloc probes but no description of its counters: it is another version");
	if (found <= 0 || elf_load_bias(path, image->start, image->offset, &bias, error)) {
		error_prefix(error, "'%s'", mapping->path);
		usdt_free(&probes);
		return NULL;
	}
	goalloc = memory_zeroed(1, sizeof(*goalloc));
	goalloc->runtime.ops = &goalloc_ops;
	snprintf(goalloc->runtime.version, sizeof(goalloc->runtime.version), RUNTIME_GOALLOC);
	goalloc->probes = probes;
	goalloc->file = file;
	goalloc->mapped = memory_text(mapping->path);
	goalloc->counters.description = bias + address + relative;
	return &goalloc->runtime;
}

struct runtime *runtime_goalloc_detect(const struct target *target, bool *absent, struct error *error)
{
	const struct target_mapping *last = NULL;
	size_t files = 0;

	*absent = true;
	for (size_t i = 0; i < target->mapping_count && files < FILES_MAX; i++) {
		const struct target_mapping *mapping = &target->mappings[i];
		struct runtime *runtime;
		int file;

		if (!mapping->executable || !mapping->inode)
			continue;
		if (last && mapping->inode == last->inode && mapping->device == last->device)
			continue;
		last = mapping;
		files++;
		file = target_file_open(target, mapping, NULL);
		if (file < 0)
			continue;
		runtime = detect_in(target, mapping, file, absent, error);
		if (!runtime)
			close(file);
		if (runtime || !*absent)
			return runtime;
	}
	return NULL;
}
