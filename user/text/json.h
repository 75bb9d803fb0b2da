/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_JSON_H
#define ESCAPEMENT_JSON_H

/*
 * What JSON writers share, on top of cJSON: exact 64-bit integers (cJSON's own numbers are doubles), null for what was
 * not measured or is unknown, strings that are valid UTF-8 whatever the input is, and a document that is written member
 * by member, so that a million rows are never in memory as a tree. When memory is out, the process ends.
 */

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

cJSON *json_object(void);
cJSON *json_array(void);
cJSON *json_text(const char *text); /* NULL is null */
cJSON *json_integer(int64_t number);

void json_add(cJSON *object, const char *name, cJSON *item);	       /* takes `item` over */
void json_append(cJSON *array, cJSON *item);			       /* takes `item` over */
void json_add_text(cJSON *object, const char *name, const char *text); /* NULL is null */
void json_add_integer(cJSON *object, const char *name, int64_t number);
void json_add_value(cJSON *object, const char *name, int64_t value);	  /* VALUE_UNMEASURED is null */
void json_add_position(cJSON *object, const char *name, uint32_t number); /* a line or column; 0 is null */
void json_add_bool(cJSON *object, const char *name, bool value);
void json_add_null(cJSON *object, const char *name);

/* A document: {"schema": SCHEMA, MEMBER…}, one member per line. A member is written when it is added. */
struct json_document {
	FILE *stream;
	bool rows_begun;
};

void json_document_begin(struct json_document *document, FILE *stream, const char *schema);
void json_document_member(struct json_document *document, const char *name, cJSON *item); /* frees `item` */
/* "NAME": [ROW, …], one row per line. */
void json_document_rows_begin(struct json_document *document, const char *name);
void json_document_row(struct json_document *document, cJSON *row); /* frees `row` */
void json_document_rows_end(struct json_document *document);
void json_document_end(struct json_document *document);

#endif
