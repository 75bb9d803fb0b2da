/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/go_probes.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "profile/frames.h"
#include "runtime/go_code.h"

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
	[MALLOCGC] = {"runtime.mallocgc", "go_malloc", GO_AT_ONE, GO_AT_ONE, 1u << VALUE_OBJECTS | 1u << VALUE_BYTES},
	[REFILL] = {"runtime.(*mcache).refill", "go_refill", GO_AT_ZERO | GO_AT_ONE | GO_AT_UNSAMPLED, GO_AT_ZERO,
		    1u << VALUE_REFILLS},
	/* used instead of refill if that was inlined */
	[CACHE_SPAN] = {"runtime.(*mcentral).cacheSpan", "go_cache_span", GO_AT_ZERO | GO_AT_ONE | GO_AT_UNSAMPLED, 0,
			0},
	/* at rate 1 only for readers of mcaches, and for what mcentral grew by */
	[RELEASE_ALL] = {"runtime.(*mcache).releaseAll", "go_release_all", GO_AT_ZERO | GO_AT_ONE, GO_AT_ZERO, 0},
	[ALLOC_LARGE] = {"runtime.(*mcache).allocLarge", "go_large", GO_AT_ZERO, GO_AT_ZERO, 0},
	/* used if refill and releaseAll do not report it */
	[CENTRAL_GROW] = {"runtime.(*mcentral).grow", "go_central_grow", GO_AT_ZERO | GO_AT_ONE, 0,
			  1u << VALUE_CENTRAL_GROWS},
	[HEAP_GROW] = {"runtime.(*mheap).grow", "go_heap_grow",
		       GO_AT_ZERO | GO_AT_ONE | GO_AT_SAMPLED | GO_AT_UNSAMPLED | GO_AT_BURSTS, 0,
		       1u << VALUE_HEAP_GROWS | 1u << VALUE_HEAP_GROW_BYTES},
	[PROFILE_ALLOC] = {"runtime.profilealloc", "go_sample", GO_AT_SAMPLED, 0, 0},
};

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
	probe_set_add(set, program, go->binary->image.file, offset, 0, flags);
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
static int choose_functions(struct go *go, enum go_depth depth, bool chosen[FUNCTION_COUNT], struct profile *profile,
			    struct error *error)
{
	const bool *inlined = inlined_functions(go->binary);

	go->gives_back = (depth & (GO_AT_ZERO | GO_AT_ONE)) && !inlined[REFILL] && !inlined[RELEASE_ALL];
	go->tells_grows = go->gives_back && go->heap_known && go->heap.bits_arenas;
	for (int i = 0; i < FUNCTION_COUNT; i++) {
		const struct function_row *row = &function_rows[i];
		bool wanted = ((row->when & depth) && !(i == CENTRAL_GROW && go->tells_grows)) ||
			      (i == PROFILE_ALLOC && go->beside);

		chosen[i] = wanted && !inlined[i];
		if (!wanted || !inlined[i])
			continue;
		if (i == MALLOCGC || i == PROFILE_ALLOC)
			return error_set(error, STATUS_CANNOT_MEASURE,
					 "the profile-guided build of '%s' inlined %s, so "
					 "its allocations cannot be seen at this rate; try --rate 0",
					 go->mapped, row->name);
		if (row->measures || (row->totals & depth))
			profile_warn(profile,
				     "the profile-guided build of this program inlined %s, which cannot be probed%s",
				     row->name, row->totals & depth ? ": totals are those of its heap statistics" : "");
		if (row->totals & depth)
			go->runtime.objects_from_events = false;
		if (i != REFILL || inlined[CACHE_SPAN])
			go->runtime.unmeasured |= row->measures;
	}
	chosen[CACHE_SPAN] &= inlined[REFILL];
	if (depth == GO_AT_ZERO && !go->runtime.objects_from_events) /* otherwise some would report only a part */
		chosen[ALLOC_LARGE] = false;
	return 0;
}

static uint32_t flags_of(const struct go *go, const struct function_row *row, enum go_depth depth)
{
	bool totals = (row->totals & depth) && (depth == GO_AT_ONE || go->runtime.objects_from_events);

	return totals ? EVENT_FLAG_TOTAL_OBJECTS : 0;
}

/* Adds the probes, with these flags too; where every allocation is counted, also those on the specialised functions. */
static int add_probes(struct go *go, enum go_depth depth, const bool chosen[FUNCTION_COUNT], uint32_t flags,
		      struct probe_set *set, struct error *error)
{
	uint32_t count = gopclntab_function_count(go->binary->symbols);
	struct go_function function;

	for (uint32_t i = 0; i < count; i++) {
		if (!gopclntab_function(go->binary->symbols, i, &function) ||
		    strncmp(function.name, "runtime.", 8) != 0)
			continue;
		if (depth == GO_AT_ONE && go_code_is_specialised_malloc(function.name) &&
		    add_probe(go, &function, "go_malloc", EVENT_FLAG_DIRECT | EVENT_FLAG_TOTAL_OBJECTS | flags, set,
			      error))
			return -1;
		for (int row = 0; row < FUNCTION_COUNT; row++) {
			const struct function_row *of = &function_rows[row];

			if (chosen[row] && strcmp(function.name, of->name) == 0 &&
			    add_probe(go, &function, of->program, flags_of(go, of, depth) | flags, set, error))
				return -1;
		}
	}
	if (set->count)
		return 0;
	return error_set(error, STATUS_CANNOT_MEASURE, "'%s' has none of the allocator's functions", go->mapped);
}

bool go_probes_count_all(const struct go *go)
{
	return !inlined_functions(go->binary)[MALLOCGC];
}

int go_probes_add_bursts(struct go *go, struct probe_set *set, struct error *error)
{
	const bool chosen[FUNCTION_COUNT] = {[MALLOCGC] = true};

	return add_probes(go, GO_AT_ONE, chosen, EVENT_FLAG_BURST, set, error);
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
		char *into;

		if (!frames_is_named(name, call->function))
			continue;
		into = memory_text(search->into); /* the file may change while it is looked at */
		call->found = true;
		if (!call->inlined_in)
			call->inlined_in = profile_string(search->profile, into);
		else if (!strstr(call->inlined_in, into) && strlen(call->inlined_in) < NAMES_MAX)
			call->inlined_in = profile_format(search->profile, "%s, %s", call->inlined_in, into);
		free(into);
	}
	return true;
}

/* Adds probes on the functions of the program whose calls are counted, and on go statements, which may be below them. */
static int add_call_probes(struct go *go, struct profile *profile, struct probe_set *set, struct error *error)
{
	uint32_t count = profile->call_count ? gopclntab_function_count(go->binary->symbols) : 0;
	uint64_t steps = GOPCLNTAB_WALK_STEPS;
	struct go_function function;

	for (uint32_t i = 0; i < count; i++) {
		struct inlined_search search = {.profile = profile};

		if (!gopclntab_function(go->binary->symbols, i, &function))
			continue;
		if (strcmp(function.name, "runtime.newproc") == 0 &&
		    add_probe(go, &function, "go_start", 0, set, error))
			return -1;
		search.into = function.name;
		gopclntab_inlined(go->binary->symbols, i, &steps, note_inlined_call, &search);
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
	layout->systemstack = loaded_at(go, go_code_lost_systemstack(go->binary));
	layout->morestack = loaded_at(go, go_code_morestack(go->binary));
	layout->m_current = go->binary->version->scheduler.m_current;
	layout->g_m = go->binary->version->scheduler.g_m;
	layout->g_sched = go->binary->version->scheduler.g_sched;
	layout->gobuf_pc = go->binary->version->scheduler.gobuf_pc;
	layout->gobuf_frame = go->binary->version->scheduler.gobuf_frame;
	layout->type_pointer_bytes = go->binary->version->type.pointer_bytes;
	layout->span_elements = heap->span_elements;
	layout->span_alloc_bits = go->heap.span_alloc_bits;
	layout->profile_rate = go->heap.profile_rate;
	layout->bits_arenas = go->tells_grows ? go->heap.bits_arenas : 0;
	layout->header_from = header_from;
	layout->small_max = header_from ? GO_MAX_SMALL_SIZE - GO_MALLOC_HEADER_SIZE : GO_MAX_SMALL_SIZE;
	if (gopclntab_function_named(go->binary->symbols, "runtime.mallocgc", &function)) {
		layout->malloc_start = go->bias + function.entry;
		layout->malloc_end = go->bias + function.end;
	}
}

int go_probes_add(struct go *go, enum go_depth depth, struct probe_set *set, struct profile *profile,
		  struct error *error)
{
	bool chosen[FUNCTION_COUNT] = {0};

	if (choose_functions(go, depth, chosen, profile, error))
		return -1;
	set_layout(go, &set->layout);
	if (add_call_probes(go, profile, set, error))
		return -1;
	return add_probes(go, depth, chosen, 0, set, error);
}
