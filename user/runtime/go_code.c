/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/go_code.h"

#include <ctype.h>
#include <elf.h>
#include <string.h>

#include "runtime/code_walk.h"

enum {
	PROLOGUE_MAX = 16, /* the stack check is within this many instructions */
	LOADS_MAX = 64,
};

bool go_code_point(const struct go_binary *binary, const struct go_function *function, struct go_point *point)
{
	struct code_walk walk;

	if (!code_walk_start(binary, function, &walk))
		return false;
	for (int i = 0; i < PROLOGUE_MAX && code_walk_next(&walk); i++) {
		if (walk.step.kind == CODE_STACK_BRANCH) {
			*point = (struct go_point){walk.step.address, true};
			return true;
		}
		if (!walk.step.may_precede_check)
			break;
	}
	/* Without a stack check the function never restarts, so its first byte can be probed. */
	if (walk.at >= walk.size)
		return false;
	*point = (struct go_point){function->entry, false};
	return true;
}

static bool is_call_of(const struct code_walk *walk, uint64_t function)
{
	return walk->step.kind == CODE_CALL && walk->step.target == function;
}

bool go_code_is_specialised_malloc(const char *name)
{
	static const char *const kinds[] = {"Tiny", "SmallNoScan", "SmallScanNoHeader"};
	static const char prefix[] = "runtime.mallocgc";

	if (strncmp(name, prefix, strlen(prefix)) != 0)
		return false;
	name += strlen(prefix);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const char *rest = name + strlen(kinds[i]);

		if (strncmp(name, kinds[i], strlen(kinds[i])) != 0)
			continue;
		if (strncmp(rest, "SC", 2) == 0)
			rest += 2;
		else if (strncmp(rest, "Size", 4) == 0)
			rest += 4;
		else
			continue;
		return isdigit((unsigned char)*rest) && rest[strspn(rest, "0123456789")] == 0;
	}
	return false;
}

/* Returns the name of the function that a call refers to, found by its address because a search by name examines all
 * functions. "" if this is not a call. */
static const char *called_by(const struct go_binary *binary, const struct code_walk *walk)
{
	struct go_function called;

	return walk->step.kind == CODE_CALL && gopclntab_function_at(binary->symbols, walk->step.target, &called)
		       ? called.name
		       : "";
}

/* Finds `stats := memstats.heapStats.acquire()`: the receiver's address is put into the first argument's
 * register directly before the call. */
uint64_t go_code_heap_statistics(const struct go_binary *binary)
{
	static const char *const callers[] = {"runtime.(*mcache).refill",     "runtime.(*mcache).releaseAll",
					      "runtime.(*mcache).allocLarge", "runtime.(*mheap).grow",
					      "runtime.(*mheap).allocSpan",   "runtime.(*mheap).freeSpanLocked"};
	struct go_function acquire;

	if (!gopclntab_function_named(binary->symbols, "runtime.(*consistentHeapStats).acquire", &acquire))
		return 0;
	for (size_t i = 0; i < sizeof(callers) / sizeof(callers[0]); i++) {
		uint64_t receiver = 0;
		struct code_walk walk;

		if (!code_walk_start_named(binary, callers[i], &walk))
			continue;
		while (code_walk_next(&walk)) {
			if (walk.step.kind == CODE_ADDRESS && walk.step.reg == CODE_RESULT)
				receiver = walk.step.target;
			if (receiver && is_call_of(&walk, acquire.entry))
				return receiver;
		}
	}
	return 0;
}

static bool is_load(const struct code_step *step, unsigned bytes)
{
	return step->kind == CODE_LOAD && step->bytes == bytes;
}

/* Whether the instruction stores the result of a call in a structure. */
static bool is_store_of_result(const struct code_step *step)
{
	return step->kind == CODE_STORE && step->bytes == 8 && !step->target && step->reg == CODE_RESULT &&
	       !step->on_stack;
}

/* Collects the addresses of the variables of 64 bits that a function loads. */
static unsigned loads_of(const struct go_binary *binary, const char *name, uint64_t loads[LOADS_MAX])
{
	unsigned count = 0;
	struct code_walk walk;

	if (!code_walk_start_named(binary, name, &walk))
		return 0;
	while (count < LOADS_MAX && code_walk_next(&walk)) {
		if (!is_load(&walk.step, 8) || !walk.step.target)
			continue;
		loads[count++] = walk.step.target;
		if (walk.step.pair && count < LOADS_MAX)
			loads[count++] = walk.step.target + 8;
	}
	return count;
}

static bool loaded(const uint64_t *loads, unsigned count, uint64_t address)
{
	for (unsigned i = 0; i < count; i++) {
		if (loads[i] == address)
			return true;
	}
	return false;
}

/* Finds a slice that a function uses, by the loads of its pointer and of its length, which follows. */
static uint64_t slice_in(const struct go_binary *binary, const char *name)
{
	uint64_t loads[LOADS_MAX];
	unsigned count = loads_of(binary, name, loads);

	for (unsigned i = 0; i < count; i++) {
		if (loaded(loads, count, loads[i] + 8) && !loaded(loads, count, loads[i] - 8))
			return loads[i];
	}
	return 0;
}

/* Finds the slice that these functions have in common; some of them may be inlined. The list ends with NULL. */
static uint64_t slice_of(const struct go_binary *binary, const char *const *users)
{
	uint64_t found = 0;

	for (; *users && !found; users++)
		found = slice_in(binary, *users);
	return found;
}

uint64_t go_code_processors(const struct go_binary *binary)
{
	static const char *const users[] = {"runtime.flushmcache", "runtime.retake", "runtime.stopTheWorldWithSema",
					    NULL};

	return slice_of(binary, users);
}

uint64_t go_code_goroutines(const struct go_binary *binary)
{
	static const char *const users[] = {"runtime.allgadd", "runtime.forEachG", "runtime.oneNewExtraM",
					    "runtime.newproc1", NULL};

	return slice_of(binary, users);
}

/* Finds the variable that both functions load to compute the distance to the next sample. */
uint64_t go_code_profile_rate(const struct go_binary *binary)
{
	uint64_t first[LOADS_MAX], second[LOADS_MAX];
	unsigned first_count = loads_of(binary, "runtime.allocmcache", first);
	unsigned second_count = loads_of(binary, "runtime.profilealloc", second);

	for (unsigned i = 0; i < first_count; i++) {
		for (unsigned j = 0; j < second_count; j++) {
			if (first[i] == second[j])
				return first[i];
		}
	}
	return 0;
}

/* `mheap_.sweepgen += 2` in gcSweep: allspans is the field behind it, at the next multiple of 8. */
uint64_t go_code_all_spans(const struct go_binary *binary)
{
	struct code_walk walk;

	if (!code_walk_start_named(binary, "runtime.gcSweep", &walk))
		return 0;
	while (code_walk_next(&walk)) {
		if (walk.step.kind == CODE_ADD_TO && walk.step.immediate == 2)
			return (walk.step.target + 4 + 7) & ~UINT64_C(7);
	}
	return 0;
}

/* A shift to the left: an index becomes the distance of an element of 16 or 32 bytes. */
static bool is_shift_left(const struct code_step *step)
{
	return step->kind == CODE_SHIFT_LEFT && (step->immediate == 4 || step->immediate == 5);
}

/*
 * mProf_FlushLocked walks the list and adds one element of memRecord.future to memRecord.active. mProf_Flush sets a bit
 * of the cycle: it loads it, then takes its address for a compare-and-exchange; on machines that have special loads for that, it has the
 * address before.
 */
bool go_code_memory_profile(const struct go_binary *binary, struct go_code_profile *profile)
{
	uint64_t loads[LOADS_MAX], loaded_cycle = 0;
	struct code_walk walk;

	memset(profile, 0, sizeof(*profile));
	if (!loads_of(binary, "runtime.mProf_FlushLocked", loads))
		return false;
	profile->buckets = loads[0];
	if (!code_walk_start_named(binary, "runtime.mProf_FlushLocked", &walk))
		return false;
	while (!profile->cycle_size && code_walk_next(&walk)) {
		if (is_shift_left(&walk.step))
			profile->cycle_size = (uint16_t)(1 << walk.step.immediate);
	}
	if (!profile->cycle_size || !code_walk_start_named(binary, "runtime.mProf_Flush", &walk))
		return false;
	while (!profile->cycle && code_walk_next(&walk)) {
		if (is_load(&walk.step, 4) && walk.step.target)
			loaded_cycle = walk.step.target;
		if (loaded_cycle && walk.step.target == loaded_cycle &&
		    (walk.step.kind == CODE_ADDRESS || walk.step.acquires))
			profile->cycle = loaded_cycle;
	}
	return profile->cycle != 0;
}

/* Its only call of a closure is what it is for. On amd64 it has no frame if it does not save the frame pointer first; on arm64
 * it begins another chain of frame pointers if it loads the frame pointer before the call. */
uint64_t go_code_lost_systemstack(const struct go_binary *binary)
{
	bool first = true, lost = binary->image.machine == EM_X86_64;
	struct code_walk walk;

	if (!code_walk_start_named(binary, "runtime.systemstack", &walk))
		return 0;
	for (; code_walk_next(&walk); first = false) {
		if (first && walk.step.kind == CODE_SAVE_FRAME)
			return 0;
		lost |= walk.step.kind == CODE_RESTORE_FRAME;
		if (walk.step.kind == CODE_CALL_CLOSURE)
			return lost ? walk.step.address + walk.step.length : 0;
	}
	return 0;
}

/* Its call is to newstack's wrapper for assembly code, which has the same name. */
uint64_t go_code_morestack(const struct go_binary *binary)
{
	struct code_walk walk;

	if (!code_walk_start_named(binary, "runtime.morestack", &walk))
		return 0;
	while (code_walk_next(&walk)) {
		if (strcmp(called_by(binary, &walk), "runtime.newstack") == 0)
			return walk.step.address + walk.step.length;
	}
	return 0;
}

/*
 * newMarkBits begins with a load of gcBitsArenas.next. The code that initialises a span stores the results in
 * gcmarkBits first, then in allocBits.
 */
bool go_code_bits(const struct go_binary *binary, struct go_code_bits *bits)
{
	static const char *const makers[] = {"runtime.(*mheap).initSpan", "runtime.(*mheap).allocSpan"};
	uint64_t loads[LOADS_MAX];

	memset(bits, 0, sizeof(*bits));
	if (!loads_of(binary, "runtime.newMarkBits", loads))
		return false;
	bits->arenas = loads[0];
	for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
		uint16_t stored[2] = {0};
		unsigned calls = 0, stores = 0;
		struct code_walk walk;

		if (!code_walk_start_named(binary, makers[i], &walk))
			continue;
		while (stores < 2 && code_walk_next(&walk)) {
			const char *called = called_by(binary, &walk);

			/* newAllocBits is another name for it, and usually inlined */
			if (strcmp(called, "runtime.newMarkBits") == 0 || strcmp(called, "runtime.newAllocBits") == 0)
				calls++;
			else if (calls > stores && is_store_of_result(&walk.step))
				stored[stores++] = (uint16_t)walk.step.displacement;
		}
		bits->span_alloc_bits = stored[1];
		if (stores == 2 && stored[0] == stored[1] + 8)
			return true;
	}
	return false;
}

/* Finds `p.mcache` in flushmcache: the only load through a register that was itself loaded through an index. */
static uint16_t mcache_offset(const struct go_binary *binary)
{
	struct code_walk walk;
	bool indexed = false;

	if (!code_walk_start_named(binary, "runtime.flushmcache", &walk))
		return 0;
	while (code_walk_next(&walk)) {
		if (!is_load(&walk.step, 8) || walk.step.target)
			continue;
		if (indexed && !walk.step.indexed)
			return (uint16_t)walk.step.displacement;
		indexed |= walk.step.indexed;
	}
	return 0;
}

void go_code_heap_layout(const struct go_binary *binary, struct go_code_layout *layout)
{
	struct code_walk walk;

	memset(layout, 0, sizeof(*layout));
	layout->p_mcache = mcache_offset(binary);
	if (!code_walk_start_named(binary, "runtime.(*mcache).refill", &walk))
		return;
	while (code_walk_next(&walk)) {
		const struct code_step *step = &walk.step;
		uint16_t displacement = (uint16_t)step->displacement;

		/* s := c.alloc[spc] */
		if (!layout->mcache_alloc && is_load(step, 8) && step->indexed && step->base == CODE_RESULT)
			layout->mcache_alloc = displacement;
		/* if s.allocCount != s.nelems */
		if (layout->mcache_alloc && !layout->span_alloc_count && is_load(step, 2) && !step->on_stack &&
		    displacement > 64)
			layout->span_alloc_count = displacement;
		/* atomic.Xadd64(&stats.tinyAllocCount, …): the addresses of the other counters are computed before */
		if (!layout->tiny_count && step->kind == CODE_EXCHANGE_ADD && !step->target)
			layout->tiny_count = displacement;
		/* s.allocCountBeforeCache = 0 */
		if (step->kind == CODE_STORE_ZERO && step->bytes == 2 && !step->on_stack)
			layout->span_alloc_count_before_cache = displacement;
	}
}

static bool agrees(const struct go_version *version, const struct go_code_layout *seen)
{
	const struct go_heap_layout *heap = &version->heap;

	return seen->mcache_alloc == heap->mcache_alloc && seen->span_alloc_count == heap->span_alloc_count &&
	       seen->span_alloc_count_before_cache == heap->span_alloc_count_before_cache &&
	       seen->tiny_count == version->statistics.tiny_count &&
	       (seen->p_mcache == heap->p_mcache || seen->p_mcache == 0); /* flushmcache may not be linked in */
}

const struct go_version *go_code_confirm(const struct go_binary *binary, struct error *error)
{
	const struct go_version *version = binary->version;
	struct go_code_layout seen;
	int count = 0;

	if (binary->version_known)
		return version;
	go_code_heap_layout(binary, &seen);
	if (agrees(version, &seen))
		return version;
	while (go_version_row(count))
		count++;
	while (count-- > 0) { /* newest first */
		version = go_version_row(count);
		if (version->magic == binary->version->magic && agrees(version, &seen))
			return version;
	}
	error_set(error, STATUS_CANNOT_MEASURE,
		  "the allocator of '%s' has a layout that no known Go release has: slow-path "
		  "events and totals cannot be read; --rate 1 still counts every allocation",
		  binary->version_text);
	return NULL;
}

struct search {
	const char *const *names;
	bool *found;
	unsigned count;
};

static bool note_inlined(const char *name, void *context)
{
	struct search *search = context;

	for (unsigned i = 0; i < search->count; i++)
		search->found[i] |= strcmp(name, search->names[i]) == 0;
	return true;
}

void go_code_inlined(const struct go_binary *binary, const char *const *names, bool *found, unsigned count)
{
	struct search search = {names, found, count};
	uint64_t steps = GOPCLNTAB_WALK_STEPS;

	memset(found, 0, count * sizeof(*found));
	for (uint32_t i = 0; i < gopclntab_function_count(binary->symbols); i++)
		gopclntab_inlined(binary->symbols, i, &steps, note_inlined, &search);
}
