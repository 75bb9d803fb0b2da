/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#ifndef ESCAPEMENT_MACHINE_H
#define ESCAPEMENT_MACHINE_H

/* What arm64 means to the BPF programs; ../amd64/machine.h has the same names. `ctx` is a struct pt_regs, whose layout the
 * kernel's headers publish as struct user_pt_regs. */

#define MACHINE_REGISTER(ctx, number) (((const struct user_pt_regs *)(ctx))->regs[number])
#define MACHINE_PC(ctx)		      (((const struct user_pt_regs *)(ctx))->pc)
#define MACHINE_FP(ctx)		      MACHINE_REGISTER(ctx, 29)

#define MACHINE_ARGUMENT_6(ctx) MACHINE_REGISTER(ctx, 5)

/* Go's internal ABI. */
#define GO_ARGUMENT_1(ctx) MACHINE_REGISTER(ctx, 0)
#define GO_ARGUMENT_2(ctx) MACHINE_REGISTER(ctx, 1)
#define GO_ARGUMENT_3(ctx) MACHINE_REGISTER(ctx, 2)
#define GO_G(ctx)	   MACHINE_REGISTER(ctx, 28)

/* A call leaves the return address in the link register, where it is until the function has set up its frame. */
#define GO_RETURN_ON_STACK 0
#define GO_RETURN(ctx)	   MACHINE_REGISTER(ctx, 30)
#define GO_CALLER(ctx)	   GO_RETURN(ctx)

/* Whether the conditional branch of a stack check (b.ls) will be taken: without the carry flag, or with the zero flag. */
#define GO_BRANCH_TAKEN(ctx) ((((const struct user_pt_regs *)(ctx))->pstate >> 29 & 3) != 1)

/* From a function's frame pointer to where the ABI reserves space for its arguments. A frame pointer is 8 below its function's
 * stack pointer, at which the frame keeps the return address; the caller's arguments are next to that. */
#define GO_ARGUMENTS(frame) (read_word(frame) + 16)

/* The caller of a function whose stack check called morestack: gobuf.lr, which gobuf.bp follows in every release. */
#define GO_SAVED_CALLER(layout, sched) read_word((sched) + (layout).gobuf_frame - 8)

/* systemstack has a frame on the goroutine's stack. Where it begins another chain of frame pointers, gobuf.bp leads back. */
#define GO_SYSTEMSTACK_FRAME 1

#endif
