/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MACHINE_H
#define MACHINE_H

/* What amd64 means to libgoalloc; ../arm64/machine.h has the same names. The numbers and registers are from the "System V
 * Application Binary Interface, AMD64 Architecture Processor Supplement". */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/user.h>
#include <ucontext.h>

/* DWARF numbers of the frame pointer, the stack pointer, and the return address. */
enum { DwarfFp = 6, DwarfSp = 7, DwarfReturn = 16 };

/* A call pushes the return address, to CFA - 8. */
enum { CallPushes = 1 };

/* Whether an instruction of unwind tables that is this machine's own changes no rule. */
static inline bool machine_ignores(uint8_t instruction)
{
	(void)instruction;
	return false;
}

/* In a function that keeps a frame pointer: its caller's stack pointer as it will be when it returns. */
#define MACHINE_CALLER_SP() ((uintptr_t)__builtin_frame_address(0) + 2 * sizeof(void *))

/* From the stack pointer of a signal frame to its ucontext. */
enum { SignalContext = 0 };

/* Whether a signal handler that returns to `pc` has been called by the kernel. Here unwind tables say so. */
static inline bool machine_returns_from_signal(uintptr_t pc)
{
	(void)pc;
	return false;
}

struct machine_registers {
	uintptr_t pc, sp, fp;
	uintptr_t link; /* 0: return addresses are always on the stack */
};

static inline struct machine_registers machine_registers(const ucontext_t *context)
{
	const greg_t *registers = context->uc_mcontext.gregs;

	return (struct machine_registers){.pc = (uintptr_t)registers[REG_RIP],
					  .sp = (uintptr_t)registers[REG_RSP],
					  .fp = (uintptr_t)registers[REG_RBP]};
}

/* A thread's registers as ptrace(2) has them. */
typedef struct user_regs_struct machine_user_registers;
/* The sets of the vector registers (NT_X86_XSTATE) and, where they are not among the others, of what machine_thread() returns. */
enum { MachineVectors = 0x202, MachineThreadSet = 0 };

static inline struct machine_registers machine_stopped(const machine_user_registers *registers)
{
	return (struct machine_registers){.pc = registers->rip, .sp = registers->rsp, .fp = registers->rbp};
}

static inline uintptr_t machine_stopped_thread(const machine_user_registers *registers)
{
	return registers->fs_base;
}

/* How glibc keeps what it knows of a thread: its struct pthread, of the size given, and the address of its table of
 * thread-local blocks (the dtv). */
static inline uintptr_t machine_descriptor(uintptr_t thread, size_t size)
{
	(void)size;
	return thread;
}

static inline uintptr_t machine_thread_of(uintptr_t descriptor, size_t size)
{
	(void)size;
	return descriptor;
}

enum { MachineDtv = 8, MachineRedZone = 128 }; /* from `thread` to that address; bytes used below the stack pointer */

/* The address that a saved return address stands for. */
static inline uintptr_t machine_return_address(uintptr_t saved)
{
	return saved;
}

/* Where the C library keeps what it knows about the thread. A thread's stack ends there or below. */
static inline uintptr_t machine_thread(void)
{
	uintptr_t thread;

	__asm__("mov %%fs:0, %0" : "=r"(thread));
	return thread;
}

/* Orders the stores before it before those after it, also for who reads this process's memory from outside. */
static inline void machine_store_fence(void)
{
	atomic_signal_fence(memory_order_seq_cst); /* the processor keeps their order */
}

/* In a loop that waits for another processor. */
static inline void machine_relax(void)
{
	__builtin_ia32_pause();
}

/* The number of the lowest set bit; any number for 0, for which C's builtin would be undefined. */
static inline uint64_t machine_lowest_bit(uint64_t bits)
{
	uint64_t n;

	/* bsf with this prefix is tzcnt where the processor has that. */
	__asm__("rep bsfq %1, %0" : "=r"(n) : "r"(bits) : "cc");
	return n;
}

/* Sets `was_set` to bit `n` of an array of words, and `bits` to its word without that bit; `word` is the word's index. In
 * assembly because compilers do not find this form. Sanitizers do not see it. The bound says that the whole array is read: older
 * clangs refuse one without. */
#if defined(__GCC_ASM_FLAG_OUTPUTS__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MACHINE_TEST_AND_RESET(words, n, word, bits, was_set)                  \
	__asm__("movq %[at], %[index]\n\tshrq $6, %[index]\n\t"                \
		"movq (%[array],%[index],8), %[value]\n\tbtrq %[at], %[value]" \
		: "=@ccc"(was_set), [index] "=&r"(word), [value] "=&r"(bits)   \
		: [array] "r"(words), [at] "d"(n), "m"(*(const uint64_t(*)[1 << 16]) words))
#endif

/*
 * A probe's site. The one-byte nop that the kernel patches is followed by a ten-byte nop: kernels that optimise probes
 * replace ten bytes; their five-byte form overwrites the red zone of leaf functions and crashes forked children.
 */
#define MACHINE_PROBE_SITE ".byte 0x90, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0"

/* The first arguments of a function in the C ABI, as the operands of a probe's note name them. */
#define MACHINE_ARGUMENTS_3 "8@%%rdi 8@%%rsi 8@%%rdx"
#define MACHINE_ARGUMENTS_4 MACHINE_ARGUMENTS_3 " 8@%%rcx"
#define MACHINE_ARGUMENTS_5 MACHINE_ARGUMENTS_4 " 8@%%r8"
#define MACHINE_ARGUMENTS_6 MACHINE_ARGUMENTS_5 " 8@%%r9"

/* Declares variables in the registers of six arguments, and the operands that hold them there. */
#define MACHINE_IN_ARGUMENTS(a, b, c, d, e, f)                                                       \
	register uint64_t r1 __asm__("rdi") = (a), r2 __asm__("rsi") = (b), r3 __asm__("rdx") = (c), \
			     r4 __asm__("rcx") = (d), r5 __asm__("r8") = (e), r6 __asm__("r9") = (f)

#endif
