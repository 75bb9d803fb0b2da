/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libgoalloc seen from outside: its USDT probes, its published counters, its sites. All that is known of it is
 * goalloc_contract.h.
 *
 * A row's stack reads leaf first: the runtime call (a C function that the lowered program names after Go's, such as
 * runtime.newobject), the site, its callers. The site stands for the C function that it is in, so it takes the place
 * of that function's frame.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uthash.h>

#include "profile/frames.h"
#include "goalloc_contract.h"
#include "target/procfs.h"
#include "runtime/runtime.h"
#include "runtime/site_stack.h"
#include "base/unaligned.h"
#include "symbols/usdt.h"

enum {
	READ_TRIES = 200, /* a cache whose thread was preempted in a refill needs a while */
	READ_PATIENT_AFTER = 20,
	READ_PAUSE_US = 50,
	SPAN_OBJECTS_MAX = 1024, /* 8 KiB of 8-byte objects: what a torn refill can hide */
	CACHES_MAX = 1 << 16,
};

/* The rates that the library offers, from coarse to fine, and what their probes' names end in. */
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

/* When a probe is listened to. */
enum { AT_ZERO = 1, AT_ONE = 2, AT_SAMPLED = 4, AT_ALL = 7 };

static const struct probe_row {
	const char *probe, *program;
	bool thinned; /* comes in one variant a rate */
	unsigned when;
	unsigned totals; /* when the totals' objects and bytes come from it */
	bool for_stacks;
} probe_rows[] = {
	{"stack", "goalloc_stack", false, AT_ALL, 0, true}, /* the first: no event must come without */
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
	char *path; /* of the file with the probes, openable by us */
	uint64_t description_address;
	bool description_read;
	struct goalloc_description description;
	uint16_t class_sizes[SIZE_CLASSES];
	uint64_t *caches; /* addresses; the list only grows */
	size_t cache_count;
	char *blocks; /* cache_count copies of description.cache_size bytes */
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

/* The BPF programs read arguments from the ABI's registers; the notes must say that they are there. */
static bool arguments_in_registers(const char *arguments)
{
	static const char *const registers[] = {"%rdi", "%rsi", "%rdx", "%rcx", "%r8", "%r9"};
	char expected[128] = "";
	size_t length = 0;

	for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]) && strcmp(arguments, expected) != 0; i++)
		length += (size_t)snprintf(expected + length, sizeof(expected) - length, "%s8@%s", i ? " " : "",
					   registers[i]);
	return strcmp(arguments, expected) == 0;
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
					 "the libgoalloc in '%s' %s probe goalloc:%s: it is of another version",
					 goalloc->path, probe ? "passes arguments otherwise in" : "lacks", name);
		probe_set_add(set, wanted->program, goalloc->path, probe->offset, probe->semaphore_offset,
			      wanted->totals & when ? EVENT_FLAG_TOTAL_OBJECTS : 0);
	}
	return 0;
}

/* The description holds addresses that are filled in as the program starts, the last ones by its first allocation:
 * until then it stays unread, and every counter is 0. */
static int description_read(struct goalloc *goalloc, const struct target *target)
{
	struct goalloc_description *description = &goalloc->description;

	if (goalloc->description_read)
		return 0;
	if (target_read(target, goalloc->description_address, description, sizeof(*description)) ||
	    description->version != GOALLOC_DESCRIPTION_VERSION || description->span_classes != SPAN_CLASSES)
		return -1;
	if (!description->class_sizes)
		return 0;
	if (target_read(target, description->class_sizes, goalloc->class_sizes, sizeof(goalloc->class_sizes)))
		return -1;
	goalloc->description_read = true;
	return 0;
}

static char *block_of(const struct goalloc *goalloc, size_t cache)
{
	return goalloc->blocks + cache * goalloc->description.cache_size;
}

/* Follows the list of caches as far as it is not known yet. New caches are put in front. */
static int caches_find(struct goalloc *goalloc, const struct target *target)
{
	uint64_t address, known = goalloc->cache_count ? goalloc->caches[goalloc->cache_count - 1] : 0;
	size_t first = goalloc->cache_count;

	if (target_read(target, goalloc->description.caches, &address, sizeof(address)))
		return -1;
	while (address && address != known && goalloc->cache_count < CACHES_MAX) {
		goalloc->caches = reallocarray(goalloc->caches, goalloc->cache_count + 1, sizeof(*goalloc->caches));
		if (!goalloc->caches)
			abort();
		goalloc->caches[goalloc->cache_count++] = address;
		if (target_read(target, address + goalloc->description.cache_next, &address, sizeof(address)))
			return -1;
	}
	/* newest last, so that the last one is where the next walk may stop */
	for (size_t i = first, j = goalloc->cache_count; i + 1 < j; i++) {
		uint64_t swapped = goalloc->caches[i];

		goalloc->caches[i] = goalloc->caches[--j];
		goalloc->caches[j] = swapped;
	}
	goalloc->blocks = reallocarray(goalloc->blocks, goalloc->cache_count + 1, goalloc->description.cache_size);
	if (!goalloc->blocks)
		abort();
	return 0;
}

/* Objects that the cache took from each span it holds: read together with the cache, in one system call each. */
struct tails {
	struct goalloc_sequence after;
	uint64_t counts[SPAN_CLASSES][2]; /* alloc_count, alloc_count_before_cache */
};

static int tails_read(struct goalloc *goalloc, const struct target *target, size_t cache, struct tails *tails)
{
	const struct goalloc_description *description = &goalloc->description;
	struct target_piece pieces[2 * SPAN_CLASSES + 1];
	const char *block = block_of(goalloc, cache);
	/* classes without a span share a dummy; large objects are never cached, so class 0 shows it */
	uint64_t dummy = load_u64(block + description->cache_alloc);
	size_t count = 0;

	memset(tails, 0, sizeof(*tails));
	for (uint32_t class = 0; class < SPAN_CLASSES; class ++) {
		uint64_t span = load_u64(block + description->cache_alloc + 8 * class);

		if (!span || span == dummy)
			continue;
		pieces[count++] = (struct target_piece){span + description->span_alloc_count, &tails->counts[class][0],
							description->span_alloc_count_width};
		pieces[count++] = (struct target_piece){span + description->span_alloc_count_before_cache,
							&tails->counts[class][1], description->span_alloc_count_width};
	}
	pieces[count++] = (struct target_piece){goalloc->caches[cache] + description->cache_sequence, &tails->after,
						sizeof(tails->after)};
	return target_read_pieces(target, pieces, count);
}

/* Adds one cache, of which block and tails are one consistent state. */
static void cache_add(const struct goalloc *goalloc, size_t cache, const struct tails *tails, int64_t rate,
		      struct heap_counters *counters)
{
	const struct goalloc_description *description = &goalloc->description;
	const char *block = block_of(goalloc, cache);
	uint64_t distance = rate_row_for(rate)->distance;

	for (uint32_t class = 0; class < SPAN_CLASSES; class ++) {
		struct heap_class *sums = &counters->classes[class];
		struct goalloc_class_counters counted;
		struct goalloc_pending pending;
		int64_t size = goalloc->class_sizes[class / 2];
		int64_t tail = (int64_t)(tails->counts[class][0] - tails->counts[class][1]);

		memcpy(&counted, block + description->cache_class_counters + class * sizeof(counted), sizeof(counted));
		memcpy(&pending, block + description->cache_pending + class * sizeof(pending), sizeof(pending));
		sums->objects += (int64_t)counted.objects + tail;
		sums->bytes += class < 2 ? (int64_t)counted.bytes : ((int64_t)counted.objects + tail) * size;
		sums->refills += (int64_t)counted.refills;
		sums->central_grows += (int64_t)counted.central_grows;
		if (rate == 1)
			continue; /* every allocation has been told */
		sums->unreported_objects += tail;
		sums->unreported_bytes += tail * size;
		if (pending.distance <= distance) {
			sums->unreported_objects += (int64_t)pending.objects;
			sums->unreported_bytes += (int64_t)pending.bytes;
		}
	}
}

/* Tiny objects: a block that holds them counts as none, they count each. Refills tell blocks. */
static void cache_add_tiny(const struct goalloc *goalloc, size_t cache, int64_t rate, struct heap_counters *counters)
{
	const struct goalloc_description *description = &goalloc->description;
	struct heap_class *sums = &counters->classes[description->tiny_span_class];
	const char *block = block_of(goalloc, cache);
	int64_t blocks = (int64_t)load_u64(block + description->cache_tiny_blocks);
	int64_t objects = (int64_t)load_u64(block + description->cache_tiny_objects) - blocks;
	int64_t bytes = (int64_t)load_u64(block + description->cache_tiny_bytes) -
			blocks * goalloc->class_sizes[description->tiny_span_class / 2];

	sums->objects += objects;
	sums->bytes += bytes;
	if (rate != 1) {
		sums->unreported_objects += objects;
		sums->unreported_bytes += bytes;
	}
}

static int cache_read(struct goalloc *goalloc, const struct target *target, size_t cache, int64_t rate,
		      struct heap_counters *counters)
{
	const struct goalloc_description *description = &goalloc->description;
	char *block = block_of(goalloc, cache);
	struct tails tails;

	for (int attempt = 0;; attempt++) {
		struct goalloc_sequence before;

		memcpy(&before, block + description->cache_sequence, sizeof(before));
		if (tails_read(goalloc, target, cache, &tails))
			return -1;
		if (before.moving % 2 == 0 && before.moving == tails.after.moving) {
			/* allocations in between are events in between, but for the one at each end */
			counters->in_flight += before.allocating % 2 + tails.after.allocating % 2;
			break;
		}
		if (attempt == READ_TRIES) {
			counters->in_flight += SPAN_OBJECTS_MAX;
			break;
		}
		if (attempt >= READ_PATIENT_AFTER)
			usleep(READ_PAUSE_US);
		if (target_read(target, goalloc->caches[cache], block, description->cache_size))
			return -1;
	}
	cache_add(goalloc, cache, &tails, rate, counters);
	cache_add_tiny(goalloc, cache, rate, counters);
	return 0;
}

static int goalloc_read(struct runtime *runtime, const struct target *target, int64_t rate,
			struct heap_counters *counters)
{
	struct goalloc *goalloc = (struct goalloc *)runtime;
	struct goalloc_heap_counters heap;
	struct target_piece *pieces;
	int status;

	memset(counters, 0, sizeof(*counters));
	if (description_read(goalloc, target))
		return -1;
	if (!goalloc->description_read)
		return 0;
	if (caches_find(goalloc, target))
		return -1;
	pieces = calloc(goalloc->cache_count + 1, sizeof(*pieces));
	if (!pieces)
		abort();
	for (size_t i = 0; i < goalloc->cache_count; i++)
		pieces[i] = (struct target_piece){goalloc->caches[i], block_of(goalloc, i),
						  goalloc->description.cache_size};
	pieces[goalloc->cache_count] = (struct target_piece){goalloc->description.heap_counters, &heap, sizeof(heap)};
	status = target_read_pieces(target, pieces, goalloc->cache_count + 1);
	free(pieces);
	for (size_t i = 0; i < goalloc->cache_count && !status; i++)
		status = cache_read(goalloc, target, i, rate, counters);
	counters->heap_grows = (int64_t)heap.heap_grows;
	counters->heap_grow_bytes = (int64_t)heap.heap_grow_bytes;
	return status;
}

/* At rate 1 each thread that is not asleep may have been on the fast path, which no event tells, when allocations were
 * sent to the slow one, and not have run since. */
static int64_t goalloc_unsettled(struct runtime *runtime, const struct target *target)
{
	size_t count = 0;
	int *threads = runtime->rate == 1 ? procfs_threads(target->pid, &count) : NULL;
	int64_t awake = 0;

	for (size_t i = 0; i < count; i++)
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
	if (site || !key->site || target_read(target, key->site, &raw, sizeof(raw)) ||
	    target_read_string(target, raw.file, file, sizeof(file)) ||
	    target_read_string(target, raw.function, function, sizeof(function)))
		return;
	site = calloc(1, sizeof(*site));
	if (!site || !(site->file = strdup(file)) || !(site->function = strdup(function)))
		abort();
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
	return NULL; /* C has none at run time */
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
	free(goalloc->caches);
	free(goalloc->blocks);
	free(goalloc->path);
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

/* The runtime in one mapped file; NULL with *absent left true where the file has none. */
static struct runtime *detect_in(const struct target *target, const struct target_mapping *mapping, bool *absent,
				 struct error *error)
{
	char *path = target_file_path(target, mapping);
	const struct target_mapping *image = target_image_start(target, mapping);
	uint64_t address, relative, bias;
	struct usdt_probes probes;
	struct goalloc *goalloc;

	if (usdt_read(path, GOALLOC_PROVIDER, &probes, error)) {
		*absent = false;
		free(path);
		return NULL;
	}
	if (!probes.count) {
		free(path);
		return NULL;
	}
	*absent = false;
	if (!elf_note_find(path, GOALLOC_NOTE_OWNER, GOALLOC_NOTE_DESCRIPTION, &address, &relative) ||
	    elf_load_bias(path, image->start, image->offset, &bias)) {
		error_set(error, STATUS_CANNOT_MEASURE,
			  "'%s' has goalloc probes but no description of its counters: it is "
			  "of another version",
			  mapping->path);
		usdt_free(&probes);
		free(path);
		return NULL;
	}
	goalloc = calloc(1, sizeof(*goalloc));
	if (!goalloc)
		abort();
	goalloc->runtime.ops = &goalloc_ops;
	snprintf(goalloc->runtime.version, sizeof(goalloc->runtime.version), "goalloc %d", GOALLOC_DESCRIPTION_VERSION);
	goalloc->probes = probes;
	goalloc->path = path;
	goalloc->description_address = bias + address + relative;
	return &goalloc->runtime;
}

struct runtime *runtime_goalloc_detect(const struct target *target, bool *absent, struct error *error)
{
	*absent = true;
	for (size_t i = 0; i < target->mapping_count; i++) {
		const struct target_mapping *mapping = &target->mappings[i];
		struct runtime *runtime;

		if (!mapping->executable || !mapping->inode)
			continue;
		runtime = detect_in(target, mapping, absent, error);
		if (runtime || !*absent)
			return runtime;
	}
	return NULL;
}
