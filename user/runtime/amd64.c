/* SPDX-License-Identifier: BSD-2-Clause */
/* Opcode maps: Intel's Software Developer's Manual, volume 2, appendix A, 64-bit mode. */
#include "runtime/amd64.h"

#include <string.h>

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

static unsigned one_byte_shape(uint8_t opcode)
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

static unsigned two_byte_shape(uint8_t opcode)
{
	static const char bare[] = {0x05, 0x06,	      0x07,	  0x08,	      0x09,	  0x0b,	      0x0e,
				    0x30, 0x31,	      0x32,	  0x33,	      0x34,	  0x35,	      0x37,
				    0x77, (char)0xa0, (char)0xa1, (char)0xa2, (char)0xa8, (char)0xa9, (char)0xaa};
	static const char byte[] = {0x70,	0x71,	    0x72,	0x73,	    (char)0xa4, (char)0xac,
				    (char)0xba, (char)0xc2, (char)0xc4, (char)0xc5, (char)0xc6};

	if (opcode >= 0x80 && opcode <= 0x8f)
		return IZ;
	if (in(opcode, bare, sizeof(bare)) || (opcode >= 0xc8 && opcode <= 0xcf))
		return NONE;
	return in(opcode, byte, sizeof(byte)) ? M_I8 : M;
}

static unsigned shape_of(const struct amd64_instruction *instruction)
{
	switch (instruction->map) {
	case AMD64_ONE_BYTE:
		return one_byte_shape(instruction->opcode);
	case AMD64_0F:
		return two_byte_shape(instruction->opcode);
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
	static const char prefixes[] = {0x26, 0x2e, 0x36,	0x3e,	    0x64,      0x65,
					0x66, 0x67, (char)0xf0, (char)0xf2, (char)0xf3};

	return in(byte, prefixes, sizeof(prefixes));
}

/* Reads prefixes and opcode. */
static void read_opcode(struct cursor *cursor, struct amd64_instruction *instruction)
{
	uint8_t byte = next(cursor);

	while (is_prefix(byte)) {
		instruction->operand_16 |= byte == 0x66;
		byte = next(cursor);
	}
	if (byte == 0xc5) { /* two-byte VEX */
		next(cursor);
		instruction->map = AMD64_0F;
		byte = next(cursor);
	} else if (byte == 0xc4) { /* three-byte VEX */
		instruction->map = next(cursor) & 0x1f;
		next(cursor);
		byte = next(cursor);
	} else if (byte == 0x62) { /* EVEX */
		instruction->map = next(cursor) & 7;
		next(cursor);
		next(cursor);
		byte = next(cursor);
	} else {
		if ((byte & 0xf0) == 0x40) {
			instruction->rex = byte;
			byte = next(cursor);
		}
		if (byte == 0x0f) {
			instruction->map = AMD64_0F;
			byte = next(cursor);
			if (byte == 0x38 || byte == 0x3a) {
				instruction->map = byte == 0x38 ? AMD64_0F38 : AMD64_0F3A;
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
	if (mode == 3)
		return;
	if (memory == 4) {
		instruction->has_sib = true;
		instruction->sib = next(cursor);
	}
	instruction->rip_relative = mode == 0 && memory == 5;
	if (mode == 1)
		instruction->displacement = (int32_t)number(cursor, 1);
	else if (mode == 2 || instruction->rip_relative ||
		 (mode == 0 && instruction->has_sib && (instruction->sib & 7) == 5))
		instruction->displacement = (int32_t)number(cursor, 4);
}

static unsigned immediate_size(const struct amd64_instruction *instruction, unsigned shape)
{
	bool branch = (instruction->map == AMD64_ONE_BYTE && (instruction->opcode | 1) == 0xe9) ||
		      (instruction->map == AMD64_0F && (instruction->opcode & 0xf0) == 0x80);

	/* `test r/m, imm` shares its opcode with not, neg, mul and div, which have no immediate */
	if (instruction->map == AMD64_ONE_BYTE && (instruction->opcode | 1) == 0xf7 &&
	    (instruction->modrm >> 3 & 7) < 2)
		shape = instruction->opcode == 0xf6 ? I8 : IZ;
	switch (shape & 7) {
	case I8:
		return 1;
	case I16:
		return 2;
	case IZ:
		if (instruction->map == AMD64_ONE_BYTE && (instruction->opcode & 0xf8) == 0xb8 &&
		    (instruction->rex & 8))
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
	struct cursor cursor = {.code = code, .size = size < 15 ? size : 15};
	unsigned shape;

	memset(instruction, 0, sizeof(*instruction));
	read_opcode(&cursor, instruction);
	if (instruction->map == AMD64_ONE_BYTE && instruction->opcode == 0xc8) { /* enter imm16, imm8 */
		number(&cursor, 3);
	} else {
		shape = shape_of(instruction);
		if (shape == BAD)
			return false;
		if (shape & M)
			read_operand(&cursor, instruction);
		instruction->immediate = number(&cursor, immediate_size(instruction, shape));
	}
	instruction->length = (uint8_t)cursor.at;
	return !cursor.failed;
}
