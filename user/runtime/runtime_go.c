/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An unmodified Go program: uprobes on functions of its runtime, counters read from its memory. There are three kinds
 * of recording:
 *
 *   rate 0   refill, releaseAll and allocLarge report all objects by span class, after the fact, and what mcentral grew
 *            by; refills, central and heap grows have stacks
 *   rate 1   mallocgc, and in 1.26 and 1.27 the size-specialised functions that the compiler calls instead, report
 *            every object with stack and type
 *   others   the runtime's own sampler reports a share of the objects; class totals are the heap statistics at both
 *            ends; heap grows have stacks. Without a sampler, rate 1 in bursts (record/bursts.h)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/regular_file.h"
#include "profile/size_class.h"
#include "runtime/go_code.h"
#include "runtime/go_probes.h"
#include "runtime/go_process.h"
#include "runtime/go_sampler.h"
#include "symbols/go_modules.h"

static enum go_depth depth_of(int64_t rate, bool sampler)
{
	if (rate == 0)
		return GO_AT_ZERO;
	if (rate == 1)
		return GO_AT_ONE;
	return sampler ? GO_AT_SAMPLED : GO_AT_UNSAMPLED;
}

static int go_prepare(struct runtime *runtime, int64_t rate, struct probe_set *set, struct profile *profile,
		      struct error *error)
{
	struct go *go = (struct go *)runtime;
	enum go_depth depth;
	bool sampler;

	if (runtime->counters_start_at_zero) /* no code has run yet, so the rate is not in its memory */
		go->sampler_rate = -1;
	sampler = go->binary->memory_profiling && go->sampler_rate != 0;
	if (rate > 1 && !sampler && runtime->may_change && go->heap.profile_rate) {
		go->rate_wanted = rate;
		sampler = true;
	}
	depth = depth_of(rate, sampler);
	if (depth == GO_AT_UNSAMPLED && go_probes_count_all(go))
		depth = GO_AT_BURSTS;
	if (depth != GO_AT_ONE && !go->heap_known) {
		*error = go->heap_error;
		return -1;
	}
	if (!go->heap_known) {
		profile_warn(profile,
			     "the allocator of '%s' has a layout that no known Go release has: there is no "
			     "check",
			     go->binary->version_text);
		runtime->counters_unknown = true;
	} else if (depth == GO_AT_ONE && !go->goroutines.all) {
		profile_warn(profile,
			     "cannot find the goroutines of '%s', so allocations in flight are unknown: there is no "
			     "check",
			     go->mapped);
		runtime->counters_unknown = true;
	}
	runtime->rate = rate;
	runtime->objects_from_events = depth == GO_AT_ZERO;
	if (rate > 1)
		go_sampler_begin(go, depth, rate);
	go->beside = depth == GO_AT_ONE && runtime->sampler_beside && sampler;
	if (go->beside)
		runtime->beside_rate = go_sampler_rate(go);
	if (go_probes_add(go, depth, set, profile, error))
		return -1;
	runtime->counters_only = depth != GO_AT_ONE && !runtime->objects_from_events;
	runtime->scan_unknown = runtime->counters_only;
	return 0;
}

static int go_prepare_bursts(struct runtime *runtime, struct probe_set *set, struct error *error)
{
	return go_probes_add_bursts((struct go *)runtime, set, error);
}

/*
 * Go counts by size class: objects with and without pointers are together in the span class with pointers, and tiny
 * objects that share a block with others are in a span class of their own. What no event has reported yet is known by
 * span class.
 */
static void fill_counters(const struct go_heap_state *state, struct heap_counters *counters)
{
	for (int class = 1; class < SIZE_CLASSES; class ++) {
		int64_t size = size_class_bytes(class);
		struct heap_class *scan = &counters->classes[2 * class], *noscan = scan + 1;

		scan->objects = state->small_count[class] + state->tail[2 * class] + state->tail[2 * class + 1];
		scan->bytes = scan->objects * size;
		scan->unreported_objects = state->tail[2 * class];
		scan->unreported_bytes = scan->unreported_objects * size;
		noscan->unreported_objects = state->tail[2 * class + 1];
		noscan->unreported_bytes = noscan->unreported_objects * size;
	}
	counters->classes[TINY_SPAN_CLASS].objects = state->tiny_count + state->tiny_tail;
	counters->classes[TINY_SPAN_CLASS].unreported_objects += state->tiny_tail;
	counters->classes[0].objects = state->large_count;
	counters->classes[0].bytes = state->large_bytes;
}

/*
 * An allocation in flight is on a P, or its goroutine waits somewhere in it. With more than one of them in flight, up
 * to one per P may be missed while its goroutine moves between the two lists that we read.
 */
static int64_t in_flight(int64_t allocating, const struct go_heap_state *state)
{
	return allocating > 1 ? allocating + state->processors : allocating;
}

static int go_read(struct runtime *runtime, const struct target *target, int64_t rate, struct heap_counters *counters)
{
	struct go *go = (struct go *)runtime;
	struct go_heap_state state;
	int64_t allocating = 0;

	memset(counters, 0, sizeof(*counters));
	/* Counted before the heap is read: an allocation in flight at that time has either begun now, or its event
	 * comes in between. */
	if (rate == 1)
		allocating = go_goroutines_allocating(&go->goroutines, target, &runtime->refusal);
	counters->heap_grows = counters->heap_grow_bytes = VALUE_UNMEASURED;
	if (!go->heap_known || allocating < 0 ||
	    go_heap_read(&go->heap, target, go->gives_back ? runtime->events : NULL, &state, &runtime->refusal))
		return -1;
	if (go->sampled || go->beside)
		go_sampler_note_rate(go, target);
	fill_counters(&state, counters);
	counters->collections = state.collections;
	for (int class = 0; class < SPAN_CLASSES; class ++) {
		struct heap_class *sums = &counters->classes[class];

		sums->refills = sums->central_grows = VALUE_UNMEASURED;
		if (rate == 1) {
			sums->unreported_objects = sums->unreported_bytes = 0;
			/* no event reports objects: all of them come from the counters */
		} else if (!runtime->objects_from_events) {
			sums->unreported_objects = sums->objects;
			sums->unreported_bytes = sums->bytes;
		}
	}
	if (rate == 1)
		state.running = in_flight(allocating, &state);
	if (target->exiting && !target->killed &&
	    state.running) /* the thread that asks for the end is not in an allocation */
		state.running--;
	if (rate == 1 && runtime->is_starting)
		state.unsettled += state.untold;
	counters->in_flight = state.unsettled;
	if (rate == 1 || runtime->objects_from_events)
		counters->in_flight += state.running + state.starting;
	return heap_counters_check(counters, &runtime->refusal);
}

static int go_came_fresh(struct runtime *runtime, const struct target *target, uint64_t cache, int span_class)
{
	const struct go *go = (struct go *)runtime;

	return go_heap_came_fresh(&go->heap, target, runtime->events, cache, span_class);
}

/*
 * Whether a thread's own stack begins there. The walk may go on: clone() leaves a thread the frame pointer of the one that
 * created it, and what lies there by now is no caller.
 */
static bool begins_thread(const struct profile_location *location)
{
	const char *outermost = location->frame_count ? location->frames[location->frame_count - 1].function : NULL;

	return outermost && strcmp(outermost, "runtime.mstart") == 0;
}

static const struct profile_stack *go_stack(struct runtime *runtime, struct address_space *space,
					    struct profile *profile, const struct event_key *key,
					    const struct event_stack *stack)
{
	static const struct profile_frame gap = {.function = profile_gap};
	const struct profile_location *locations[EVENT_STACK_MAX];
	bool truncated = stack && stack->truncated;
	uint32_t depth = stack ? stack->depth : 0;

	(void)runtime;
	if (key->kind == EVENT_SAMPLE && !key->site)
		return go_sampler_tiny_stack(profile);
	for (uint32_t i = 0; i < depth; i++) {
		bool is_gap = stack->pcs[i] == EVENT_STACK_GAP;

		truncated |= is_gap;
		locations[i] = is_gap ? profile_location(profile, 0, NULL, &gap, 1)
				      : address_space_locate(space, stack->pcs[i], true);
		if (begins_thread(locations[i]))
			depth = i + 1;
	}
	return profile_stack(profile, locations, depth, truncated);
}

static void go_describe(struct runtime *runtime, struct profile *profile, struct profile_process *process)
{
	go_modules_describe(((const struct go *)runtime)->binary->build_info, profile, process);
}

static const char *go_type(struct runtime *runtime, struct profile *profile, const struct event_key *key)
{
	struct go *go = (struct go *)runtime;
	char name[1024];

	if (!key->type || !go_binary_type_name(go->binary, key->type - go->bias, name, sizeof(name)))
		return NULL;
	return profile_string(profile, name);
}

static bool is_go_mapping(const struct target *target, const struct target_mapping *mapping)
{
	char name[REGULAR_FILE_NAME];
	int file = mapping->inode && mapping->executable ? target_file_open(target, mapping, NULL) : -1;
	bool is = file >= 0 && go_binary_has_note(regular_file_name(file, name));

	if (file >= 0)
		close(file);
	return is;
}

static void go_free(struct runtime *runtime)
{
	struct go *go = (struct go *)runtime;

	go_binary_unshare(go->binary);
	free(go->mapped);
	free(go);
}

/* Opens the file of a mapping, if it is Go's. */
static struct go_binary *open_mapping(const struct target *target, const struct target_mapping *mapping)
{
	char name[REGULAR_FILE_NAME];
	int file = target_file_open(target, mapping, NULL);
	struct go_binary *binary = file >= 0 ? go_binary_share(regular_file_name(file, name), NULL) : NULL;

	if (file >= 0)
		close(file);
	return binary;
}

/* Whether the file is a library for C programs. Old plugins do not say what they are. */
static bool is_c_library(const struct target *target, const struct target_mapping *mapping)
{
	struct go_binary *binary = open_mapping(target, mapping);
	char mode[sizeof("c-shared") + 1];
	bool is =
		binary && go_binary_setting(binary, "-buildmode", mode, sizeof(mode)) && strcmp(mode, "c-shared") == 0;

	go_binary_unshare(binary);
	return is;
}

static int64_t go_heap_in_use(const struct runtime *runtime, const struct target *target)
{
	const struct go *go = (const struct go *)runtime;
	struct go_heap_memory memory;

	return go->heap_known && go_heap_memory(&go->heap, target, &memory) == 0 ? memory.in_use : -1;
}

static const struct runtime_ops go_ops = {
	.counter_source = "go heap statistics",
	.probes = go_prepare,
	.burst_probes = go_prepare_bursts,
	.read = go_read,
	.heap_in_use = go_heap_in_use,
	.came_fresh = go_came_fresh,
	.unsampled = go_sampler_unsampled,
	.adjust = go_sampler_adjust,
	.stack = go_stack,
	.judge = go_sampler_judge,
	.estimate = go_sampler_estimate,
	.describe = go_describe,
	.rest = go_sampler_rest,
	.finish = go_sampler_finish,
	.type = go_type,
	.free = go_free,
};

/* A plugin, which only a Go program can load, brings its own copy of the allocator's code, which uses the program's heap. Another
 * library has a heap of its own. */
void runtime_go_find_others(const struct runtime *observed, const struct target *target, struct runtime_others *others)
{
	const struct go *go = observed->ops == &go_ops ? (const struct go *)observed : NULL;
	const char *last = ""; /* a file's mappings follow each other */

	for (size_t i = 0; i < target->mapping_count; i++) {
		const struct target_mapping *mapping = &target->mappings[i];
		bool plugin;

		if (strcmp(mapping->path, last) == 0 || (go && strcmp(mapping->path, go->mapped) == 0) ||
		    !is_go_mapping(target, mapping))
			continue;
		plugin = go && !observed->library && !is_c_library(target, mapping);
		last = others->file = mapping->path;
		others->kind = plugin ? "a Go plugin with an allocator of its own"
				      : "a Go library with an allocator and a heap of its own";
		others->count++;
		others->uncounted |= !plugin;
	}
}

static struct go_binary *find_program(const struct target *target, const struct target_mapping **where)
{
	struct go_binary *binary = NULL;

	for (size_t i = 0; i < target->mapping_count && !binary; i++) {
		*where = &target->mappings[i];
		if (target_is_executable_mapping(target, *where))
			binary = open_mapping(target, *where);
	}
	return binary;
}

static struct go_binary *find_library(const struct target *target, const struct target_mapping **where)
{
	struct go_binary *binary = NULL;

	for (size_t i = 0; i < target->mapping_count && !binary; i++) {
		*where = &target->mappings[i];
		if (!target_is_executable_mapping(target, *where) && is_go_mapping(target, *where))
			binary = open_mapping(target, *where);
	}
	return binary;
}

struct go_binary *go_process_binary(const struct target *target, const struct target_mapping **where)
{
	struct go_binary *binary = find_program(target, where);

	return binary ? binary : find_library(target, where);
}

/* The runtime in `binary`, which is taken over; NULL leaves *absent true. */
static struct runtime *runtime_of(struct go_binary *binary, const struct target *target,
				  const struct target_mapping *mapping, bool *absent)
{
	const struct go_version *version;
	struct go *go;

	if (!binary)
		return NULL;
	*absent = false;
	go = memory_zeroed(1, sizeof(*go));
	go->runtime.ops = &go_ops;
	snprintf(go->runtime.version, sizeof(go->runtime.version), "%s", binary->version_text);
	go->binary = binary;
	go->mapped = memory_text(mapping->path);
	go->runtime.library = target_is_executable_mapping(target, mapping) ? NULL : go->mapped;
	go->bias = go_binary_bias(binary, target, mapping->path);
	version = go_code_confirm(binary, &go->heap_error);
	go->heap_known = version != NULL;
	if (version)
		binary->version = version;
	go_heap_init(&go->heap, binary, go->bias);
	go_goroutines_init(&go->goroutines, binary, go->bias);
	go->sampler_rate = go_heap_profile_rate(&go->heap, target);
	return &go->runtime;
}

struct runtime *runtime_go_detect(const struct target *target, bool *absent, struct error *error)
{
	const struct target_mapping *mapping;
	struct go_binary *binary = find_program(target, &mapping);

	(void)error;
	return runtime_of(binary, target, mapping, absent);
}

struct runtime *runtime_go_detect_library(const struct target *target, bool *absent, struct error *error)
{
	const struct target_mapping *mapping;
	struct go_binary *binary = find_library(target, &mapping);

	(void)error;
	return runtime_of(binary, target, mapping, absent);
}
