/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_JSON_WRITER_H
#define ESCAPEMENT_JSON_WRITER_H

/*
 * JSON that is written as it is said, for documents of millions of values: no tree, no allocation. What json.h
 * promises holds here too: integers of 64 bits as they are, null for what is not known, valid UTF-8 whatever goes in.
 *
 * The caller keeps the order: begin and end in pairs, `name` for the members of objects, NULL for what stands in an
 * array or alone. Errors of the stream are left in it. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json_writer {
	FILE *stream;
	bool follows;  /* a value stands before, so that a comma must come first */
	bool newline;  /* what comes next begins a line */
	size_t length; /* of what waits in the buffer */
	char buffer[1 << 15];
};

void json_writer_begin(struct json_writer *writer, FILE *stream);
/* Writes what waits, and a newline. */
void json_writer_end(struct json_writer *writer);

void json_write_object(struct json_writer *writer, const char *name);
void json_write_object_end(struct json_writer *writer);
void json_write_array(struct json_writer *writer, const char *name);
void json_write_array_end(struct json_writer *writer);
void json_write_text(struct json_writer *writer, const char *name, const char *text); /* NULL is null */
void json_write_integer(struct json_writer *writer, const char *name, int64_t number);
void json_write_value(struct json_writer *writer, const char *name, int64_t value);	 /* VALUE_UNMEASURED is null */
void json_write_position(struct json_writer *writer, const char *name, uint32_t number); /* a line, column; 0 is null */
void json_write_bool(struct json_writer *writer, const char *name, bool value);
void json_write_null(struct json_writer *writer, const char *name);
/* The next value, or closing bracket, begins a line. */
void json_write_newline(struct json_writer *writer);

#endif
