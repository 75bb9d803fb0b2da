/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/type_name.h"

#include <ctype.h>
#include <string.h>

/* What runtime.convT… allocates: src/runtime/iface.go. The elements of a boxed slice are not known there. */
static const struct {
	const char *runtime, *name;
} boxed[] = {
	{"runtime.uint16InterfacePtr", "uint16"}, {"runtime.uint32InterfacePtr", "uint32"},
	{"runtime.uint64InterfacePtr", "uint64"}, {"runtime.stringInterfacePtr", "string"},
	{"runtime.sliceInterfacePtr", "[]..."},
};

static const char shape[] = "go.shape.";

enum { SHAPE_LENGTH = sizeof(shape) - 1, HASH_MIN = 32 };

struct writer {
	char *text;
	size_t size, length;
};

static void put(struct writer *writer, const char *from, size_t length)
{
	size_t room = writer->size - 1 - writer->length;

	length = length < room ? length : room;
	memcpy(writer->text + writer->length, from, length);
	writer->length += length;
}

/* Long shapes are named by a hash of theirs, which says nothing. */
static size_t hash_length(const char *name)
{
	size_t length = strspn(name, "0123456789abcdef");

	return length >= HASH_MIN && !isalnum((unsigned char)name[length]) ? length : 0;
}

/* Go 1.18 to 1.20 number shapes: go.shape.int_0. The length of such a number at `at`, inside of a shape. */
static size_t number_length(const char *at)
{
	size_t digits = *at == '_' ? strspn(at + 1, "0123456789") : 0;
	char behind = digits ? at[1 + digits] : 'x';

	return behind == ']' || behind == ',' || behind == 0 ? 1 + digits : 0;
}

bool type_name_for_people(const char *type, char *text, size_t size)
{
	struct writer writer = {text, size, 0};
	bool in_shape = false;

	for (size_t i = 0; i < sizeof(boxed) / sizeof(boxed[0]); i++) {
		if (strcmp(type, boxed[i].runtime) == 0) {
			put(&writer, boxed[i].name, strlen(boxed[i].name));
			text[writer.length] = 0;
			return true;
		}
	}
	if (!strstr(type, shape))
		return false;
	while (*type) {
		size_t skipped = in_shape ? number_length(type) : 0;

		if (strncmp(type, shape, SHAPE_LENGTH) == 0) {
			type += SHAPE_LENGTH;
			in_shape = true;
			if ((skipped = hash_length(type)))
				put(&writer, "...", 3);
			type += skipped;
		} else if (skipped) {
			type += skipped;
		} else {
			put(&writer, type++, 1);
		}
	}
	text[writer.length] = 0;
	return true;
}
