/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/arm64.h"

#include <string.h>

#include "base/unaligned.h"

enum {
	G = 28,
	FRAME = 29,
	CLOSURE = 26,
	STACK = 31, /* as a base; as another operand it is the register that is 0 */
	LOWER = 3,
	LOWER_OR_SAME = 9,
};

/* Bits `low` to `low + width - 1`. */
static uint32_t field(uint32_t word, unsigned low, unsigned width)
{
	return word >> low & ((UINT32_C(1) << width) - 1);
}

static int64_t signed_field(uint32_t word, unsigned low, unsigned width)
{
	int64_t value = field(word, low, width);

	return value - ((value >> (width - 1)) << width);
}

static bool matches(uint32_t word, uint32_t mask, uint32_t bits)
{
	return (word & mask) == bits;
}

/* The memory operand: where the code before tells what the base is, also the address. */
static void set_memory(struct code_walk *walk, uint32_t word, int64_t displacement)
{
	struct code_step *step = &walk->step;

	step->base = (uint8_t)field(word, 5, 5);
	step->reg = (uint8_t)field(word, 0, 5);
	step->on_stack = step->base == STACK;
	step->displacement = (int32_t)displacement;
	if (!step->on_stack && walk->held[step->base])
		step->target = walk->held[step->base] + (uint64_t)displacement;
}

/* A field of what the first argument or result points to, whose address has been computed before. */
static void set_beyond(struct code_walk *walk)
{
	struct code_step *step = &walk->step;

	if (step->on_stack || !walk->beyond[step->base])
		return;
	step->displacement = (int32_t)walk->beyond[step->base];
	step->base = CODE_RESULT;
}

/* Loads and stores of one register, by a displacement or an index. */
static bool take_single(struct code_walk *walk, uint32_t word)
{
	const unsigned size = word >> 30, operation = field(word, 22, 2);
	struct code_step *step = &walk->step;

	if (matches(word, 0x3f000000, 0x39000000)) {
		set_memory(walk, word, (int64_t)field(word, 10, 12) << size);
	} else if (matches(word, 0x3f200c00, 0x38000000)) {
		set_memory(walk, word, signed_field(word, 12, 9));
	} else if (matches(word, 0x3f200c00, 0x38200800)) {
		set_memory(walk, word, 0);
		step->target = 0;
		step->indexed = true;
		set_beyond(walk);
	} else {
		return false;
	}
	step->bytes = (uint8_t)(1 << size);
	step->kind = operation ? CODE_LOAD : step->reg == STACK ? CODE_STORE_ZERO : CODE_STORE;
	if (operation && step->reg == FRAME && step->base == G)
		step->kind = CODE_RESTORE_FRAME;
	step->may_precede_check = operation && step->base == G;
	return true;
}

/* Loads and stores of two registers; atomic loads and additions. */
static bool take_other_memory(struct code_walk *walk, uint32_t word)
{
	struct code_step *step = &walk->step;

	if (matches(word, 0xbffffc00, 0x88dffc00)) {
		set_memory(walk, word, 0);
		step->bytes = field(word, 30, 1) ? 8 : 4;
		step->acquires = true;
		step->kind = CODE_LOAD;
		return true;
	}
	if (matches(word, 0xbfe0fc00, 0xb8e00000)) { /* ldaddal */
		set_memory(walk, word, 0);
		set_beyond(walk);
		step->kind = CODE_EXCHANGE_ADD;
		return true;
	}
	if (!matches(word, 0xff800000, 0xa9000000)) /* 64 bits, no write back */
		return false;
	set_memory(walk, word, signed_field(word, 15, 7) * 8);
	step->bytes = 8;
	step->pair = true;
	step->kind = field(word, 22, 1) ? CODE_LOAD : CODE_STORE;
	return true;
}

/* adrp, and the addition that completes an address. */
static bool take_address(struct code_walk *walk, uint32_t word, uint64_t *result)
{
	struct code_step *step = &walk->step;
	const unsigned source = field(word, 5, 5);

	if (matches(word, 0x9f000000, 0x90000000)) {
		int64_t pages = signed_field(word, 5, 19) * 4 + field(word, 29, 2);

		*result = (step->address & ~UINT64_C(0xfff)) + (uint64_t)pages * 4096;
		return true;
	}
	if (!matches(word, 0xff800000, 0x91000000) || source == STACK || !walk->held[source])
		return false;
	*result = walk->held[source] + ((uint64_t)field(word, 10, 12) << (field(word, 22, 1) ? 12 : 0));
	step->kind = CODE_ADDRESS;
	step->reg = (uint8_t)field(word, 0, 5);
	step->target = *result;
	return true;
}

static void take_arithmetic(struct code_walk *walk, uint32_t word)
{
	struct code_step *step = &walk->step;
	const unsigned source = field(word, 5, 5), rotation = field(word, 16, 6);

	if (matches(word, 0x7fc00000, 0x11000000) && walk->loaded[source]) {
		step->kind = CODE_ADD_TO;
		step->target = walk->loaded[source];
		step->immediate = field(word, 10, 12);
	} else if (matches(word, 0xffc00000, 0xd3400000) && field(word, 10, 6) < rotation) {
		step->kind = CODE_SHIFT_LEFT;
		step->immediate = 64 - rotation;
	} else if (matches(word, 0xffe00000, 0x8b000000) && field(word, 10, 6)) {
		step->kind = CODE_SHIFT_LEFT; /* of an addend */
		step->immediate = field(word, 10, 6);
	}
	/* sub and cmp of the stack pointer, and the constant of a large frame; not what makes a frame */
	step->may_precede_check = (matches(word, 0xdf800000, 0xd1000000) && field(word, 0, 5) != STACK) ||
				  matches(word, 0xff00001f, 0xeb00001f) || matches(word, 0x1f800000, 0x12800000) ||
				  (matches(word, 0xdfe00000, 0xcb200000) && field(word, 0, 5) != STACK);
}

static bool take_branch(struct code_walk *walk, uint32_t word)
{
	struct code_step *step = &walk->step;

	if (matches(word, 0xff000010, 0x54000000)) {
		if (field(word, 0, 4) == LOWER_OR_SAME)
			step->kind = CODE_STACK_BRANCH;
		step->may_precede_check = field(word, 0, 4) == LOWER;
	} else if (matches(word, 0xfc000000, 0x94000000)) {
		step->kind = CODE_CALL;
		step->target = step->address + (uint64_t)(signed_field(word, 0, 26) * 4);
	} else if (matches(word, 0xfffffc1f, 0xd63f0000)) {
		/* ldr register, [closure]; blr register */
		if (matches(walk->previous, 0xffffffe0, 0xf9400000 | CLOSURE << 5) &&
		    field(walk->previous, 0, 5) == field(word, 5, 5))
			step->kind = CODE_CALL_CLOSURE;
	} else {
		return false;
	}
	return true;
}

void arm64_step(struct code_walk *walk)
{
	const uint32_t word = load_u32(walk->code + walk->at);
	const unsigned written = field(word, 0, 5);
	struct code_step *step = &walk->step;
	uint64_t result = 0;

	if (take_branch(walk, word)) {
		if (matches(word, 0xfc000000, 0x94000000) || matches(word, 0xfffffc1f, 0xd63f0000)) {
			memset(walk->held, 0, sizeof(walk->held));
			memset(walk->loaded, 0, sizeof(walk->loaded));
			memset(walk->beyond, 0, sizeof(walk->beyond));
		}
	} else {
		if (!take_single(walk, word) && !take_other_memory(walk, word) && !take_address(walk, word, &result))
			take_arithmetic(walk, word);
		/* Nearly every other instruction writes the register of these bits, and a store that does not loses nothing. */
		walk->held[written] = result;
		walk->beyond[written] = !result && matches(word, 0xffc003e0, 0x91000000) ? field(word, 10, 12) : 0;
		walk->loaded[written] = step->kind == CODE_LOAD && step->bytes == 4 ? step->target : 0;
		if (step->pair)
			walk->held[field(word, 10, 5)] = walk->loaded[field(word, 10, 5)] = 0;
	}
	walk->previous = word;
}
