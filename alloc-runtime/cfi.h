/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CFI_H
#define CFI_H

/*
 * Looks up in .eh_frame how to get from the frame of a function, at a given address in it, to its caller's frame.
 * Understands only what compilers emit for amd64; for anything else there is no rule. Async-signal-safe; allocates
 * nothing.
 */

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

enum cfa_kind {
	CfaNone,   /* no table covers the address, or its rule is of an unsupported form */
	CfaEnd,	   /* outermost frame */
	CfaSp,	   /* CFA = rsp + cfa_offset */
	CfaBp,	   /* CFA = rbp + cfa_offset */
	CfaAtBp,   /* CFA = *(rbp + cfa_offset), in functions that realign their stack */
	CfaSignal, /* the kernel's signal frame, with a ucontext at rsp */
};

enum bp_kind {
	BpSame,
	BpAtCfa, /* saved at CFA + bp_offset */
	BpAtBp,	 /* saved at rbp + bp_offset */
};

/* The return address is always at CFA - 8. */
struct cfi_rule {
	uint8_t cfa_kind, bp_kind;
	int16_t bp_offset;
	int32_t cfa_offset;
};
_Static_assert(sizeof(struct cfi_rule) == 8, "fits one word of the cache in unwind.c");

struct cfi_rule cfi_lookup(uintptr_t address);

#pragma GCC visibility pop
#endif
