/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AMD64_H
#define ESCAPEMENT_AMD64_H

/*
 * As much of an x86-64 decoder as is needed to walk through compiled code: the lengths of all instructions, and the
 * operands of the few that matter; code_walk.c says what these do. Pure functions.
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

/* Opcodes with their operands, by Intel's names: E register or memory, G register, I immediate, J relative, M memory; b, w,
 * v and z their sizes. */
enum {
	AMD64_SUB_GV_EV = 0x2b,
	AMD64_CMP_EV_GV = 0x39,
	AMD64_CMP_GV_EV = 0x3b,
	AMD64_PUSH_RBP = 0x55,
	AMD64_JB_JB = 0x72,
	AMD64_JBE_JB = 0x76,
	AMD64_GROUP_1_EV_IZ = 0x81, /* add, or, …, sub, cmp: by amd64_extension() */
	AMD64_GROUP_1_EV_IB = 0x83,
	AMD64_MOV_EV_GV = 0x89,
	AMD64_MOV_GV_EV = 0x8b,
	AMD64_LEA_GV_M = 0x8d,
	AMD64_NOP = 0x90,
	AMD64_GROUP_2_EV_IB = 0xc1, /* rotations and shifts */
	AMD64_MOV_EV_IZ = 0xc7,
	AMD64_CALL_JZ = 0xe8,
	AMD64_JMP_JZ = 0xe9,
	AMD64_GROUP_5_EV = 0xff, /* inc, dec, call, jmp, push */
	/* AMD64_0F */
	AMD64_0F_NOP_EV = 0x1f,
	AMD64_0F_JB_JZ = 0x82,
	AMD64_0F_JBE_JZ = 0x86,
	AMD64_0F_MOVZX_GV_EW = 0xb7,
	AMD64_0F_XADD_EV_GV = 0xc1,
};

/* amd64_extension() of members of groups. */
enum { AMD64_ADD = 0, AMD64_CALL = 2, AMD64_SHL = 4 };

enum { AMD64_REX_B = 1, AMD64_REX_X = 2, AMD64_REX_R = 4, AMD64_REX_W = 8 };

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

/* ModRM.reg, which says which instruction of a group it is. */
static inline unsigned amd64_extension(const struct amd64_instruction *instruction)
{
	return instruction->modrm >> 3 & 7;
}

/* Register numbers of the operands, extended by REX: 0 rax 1 rcx 2 rdx 3 rbx 4 rsp 5 rbp … */
static inline unsigned amd64_reg(const struct amd64_instruction *instruction)
{
	return amd64_extension(instruction) | (instruction->rex & AMD64_REX_R) << 1;
}

static inline unsigned amd64_base(const struct amd64_instruction *instruction)
{
	unsigned low = instruction->has_sib ? instruction->sib & 7 : instruction->modrm & 7;

	return low | (instruction->rex & AMD64_REX_B) << 3;
}

static inline bool amd64_is_memory(const struct amd64_instruction *instruction)
{
	return instruction->has_modrm && instruction->modrm >> 6 != 3;
}

#endif
