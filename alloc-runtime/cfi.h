/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CFI_H
#define CFI_H

/*
 * What .eh_frame says about one address: how to get from the frame of a function that stands there to its caller's.
 * Only what amd64 compilers emit; anything else is "no rule". Async-signal-safe, allocates nothing.
 */

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

enum cfa_kind {
	CfaNone,   /* no table covers the address, or it says what we do not follow */
	CfaEnd,	   /* outermost frame */
	CfaSp,	   /* CFA = rsp + cfa_offset */
	CfaBp,	   /* CFA = rbp + cfa_offset */
	CfaAtBp,   /* CFA = *(rbp + cfa_offset): functions that realign their stack */
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
_Static_assert(sizeof(struct cfi_rule) == 8, "one word, see the cache in unwind.c");

struct cfi_rule cfi_lookup(uintptr_t address);

#pragma GCC visibility pop
#endif
