/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walks the caller's stack by the program's unwind tables, which every program has, with or without frame
 * pointers. The rule of each address is looked up once and cached; a cached frame costs a hash probe and two loads.
 *
 * Loads never leave the used part of the stack, [sp, top), so a wrong table, or a cached rule of a library that has
 * been unloaded (dlclose gives no notice), results in a wrong stack at worst. Code without tables, such as that of
 * just-in-time compilers, is assumed to keep frame pointers as long as the frame pointer points into the stack.
 */
#include "unwind.h"

#include "cfi.h"
#include "machine.h"
#include "sections.h"

enum { CacheBits = 13 };

/* All threads write entries without locks. An entry is valid only if key ^ rule is the address. */
static struct {
	_Atomic uint64_t key, rule;
} cache[1 << CacheBits] LARGE_BSS;

union packed {
	struct cfi_rule rule;
	uint64_t word;
};

static struct cfi_rule rule_at(uintptr_t address)
{
	unsigned slot = (unsigned)((address * 0x9e3779b97f4a7c15) >> (64 - CacheBits));
	union packed packed = {.word = atomic_load_explicit(&cache[slot].rule, memory_order_relaxed)};

	if (likely((atomic_load_explicit(&cache[slot].key, memory_order_relaxed) ^ packed.word) == address))
		return packed.rule;
	packed.rule = cfi_lookup(address);
	atomic_store_explicit(&cache[slot].key, address ^ packed.word, memory_order_relaxed);
	atomic_store_explicit(&cache[slot].rule, packed.word, memory_order_relaxed);
	return packed.rule;
}

#pragma weak __libc_stack_end
extern void *__libc_stack_end;

/* Returns the end of the stack that sp points into. The stack of a glibc thread ends at the thread control block; the
 * first thread's stack ends where the dynamic linker says. */
static uintptr_t stack_top(uintptr_t sp)
{
	uintptr_t thread = machine_thread();

	if (sp < thread)
		return thread;
	return &__libc_stack_end && sp < (uintptr_t)__libc_stack_end ? (uintptr_t)__libc_stack_end : sp;
}

#define UNSANITIZED __attribute__((no_sanitize_address, no_sanitize_thread, no_sanitize_undefined))

struct frame {
	uintptr_t pc, sp, fp, top;
	uintptr_t link;	  /* the return address, if it is not saved; 0: it is */
	bool interrupted; /* pc is the next instruction, not a return address */
};

/* Loads the word at an address. Returns false if the address is outside the used part of the stack. */
static UNSANITIZED bool load(const struct frame *f, uintptr_t address, uintptr_t *value)
{
	if (address < f->sp - 8 || address > f->top - 8 || address % 8 != 0)
		return false;
	*value = *(const uintptr_t *)address;
	return true;
}

static UNSANITIZED bool step_signal(struct frame *f)
{
	const ucontext_t *context = (const ucontext_t *)(f->sp + SignalContext);

	if (f->sp + SignalContext + sizeof *context > f->top)
		return false;
	struct machine_registers registers = machine_registers(context);
	*f = (struct frame){.pc = registers.pc,
			    .sp = registers.sp,
			    .fp = registers.fp,
			    /* the signal handler may have run on a stack of its own */
			    .top = registers.sp > f->sp && registers.sp < f->top ? f->top : stack_top(registers.sp),
			    .link = registers.link,
			    .interrupted = true};
	return true;
}

static void step_to(struct frame *f, uintptr_t cfa, uintptr_t fp, uintptr_t saved)
{
	*f = (struct frame){.pc = machine_return_address(saved), .sp = cfa, .fp = fp, .top = f->top};
}

/* Steps over code without a rule: out of the kernel's call of a signal handler, or by the frame record that the frame pointer
 * points to: the caller's frame pointer and the return address. */
static bool step_without_rule(struct frame *f)
{
	uintptr_t fp, saved;

	if (machine_returns_from_signal(f->pc))
		return step_signal(f);
	if (f->fp + 16 <= f->sp || !load(f, f->fp, &fp) || !load(f, f->fp + 8, &saved))
		return false;
	step_to(f, f->fp + 16, fp, saved);
	return true;
}

/* Returns false if the frame's CFA cannot be read. */
static bool find_cfa(const struct frame *f, struct cfi_rule rule, uintptr_t *cfa)
{
	intptr_t offset = rule.cfa_offset;

	if (rule.cfa_kind == CfaAtFp)
		return load(f, f->fp + (uintptr_t)offset, cfa);
	*cfa = (rule.cfa_kind == CfaSp ? f->sp : f->fp) + (uintptr_t)offset;
	return true;
}

static bool step_by_rule(struct frame *f, struct cfi_rule rule)
{
	uintptr_t cfa, fp = f->fp, saved = f->link;
	intptr_t fp_offset = 8 * (intptr_t)rule.fp_words, ra_offset = CallPushes ? -8 : 8 * (intptr_t)rule.ra_words;

	if (!find_cfa(f, rule, &cfa))
		return false;
	if (!CallPushes && rule.fp_kind != FpAtFp)
		ra_offset += fp_offset;
	if (rule.fp_kind == FpAtCfa && !load(f, cfa + (uintptr_t)fp_offset, &fp))
		return false;
	if (rule.fp_kind == FpAtFp && !load(f, f->fp + (uintptr_t)fp_offset, &fp))
		return false;
	if (rule.ra_in_link ? saved == 0 || cfa < f->sp : cfa <= f->sp || !load(f, cfa + (uintptr_t)ra_offset, &saved))
		return false;
	step_to(f, cfa, fp, saved);
	return true;
}

enum outcome { Stepped, AtEnd, Stuck };

static enum outcome step(struct frame *f)
{
	struct cfi_rule rule = rule_at(f->interrupted ? f->pc : f->pc - 1);

	switch ((enum cfa_kind)rule.cfa_kind) {
	case CfaSp:
	case CfaFp:
	case CfaAtFp:
		return step_by_rule(f, rule) ? Stepped : Stuck;
	case CfaEnd:
		return AtEnd;
	case CfaSignal:
		return step_signal(f) ? Stepped : Stuck;
	default:
		return step_without_rule(f) ? Stepped : Stuck;
	}
}

uintptr_t caller_stack(struct mcache *c, struct caller *caller)
{
	struct goalloc_stack *stack = &c->stack;
	struct frame f = {.pc = caller->pc, .sp = caller->sp, .fp = caller->fp, .top = stack_top(caller->sp)};
	enum outcome outcome = Stepped;
	uint64_t depth = 0;

	if (caller->stack != 0)
		return caller->stack;
	while (outcome == Stepped && f.pc != 0 && depth < GOALLOC_STACK_MAX) {
		/* Readers expect return addresses and subtract 1 to find the call, so 1 is added to the address of an
		 * interrupted instruction. */
		stack->pcs[depth++] = f.interrupted ? f.pc + 1 : f.pc;
		outcome = step(&f);
	}
	stack->depth = depth;
	stack->truncated = outcome == Stuck || (outcome == Stepped && f.pc != 0);
	stack->site = caller->site;
	caller->stack = (uintptr_t)&stack->depth;
	return caller->stack;
}

enum { FramesInside = 32 };

bool unwind_isIn(const struct machine_registers *registers, uintptr_t top, uintptr_t start, uintptr_t limit)
{
	struct frame f = {.pc = registers->pc,
			  .sp = registers->sp,
			  .fp = registers->fp,
			  .top = top,
			  .link = registers->link,
			  .interrupted = true};

	for (unsigned i = 0; i < FramesInside; i++) {
		if (f.pc >= start && f.pc < limit)
			return true;
		if (step(&f) != Stepped || f.pc == 0)
			return false;
	}
	return false;
}
