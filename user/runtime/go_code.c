/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/go_code.h"

#include <ctype.h>
#include <string.h>

#include "runtime/amd64.h"

enum {
	PROLOGUE_MAX = 16, /* the stack check is within this many instructions */
	RAX = 0,
	RSP = 4,
	RDI = 7,
	LOADS_MAX = 64,
};

/* State of a walk through the instructions of a function. */
struct walk {
	const uint8_t *code;
	uint64_t size, at, address; /* address of `instruction` */
	struct amd64_instruction instruction;
};

static bool walk_start(const struct go_binary *binary, const struct go_function *function, struct walk *walk)
{
	memset(walk, 0, sizeof(*walk));
	walk->address = function->entry;
	walk->size = function->end - function->entry;
	walk->code = go_image_at(&binary->image, function->entry, walk->size);
	return walk->code != NULL;
}

static bool walk_start_named(const struct go_binary *binary, const char *name, struct walk *walk)
{
	struct go_function function;

	return gopclntab_function_named(binary->symbols, name, &function) && walk_start(binary, &function, walk);
}

static bool walk_next(struct walk *walk)
{
	walk->address += walk->instruction.length;
	walk->at += walk->instruction.length;
	return walk->at < walk->size && amd64_decode(walk->code + walk->at, walk->size - walk->at, &walk->instruction);
}

/* Returns the address that a relative jump or call, or a RIP-relative operand, refers to. */
static uint64_t target_of(const struct walk *walk)
{
	const struct amd64_instruction *instruction = &walk->instruction;
	int64_t distance = instruction->rip_relative ? instruction->displacement : instruction->immediate;

	return walk->address + instruction->length + (uint64_t)distance;
}

static bool is(const struct amd64_instruction *instruction, enum amd64_map map, uint8_t opcode)
{
	return instruction->map == map && instruction->opcode == opcode;
}

static bool is_branch_below_or_equal(const struct amd64_instruction *instruction)
{
	return is(instruction, AMD64_ONE_BYTE, AMD64_JBE_JB) || is(instruction, AMD64_0F, AMD64_0F_JBE_JZ);
}

/* Whether an instruction may precede the branch of the stack check: lea or mov of the stack pointer into r12, sub, cmp,
 * and for very large frames a first branch for a stack pointer that wrapped around. */
static bool may_precede_check(const struct amd64_instruction *instruction)
{
	static const uint8_t opcodes[] = {
		AMD64_CMP_GV_EV,     AMD64_CMP_EV_GV,	  AMD64_LEA_GV_M,  AMD64_MOV_EV_GV, AMD64_MOV_GV_EV,
		AMD64_GROUP_1_EV_IZ, AMD64_GROUP_1_EV_IB, AMD64_SUB_GV_EV, AMD64_JB_JB,	    AMD64_NOP};

	if (instruction->map == AMD64_0F)
		return instruction->opcode == AMD64_0F_JB_JZ || instruction->opcode == AMD64_0F_NOP_EV;
	if (instruction->map != AMD64_ONE_BYTE)
		return false;
	return memchr(opcodes, instruction->opcode, sizeof(opcodes)) != NULL &&
	       !(instruction->has_modrm &&
		 (instruction->opcode == AMD64_GROUP_1_EV_IZ || instruction->opcode == AMD64_GROUP_1_EV_IB) &&
		 amd64_base(instruction) == RSP);
}

bool go_code_point(const struct go_binary *binary, const struct go_function *function, struct go_point *point)
{
	struct walk walk;

	if (!walk_start(binary, function, &walk))
		return false;
	for (int i = 0; i < PROLOGUE_MAX && walk_next(&walk); i++) {
		if (is_branch_below_or_equal(&walk.instruction)) {
			*point = (struct go_point){walk.address, true};
			return true;
		}
		if (!may_precede_check(&walk.instruction))
			break;
	}
	/* Without a stack check the function never restarts, so its first byte can be probed. */
	if (walk.at >= walk.size)
		return false;
	*point = (struct go_point){function->entry, false};
	return true;
}

static bool is_call_of(const struct walk *walk, uint64_t function)
{
	return is(&walk->instruction, AMD64_ONE_BYTE, AMD64_CALL_JZ) && target_of(walk) == function;
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
static const char *called_by(const struct go_binary *binary, const struct walk *walk)
{
	struct go_function called;

	return is(&walk->instruction, AMD64_ONE_BYTE, AMD64_CALL_JZ) &&
			       gopclntab_function_at(binary->symbols, target_of(walk), &called)
		       ? called.name
		       : "";
}

/* Finds `stats := memstats.heapStats.acquire()`: the receiver's address is put into rax directly before the call. */
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
		struct walk walk;

		if (!walk_start_named(binary, callers[i], &walk))
			continue;
		while (walk_next(&walk)) {
			const struct amd64_instruction *instruction = &walk.instruction;

			if (is(instruction, AMD64_ONE_BYTE, AMD64_LEA_GV_M) && instruction->rip_relative &&
			    amd64_reg(instruction) == RAX)
				receiver = target_of(&walk);
			if (receiver && is_call_of(&walk, acquire.entry))
				return receiver;
		}
	}
	return 0;
}

static bool is_load64(const struct amd64_instruction *instruction)
{
	return is(instruction, AMD64_ONE_BYTE, AMD64_MOV_GV_EV) && (instruction->rex & AMD64_REX_W) &&
	       amd64_is_memory(instruction);
}

/* Whether the instruction stores the result of a call (rax) in a structure. */
static bool is_store_of_result(const struct amd64_instruction *instruction)
{
	return is(instruction, AMD64_ONE_BYTE, AMD64_MOV_EV_GV) && (instruction->rex & AMD64_REX_W) &&
	       amd64_is_memory(instruction) && !instruction->rip_relative && amd64_reg(instruction) == RAX &&
	       amd64_base(instruction) != RSP;
}

/* Collects the targets of the RIP-relative 64-bit loads in a function. */
static unsigned loads_of(const struct go_binary *binary, const char *name, uint64_t loads[LOADS_MAX])
{
	unsigned count = 0;
	struct walk walk;

	if (!walk_start_named(binary, name, &walk))
		return 0;
	while (count < LOADS_MAX && walk_next(&walk)) {
		if (is_load64(&walk.instruction) && walk.instruction.rip_relative)
			loads[count++] = target_of(&walk);
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
	struct walk walk;

	if (!walk_start_named(binary, "runtime.gcSweep", &walk))
		return 0;
	while (walk_next(&walk)) {
		const struct amd64_instruction *instruction = &walk.instruction;

		if (is(instruction, AMD64_ONE_BYTE, AMD64_GROUP_1_EV_IB) && instruction->rip_relative &&
		    amd64_extension(instruction) == AMD64_ADD && instruction->immediate == 2)
			return (target_of(&walk) + 4 + 7) & ~UINT64_C(7);
	}
	return 0;
}

/* A shift to the left of a register: an index becomes the distance of an element of 16 or 32 bytes. */
static bool is_shift_left(const struct amd64_instruction *instruction)
{
	return is(instruction, AMD64_ONE_BYTE, AMD64_GROUP_2_EV_IB) && amd64_extension(instruction) == AMD64_SHL &&
	       (instruction->immediate == 4 || instruction->immediate == 5);
}

static bool is_load32(const struct amd64_instruction *instruction)
{
	return is(instruction, AMD64_ONE_BYTE, AMD64_MOV_GV_EV) && !(instruction->rex & AMD64_REX_W) &&
	       amd64_is_memory(instruction);
}

/*
 * mProf_FlushLocked walks the list and adds one element of memRecord.future to memRecord.active. mProf_Flush sets a bit
 * of the cycle: it loads it, then takes its address for a compare-and-exchange.
 */
bool go_code_memory_profile(const struct go_binary *binary, struct go_code_profile *profile)
{
	uint64_t loads[LOADS_MAX], loaded_cycle = 0;
	struct walk walk;

	memset(profile, 0, sizeof(*profile));
	if (!loads_of(binary, "runtime.mProf_FlushLocked", loads))
		return false;
	profile->buckets = loads[0];
	if (!walk_start_named(binary, "runtime.mProf_FlushLocked", &walk))
		return false;
	while (!profile->cycle_size && walk_next(&walk)) {
		if (is_shift_left(&walk.instruction))
			profile->cycle_size = (uint16_t)(1 << walk.instruction.immediate);
	}
	if (!profile->cycle_size || !walk_start_named(binary, "runtime.mProf_Flush", &walk))
		return false;
	while (!profile->cycle && walk_next(&walk)) {
		const struct amd64_instruction *instruction = &walk.instruction;

		if (!instruction->rip_relative)
			continue;
		if (is_load32(instruction))
			loaded_cycle = target_of(&walk);
		else if (is(instruction, AMD64_ONE_BYTE, AMD64_LEA_GV_M) && target_of(&walk) == loaded_cycle)
			profile->cycle = loaded_cycle;
	}
	return profile->cycle != 0;
}

static bool is_push_rbp(const struct amd64_instruction *instruction)
{
	return is(instruction, AMD64_ONE_BYTE, AMD64_PUSH_RBP) && !(instruction->rex & AMD64_REX_B);
}

/* call rdi: the address of a closure's code. */
static bool is_call_of_closure(const struct amd64_instruction *instruction)
{
	return is(instruction, AMD64_ONE_BYTE, AMD64_GROUP_5_EV) && !amd64_is_memory(instruction) &&
	       amd64_extension(instruction) == AMD64_CALL && amd64_base(instruction) == RDI;
}

/* Its only call is that of a closure. */
uint64_t go_code_frameless_systemstack(const struct go_binary *binary)
{
	struct walk walk;

	if (!walk_start_named(binary, "runtime.systemstack", &walk))
		return 0;
	for (bool first = true; walk_next(&walk); first = false) {
		if (first && is_push_rbp(&walk.instruction))
			return 0;
		if (is_call_of_closure(&walk.instruction))
			return walk.address + walk.instruction.length;
	}
	return 0;
}

/* Its call is to newstack's wrapper for assembly code, which has the same name. */
uint64_t go_code_morestack(const struct go_binary *binary)
{
	struct walk walk;

	if (!walk_start_named(binary, "runtime.morestack", &walk))
		return 0;
	while (walk_next(&walk)) {
		if (strcmp(called_by(binary, &walk), "runtime.newstack") == 0)
			return walk.address + walk.instruction.length;
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
		struct walk walk;

		if (!walk_start_named(binary, makers[i], &walk))
			continue;
		while (stores < 2 && walk_next(&walk)) {
			const char *called = called_by(binary, &walk);

			/* newAllocBits is another name for it, and usually inlined */
			if (strcmp(called, "runtime.newMarkBits") == 0 || strcmp(called, "runtime.newAllocBits") == 0)
				calls++;
			else if (calls > stores && is_store_of_result(&walk.instruction))
				stored[stores++] = (uint16_t)walk.instruction.displacement;
		}
		bits->span_alloc_bits = stored[1];
		if (stores == 2 && stored[0] == stored[1] + 8)
			return true;
	}
	return false;
}

static bool is_load16(const struct amd64_instruction *instruction)
{
	return is(instruction, AMD64_0F, AMD64_0F_MOVZX_GV_EW) && amd64_is_memory(instruction) &&
	       amd64_base(instruction) != RSP;
}

/* Finds `p.mcache` in flushmcache: the only load through a register that was itself loaded through an index. */
static uint16_t mcache_offset(const struct go_binary *binary)
{
	struct walk walk;
	bool indexed = false;

	if (!walk_start_named(binary, "runtime.flushmcache", &walk))
		return 0;
	while (walk_next(&walk)) {
		const struct amd64_instruction *instruction = &walk.instruction;

		if (!is_load64(instruction) || instruction->rip_relative)
			continue;
		if (indexed && !instruction->has_sib)
			return (uint16_t)instruction->displacement;
		indexed |= instruction->has_sib;
	}
	return 0;
}

void go_code_heap_layout(const struct go_binary *binary, struct go_code_layout *layout)
{
	struct walk walk;

	memset(layout, 0, sizeof(*layout));
	layout->p_mcache = mcache_offset(binary);
	if (!walk_start_named(binary, "runtime.(*mcache).refill", &walk))
		return;
	while (walk_next(&walk)) {
		const struct amd64_instruction *instruction = &walk.instruction;
		uint16_t displacement = (uint16_t)instruction->displacement;

		/* s := c.alloc[spc] */
		if (!layout->mcache_alloc && is_load64(instruction) && instruction->has_sib &&
		    amd64_base(instruction) == RAX && instruction->sib >> 6 == 3)
			layout->mcache_alloc = displacement;
		/* if s.allocCount != s.nelems */
		if (layout->mcache_alloc && !layout->span_alloc_count && is_load16(instruction) && displacement > 64)
			layout->span_alloc_count = displacement;
		/* atomic.Xadd64(&stats.tinyAllocCount, …): the addresses of the other counters are computed before */
		if (!layout->tiny_count && is(instruction, AMD64_0F, AMD64_0F_XADD_EV_GV) &&
		    amd64_is_memory(instruction) && !instruction->rip_relative)
			layout->tiny_count = displacement;
		/* s.allocCountBeforeCache = 0 */
		if (is(instruction, AMD64_ONE_BYTE, AMD64_MOV_EV_IZ) && instruction->operand_16 &&
		    instruction->immediate == 0 && amd64_is_memory(instruction) && amd64_base(instruction) != RSP)
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

	memset(found, 0, count * sizeof(*found));
	for (uint32_t i = 0; i < gopclntab_function_count(binary->symbols); i++)
		gopclntab_inlined(binary->symbols, i, note_inlined, &search);
}
