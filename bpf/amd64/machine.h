/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#ifndef ESCAPEMENT_MACHINE_H
#define ESCAPEMENT_MACHINE_H

/* What amd64 means to the BPF programs; ../arm64/machine.h has the same names. `ctx` is a struct pt_regs. */

#define MACHINE_PC(ctx) ((ctx)->rip)
#define MACHINE_FP(ctx) ((ctx)->rbp)

/* C: what the kernel's headers, which define five, leave out. */
#define MACHINE_ARGUMENT_6(ctx) ((ctx)->r9)

/* Go's internal ABI. */
#define GO_ARGUMENT_1(ctx) ((ctx)->rax)
#define GO_ARGUMENT_2(ctx) ((ctx)->rbx)
#define GO_ARGUMENT_3(ctx) ((ctx)->rcx)
#define GO_G(ctx)	   ((ctx)->r14)

/* A call pushes the return address: before a function has set up its frame, the stack pointer is the address of it. */
#define GO_RETURN_ON_STACK 1
#define GO_RETURN(ctx)	   ((ctx)->rsp)
#define GO_CALLER(ctx)	   read_word((ctx)->rsp)

/* Whether the conditional branch of a stack check (jbe) will be taken: by the carry flag and the zero flag. */
#define GO_BRANCH_TAKEN(ctx) ((ctx)->eflags & 0x41)

/* From a function's frame pointer to where the ABI reserves space for its arguments: above the return address. */
#define GO_ARGUMENTS(frame) ((frame) + 16)

/* From gobuf.sp of a goroutine whose stack check called morestack, or whose systemstack has no frame, to its caller. */
#define GO_SAVED_CALLER(layout, sched) read_word(read_word(sched))

/* systemstack keeps the goroutine's frame pointer. */
#define GO_SYSTEMSTACK_FRAME 0

#endif
