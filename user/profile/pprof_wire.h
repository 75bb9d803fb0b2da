/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PPROF_WIRE_H
#define ESCAPEMENT_PPROF_WIRE_H

/*
 * Protobuf's wire format (protobuf.dev/programming-guides/encoding), as far as needed to split a profile into fields
 * and to write its samples. Never reads beyond the end of the bytes that it is given.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WIRE_VARINT, WIRE_8_BYTES, WIRE_BYTES, WIRE_4_BYTES = 5 };
enum { WIRE_VARINT_MAX = 10, WIRE_HEADER_MAX = 2 * WIRE_VARINT_MAX };

#define WIRE_TAG(field, wire) ((field) << 3 | (wire))

struct wire_bytes {
	const uint8_t *next, *end;
};

static inline bool wire_take_varint(struct wire_bytes *bytes, uint64_t *value)
{
	*value = 0;
	for (int shift = 0; shift < 7 * WIRE_VARINT_MAX && bytes->next < bytes->end; shift += 7) {
		uint8_t byte = *bytes->next++;

		*value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

struct wire_field {
	uint64_t number;
	int wire;
	uint64_t value;		   /* WIRE_VARINT */
	uint64_t length;	   /* of what follows the header */
	struct wire_bytes content; /* WIRE_BYTES */
};

/* Reads the field's header: everything before its content. */
static inline bool wire_take_header(struct wire_bytes *bytes, struct wire_field *field)
{
	uint64_t tag;

	if (!wire_take_varint(bytes, &tag) || tag >> 3 == 0 || tag >> 3 > INT32_MAX >> 2)
		return false;
	field->number = tag >> 3;
	field->wire = (int)(tag & 7);
	field->value = 0;
	field->length = field->wire == WIRE_8_BYTES ? 8 : field->wire == WIRE_4_BYTES ? 4 : 0;
	switch (field->wire) {
	case WIRE_VARINT:
		return wire_take_varint(bytes, &field->value);
	case WIRE_BYTES:
		return wire_take_varint(bytes, &field->length);
	default:
		return field->length != 0;
	}
}

static inline bool wire_take_field(struct wire_bytes *bytes, struct wire_field *field)
{
	if (!wire_take_header(bytes, field) || field->length > (uint64_t)(bytes->end - bytes->next))
		return false;
	field->content = (struct wire_bytes){bytes->next, bytes->next + field->length};
	bytes->next += field->length;
	return true;
}

/* Stores the numbers of a message, `numbers[i]` that of field i; those after `last` are skipped. Returns false if the
 * message is malformed. */
static inline bool wire_take_numbers(struct wire_bytes message, uint64_t *numbers, uint64_t last)
{
	struct wire_field field;

	while (message.next < message.end) {
		if (!wire_take_field(&message, &field))
			return false;
		if (field.number > last)
			continue;
		if (field.wire != WIRE_VARINT)
			return false;
		numbers[field.number] = field.value;
	}
	return true;
}

static inline uint8_t *wire_put_varint(uint8_t *to, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*to++ = (uint8_t)(value | 0x80);
	*to++ = (uint8_t)value;
	return to;
}

static inline size_t wire_varint_bytes(uint64_t value)
{
	return (size_t)(70 - __builtin_clzll(value | 1)) / 7;
}

/* Writes a field whose number is at most 15. Omits 0, the default of a missing field. */
static inline uint8_t *wire_put_number(uint8_t *to, int field, int64_t value)
{
	if (!value)
		return to;
	*to++ = (uint8_t)WIRE_TAG(field, WIRE_VARINT);
	return wire_put_varint(to, (uint64_t)value);
}

#endif
