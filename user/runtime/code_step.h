/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_CODE_STEP_H
#define ESCAPEMENT_CODE_STEP_H

/* What code_walk.h tells apart, and the state of a walk. */

#include <stdbool.h>
#include <stdint.h>

enum code_kind {
	CODE_OTHER,
	CODE_STACK_BRANCH,  /* branch if below or equal, which ends a stack check */
	CODE_CALL,	    /* of `target` */
	CODE_CALL_CLOSURE,  /* of the code of the closure that systemstack was given */
	CODE_LOAD,	    /* into register `reg` */
	CODE_STORE,	    /* of register `reg` */
	CODE_STORE_ZERO,    /* of the constant 0 */
	CODE_ADDRESS,	    /* register `reg` is `target` now */
	CODE_ADD_TO,	    /* `immediate` is added to the 32 bits at `target` */
	CODE_EXCHANGE_ADD,  /* atomic addition to memory */
	CODE_SHIFT_LEFT,    /* by `immediate` */
	CODE_SAVE_FRAME,    /* the caller's frame pointer is saved */
	CODE_RESTORE_FRAME, /* the frame pointer is loaded from g */
};

enum { CODE_RESULT = 0 }; /* the register of a function's first argument and result */

struct code_step {
	uint64_t address; /* of the instruction */
	enum code_kind kind;
	uint8_t length;
	uint8_t bytes; /* of memory that is loaded or stored: 2, 4, 8 … */
	uint8_t reg, base;
	bool on_stack;		/* the base is the stack pointer */
	bool indexed;		/* the address is that of an element of an array of words */
	bool pair;		/* the word behind is loaded too */
	bool acquires;		/* an atomic load, on machines that have special ones */
	bool may_precede_check; /* may be an instruction of a stack check, before the branch */
	uint64_t target;	/* of a call; the address of memory where the code alone tells it; 0: none */
	int32_t displacement;
	int64_t immediate;
};

enum { CODE_REGISTERS = 32 };

struct code_walk {
	const uint8_t *code;
	uint64_t size, at;
	uint16_t machine; /* of the ELF header */
	struct code_step step;
	/* arm64: addresses that registers hold because of the code before; 0: unknown. And which 32 bits they were loaded from. */
	uint64_t held[CODE_REGISTERS], loaded[CODE_REGISTERS];
	uint32_t beyond
		[CODE_REGISTERS]; /* arm64: how far a register is beyond the first argument or result; 0: unknown */
	uint32_t previous;
};

#endif
