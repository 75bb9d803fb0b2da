/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MACHINE_H
#define MACHINE_H

/* What arm64 means to libgoalloc; ../amd64/machine.h has the same names. The numbers and registers are from "DWARF for the
 * Arm 64-bit Architecture" and "Procedure Call Standard for the Arm 64-bit Architecture". */

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/user.h>
#include <ucontext.h>

/* DWARF numbers of the frame pointer, the stack pointer, and the link register. */
enum { DwarfFp = 29, DwarfSp = 31, DwarfReturn = 30 };

/* A call leaves the return address in the link register. */
enum { CallPushes = 0 };

/* Whether an instruction of unwind tables that is this machine's own changes no rule: DW_CFA_AARCH64_negate_ra_state_with_pc
 * and DW_CFA_AARCH64_negate_ra_state say whether the return address is signed, and machine_return_address() takes either. */
static inline bool machine_ignores(uint8_t instruction)
{
	return instruction == 0x2c || instruction == 0x2d;
}

#ifdef __clang__
#error "compile libgoalloc by gcc: clang's __builtin_dwarf_cfa() is not the CFA on arm64"
#endif

/* In a function that keeps a frame pointer: its caller's stack pointer as it will be when it returns. */
#define MACHINE_CALLER_SP() ((uintptr_t)__builtin_dwarf_cfa())

/* From the stack pointer of a signal frame to its ucontext, over a siginfo. */
enum { SignalContext = 128 };

/* Whether a signal handler that returns to `pc` has been called by the kernel. Its vDSO has no unwind table for the code
 * that ends a handler, so that unwinders know it by its two instructions: mov x8, #__NR_rt_sigreturn; svc #0. */
static inline bool machine_returns_from_signal(uintptr_t pc)
{
	const uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)vdso;
	const uint32_t *code = (const uint32_t *)pc;

	if (vdso == 0 || pc % 4 != 0)
		return false;
	for (unsigned i = 0; i < header->e_phnum; i++) {
		const Elf64_Phdr *segment = (const Elf64_Phdr *)(vdso + header->e_phoff) + i;
		if (segment->p_type == PT_LOAD && pc >= vdso && pc + 8 <= vdso + segment->p_memsz)
			return code[0] == 0xd2801168 && code[1] == 0xd4000001;
	}
	return false;
}

struct machine_registers {
	uintptr_t pc, sp, fp;
	uintptr_t link; /* the return address of a function that has not saved it */
};

static inline struct machine_registers machine_registers(const ucontext_t *context)
{
	const mcontext_t *registers = &context->uc_mcontext;

	return (struct machine_registers){
		.pc = registers->pc, .sp = registers->sp, .fp = registers->regs[29], .link = registers->regs[30]};
}

/* A thread's registers as ptrace(2) has them. */
typedef struct user_regs_struct machine_user_registers;
/* The sets of the vector registers (NT_PRFPREG) and, where they are not among the others, of what machine_thread() returns
 * (NT_ARM_TLS). */
enum { MachineVectors = 2, MachineThreadSet = 0x401 };

static inline struct machine_registers machine_stopped(const machine_user_registers *registers)
{
	return (struct machine_registers){
		.pc = registers->pc, .sp = registers->sp, .fp = registers->regs[29], .link = registers->regs[30]};
}

static inline uintptr_t machine_stopped_thread(const machine_user_registers *registers)
{
	(void)registers;
	return 0;
}

/* How glibc keeps what it knows of a thread: its struct pthread, of the size given, and the address of its table of
 * thread-local blocks (the dtv). */
static inline uintptr_t machine_descriptor(uintptr_t thread, size_t size)
{
	return thread - size;
}

static inline uintptr_t machine_thread_of(uintptr_t descriptor, size_t size)
{
	return descriptor + size;
}

enum { MachineDtv = 0, MachineRedZone = 0 }; /* from `thread` to that address; bytes used below the stack pointer */

/* The address that a saved return address stands for: without its signature. The instruction is XPACLRI, which processors
 * without pointer authentication take for a nop. */
static inline uintptr_t machine_return_address(uintptr_t saved)
{
	register uintptr_t link __asm__("x30") = saved;

	__asm__("hint #7" : "+r"(link));
	return link;
}

/* Where the C library keeps what it knows about the thread. A thread's stack ends there or below. */
static inline uintptr_t machine_thread(void)
{
	uintptr_t thread;

	__asm__("mrs %0, tpidr_el0" : "=r"(thread));
	return thread;
}

/* Orders the stores before it before those after it, also for who reads this process's memory from outside. */
static inline void machine_store_fence(void)
{
	__asm__ volatile("dmb ishst" ::: "memory");
}

/* In a loop that waits for another processor. */
static inline void machine_relax(void)
{
	__asm__ volatile("yield");
}

/* The number of the lowest set bit; any number for 0, for which C's builtin would be undefined. */
static inline uint64_t machine_lowest_bit(uint64_t bits)
{
	uint64_t n;

	__asm__("rbit %0, %1\n\tclz %0, %0" : "=r"(n) : "r"(bits));
	return n;
}

/* A probe's site: a branch to the next instruction, which every kernel simulates. Kernels before 6.13 execute a nop out of
 * line, with a second exception a hit. */
#define MACHINE_PROBE_SITE "b 1f\n1:"

/* The first arguments of a function in the C ABI, as the operands of a probe's note name them. */
#define MACHINE_ARGUMENTS_3 "8@x0 8@x1 8@x2"
#define MACHINE_ARGUMENTS_4 MACHINE_ARGUMENTS_3 " 8@x3"
#define MACHINE_ARGUMENTS_5 MACHINE_ARGUMENTS_4 " 8@x4"
#define MACHINE_ARGUMENTS_6 MACHINE_ARGUMENTS_5 " 8@x5"

/* Declares variables in the registers of six arguments, and the operands that hold them there. */
#define MACHINE_IN_ARGUMENTS(a, b, c, d, e, f)                                                    \
	register uint64_t r1 __asm__("x0") = (a), r2 __asm__("x1") = (b), r3 __asm__("x2") = (c), \
			     r4 __asm__("x3") = (d), r5 __asm__("x4") = (e), r6 __asm__("x5") = (f)

#endif
