/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/type_name.h"

#include <ctype.h>
#include <string.h>

/* What runtime.convT… allocates: src/runtime/iface.go. Of a boxed slice it is the three words, not the elements. */
static const struct {
	const char *runtime, *name;
} boxed[] = {
	{"runtime.uint16InterfacePtr", "uint16"},      {"runtime.uint32InterfacePtr", "uint32"},
	{"runtime.uint64InterfacePtr", "uint64"},      {"runtime.stringInterfacePtr", "string"},
	{"runtime.sliceInterfacePtr", "slice header"},
};

static const char shape[] = "go.shape.";

/* The shape of all pointers. */
static const char pointer_shape[] = "*uint8";

/* A closure: the function's address, then what it captured. */
static const char closure[] = "struct { F uintptr";

enum { SHAPE_LENGTH = sizeof(shape) - 1, POINTER_LENGTH = sizeof(pointer_shape) - 1, HASH_MIN = 32 };

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

	return strchr("],;)", behind) || (behind == ' ' && at[2 + digits] == '}') ? 1 + digits : 0;
}

/* Writes what `length` bytes of a type mean. */
static void put_type(struct writer *writer, const char *type, size_t length)
{
	const char *const end = type + length;
	bool in_shape = false;

	while (type < end) {
		size_t skipped = in_shape ? number_length(type) : 0;

		if (strncmp(type, shape, SHAPE_LENGTH) == 0) {
			type += SHAPE_LENGTH;
			in_shape = true;
			skipped = hash_length(type);
			if (skipped) {
				put(writer, "a long type", strlen("a long type"));
			} else if (strncmp(type, pointer_shape, POINTER_LENGTH) == 0 &&
				   !isalnum((unsigned char)type[POINTER_LENGTH])) {
				put(writer, "pointer", strlen("pointer"));
				skipped = POINTER_LENGTH;
			}
			type += skipped;
		} else if (skipped) {
			type += skipped;
		} else {
			put(writer, type++, 1);
		}
	}
}

/* The length of the field at `at`, up to the ';' or the " }" behind it. */
static size_t field_length(const char *at)
{
	size_t length = 0;
	int depth = 0;

	for (; at[length]; length++) {
		if (strchr("{([", at[length]))
			depth++;
		else if (strchr("})]", at[length]) && --depth < 0)
			return length && at[length - 1] == ' ' ? length - 1 : length;
		else if (at[length] == ';' && !depth)
			break;
	}
	return length;
}

/* Length of a name that the compiler made up for what a closure captured: "X0 ", ".autotmp_1 ". */
static size_t made_up_name(const char *field)
{
	size_t digits;

	if (*field == '.')
		return strcspn(field, " ;}") + (field[strcspn(field, " ;}")] == ' ');
	digits = *field == 'X' ? strspn(field + 1, "0123456789") : 0;
	return digits && field[1 + digits] == ' ' ? digits + 2 : 0;
}

/* Whether it is the dictionary that generic code gets with its closures: ".dict uintptr", or last "X1 *[3]uintptr". */
static bool is_dictionary(const char *field, size_t length)
{
	const char *type = field + made_up_name(field);
	size_t digits = strncmp(type, "*[", 2) == 0 ? strspn(type + 2, "0123456789") : 0;

	if (strncmp(field, ".dict uintptr", length) == 0)
		return true;
	return field[length] == ' ' && type > field && digits &&
	       type + 2 + digits + strlen("]uintptr") == field + length &&
	       strncmp(type + 2 + digits, "]uintptr", strlen("]uintptr")) == 0;
}

/* Writes a closure as what it captured. */
static void put_closure(struct writer *writer, const char *fields)
{
	const char *before = "closure of ";

	while (*fields == ';' || *fields == ' ') {
		size_t length;

		fields += strspn(fields, "; ");
		length = field_length(fields);
		if (!length)
			break;
		if (!is_dictionary(fields, length)) {
			size_t name = made_up_name(fields);

			put(writer, before, strlen(before));
			put_type(writer, fields + name, length - name);
			before = ", ";
		}
		fields += length;
		if (*fields == ' ')
			break;
	}
	if (*before != ',')
		put(writer, "closure", strlen("closure"));
}

bool type_name_says_layout(const char *type)
{
	/* of pointers, slices and the like, whatever they refer to */
	static const char *const references[] = {"*", "[]", "map[", "chan ", "<-chan ", "func("};

	if (!type)
		return false;
	for (size_t i = 0; i < sizeof(references) / sizeof(references[0]); i++) {
		if (strncmp(type, references[i], strlen(references[i])) == 0)
			return true;
	}
	return !strchr(type, '.');
}

bool type_name_is_closure(const char *type)
{
	return strncmp(type, closure, strlen(closure)) == 0 || strncmp(type, "closure", strlen("closure")) == 0;
}

bool type_name_for_people(const char *type, char *text, size_t size)
{
	struct writer writer = {text, size, 0};

	for (size_t i = 0; i < sizeof(boxed) / sizeof(boxed[0]); i++) {
		if (strcmp(type, boxed[i].runtime) == 0) {
			put(&writer, boxed[i].name, strlen(boxed[i].name));
			text[writer.length] = 0;
			return true;
		}
	}
	if (strncmp(type, closure, strlen(closure)) == 0)
		put_closure(&writer, type + strlen(closure));
	else if (strstr(type, shape))
		put_type(&writer, type, strlen(type));
	else
		return false;
	text[writer.length] = 0;
	return true;
}
