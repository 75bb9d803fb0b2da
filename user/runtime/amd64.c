/* SPDX-License-Identifier: BSD-2-Clause */
/* Opcode maps: Intel's Software Developer's Manual, volume 2, appendix A, 64-bit mode. */
#include "runtime/amd64.h"

#include <string.h>

enum {
	LENGTH_MAX = 15, /* of an instruction */
	/* Prefixes, and bytes that choose an opcode map. */
	SEGMENT_ES = 0x26,
	SEGMENT_CS = 0x2e,
	SEGMENT_SS = 0x36,
	SEGMENT_DS = 0x3e,
	SEGMENT_FS = 0x64,
	SEGMENT_GS = 0x65,
	OPERAND_SIZE = 0x66,
	ADDRESS_SIZE = 0x67,
	LOCK = 0xf0,
	REPNE = 0xf2,
	REP = 0xf3,
	REX = 0x40, /* to 0x4f */
	EVEX = 0x62,
	VEX_3 = 0xc4,
	VEX_2 = 0xc5,
	ESCAPE_0F = 0x0f,
	ESCAPE_38 = 0x38, /* after 0F, as the next */
	ESCAPE_3A = 0x3a,
	/* Opcodes whose operands are not those of their place in the maps. */
	MOV_ZV_IV = 0xb8, /* to 0xbf */
	ENTER_IW_IB = 0xc8,
	GROUP_3_EB = 0xf6,
	GROUP_3_EV = 0xf7,
	JCC_JZ = 0x80, /* 0F 80 to 0F 8F */
	BSWAP = 0xc8,  /* 0F C8 to 0F CF */
	/* ModRM.mod, ModRM.rm and SIB.base. */
	MOD_INDIRECT = 0,
	MOD_DISP8 = 1,
	MOD_DISP32 = 2,
	MOD_REGISTER = 3,
	RM_SIB = 4,
	RM_RIP = 5,
	SIB_NO_BASE = 5,
};

struct cursor {
	const uint8_t *code;
	size_t size, at;
	bool failed;
};

static uint8_t next(struct cursor *cursor)
{
	if (cursor->at >= cursor->size) {
		cursor->failed = true;
		return 0;
	}
	return cursor->code[cursor->at++];
}

/* Reads a little-endian signed number of 0, 1, 2, 4 or 8 bytes. */
static int64_t number(struct cursor *cursor, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)next(cursor) << (8 * i);
	if (bytes > 0 && bytes < 8 && value >> (8 * bytes - 1))
		value |= ~0ULL << (8 * bytes);
	return (int64_t)value;
}

/* Immediate bytes of one-byte opcodes. IZ: 2 or 4 bytes, depending on the operand size. M: has a ModRM byte. */
enum { NONE = 0, I8 = 1, I16 = 2, IZ = 3, I64 = 4, BAD = 5, M = 8, M_I8 = M | I8, M_IZ = M | IZ };

static unsigned one_byte_operands(uint8_t opcode)
{
	static const uint8_t high[] = {
		/* 60 */ BAD,
		BAD,
		BAD,
		M,
		BAD,
		BAD,
		BAD,
		BAD,
		IZ,
		M_IZ,
		I8,
		M_I8,
		NONE,
		NONE,
		NONE,
		NONE,
		/* 70 */ I8,
		I8,
		I8,
		I8,
		I8,
		I8,
		I8,
		I8,
		I8,
		I8,
		I8,
		I8,
		I8,
		I8,
		I8,
		I8,
		/* 80 */ M_I8,
		M_IZ,
		BAD,
		M_I8,
		M,
		M,
		M,
		M,
		M,
		M,
		M,
		M,
		M,
		M,
		M,
		M,
		/* 90 */ NONE,
		NONE,
		NONE,
		NONE,
		NONE,
		NONE,
		NONE,
		NONE,
		NONE,
		NONE,
		BAD,
		NONE,
		NONE,
		NONE,
		NONE,
		NONE,
		/* a0 */ I64,
		I64,
		I64,
		I64,
		NONE,
		NONE,
		NONE,
		NONE,
		I8,
		IZ,
		NONE,
		NONE,
		NONE,
		NONE,
		NONE,
		NONE,
		/* b0 */ I8,
		I8,
		I8,
		I8,
		I8,
		I8,
		I8,
		I8,
		IZ,
		IZ,
		IZ,
		IZ,
		IZ,
		IZ,
		IZ,
		IZ,
		/* c0 */ M_I8,
		M_I8,
		I16,
		NONE,
		BAD,
		BAD,
		M_I8,
		M_IZ,
		BAD,
		NONE,
		I16,
		NONE,
		NONE,
		I8,
		BAD,
		NONE,
		/* d0 */ M,
		M,
		M,
		M,
		BAD,
		BAD,
		BAD,
		NONE,
		M,
		M,
		M,
		M,
		M,
		M,
		M,
		M,
		/* e0 */ I8,
		I8,
		I8,
		I8,
		I8,
		I8,
		I8,
		I8,
		IZ,
		IZ,
		BAD,
		I8,
		NONE,
		NONE,
		NONE,
		NONE,
		/* f0 */ BAD,
		NONE,
		BAD,
		BAD,
		NONE,
		NONE,
		M,
		M,
		NONE,
		NONE,
		NONE,
		NONE,
		NONE,
		NONE,
		M,
		M,
	};

	if (opcode >= 0x60)
		return high[opcode - 0x60];
	if (opcode >= 0x50)
		return NONE;
	if (opcode >= 0x40)
		return BAD;
	switch (opcode & 7) {
	case 4:
		return I8;
	case 5:
		return IZ;
	case 6:
	case 7:
		return BAD;
	default:
		return M;
	}
}

static bool in(uint8_t opcode, const char *list, size_t count)
{
	return memchr(list, opcode, count) != NULL;
}

static bool is_jcc_jz(unsigned map, uint8_t opcode)
{
	return map == AMD64_0F && (opcode & 0xf0) == JCC_JZ;
}

static unsigned two_byte_operands(uint8_t opcode)
{
	/* syscall, clts, sysret, invd, wbinvd, ud2, femms; wrmsr, rdtsc, rdmsr, rdpmc, sysenter, sysexit, getsec; emms; push
	 * and pop fs, cpuid, push and pop gs, rsm */
	static const char bare[] =
		"\x05\x06\x07\x08\x09\x0b\x0e\x30\x31\x32\x33\x34\x35\x37\x77\xa0\xa1\xa2\xa8\xa9\xaa";
	/* pshuf, three groups of vector shifts; shld, shrd, group 8 (bt), cmpps, pinsrw, pextrw, shufps */
	static const char byte[] = "\x70\x71\x72\x73\xa4\xac\xba\xc2\xc4\xc5\xc6";

	if (is_jcc_jz(AMD64_0F, opcode))
		return IZ;
	if (in(opcode, bare, sizeof(bare) - 1) || (opcode & 0xf8) == BSWAP)
		return NONE;
	return in(opcode, byte, sizeof(byte) - 1) ? M_I8 : M;
}

static unsigned operands_of(const struct amd64_instruction *instruction)
{
	switch (instruction->map) {
	case AMD64_ONE_BYTE:
		return one_byte_operands(instruction->opcode);
	case AMD64_0F:
		return two_byte_operands(instruction->opcode);
	case AMD64_0F38:
		return M;
	case AMD64_0F3A:
		return M_I8;
	default:
		return BAD;
	}
}

static bool is_prefix(uint8_t byte)
{
	static const uint8_t prefixes[] = {SEGMENT_ES,	 SEGMENT_CS,   SEGMENT_SS, SEGMENT_DS, SEGMENT_FS, SEGMENT_GS,
					   OPERAND_SIZE, ADDRESS_SIZE, LOCK,	   REPNE,      REP};

	return memchr(prefixes, byte, sizeof(prefixes)) != NULL;
}

/* Reads prefixes and opcode. */
static void read_opcode(struct cursor *cursor, struct amd64_instruction *instruction)
{
	uint8_t byte = next(cursor);

	while (is_prefix(byte)) {
		instruction->operand_16 |= byte == OPERAND_SIZE;
		byte = next(cursor);
	}
	if (byte == VEX_2) {
		next(cursor);
		instruction->map = AMD64_0F;
		byte = next(cursor);
	} else if (byte == VEX_3) {
		instruction->map = next(cursor) & 0x1f;
		next(cursor);
		byte = next(cursor);
	} else if (byte == EVEX) {
		instruction->map = next(cursor) & 7;
		next(cursor);
		next(cursor);
		byte = next(cursor);
	} else {
		if ((byte & 0xf0) == REX) {
			instruction->rex = byte;
			byte = next(cursor);
		}
		if (byte == ESCAPE_0F) {
			instruction->map = AMD64_0F;
			byte = next(cursor);
			if (byte == ESCAPE_38 || byte == ESCAPE_3A) {
				instruction->map = byte == ESCAPE_38 ? AMD64_0F38 : AMD64_0F3A;
				byte = next(cursor);
			}
		}
	}
	instruction->opcode = byte;
}

static void read_operand(struct cursor *cursor, struct amd64_instruction *instruction)
{
	unsigned mode, memory;

	instruction->has_modrm = true;
	instruction->modrm = next(cursor);
	mode = instruction->modrm >> 6;
	memory = instruction->modrm & 7;
	if (mode == MOD_REGISTER)
		return;
	if (memory == RM_SIB) {
		instruction->has_sib = true;
		instruction->sib = next(cursor);
	}
	instruction->rip_relative = mode == MOD_INDIRECT && memory == RM_RIP;
	if (mode == MOD_DISP8)
		instruction->displacement = (int32_t)number(cursor, 1);
	else if (mode == MOD_DISP32 || instruction->rip_relative ||
		 (mode == MOD_INDIRECT && instruction->has_sib && (instruction->sib & 7) == SIB_NO_BASE))
		instruction->displacement = (int32_t)number(cursor, 4);
}

static unsigned immediate_size(const struct amd64_instruction *instruction, unsigned operands)
{
	bool branch = (instruction->map == AMD64_ONE_BYTE && (instruction->opcode | 1) == AMD64_JMP_JZ) ||
		      is_jcc_jz(instruction->map, instruction->opcode);

	/* `test r/m, imm` shares its opcode with not, neg, mul and div, which have no immediate */
	if (instruction->map == AMD64_ONE_BYTE && (instruction->opcode | 1) == GROUP_3_EV &&
	    amd64_extension(instruction) < 2)
		operands = instruction->opcode == GROUP_3_EB ? I8 : IZ;
	switch (operands & 7) {
	case I8:
		return 1;
	case I16:
		return 2;
	case IZ:
		if (instruction->map == AMD64_ONE_BYTE && (instruction->opcode & 0xf8) == MOV_ZV_IV &&
		    (instruction->rex & AMD64_REX_W))
			return 8;
		return instruction->operand_16 && !branch ? 2 : 4;
	case I64:
		return 8;
	default:
		return 0;
	}
}

bool amd64_decode(const uint8_t *code, size_t size, struct amd64_instruction *instruction)
{
	struct cursor cursor = {.code = code, .size = size < LENGTH_MAX ? size : LENGTH_MAX};
	unsigned operands;

	memset(instruction, 0, sizeof(*instruction));
	read_opcode(&cursor, instruction);
	if (instruction->map == AMD64_ONE_BYTE && instruction->opcode == ENTER_IW_IB) {
		number(&cursor, 3);
	} else {
		operands = operands_of(instruction);
		if (operands == BAD)
			return false;
		if (operands & M)
			read_operand(&cursor, instruction);
		instruction->immediate = number(&cursor, immediate_size(instruction, operands));
	}
	instruction->length = (uint8_t)cursor.at;
	return !cursor.failed;
}
