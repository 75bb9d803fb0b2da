/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/code_walk.h"

#include <elf.h>
#include <string.h>

#include "runtime/amd64.h"
#include "runtime/arm64.h"

enum { RAX = 0, RSP = 4, RDI = 7, ARM64_LENGTH = 4 };

enum { CODE_MAX = 1 << 20 }; /* bytes of a function that are looked at: those of interest have some thousand */

bool code_walk_start(const struct go_binary *binary, const struct go_function *function, struct code_walk *walk)
{
	memset(walk, 0, sizeof(*walk));
	walk->machine = binary->image.machine;
	walk->step.address = function->entry;
	walk->size = function->end - function->entry < CODE_MAX ? function->end - function->entry : CODE_MAX;
	walk->code = go_image_at(&binary->image, function->entry, walk->size);
	return walk->code != NULL;
}

bool code_walk_start_named(const struct go_binary *binary, const char *name, struct code_walk *walk)
{
	struct go_function function;

	return gopclntab_function_named(binary->symbols, name, &function) && code_walk_start(binary, &function, walk);
}

static bool is(const struct amd64_instruction *instruction, enum amd64_map map, uint8_t opcode)
{
	return instruction->map == map && instruction->opcode == opcode;
}

/* Whether an instruction may precede the branch of the stack check: lea or mov of the stack pointer into r12, sub, cmp,
 * and for very large frames a first branch for a stack pointer that wrapped around. */
static bool may_precede_check(const struct amd64_instruction *instruction)
{
	static const uint8_t opcodes[] = {
		AMD64_CMP_GV_EV,     AMD64_CMP_EV_GV,	  AMD64_LEA_GV_M,  AMD64_MOV_EV_GV, AMD64_MOV_GV_EV,
		AMD64_GROUP_1_EV_IZ, AMD64_GROUP_1_EV_IB, AMD64_SUB_GV_EV, AMD64_JB_JB,	    AMD64_NOP};

	if (instruction->map == AMD64_0F)
		return instruction->opcode == AMD64_0F_JB_JZ || instruction->opcode == AMD64_0F_NOP_EV;
	if (instruction->map != AMD64_ONE_BYTE)
		return false;
	return memchr(opcodes, instruction->opcode, sizeof(opcodes)) != NULL &&
	       !(instruction->has_modrm &&
		 (instruction->opcode == AMD64_GROUP_1_EV_IZ || instruction->opcode == AMD64_GROUP_1_EV_IB) &&
		 amd64_base(instruction) == RSP);
}

static enum code_kind kind_of_memory(const struct amd64_instruction *instruction)
{
	if (instruction->map == AMD64_0F)
		return instruction->opcode == AMD64_0F_MOVZX_GV_EW  ? CODE_LOAD
		       : instruction->opcode == AMD64_0F_XADD_EV_GV ? CODE_EXCHANGE_ADD
								    : CODE_OTHER;
	if (instruction->map != AMD64_ONE_BYTE)
		return CODE_OTHER;
	switch (instruction->opcode) {
	case AMD64_MOV_GV_EV:
		return CODE_LOAD;
	case AMD64_MOV_EV_GV:
		return CODE_STORE;
	case AMD64_MOV_EV_IZ:
		return instruction->immediate == 0 ? CODE_STORE_ZERO : CODE_OTHER;
	case AMD64_LEA_GV_M:
		return instruction->rip_relative ? CODE_ADDRESS : CODE_OTHER;
	case AMD64_GROUP_1_EV_IB:
		return instruction->rip_relative && amd64_extension(instruction) == AMD64_ADD ? CODE_ADD_TO
											      : CODE_OTHER;
	default:
		return CODE_OTHER;
	}
}

static enum code_kind kind_of_other(const struct amd64_instruction *instruction)
{
	if (is(instruction, AMD64_ONE_BYTE, AMD64_JBE_JB) || is(instruction, AMD64_0F, AMD64_0F_JBE_JZ))
		return CODE_STACK_BRANCH;
	if (instruction->map != AMD64_ONE_BYTE)
		return CODE_OTHER;
	switch (instruction->opcode) {
	case AMD64_CALL_JZ:
		return CODE_CALL;
	case AMD64_PUSH_RBP:
		return instruction->rex & AMD64_REX_B ? CODE_OTHER : CODE_SAVE_FRAME;
	case AMD64_GROUP_5_EV: /* call rdi */
		return amd64_extension(instruction) == AMD64_CALL && amd64_base(instruction) == RDI ? CODE_CALL_CLOSURE
												    : CODE_OTHER;
	case AMD64_GROUP_2_EV_IB:
		return amd64_extension(instruction) == AMD64_SHL ? CODE_SHIFT_LEFT : CODE_OTHER;
	default:
		return CODE_OTHER;
	}
}

static bool amd64_step(struct code_walk *walk)
{
	struct amd64_instruction instruction;
	struct code_step *step = &walk->step;
	int64_t distance;

	if (!amd64_decode(walk->code + walk->at, walk->size - walk->at, &instruction))
		return false;
	step->length = instruction.length;
	step->may_precede_check = may_precede_check(&instruction);
	step->displacement = instruction.displacement;
	step->immediate = instruction.immediate;
	if (amd64_is_memory(&instruction)) {
		step->kind = kind_of_memory(&instruction);
		step->reg = (uint8_t)amd64_reg(&instruction);
		step->base = (uint8_t)amd64_base(&instruction);
		step->on_stack = !instruction.rip_relative && step->base == RSP;
		step->indexed = instruction.has_sib;
		step->bytes = is(&instruction, AMD64_0F, AMD64_0F_MOVZX_GV_EW) || instruction.operand_16 ? 2
			      : instruction.rex & AMD64_REX_W						 ? 8
													 : 4;
	} else {
		step->kind = kind_of_other(&instruction);
	}
	distance = instruction.rip_relative ? instruction.displacement : instruction.immediate;
	if (instruction.rip_relative || step->kind == CODE_CALL)
		step->target = step->address + step->length + (uint64_t)distance;
	return true;
}

bool code_walk_next(struct code_walk *walk)
{
	uint64_t address = walk->step.address + walk->step.length;

	walk->at += walk->step.length;
	walk->step = (struct code_step){.address = address};
	if (walk->at >= walk->size)
		return false;
	if (walk->machine == EM_X86_64)
		return amd64_step(walk);
	if (walk->size - walk->at < ARM64_LENGTH)
		return false;
	walk->step.length = ARM64_LENGTH;
	arm64_step(walk);
	return true;
}
