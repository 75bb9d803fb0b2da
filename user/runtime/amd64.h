/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AMD64_H
#define ESCAPEMENT_AMD64_H

/*
 * As much of an x86-64 decoder as is needed to walk through compiled code: the lengths of all instructions, and the
 * operands of the few that matter. Everything specific to amd64 about reading Go's code is here and in go_code.c. Pure
 * functions.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum amd64_map {
	AMD64_ONE_BYTE = 0,
	AMD64_0F = 1,
	AMD64_0F38 = 2,
	AMD64_0F3A = 3,
};

struct amd64_instruction {
	uint8_t length;
	uint8_t map; /* enum amd64_map; VEX and EVEX instructions too */
	uint8_t opcode;
	uint8_t rex;	 /* 0 if there is none */
	bool operand_16; /* has prefix 66 */
	bool has_modrm;
	uint8_t modrm;
	bool has_sib;
	uint8_t sib;
	bool rip_relative;
	int32_t displacement; /* of a memory operand; 0 if there is none */
	int64_t immediate;    /* or the distance of a relative jump or call; 0 if there is none */
};

/* Decodes the instruction at `code`. Returns false if it is invalid, or does not end within `size` bytes. */
bool amd64_decode(const uint8_t *code, size_t size, struct amd64_instruction *instruction);

/* Register numbers of the operands, extended by REX: 0 rax 1 rcx 2 rdx 3 rbx 4 rsp 5 rbp … */
static inline unsigned amd64_reg(const struct amd64_instruction *instruction)
{
	return (instruction->modrm >> 3 & 7) | (instruction->rex & 4) << 1;
}

static inline unsigned amd64_base(const struct amd64_instruction *instruction)
{
	unsigned low = instruction->has_sib ? instruction->sib & 7 : instruction->modrm & 7;

	return low | (instruction->rex & 1) << 3;
}

static inline bool amd64_is_memory(const struct amd64_instruction *instruction)
{
	return instruction->has_modrm && instruction->modrm >> 6 != 3;
}

#endif
