/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CFI_H
#define CFI_H

/*
 * Looks up in .eh_frame how to get from the frame of a function, at a given address in it, to its caller's frame.
 * Understands only what compilers emit; for anything else there is no rule. Async-signal-safe; allocates
 * nothing.
 */

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

enum cfa_kind {
	CfaNone,   /* no table covers the address, or its rule is of an unsupported form */
	CfaEnd,	   /* outermost frame */
	CfaSp,	   /* CFA = sp + cfa_offset */
	CfaFp,	   /* CFA = fp + cfa_offset */
	CfaAtFp,   /* CFA = *(fp + cfa_offset), in functions that realign their stack */
	CfaSignal, /* the kernel's signal frame */
};

enum fp_kind {
	FpSame,
	FpAtCfa, /* saved at CFA + 8 * fp_words */
	FpAtFp,	 /* saved at fp + 8 * fp_words */
};

/* The return address is at CFA - 8 where calls push it. Elsewhere it is 8 * ra_words from where the frame pointer is saved, as
 * the two are neighbours however large the frame is; from CFA + 8 * fp_words, if the frame pointer is not saved; or from the
 * CFA, if it is saved at fp. */
struct cfi_rule {
	uint8_t cfa_kind : 4, fp_kind : 3;
	uint8_t ra_in_link : 1; /* it is still in the link register */
	int8_t ra_words;
	int16_t fp_words;
	int32_t cfa_offset;
};
_Static_assert(sizeof(struct cfi_rule) == 8, "fits one word of the cache in unwind.c");

struct cfi_rule cfi_lookup(uintptr_t address);

#pragma GCC visibility pop
#endif
