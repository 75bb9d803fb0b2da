/* SPDX-License-Identifier: BSD-2-Clause */
#include "text/json.h"

#include <inttypes.h>
#include <stdlib.h>

#include "profile/profile.h"
#include "base/memory.h"
#include "base/utf8.h"

static void *checked(void *item)
{
	if (!item)
		memory_out();
	return item;
}

cJSON *json_object(void)
{
	return checked(cJSON_CreateObject());
}

cJSON *json_array(void)
{
	return checked(cJSON_CreateArray());
}

void json_add(cJSON *object, const char *name, cJSON *item)
{
	if (!cJSON_AddItemToObject(object, name, checked(item)))
		memory_out();
}

void json_append(cJSON *array, cJSON *item)
{
	if (!cJSON_AddItemToArray(array, checked(item)))
		memory_out();
}

cJSON *json_text(const char *text)
{
	char *repaired = text ? utf8_repair(text) : NULL;
	cJSON *item = checked(text ? cJSON_CreateString(repaired ? repaired : text) : cJSON_CreateNull());

	free(repaired);
	return item;
}

cJSON *json_integer(int64_t number)
{
	char digits[32];

	snprintf(digits, sizeof(digits), "%" PRId64, number);
	return checked(cJSON_CreateRaw(digits));
}

void json_add_text(cJSON *object, const char *name, const char *text)
{
	json_add(object, name, json_text(text));
}

void json_add_integer(cJSON *object, const char *name, int64_t number)
{
	json_add(object, name, json_integer(number));
}

void json_add_value(cJSON *object, const char *name, int64_t value)
{
	if (value == VALUE_UNMEASURED)
		json_add_null(object, name);
	else
		json_add_integer(object, name, value);
}

void json_add_position(cJSON *object, const char *name, uint32_t number)
{
	json_add_value(object, name, number ? (int64_t)number : VALUE_UNMEASURED);
}

void json_add_bool(cJSON *object, const char *name, bool value)
{
	json_add(object, name, cJSON_CreateBool(value));
}

void json_add_null(cJSON *object, const char *name)
{
	json_add(object, name, cJSON_CreateNull());
}

static void print_and_free(FILE *stream, cJSON *item)
{
	char *text = checked(cJSON_PrintUnformatted(item));

	fputs(text, stream);
	cJSON_free(text);
	cJSON_Delete(item);
}

void json_document_begin(struct json_document *document, FILE *stream, const char *schema)
{
	*document = (struct json_document){.stream = stream};
	fprintf(stream, "{\"schema\":\"%s\"", schema);
}

void json_document_member(struct json_document *document, const char *name, cJSON *item)
{
	fprintf(document->stream, ",\n\"%s\":", name);
	print_and_free(document->stream, item);
}

void json_document_rows_begin(struct json_document *document, const char *name)
{
	fprintf(document->stream, ",\n\"%s\":[", name);
	document->rows_begun = false;
}

void json_document_row(struct json_document *document, cJSON *row)
{
	fputs(document->rows_begun ? ",\n" : "\n", document->stream);
	document->rows_begun = true;
	print_and_free(document->stream, row);
}

void json_document_rows_end(struct json_document *document)
{
	fputs(document->rows_begun ? "\n]" : "]", document->stream);
}

void json_document_end(struct json_document *document)
{
	fputs("}\n", document->stream);
}
