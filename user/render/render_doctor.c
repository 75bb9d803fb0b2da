/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/render_doctor.h"
#include "base/memory.h"

#include <stdlib.h>

#include <cjson/cJSON.h>

#include "base/printable.h"

static const char *const state_names[] = {
	[DOCTOR_OK] = "ok", [DOCTOR_DEGRADED] = "degraded", [DOCTOR_MISSING] = "missing"};

void render_doctor_text(FILE *stream, const struct doctor_finding *findings, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fprintf(stream, "%-9s %-13s ", state_names[findings[i].state], findings[i].subject);
		text_put(stream, TEXT_TERMINAL, findings[i].detail);
		putc('\n', stream);
		if (!findings[i].advice[0])
			continue;
		fprintf(stream, "%-23s -> ", "");
		text_put(stream, TEXT_TERMINAL, findings[i].advice);
		putc('\n', stream);
	}
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
		cJSON_AddItemToArray(list, finding);
	}
	text = cJSON_Print(document);
	if (!text)
		memory_out();
	fprintf(stream, "%s\n", text);
	free(text);
	cJSON_Delete(document);
}
