/* SPDX-License-Identifier: BSD-2-Clause */
#include "heap/snapshot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/search.h"
#include "heap/process.h"
#include "profile/size_class.h"
#include "runtime/go_code.h"
#include "runtime/go_process.h"
#include "symbols/address_space.h"
#include "symbols/go_modules.h"
#include "target/core.h"
#include "target/procfs.h"

enum {
	PUBLISHED_AFTER = 2, /* collections */
	POLL_NS = 10 * 1000 * 1000,
	COLLECTION_POLL_NS = 4 * 1000 * 1000,
	START_SECONDS = 1,
	RECENT = 1024,
};

/* One snapshot while it is made. */
struct builder {
	struct heap_process *process;
	struct profile *profile;
	struct address_space *space;
	struct location_map logical;
	/* A cache of the latest results of logical(), by address, because the stacks of one program repeat a few
	 * callers. */
	struct {
		uint64_t address;
		const struct profile_location *location;
	} recent[RECENT];
};

static int cannot_read(const struct heap_process *process, const struct error *refusal, struct error *error)
{
	const struct target *target = process->target;

	if (refusal && refusal->text[0])
		return error_set(error, STATUS_CANNOT_MEASURE, "cannot read the heap of process %d (%s): %s",
				 target->pid, target->comm, refusal->text);
	if (target->reader->spent)
		return error_set(
			error, STATUS_CANNOT_MEASURE,
			"cannot read the heap of process %d (%s): it takes too long, more than %d s or %d s of CPU time; "
			"try again when the machine is less busy",
			target->pid, target->comm, MEMORY_ELAPSED_SECONDS, MEMORY_CPU_SECONDS);
	if (target->core)
		return error_set(error, STATUS_USAGE,
				 "cannot read the heap of process %d (%s): the core file does not have all of it",
				 target->pid, target->comm);
	return error_set(error, STATUS_CANNOT_MEASURE, "cannot read the heap of process %d (%s): it has ended",
			 target->pid, target->comm);
}

/* Whether moduledata points at the table that the file has: in the memory of another program it does not. */
static bool fits_memory(const struct heap_process *process)
{
	const struct go_module *module = gopclntab_module(process->binary->symbols);
	uint64_t header;

	return target_read(process->target, module->address + process->bias, &header, sizeof(header)) == 0 &&
	       header == module->header + process->bias;
}

struct heap_process *heap_process_open(struct target *target, struct error *error)
{
	const struct target_mapping *mapping;
	char *path = NULL;
	struct go_binary *binary = go_process_binary(target, &path, &mapping);
	const struct go_version *version;
	struct heap_process *process;

	free(path);
	if (!binary) {
		error_set(
			error, STATUS_CANNOT_MEASURE,
			"process %d (%s) has no Go heap: neither its executable nor a library in it is of Go 1.19 or newer",
			target->pid, target->comm);
		return NULL;
	}
	process = memory_zeroed(1, sizeof(*process));
	process->target = target;
	process->binary = binary;
	version = go_code_confirm(binary, NULL);
	if (version)
		binary->version = version;
	process->bias = go_binary_bias(binary, target, mapping->path);
	if (target->core && !fits_memory(process)) {
		error_set(
			error, STATUS_USAGE,
			"the core file of process %d (%s) is not of this executable: its runtime keeps its tables elsewhere",
			target->pid, target->comm);
		heap_process_close(process);
		return NULL;
	}
	go_heap_init(&process->heap, binary, process->bias);
	go_heap_profile_init(&process->profile, binary, process->bias);
	if (version && process->profile.buckets && process->heap.profile_rate)
		return process;
	error_set(
		error, STATUS_CANNOT_MEASURE,
		"the memory profile of process %d (%s) is not found: its runtime, %s, is laid out as in no known Go release",
		target->pid, target->comm, binary->version_text);
	heap_process_close(process);
	return NULL;
}

void heap_process_redact(struct heap_process *process, bool redact)
{
	process->redacted = redact;
}

void heap_process_close(struct heap_process *process)
{
	if (!process)
		return;
	go_binary_unshare(process->binary);
	free(process);
}

const char *heap_process_name(const struct heap_process *process)
{
	return process->target->comm;
}

/* --- a bucket becomes a sample --- */

/* The inlined calls of a stack have addresses of their own in it. */
static const struct profile_location *locate(struct builder *builder, uint64_t address)
{
	size_t slot = (address ^ address >> 10) % RECENT;
	const struct profile_location **location;

	if (builder->recent[slot].location && builder->recent[slot].address == address)
		return builder->recent[slot].location;
	location = location_map_at(&builder->logical, address, true);
	if (!*location) {
		const struct profile_location *physical = address_space_locate(builder->space, address, true);

		*location = physical->frame_count < 2 ? physical
						      : profile_location(builder->profile, address, physical->mapping,
									 physical->frames, 1);
	}
	builder->recent[slot].address = address;
	builder->recent[slot].location = *location;
	return *location;
}

/*
 * An object of n bytes is sampled with the probability 1 - exp(-n / rate). Rounds as runtime/pprof does, so that the
 * numbers are the same.
 */
static int64_t unsampled(int64_t count, double scale)
{
	return scale > 1 ? (int64_t)((double)count * scale) : count;
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

static int add_bucket(struct builder *builder, const struct go_buckets *buckets, const struct go_bucket *bucket)
{
	const struct profile_location *locations[STACK_DEPTH_MAX];
	uint64_t addresses[STACK_DEPTH_MAX];
	struct profile *profile = builder->profile;
	int64_t allocs = buckets->everything ? bucket->all_allocs : bucket->allocs;
	int64_t live = allocs - (buckets->everything ? bucket->all_frees : bucket->frees);
	double size = (double)bucket->size, scale = profile->rate > 1 ? -1 / expm1(-size / (double)profile->rate) : 1;
	int64_t values[VALUE_COUNT] = {0};
	struct profile_key key = {.pid = builder->process->target->pid, .comm = builder->process->target->comm};
	int depth;

	if (!allocs)
		return 0;
	depth = go_buckets_stack(buckets, bucket, addresses, STACK_DEPTH_MAX);
	if (depth < 0)
		return -1;
	for (int i = 0; i < depth; i++)
		locations[i] = locate(builder, addresses[i]);
	key.span_class = 2 * size_class_of(bucket->size);
	key.stack = profile_stack(profile, locations, (uint32_t)depth,
				  bucket->depth >= builder->process->binary->version->profile.stack_max);
	values[VALUE_OBJECTS] = unsampled(allocs, scale);
	values[VALUE_BYTES] = count_from((double)unsampled(allocs, scale * size));
	values[VALUE_LIVE_OBJECTS] = unsampled(live, scale);
	values[VALUE_LIVE_BYTES] = unsampled(live, scale * size);
	values[VALUE_SAMPLES] = live;
	profile_add(profile, &key, values);
	return 0;
}

static int add_buckets(struct builder *builder, struct error *error)
{
	struct heap_process *process = builder->process;
	struct go_buckets buckets;
	struct error refusal;
	int status = go_heap_profile_read(&process->profile, process->target, &buckets, &refusal);

	if (status) {
		cannot_read(process, &refusal, error);
		go_buckets_free(&buckets);
		return -1;
	}
	builder->profile->start_ns = process->target->core ? core_time_ns(process->target->core) : wall_ns();
	builder->profile->collections = go_buckets_collection(&buckets);
	process->cycle = buckets.cycle;
	process->pending = buckets.pending;
	target_allow(process->target);
	while (buckets.count && !status) {
		struct go_bucket bucket = go_buckets_take(&buckets);

		status = add_bucket(builder, &buckets, &bucket);
	}
	go_buckets_free(&buckets);
	return status ? cannot_read(process, NULL, error) : 0;
}

/* --- the whole --- */

static int check_rate(struct heap_process *process, int64_t *rate, struct error *error)
{
	const struct target *target = process->target;
	char record[96] = ""; /* a core file's process has ended */

	*rate = go_heap_profile_rate(&process->heap, target);
	if (*rate < 0)
		return cannot_read(process, NULL, error);
	if (*rate > 0)
		return 0;
	if (!target->core)
		snprintf(record, sizeof(record), "; as it is, 'escapement record -p %d' shows who allocates",
			 target->pid);
	if (!process->binary->memory_profiling)
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

static void describe(const struct builder *builder)
{
	const struct target *target = builder->process->target;
	const struct go_binary *binary = builder->process->binary;
	struct profile *profile = builder->profile;
	struct profile_process *process = profile_process_add(profile, target->pid);
	const char **words = target_command(target);
	struct utsname kernel;

	uname(&kernel);
	profile->kernel = profile_format(profile, "%s %s", kernel.sysname, kernel.release);
	profile->target = *words ? profile_command(profile, words) : profile_path(profile, target->executable);
	free(words);
	process->comm = profile_string(profile, target->comm);
	process->executable = profile_path(profile, target->executable);
	process->build_id = profile_string(profile, address_space_build_id(builder->space, target->executable));
	process->runtime = profile_string(profile, binary->version_text);
	go_modules_describe(binary->build_info, profile, process);
}

static void set_totals(struct profile *profile)
{
	struct profile_process *process = &profile->processes[0];

	for (int value = 0; value < VALUE_COUNT; value++) {
		if (!(profile->row_measured & 1u << value))
			continue;
		process->totals[value] = 0;
		for (size_t i = 0; i < profile->sample_count; i++)
			process->totals[value] =
				add_saturated(process->totals[value], profile->samples[i]->values[value]);
	}
}

struct profile *heap_snapshot(struct heap_process *process, struct error *error)
{
	struct builder builder = {.process = process};
	struct profile *profile;
	int64_t rate;
	int status;

	target_allow(process->target); /* the last snapshot may be long ago */
	if (check_rate(process, &rate, error))
		return NULL;
	builder.profile = profile = profile_new();
	profile->redacted = process->redacted;
	builder.space = address_space_new(process->target, profile, NULL);
	profile->snapshot = true;
	profile->rate = rate;
	profile->rows_exact = profile->totals_exact = rate == 1;
	for (int value = 0; value < VALUE_COUNT; value++)
		profile->row_measured |= (uint32_t)profile_stores(profile, value) << value;
	status = add_buckets(&builder, error);
	if (!status) {
		describe(&builder);
		set_totals(profile);
	}
	location_map_free(&builder.logical);
	address_space_free(builder.space);
	if (!status)
		return profile;
	profile_free(profile);
	return NULL;
}

/* Whether nothing has been published yet, so that a snapshot contains everything. */
static int has_everything(struct heap_process *process, struct error *error)
{
	struct go_buckets buckets;
	struct error refusal;
	int result = go_heap_profile_read(&process->profile, process->target, &buckets, &refusal)
			     ? cannot_read(process, &refusal, error)
			     : buckets.everything;

	go_buckets_free(&buckets);
	return result;
}

int heap_wait_fresh(struct heap_process *process, double seconds, const volatile sig_atomic_t *stop,
		    struct error *error)
{
	int64_t deadline = monotonic_ns() + (int64_t)(seconds * 1e9), from, now;
	int everything;

	target_allow(process->target); /* opening it may have taken long */
	now = from = go_heap_profile_cycle(&process->profile, process->target);
	everything = from < 0 ? cannot_read(process, NULL, error) : has_everything(process, error);
	if (everything)
		return everything < 0 ? -1 : 0;
	while (now - from < PUBLISHED_AFTER && now >= from && monotonic_ns() < deadline && !(stop && *stop)) {
		nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
		target_allow(process->target);
		now = go_heap_profile_cycle(&process->profile, process->target);
		if (now < 0)
			return cannot_read(process, NULL, error);
	}
	return now < from || now - from >= PUBLISHED_AFTER ? 0 : (int)(PUBLISHED_AFTER - (now - from));
}

int heap_wait_collection(struct heap_process *process, double seconds, const volatile sig_atomic_t *stop,
			 struct error *error)
{
	int64_t deadline = monotonic_ns() + (int64_t)(seconds * 1e9), now;

	for (;;) {
		target_allow(process->target);
		now = go_heap_profile_cycle(&process->profile, process->target);
		if (now < 0)
			return cannot_read(process, NULL, error);
		if (now != process->cycle)
			return 1;
		if (process->pending &&
		    !go_heap_profile_is_pending(&process->profile, process->target, process->pending, (uint32_t)now)) {
			process->pending = 0; /* runtime.GC() has published its collection: once is enough */
			return 1;
		}
		if (monotonic_ns() >= deadline || (stop && *stop))
			return 0;
		nanosleep(&(struct timespec){.tv_nsec = COLLECTION_POLL_NS}, NULL);
	}
}

struct heap_collector heap_collector_read(const struct heap_process *process)
{
	struct heap_collector found = {-1, -1};
	struct go_collector collector;
	int64_t start = procfs_start_ns(process->target->pid);

	target_allow(process->target);
	if (go_heap_collector(&process->heap, process->target, &collector))
		return found;
	found.share = collector.share;
	if (start && collector.last_ns > start)
		found.seconds = (double)(collector.last_ns - start) / 1e9;
	return found;
}

/*
 * Both shares are of all time until their collection, so their difference in CPU time is that of the time in between. The
 * process may have begun earlier than its runtime did, by up to the time that a program needs to start; where that could change
 * the result by a tenth, it is not known.
 */
double heap_collector_share(const struct heap_collector *from, const struct heap_collector *to)
{
	double spent;

	if (from->seconds < 0 || to->seconds <= from->seconds)
		return -1;
	spent = to->share * to->seconds - from->share * from->seconds;
	if (spent < 0 || fabs(to->share - from->share) * START_SECONDS > spent / 10)
		return -1;
	return fmin(spent / (to->seconds - from->seconds), 1);
}
