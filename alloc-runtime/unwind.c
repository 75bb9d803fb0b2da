/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walks the caller's stack by the program's unwind tables, which every amd64 program has, with or without frame
 * pointers. The rule of each address is looked up once and cached; a cached frame costs a hash probe and two loads.
 *
 * Loads never leave the used part of the stack, [sp, top), so a wrong table, or a cached rule of a library that has
 * been unloaded (dlclose gives no notice), results in a wrong stack at worst. Code without tables, such as that of
 * just-in-time compilers, is assumed to keep frame pointers as long as rbp points into the stack.
 */
#include "unwind.h"

#include <ucontext.h>

#include "cfi.h"

enum { CacheBits = 13 };

/* All threads write entries without locks. An entry is valid only if key ^ rule is the address. */
static struct {
	_Atomic uint64_t key, rule;
} cache[1 << CacheBits];

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
	uintptr_t thread;

	__asm__("mov %%fs:0, %0" : "=r"(thread));
	if (sp < thread)
		return thread;
	return &__libc_stack_end && sp < (uintptr_t)__libc_stack_end ? (uintptr_t)__libc_stack_end : sp;
}

#define UNSANITIZED __attribute__((no_sanitize_address, no_sanitize_thread, no_sanitize_undefined))

struct frame {
	uintptr_t pc, sp, bp, top;
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
	const ucontext_t *context = (const ucontext_t *)f->sp;

	if (f->sp + sizeof *context > f->top)
		return false;
	f->pc = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
	f->bp = (uintptr_t)context->uc_mcontext.gregs[REG_RBP];
	f->sp = (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
	f->top = stack_top(f->sp); /* the signal handler may have run on a stack of its own */
	f->interrupted = true;
	return true;
}

static bool step_to(struct frame *f, uintptr_t cfa, uintptr_t bp)
{
	uintptr_t pc;

	if (cfa <= f->sp || !load(f, cfa - 8, &pc))
		return false;
	*f = (struct frame){.pc = pc, .sp = cfa, .bp = bp, .top = f->top};
	return true;
}

enum outcome { Stepped, AtEnd, Stuck };

static enum outcome step(struct frame *f)
{
	struct cfi_rule rule = rule_at(f->interrupted ? f->pc : f->pc - 1);
	uintptr_t cfa, bp = f->bp;

	switch ((enum cfa_kind)rule.cfa_kind) {
	case CfaSp:
		cfa = f->sp + (uintptr_t)(intptr_t)rule.cfa_offset;
		break;
	case CfaBp:
		cfa = f->bp + (uintptr_t)(intptr_t)rule.cfa_offset;
		break;
	case CfaAtBp:
		if (!load(f, f->bp + (uintptr_t)(intptr_t)rule.cfa_offset, &cfa))
			return Stuck;
		break;
	case CfaEnd:
		return AtEnd;
	case CfaSignal:
		return step_signal(f) ? Stepped : Stuck;
	default:
		/* The frame that "push rbp; mov rbp, rsp" creates. */
		return load(f, f->bp, &bp) && step_to(f, f->bp + 16, bp) ? Stepped : Stuck;
	}
	if (rule.bp_kind == BpAtCfa && !load(f, cfa + (uintptr_t)(intptr_t)rule.bp_offset, &bp))
		return Stuck;
	if (rule.bp_kind == BpAtBp && !load(f, f->bp + (uintptr_t)(intptr_t)rule.bp_offset, &bp))
		return Stuck;
	return step_to(f, cfa, bp) ? Stepped : Stuck;
}

uintptr_t caller_stack(struct mcache *c, struct caller *caller)
{
	struct goalloc_stack *stack = &c->stack;
	struct frame f = {.pc = caller->pc, .sp = caller->sp, .bp = caller->bp, .top = stack_top(caller->sp)};
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
