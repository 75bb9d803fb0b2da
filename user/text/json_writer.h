/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_JSON_WRITER_H
#define ESCAPEMENT_JSON_WRITER_H

/*
 * A streaming JSON writer for documents of millions of values: no tree, no allocation. As with json.h, 64-bit integers
 * are exact, what is unknown is null, and strings are valid UTF-8 whatever the input is.
 *
 * The caller is responsible for the order: begin and end in pairs, a `name` for members of objects, NULL for elements
 * of an array and for the document's value. Names may be any text, as strings may. Errors
 * of the stream are left in it. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json_writer {
	FILE *stream;
	bool follows;  /* a value precedes, so that a comma must come next */
	bool newline;  /* the next value begins a line */
	size_t length; /* of the text in the buffer */
	char buffer[1 << 15];
};

void json_writer_begin(struct json_writer *writer, FILE *stream);
/* Writes the rest of the buffer, and a newline. */
void json_writer_end(struct json_writer *writer);

void json_write_object(struct json_writer *writer, const char *name);
void json_write_object_end(struct json_writer *writer);
void json_write_array(struct json_writer *writer, const char *name);
void json_write_array_end(struct json_writer *writer);
void json_write_text(struct json_writer *writer, const char *name, const char *text); /* NULL is null */
void json_write_integer(struct json_writer *writer, const char *name, int64_t number);
void json_write_value(struct json_writer *writer, const char *name, int64_t value); /* VALUE_UNMEASURED is null */
/* A number that need not be whole; VALUE_UNMEASURED is null. */
void json_write_number(struct json_writer *writer, const char *name, double number);
enum { JSON_NUMBER_SIZE = 40 };
/* Such a number in JSON: whole ones up to 64 bits exactly, others so that reading gives the same number. */
const char *json_number_text(char text[JSON_NUMBER_SIZE], double number);
void json_write_position(struct json_writer *writer, const char *name, uint32_t number); /* a line, column; 0 is null */
void json_write_bool(struct json_writer *writer, const char *name, bool value);
void json_write_null(struct json_writer *writer, const char *name);
/* The next value, or closing bracket, begins a line. */
void json_write_newline(struct json_writer *writer);

#endif
