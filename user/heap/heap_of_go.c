/* SPDX-License-Identifier: BSD-2-Clause */
/* The heap of a Go process: its runtime's memory profile, spans and counters. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/search.h"
#include "heap/heap_of_go.h"
#include "heap/memory_map.h"
#include "heap/process.h"
#include "heap/snapshot.h"
#include "profile/size_class.h"
#include "runtime/go_code.h"
#include "runtime/go_process.h"
#include "runtime/go_spans.h"
#include "symbols/go_modules.h"
#include "target/core.h"
#include "target/procfs.h"

enum {
	PUBLISHED_AFTER = 2, /* collections */
	POLL_NS = 10 * 1000 * 1000,
	COLLECTION_POLL_NS = 4 * 1000 * 1000,
	RECENT = 1024,
};

/* Locations of the stacks of a snapshot. */
struct locations {
	struct heap_builder *builder;
	struct location_map logical;
	/* A cache of the latest results of logical(), by address, because the stacks of one program repeat a few
	 * callers. */
	struct {
		uint64_t address;
		const struct profile_location *location;
	} recent[RECENT];
};

static struct heap_process_of_go *of_go(const struct heap_process *process)
{
	return (struct heap_process_of_go *)process;
}

/* --- a bucket becomes a sample --- */

/* The inlined calls of a stack have addresses of their own in it. */
static const struct profile_location *locate(struct locations *locations, uint64_t address)
{
	size_t slot = (address ^ address >> 10) % RECENT;
	const struct profile_location **location;

	if (locations->recent[slot].location && locations->recent[slot].address == address)
		return locations->recent[slot].location;
	location = location_map_at(&locations->logical, address, true);
	if (!*location) {
		const struct profile_location *physical =
			address_space_locate(locations->builder->space, address, true);

		*location = physical->frame_count < 2 ? physical
						      : profile_location(locations->builder->profile, address,
									 physical->mapping, physical->frames, 1);
	}
	locations->recent[slot].address = address;
	locations->recent[slot].location = *location;
	return *location;
}

static bool is_smaller(const void *size, size_t index, const void *key)
{
	(void)size;
	return (uint64_t)size_class_bytes((int)index) < *(const uint64_t *)key;
}

static int size_class_of(uint64_t size)
{
	size_t class = search_place(1, SIZE_CLASSES, is_smaller, NULL, &size);

	return class < SIZE_CLASSES ? (int)class : 0;
}

static int add_bucket(struct locations *locations, const struct go_buckets *buckets, const struct go_bucket *bucket)
{
	const struct profile_location *frames[STACK_DEPTH_MAX];
	struct heap_builder *builder = locations->builder;
	uint64_t addresses[STACK_DEPTH_MAX];
	int64_t allocs = buckets->everything ? bucket->all_allocs : bucket->allocs;
	int64_t frees = buckets->everything ? bucket->all_frees : bucket->frees;
	struct heap_sample sample = {.size = bucket->size,
				     .span_class = 2 * size_class_of(bucket->size),
				     .allocated = allocs,
				     .live = allocs - frees};
	int depth;

	if (!allocs)
		return 0;
	depth = go_buckets_stack(buckets, bucket, addresses, STACK_DEPTH_MAX);
	if (depth < 0)
		return -1;
	for (int i = 0; i < depth; i++)
		frames[i] = locate(locations, addresses[i]);
	sample.stack = profile_stack(builder->profile, frames, (uint32_t)depth,
				     bucket->depth >= of_go(builder->process)->binary->version->profile.stack_max);
	heap_builder_add(builder, &sample);
	return 0;
}

static int add_buckets(struct heap_builder *builder, struct error *error)
{
	struct heap_process *process = builder->process;
	struct heap_process_of_go *go = of_go(process);
	struct locations locations = {.builder = builder};
	struct go_buckets buckets;
	struct error refusal;
	int status = go_heap_profile_read(&go->profile, process->target, &buckets, &refusal);

	if (status) {
		heap_cannot_read(process, &refusal, error);
		go_buckets_free(&buckets);
		return -1;
	}
	builder->profile->start_ns = process->target->core ? core_time_ns(process->target->core) : wall_ns();
	builder->profile->collections = go_buckets_collection(&buckets);
	go->cycle = buckets.cycle;
	go->pending = buckets.pending;
	target_allow(process->target);
	while (buckets.count && !status) {
		struct go_bucket bucket = go_buckets_take(&buckets);

		status = add_bucket(&locations, &buckets, &bucket);
	}
	location_map_free(&locations.logical);
	go_buckets_free(&buckets);
	return status ? heap_cannot_read(process, NULL, error) : 0;
}

static int check_rate(struct heap_process *process, int64_t *rate, struct error *error)
{
	struct heap_process_of_go *go = of_go(process);
	const struct target *target = process->target;
	char record[96] = ""; /* a core file's process has ended */

	*rate = go_heap_profile_rate(&go->heap, target);
	if (*rate < 0)
		return heap_cannot_read(process, NULL, error);
	if (*rate > 0)
		return 0;
	if (!target->core)
		snprintf(record, sizeof(record), "; as it is, 'escapement record -p %d' shows who allocates",
			 target->pid);
	if (!go->binary->memory_profiling)
		return error_set(
			error, STATUS_CANNOT_MEASURE,
			"to see who holds its memory, import net/http/pprof or runtime/pprof in the program: nothing in process %d "
			"(%s) refers to runtime.MemProfile, so its sampler is not linked in%s",
			target->pid, target->comm, record);
	return error_set(
		error, STATUS_CANNOT_MEASURE,
		"to see who holds its memory, the program must sample from its start: process %d (%s) samples no "
		"objects, its MemProfileRate is 0%s",
		target->pid, target->comm, record);
}

static int fill(struct heap_builder *builder, struct error *error)
{
	return check_rate(builder->process, &builder->profile->rate, error) ? -1 : add_buckets(builder, error);
}

static void describe(const struct heap_process *process, struct profile *profile, struct profile_process *described)
{
	struct heap_process_of_go *go = of_go(process);

	described->runtime = profile_string(profile, go->binary->version_text);
	go_modules_describe(go->binary->build_info, profile, described);
}

/* --- collections --- */

/* Whether nothing has been published yet, so that a snapshot contains everything. */
static int has_everything(struct heap_process *process, struct error *error)
{
	struct go_buckets buckets;
	struct error refusal;
	int result = go_heap_profile_read(&of_go(process)->profile, process->target, &buckets, &refusal)
			     ? heap_cannot_read(process, &refusal, error)
			     : buckets.everything;

	go_buckets_free(&buckets);
	return result;
}

static int wait_fresh(struct heap_process *process, double seconds, const volatile sig_atomic_t *stop,
		      struct error *error)
{
	struct heap_process_of_go *go = of_go(process);
	int64_t deadline = monotonic_ns() + (int64_t)(seconds * 1e9), from, now;
	int everything;

	target_allow(process->target); /* opening it may have taken long */
	now = from = go_heap_profile_cycle(&go->profile, process->target);
	everything = from < 0 ? heap_cannot_read(process, NULL, error) : has_everything(process, error);
	if (everything)
		return everything < 0 ? -1 : 0;
	while (now - from < PUBLISHED_AFTER && now >= from && monotonic_ns() < deadline && !(stop && *stop)) {
		nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
		target_allow(process->target);
		now = go_heap_profile_cycle(&go->profile, process->target);
		if (now < 0)
			return heap_cannot_read(process, NULL, error);
	}
	return now < from || now - from >= PUBLISHED_AFTER ? 0 : (int)(PUBLISHED_AFTER - (now - from));
}

static int wait_collection(struct heap_process *process, double seconds, const volatile sig_atomic_t *stop,
			   struct error *error)
{
	struct heap_process_of_go *go = of_go(process);
	int64_t deadline = monotonic_ns() + (int64_t)(seconds * 1e9), now;

	for (;;) {
		target_allow(process->target);
		now = go_heap_profile_cycle(&go->profile, process->target);
		if (now < 0)
			return heap_cannot_read(process, NULL, error);
		if (now != go->cycle)
			return 1;
		if (go->pending &&
		    !go_heap_profile_is_pending(&go->profile, process->target, go->pending, (uint32_t)now)) {
			go->pending = 0; /* runtime.GC() has published its collection: once is enough */
			return 1;
		}
		if (monotonic_ns() >= deadline || (stop && *stop))
			return 0;
		nanosleep(&(struct timespec){.tv_nsec = COLLECTION_POLL_NS}, NULL);
	}
}

static struct heap_collector collector_of(const struct heap_process *process)
{
	struct heap_collector found = {-1, -1};
	struct go_collector collector;
	int64_t start = procfs_start_ns(process->target->pid);

	target_allow(process->target);
	if (go_heap_collector(&of_go(process)->heap, process->target, &collector))
		return found;
	found.share = collector.share;
	if (start && collector.last_ns > start)
		found.seconds = (double)(collector.last_ns - start) / 1e9;
	return found;
}

static int fill_unreachable(struct heap_builder *builder, double seconds, struct error *error)
{
	const struct target *target = builder->process->target;

	(void)seconds;
	return error_set(
		error, STATUS_CANNOT_MEASURE,
		"process %d (%s) is a Go program, whose collector finds and frees what nothing refers to: use heap "
		"--interval to see what grows although something refers to it",
		target->pid, target->comm);
}

/* --- memory --- */

static int read_spans(struct heap_process *process, struct heap_span **items, size_t *count, struct error *refusal)
{
	struct heap_process_of_go *go = of_go(process);
	struct go_spans spans;

	go_spans_init(&spans, go->binary, go->bias);
	return go_spans_read(&spans, process->target, items, count, refusal);
}

static void says(struct heap_process *process, const struct heap_span *spans, size_t count, struct memory_map *map)
{
	struct go_heap_memory memory;

	(void)spans, (void)count;
	if (go_heap_memory(&of_go(process)->heap, process->target, &memory))
		return;
	map->says[MEMORY_HEAP_IN_USE] = memory.in_use;
	map->says[MEMORY_HEAP_RELEASED] = memory.released;
	map->says[MEMORY_STACKS] = memory.stacks + memory.collector;
	map->says[MEMORY_HEAP_IDLE] = memory.committed - memory.in_use - memory.stacks - memory.collector;
}

/* --- opening --- */

static void close_go(struct heap_process *process)
{
	go_binary_unshare(of_go(process)->binary);
}

const struct heap_runtime heap_runtime_go = {
	.fill = fill,
	.fill_unreachable = fill_unreachable,
	.describe = describe,
	.wait_collection = wait_collection,
	.wait_fresh = wait_fresh,
	.collector = collector_of,
	.spans = read_spans,
	.says = says,
	.close = close_go,
};

/* Whether moduledata points at the table that the file has: in the memory of another program it does not. */
static bool fits_memory(const struct heap_process_of_go *go)
{
	const struct go_module *module = gopclntab_module(go->binary->symbols);
	uint64_t header;

	return target_read(go->process.target, module->address + go->bias, &header, sizeof(header)) == 0 &&
	       header == module->header + go->bias;
}

struct heap_process *heap_of_go(struct target *target, bool *absent, struct error *error)
{
	const struct target_mapping *mapping;
	struct go_binary *binary = go_process_binary(target, &mapping);
	const struct go_version *version;
	struct heap_process_of_go *go;

	if (!binary)
		return NULL;
	*absent = false;
	go = memory_zeroed(1, sizeof(*go));
	go->process = (struct heap_process){.runtime = &heap_runtime_go, .target = target};
	go->binary = binary;
	version = go_code_confirm(binary, NULL);
	if (version)
		binary->version = version;
	go->bias = go_binary_bias(binary, target, mapping->path);
	if (target->core && !fits_memory(go)) {
		error_set(
			error, STATUS_USAGE,
			"the core file of process %d (%s) is not of this executable: its runtime keeps its tables elsewhere",
			target->pid, target->comm);
		heap_process_close(&go->process);
		return NULL;
	}
	go_heap_init(&go->heap, binary, go->bias);
	go_heap_profile_init(&go->profile, binary, go->bias);
	if (version && go->profile.buckets && go->heap.profile_rate)
		return &go->process;
	error_set(
		error, STATUS_CANNOT_MEASURE,
		"the memory profile of process %d (%s) is not found: its runtime, %s, is laid out as in no known Go release",
		target->pid, target->comm, binary->version_text);
	heap_process_close(&go->process);
	return NULL;
}
