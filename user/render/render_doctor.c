/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/render_doctor.h"
#include "base/memory.h"

#include <stdlib.h>

#include <cjson/cJSON.h>

#include "base/printable.h"
#include "text/table.h"

static const char *const state_names[] = {
	[DOCTOR_OK] = "ok", [DOCTOR_DEGRADED] = "degraded", [DOCTOR_MISSING] = "missing"};

void render_doctor_text(FILE *stream, const struct doctor_finding *findings, size_t count)
{
	static const struct table_column columns[] = {
		{"state", COLUMN_TEXT}, {"subject", COLUMN_TEXT}, {"finding", COLUMN_WRAP}};
	struct table *table = table_new(stream, columns, sizeof(columns) / sizeof(columns[0]));

	for (size_t i = 0; i < count; i++) {
		char *detail = printable_string(findings[i].detail), *advice = printable_string(findings[i].advice);
		char *pointed = memory_format("-> %s", advice);

		table_add(table, (const char *const[]){state_names[findings[i].state], findings[i].subject, detail});
		if (advice[0])
			table_add(table, (const char *const[]){NULL, NULL, pointed});
		free(detail);
		free(advice);
		free(pointed);
	}
	table_print(table);
}

static void add_text(cJSON *object, const char *name, const char *text)
{
	char *safe = printable_string(text);

	cJSON_AddStringToObject(object, name, safe);
	free(safe);
}

void render_doctor_json(FILE *stream, const struct doctor_finding *findings, size_t count)
{
	cJSON *document = cJSON_CreateObject(), *list;
	char *text;

	cJSON_AddStringToObject(document, "schema", "escapement.doctor/1");
	list = cJSON_AddArrayToObject(document, "findings");
	for (size_t i = 0; i < count; i++) {
		cJSON *finding = cJSON_CreateObject();

		cJSON_AddStringToObject(finding, "subject", findings[i].subject);
		cJSON_AddStringToObject(finding, "state", state_names[findings[i].state]);
		add_text(finding, "detail", findings[i].detail);
		add_text(finding, "advice", findings[i].advice);
		cJSON_AddNumberToObject(finding, "status", findings[i].status);
		if (findings[i].cause)
			cJSON_AddStringToObject(finding, "cause", findings[i].cause);
		else
			cJSON_AddNullToObject(finding, "cause");
		cJSON_AddItemToArray(list, finding);
	}
	text = cJSON_Print(document);
	if (!text)
		memory_out();
	fprintf(stream, "%s\n", text);
	free(text);
	cJSON_Delete(document);
}
