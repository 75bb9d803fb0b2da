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
 *            ends; heap grows have stacks
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "profile/frames.h"
#include "symbols/go_binary.h"
#include "base/memory.h"
#include "symbols/go_modules.h"
#include "runtime/go_code.h"
#include "runtime/go_goroutines.h"
#include "runtime/go_heap.h"
#include "runtime/runtime.h"
#include "profile/estimates.h"
#include "profile/size_class.h"

enum {
	SMALL_MAX = 32768, /* the largest size class */
	HEADER = 8,
	DEFAULT_SAMPLER_RATE = 512 * 1024,
};

/* unsampled: the runtime's sampler is not linked in */
enum { AT_ZERO = 1, AT_ONE = 2, AT_SAMPLED = 4, AT_UNSAMPLED = 8 };

enum function {
	MALLOCGC,
	REFILL,
	CACHE_SPAN,
	RELEASE_ALL,
	ALLOC_LARGE,
	CENTRAL_GROW,
	HEAP_GROW,
	PROFILE_ALLOC,
	FUNCTION_COUNT,
};

static const struct function_row {
	const char *name, *program;
	unsigned when;
	unsigned totals;   /* the rates at which it counts the objects of the totals */
	uint32_t measures; /* one bit per enum profile_value that cannot be measured without it */
} function_rows[FUNCTION_COUNT] = {
	[MALLOCGC] = {"runtime.mallocgc", "go_malloc", AT_ONE, AT_ONE, 1u << VALUE_OBJECTS | 1u << VALUE_BYTES},
	[REFILL] = {"runtime.(*mcache).refill", "go_refill", AT_ZERO | AT_ONE | AT_UNSAMPLED, AT_ZERO,
		    1u << VALUE_REFILLS},
	/* used instead of refill if that was inlined */
	[CACHE_SPAN] = {"runtime.(*mcentral).cacheSpan", "go_cache_span", AT_ZERO | AT_ONE | AT_UNSAMPLED, 0, 0},
	/* at rate 1 only for readers of mcaches, and for what mcentral grew by */
	[RELEASE_ALL] = {"runtime.(*mcache).releaseAll", "go_release_all", AT_ZERO | AT_ONE, AT_ZERO, 0},
	[ALLOC_LARGE] = {"runtime.(*mcache).allocLarge", "go_large", AT_ZERO, AT_ZERO, 0},
	/* used if refill and releaseAll do not report it */
	[CENTRAL_GROW] = {"runtime.(*mcentral).grow", "go_central_grow", AT_ZERO | AT_ONE, 0,
			  1u << VALUE_CENTRAL_GROWS},
	[HEAP_GROW] = {"runtime.(*mheap).grow", "go_heap_grow", AT_ZERO | AT_ONE | AT_SAMPLED | AT_UNSAMPLED, 0,
		       1u << VALUE_HEAP_GROWS | 1u << VALUE_HEAP_GROW_BYTES},
	[PROFILE_ALLOC] = {"runtime.profilealloc", "go_sample", AT_SAMPLED, 0, 0},
};

struct go {
	struct runtime runtime;
	struct go_binary *binary;
	char *path;   /* of the file that the runtime is in, openable by us */
	char *mapped; /* the same as the process sees it */
	uint64_t bias;
	struct go_heap heap;
	struct go_goroutines goroutines;
	bool heap_known;      /* the layout of the heap's structures is known */
	bool sampled;	      /* rows come from the runtime's sampler */
	bool beside;	      /* its events are recorded in addition to every allocation */
	bool gives_back;      /* events report when an mcache returns spans */
	bool tells_grows;     /* and thereby what mcentral grew by */
	int64_t sampler_rate; /* MemProfileRate, as last read; -1: unknown */
	bool sampler_changed; /* during the recording */
	int64_t rate_asked;   /* rate requested by the user; the one in force is the program's */
	int64_t rate_wanted;  /* rate to be written into the process; 0: none */
	bool rate_written;
	int rate_writes;	/* how often the sampler was turned on */
	int64_t objects_before; /* objects that a process started by us had allocated by then */
	int64_t forced;		/* samples that were forced by turning it on, whatever their size */
	struct error heap_error;
};

static unsigned depth_of(int64_t rate, bool sampler)
{
	if (rate == 0)
		return AT_ZERO;
	if (rate == 1)
		return AT_ONE;
	return sampler ? AT_SAMPLED : AT_UNSAMPLED;
}

static int add_probe(struct go *go, const struct go_function *function, const char *program, uint32_t flags,
		     struct probe_set *set, struct error *error)
{
	struct go_point point;
	uint64_t offset;

	if (!go_code_point(go->binary, function, &point) ||
	    !go_image_offset(&go->binary->image, point.address, &offset))
		return error_set(error, STATUS_CANNOT_MEASURE,
				 "cannot find where to probe %s in '%s': its code is unlike that of any known Go "
				 "release",
				 function->name, go->binary->version_text);
	if (point.is_check)
		flags |= EVENT_FLAG_STACK_CHECK;
	probe_set_add(set, program, go->path, offset, 0, flags);
	return 0;
}

/* Returns which of the functions were inlined somewhere, computed once per file. */
static const bool *inlined_functions(struct go_binary *binary)
{
	const char *names[FUNCTION_COUNT];

	if (!binary->notes) {
		binary->notes = memory_zeroed(FUNCTION_COUNT, sizeof(bool));
		for (int i = 0; i < FUNCTION_COUNT; i++)
			names[i] = function_rows[i].name;
		go_code_inlined(binary, names, binary->notes, FUNCTION_COUNT);
	}
	return binary->notes;
}

/*
 * Profile-guided builds inline parts of the allocator, and inlined code cannot be probed. Sets chosen[] for the
 * functions to probe, warns about what is missing, and uses alternatives if there are any.
 */
static int choose_functions(struct go *go, unsigned when, bool chosen[FUNCTION_COUNT], struct profile *profile,
			    struct error *error)
{
	const bool *inlined = inlined_functions(go->binary);

	go->gives_back = (when & (AT_ZERO | AT_ONE)) && !inlined[REFILL] && !inlined[RELEASE_ALL];
	go->tells_grows = go->gives_back && go->heap_known && go->heap.bits_arenas;
	for (int i = 0; i < FUNCTION_COUNT; i++) {
		const struct function_row *row = &function_rows[i];
		bool wanted = ((row->when & when) && !(i == CENTRAL_GROW && go->tells_grows)) ||
			      (i == PROFILE_ALLOC && go->beside);

		chosen[i] = wanted && !inlined[i];
		if (!wanted || !inlined[i])
			continue;
		if (i == MALLOCGC || i == PROFILE_ALLOC)
			return error_set(error, STATUS_CANNOT_MEASURE,
					 "the profile-guided build of '%s' inlined %s, so "
					 "its allocations cannot be seen at this rate; try --rate 0",
					 go->path, row->name);
		if (row->measures || (row->totals & when))
			profile_warn(profile,
				     "the profile-guided build of this program inlined %s, which cannot be probed%s",
				     row->name, row->totals & when ? ": totals are those of its heap statistics" : "");
		if (row->totals & when)
			go->runtime.objects_from_events = false;
		if (i != REFILL || inlined[CACHE_SPAN])
			go->runtime.unmeasured |= row->measures;
	}
	chosen[CACHE_SPAN] &= inlined[REFILL];
	if (when == AT_ZERO && !go->runtime.objects_from_events) /* otherwise some would report only a part */
		chosen[ALLOC_LARGE] = false;
	return 0;
}

/* Adds the probes; at rate 1, also those on the specialised functions. */
static int add_probes(struct go *go, unsigned when, const bool chosen[FUNCTION_COUNT], struct probe_set *set,
		      struct error *error)
{
	uint32_t count = gopclntab_function_count(go->binary->symbols);
	struct go_function function;

	for (uint32_t i = 0; i < count; i++) {
		if (!gopclntab_function(go->binary->symbols, i, &function) ||
		    strncmp(function.name, "runtime.", 8) != 0)
			continue;
		if (when == AT_ONE && go_code_is_specialised_malloc(function.name) &&
		    add_probe(go, &function, "go_malloc", EVENT_FLAG_DIRECT | EVENT_FLAG_TOTAL_OBJECTS, set, error))
			return -1;
		for (int row = 0; row < FUNCTION_COUNT; row++) {
			bool totals = (function_rows[row].totals & when) &&
				      (when == AT_ONE || go->runtime.objects_from_events);
			uint32_t flags = totals ? EVENT_FLAG_TOTAL_OBJECTS : 0;

			if (chosen[row] && strcmp(function.name, function_rows[row].name) == 0 &&
			    add_probe(go, &function, function_rows[row].program, flags, set, error))
				return -1;
		}
	}
	if (set->count)
		return 0;
	return error_set(error, STATUS_CANNOT_MEASURE, "'%s' has none of the allocator's functions", go->path);
}

/* A search for functions into which a function whose calls are counted was inlined. */
struct inlined_search {
	struct profile *profile;
	const char *into;
};

static bool note_inlined_call(const char *name, void *context)
{
	enum { NAMES_MAX = 200 };
	struct inlined_search *search = context;

	for (size_t i = 0; i < search->profile->call_count; i++) {
		struct profile_call *call = &search->profile->calls[i];

		if (!frames_is_named(name, call->function))
			continue;
		call->found = true;
		if (!call->inlined_in)
			call->inlined_in = profile_string(search->profile, search->into);
		else if (!strstr(call->inlined_in, search->into) && strlen(call->inlined_in) < NAMES_MAX)
			call->inlined_in = profile_format(search->profile, "%s, %s", call->inlined_in, search->into);
	}
	return true;
}

/* Adds probes on the functions of the program whose calls are counted. */
static int add_call_probes(struct go *go, struct profile *profile, struct probe_set *set, struct error *error)
{
	uint32_t count = profile->call_count ? gopclntab_function_count(go->binary->symbols) : 0;
	struct go_function function;

	for (uint32_t i = 0; i < count; i++) {
		struct inlined_search search = {.profile = profile};

		if (!gopclntab_function(go->binary->symbols, i, &function))
			continue;
		search.into = function.name;
		gopclntab_inlined(go->binary->symbols, i, note_inlined_call, &search);
		for (size_t j = 0; j < profile->call_count && j < EVENT_CALLS; j++) {
			if (!frames_is_named(function.name, profile->calls[j].function))
				continue;
			profile->calls[j].found = true;
			if (add_probe(go, &function, "go_call", EVENT_FLAG_CALL(j), set, error))
				return -1;
		}
	}
	return 0;
}

/* Adds the load bias; 0 (not found) stays 0. */
static uint64_t loaded_at(const struct go *go, uint64_t address)
{
	return address ? address + go->bias : 0;
}

static void set_layout(const struct go *go, struct event_layout *layout)
{
	const struct go_heap_layout *heap = &go->heap.layout;
	uint16_t header_from = go->binary->version->header_from;
	struct go_function function;

	layout->mcache_alloc = heap->mcache_alloc;
	layout->mcache_tiny_allocs = heap->mcache_tiny_allocs;
	layout->span_alloc_count = heap->span_alloc_count;
	layout->span_alloc_count_before_cache = heap->span_alloc_count_before_cache;
	layout->span_element_size = heap->span_element_size;
	layout->systemstack = loaded_at(go, go_code_frameless_systemstack(go->binary));
	layout->morestack = loaded_at(go, go_code_morestack(go->binary));
	layout->m_current = go->binary->version->scheduler.m_current;
	layout->g_m = go->binary->version->scheduler.g_m;
	layout->g_sched = go->binary->version->scheduler.g_sched;
	layout->gobuf_pc = go->binary->version->scheduler.gobuf_pc;
	layout->gobuf_frame = go->binary->version->scheduler.gobuf_frame;
	layout->type_pointer_bytes = go->binary->version->type.pointer_bytes;
	layout->span_elements = heap->span_elements;
	layout->span_alloc_bits = go->heap.span_alloc_bits;
	layout->bits_arenas = go->tells_grows ? go->heap.bits_arenas : 0;
	layout->header_from = header_from;
	layout->small_max = header_from ? SMALL_MAX - HEADER : SMALL_MAX;
	if (gopclntab_function_named(go->binary->symbols, "runtime.mallocgc", &function)) {
		layout->malloc_start = go->bias + function.entry;
		layout->malloc_end = go->bias + function.end;
	}
}

static void note_sampler_rate(struct go *go, const struct target *target)
{
	int64_t rate = go_heap_profile_rate(&go->heap, target);

	if (rate < 0)
		return;
	/* before we have turned the sampler on, or afterwards */
	if (rate == 0 && go->rate_wanted && !go->rate_written)
		return;
	go->sampler_changed |= go->sampler_rate > 0 && go->sampler_rate != rate;
	go->sampler_rate = rate;
	if (rate > 1 && go->beside)
		go->runtime.beside_rate = rate;
	else if (rate > 1)
		go->runtime.rate = rate;
}

static const char *go_unsampled(const struct runtime *runtime)
{
	const struct go *go = (const struct go *)runtime;

	if (!go->binary->memory_profiling)
		return "Go's memory profiler is not linked into this program";
	return go->sampler_rate == 0 ? "Go's memory profiler is turned off in this process" : NULL;
}

/* Sets the rate in force, which is the program's own, and what rows contain, which depends on who reports them. */
static void set_sampling(struct go *go, unsigned when, int64_t rate)
{
	struct runtime *runtime = &go->runtime;
	uint32_t objects = 1u << VALUE_OBJECTS | 1u << VALUE_BYTES | 1u << VALUE_SAMPLES;

	runtime->unmeasured = 1u << VALUE_CENTRAL_GROWS;
	runtime->rows_unmeasured = 1u << VALUE_CENTRAL_GROWS;
	if (when == AT_UNSAMPLED) {
		runtime->rows_unmeasured |= objects;
		runtime->unsampled = go_unsampled(runtime);
		return;
	}
	go->sampled = true;
	runtime->unmeasured |= 1u << VALUE_REFILLS;
	runtime->rows_unmeasured |= 1u << VALUE_REFILLS;
	if (go->rate_wanted)
		return;
	go->rate_asked = rate;
	runtime->rate = go->sampler_rate > 1 ? go->sampler_rate : DEFAULT_SAMPLER_RATE;
}

static int go_probes(struct runtime *runtime, int64_t rate, struct probe_set *set, struct profile *profile,
		     struct error *error)
{
	struct go *go = (struct go *)runtime;
	bool chosen[FUNCTION_COUNT], sampler;
	unsigned when;

	if (runtime->counters_start_at_zero) /* no code has run yet, so the rate is not in its memory */
		go->sampler_rate = -1;
	sampler = go->binary->memory_profiling && go->sampler_rate != 0;
	if (rate > 1 && !sampler && runtime->may_change && go->heap.profile_rate) {
		go->rate_wanted = rate;
		sampler = true;
	}
	when = depth_of(rate, sampler);
	if (when != AT_ONE && !go->heap_known) {
		*error = go->heap_error;
		return -1;
	}
	if (!go->heap_known) {
		profile_warn(profile,
			     "the allocator of '%s' has a layout that no known Go release has: there is no "
			     "check",
			     go->binary->version_text);
		runtime->counters_unknown = true;
	} else if (when == AT_ONE && !go->goroutines.all) {
		profile_warn(profile,
			     "cannot find the goroutines of '%s', so allocations in flight are unknown: there is no "
			     "check",
			     go->path);
		runtime->counters_unknown = true;
	}
	runtime->rate = rate;
	runtime->objects_from_events = when == AT_ZERO;
	if (rate > 1)
		set_sampling(go, when, rate);
	go->beside = when == AT_ONE && runtime->sampler_beside && sampler;
	if (go->beside)
		runtime->beside_rate = go->sampler_rate > 1 ? go->sampler_rate : DEFAULT_SAMPLER_RATE;
	if (choose_functions(go, when, chosen, profile, error))
		return -1;
	set_layout(go, &set->layout);
	runtime->counters_only = when != AT_ONE && !runtime->objects_from_events;
	runtime->scan_unknown = runtime->counters_only;
	if (add_call_probes(go, profile, set, error))
		return -1;
	return add_probes(go, when, chosen, set, error);
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
		note_sampler_rate(go, target);
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
	if (rate == 1 && allocating && runtime->is_starting)
		state.unsettled += state.untold;
	counters->in_flight = rate == 1 || runtime->objects_from_events ? state.running + state.unsettled : 0;
	return heap_counters_check(counters, &runtime->refusal);
}

static int go_came_fresh(struct runtime *runtime, const struct target *target, uint64_t cache, int span_class)
{
	const struct go *go = (struct go *)runtime;

	return go_heap_came_fresh(&go->heap, target, runtime->events, cache, span_class);
}

/* Whether the program has created its Ps. */
static bool started(const struct go *go, const struct target *target)
{
	uint64_t slice[2] = {0};

	return target_read(target, go->heap.processors, slice, sizeof(slice)) == 0 && slice[1] > 0;
}

static int64_t objects_so_far(const struct go *go, const struct target *target)
{
	struct go_heap_state state;
	struct error refusal; /* ignored: the next read() reports it too */
	int64_t objects;

	if (go_heap_read(&go->heap, target, NULL, &state, &refusal))
		return 0;
	objects = state.tiny_count + state.tiny_tail + state.large_count;
	for (int class = 0; class < SIZE_CLASSES; class ++)
		objects += state.small_count[class] + state.tail[2 * class] + state.tail[2 * class + 1];
	return objects;
}

/*
 * A program without a memory profiler sets its rate to 0 itself when it starts, so the sampler can be turned on only
 * after it has created its Ps. It has them when it creates its second thread, the monitor, before any of its own code
 * runs. Up to Go 1.20 it sets the rate after that; then the sampler is turned on once more when the runtime creates
 * another thread for its collector, which is also before the program's own code.
 */
static bool is_to_be_turned_on(const struct go *go, const struct target *target)
{
	if (!go->rate_written)
		return started(go, target);
	return go->runtime.counters_start_at_zero && go->rate_writes == 1 &&
	       go_heap_profile_rate(&go->heap, target) == 0;
}

/* Draws a distance as the runtime does. */
static uint64_t sample_distance(int64_t rate)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), 0) < 0)
		return (uint64_t)rate;
	return (uint64_t)(-log((random + 1.0) / 4294967296.0) * (double)rate);
}

/*
 * Up to Go 1.23 the distance to the next sample is the one that was drawn for the old rate. If that was 0 the distance
 * is 0, so each P's next object would be sampled. Nothing reads the distance while the rate is 0. We therefore draw new
 * distances, but only in a process that has just started: later a P may be freed between our read and our write.
 */
static void draw_distances(struct go *go, const struct target *target)
{
	uint64_t *addresses, distance;
	size_t count = go_heap_next_samples(&go->heap, target, &addresses);

	go->forced = 0;
	for (size_t i = 0; i < count; i++) {
		if (go->runtime.counters_start_at_zero)
			target_write_word(target, addresses[i], sample_distance(go->rate_wanted));
		else if (target_read(target, addresses[i], &distance, sizeof(distance)) == 0)
			go->forced += distance == 0;
	}
	free(addresses);
}

static void go_adjust(struct runtime *runtime, const struct target *target, bool on)
{
	struct go *go = (struct go *)runtime;

	if (!on && go->rate_written)
		note_sampler_rate(go, target);
	if (!go->rate_wanted || !(on ? is_to_be_turned_on(go, target) : go->rate_written))
		return;
	if (on)
		draw_distances(go, target);
	if (target_write_word(target, go->heap.profile_rate, on ? (uint64_t)go->rate_wanted : 0))
		return;
	go->rate_written = on;
	go->sampler_rate = go->rate_wanted;
	go->rate_writes += on;
	if (on && runtime->counters_start_at_zero)
		go->objects_before = objects_so_far(go, target);
}

/* Returns the stack for tiny objects, whose split between sites is unknown. */
static const struct profile_stack *tiny_stack(struct profile *profile)
{
	const struct profile_frame frame = {.function = estimates_tiny_site};
	const struct profile_location *location = profile_location(profile, 0, NULL, &frame, 1);

	return profile_stack(profile, &location, 1, false);
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
		return tiny_stack(profile);
	for (uint32_t i = 0; i < depth; i++) {
		bool is_gap = stack->pcs[i] == EVENT_STACK_GAP;

		truncated |= is_gap;
		locations[i] = is_gap ? profile_location(profile, 0, NULL, &gap, 1)
				      : address_space_locate(space, stack->pcs[i], true);
	}
	return profile_stack(profile, locations, depth, truncated);
}

/* Determines the class of a sample whose arguments could not be read: in Go 1.27 it is in the name of the copy of
 * mallocgc. */
static void class_from_caller(const struct go *go, struct event_key *key, const struct event_stack *stack)
{
	struct go_function function;
	const char *kind, *number;

	if (!stack || stack->depth < 2 ||
	    !gopclntab_function_at(go->binary->symbols, stack->pcs[1] - 1 - go->bias, &function) ||
	    !go_code_is_specialised_malloc(function.name))
		return;
	kind = function.name + strlen("runtime.mallocgc");
	number = strstr(kind, "SC");
	if (strncmp(kind, "Tiny", 4) == 0)
		key->site = 0;
	else if (number)
		key->span_class = (uint16_t)(2 * atoi(number + 2) + (strncmp(kind, "SmallNoScan", 11) == 0));
}

/*
 * A sampler of that rate takes an object of n bytes with the probability 1 - exp(-n / rate). Tiny objects are the
 * exception: the block that they share is sampled, with the stack of the object that opened it. So the sum of all of
 * them is known, but their split between sites is not: they make one row together, here that of the blocks.
 */
static void go_estimate(struct runtime *runtime, struct event_key *key, struct event_sums *sums,
			const struct event_stack *stack)
{
	struct go *go = (struct go *)runtime;
	double rate = (double)(go->sampler_rate > 0 ? go->sampler_rate : runtime->rate), size, objects;

	if (key->span_class == EVENT_NO_SPAN_CLASS)
		class_from_caller(go, key, stack);
	size = (double)(key->site ? key->site : GO_TINY_BLOCK);
	objects = (double)sums->events / -expm1(-size / rate);
	if (key->site == 0) {
		key->type = 0;
		key->span_class = TINY_SPAN_CLASS;
	}
	sums->objects_q20 = (uint64_t)fmin(objects * (1 << 20), HEAP_COUNT_MAX);
	sums->weight = (uint64_t)fmin(objects * size, HEAP_COUNT_MAX);
}

static void go_describe(struct runtime *runtime, struct profile *profile, struct profile_process *process)
{
	go_modules_describe(((const struct go *)runtime)->binary->build_info, profile, process);
}

/* Tiny objects that share a block: the blocks are samples. */
static bool go_rest(struct runtime *runtime, struct profile *profile, const struct profile_process *process,
		    struct profile_key *key, int64_t values[VALUE_COUNT])
{
	const struct go *go = (struct go *)runtime;

	if (!(go->sampled || go->beside) || process->class_totals[TINY_SPAN_CLASS][VALUE_OBJECTS] <= 0)
		return false;
	key->stack = tiny_stack(profile);
	key->span_class = TINY_SPAN_CLASS;
	memset(values, 0, VALUE_COUNT * sizeof(*values));
	values[VALUE_OBJECTS] = process->class_totals[TINY_SPAN_CLASS][VALUE_OBJECTS];
	return true;
}

static void go_finish(struct runtime *runtime, struct profile *profile, const struct profile_process *process)
{
	const struct go *go = (struct go *)runtime;

	if (go->sampler_changed)
		profile_warn(profile, "process %d changed its MemProfileRate while it was recorded: estimates are off",
			     process->pid);
	if (go->rate_asked && go->runtime.rate != go->rate_asked)
		profile_warn(profile, "this Go program samples one object per %lld bytes: using that rate",
			     (long long)go->runtime.rate);
	if (go->rate_wanted && !go->rate_writes)
		profile_warn(profile, "the sampler of process %d could not be turned on: it has no rows of objects",
			     process->pid);
	else if (go->objects_before && go->objects_before * 100 > process->totals[VALUE_OBJECTS])
		profile_warn(profile,
			     "process %d had allocated %lld objects before its sampler was turned on: they are in no "
			     "row",
			     process->pid, (long long)go->objects_before);
	if (go->forced && (double)go->forced * (double)go->sampler_rate * 100 > (double)process->totals[VALUE_BYTES])
		profile_warn(
			profile,
			"up to %lld samples of process %d were forced by turning its sampler on: estimates may be too high "
			"by up to %lld times %lldk",
			(long long)go->forced, process->pid, (long long)go->forced, (long long)go->sampler_rate >> 10);
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
	char *path;
	bool is;

	if (!mapping->inode || !mapping->executable)
		return false;
	path = target_file_path(target, mapping);
	is = go_binary_has_note(path);
	free(path);
	return is;
}

static void go_free(struct runtime *runtime)
{
	struct go *go = (struct go *)runtime;

	go_binary_unshare(go->binary);
	free(go->mapped);
	free(go->path);
	free(go);
}

/* A plugin brings its own copy of the allocator's code, and so does another library. */
static const char *go_elsewhere(const struct runtime *runtime, const struct target *target)
{
	const struct go *go = (const struct go *)runtime;

	for (size_t i = 0; i < target->mapping_count; i++) {
		const struct target_mapping *mapping = &target->mappings[i];

		if (strcmp(mapping->path, go->mapped) != 0 && is_go_mapping(target, mapping))
			return mapping->path;
	}
	return NULL;
}

static const struct runtime_ops go_ops = {
	.counter_source = "go heap statistics",
	.probes = go_probes,
	.read = go_read,
	.came_fresh = go_came_fresh,
	.elsewhere = go_elsewhere,
	.unsampled = go_unsampled,
	.adjust = go_adjust,
	.stack = go_stack,
	.estimate = go_estimate,
	.describe = go_describe,
	.rest = go_rest,
	.finish = go_finish,
	.type = go_type,
	.free = go_free,
};

/* Opens the file of a mapping, if it is Go's. */
static struct go_binary *open_mapping(const struct target *target, const struct target_mapping *mapping, char **path)
{
	struct go_binary *binary;

	*path = target_file_path(target, mapping);
	binary = go_binary_share(*path, NULL);
	if (binary)
		return binary;
	free(*path);
	*path = NULL;
	return NULL;
}

/* The file that holds the runtime: the executable, else a library of -buildmode=c-shared. NULL if none does. */
static struct go_binary *find_binary(const struct target *target, char **path, const struct target_mapping **where)
{
	struct go_binary *binary = NULL;

	for (size_t i = 0; i < target->mapping_count && !binary; i++) {
		*where = &target->mappings[i];
		if (target_is_executable_mapping(target, *where))
			binary = open_mapping(target, *where, path);
	}
	for (size_t i = 0; i < target->mapping_count && !binary; i++) {
		*where = &target->mappings[i];
		if (!target_is_executable_mapping(target, *where) && is_go_mapping(target, *where))
			binary = open_mapping(target, *where, path);
	}
	return binary;
}

struct runtime *runtime_go_detect(const struct target *target, bool *absent, struct error *error)
{
	const struct target_mapping *mapping;
	const struct go_version *version;
	struct go_binary *binary;
	struct go *go;
	char *path;

	(void)error;
	binary = find_binary(target, &path, &mapping);
	if (!binary)
		return NULL;
	*absent = false;
	go = memory_zeroed(1, sizeof(*go));
	go->runtime.ops = &go_ops;
	snprintf(go->runtime.version, sizeof(go->runtime.version), "%s", binary->version_text);
	go->binary = binary;
	go->path = path;
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
