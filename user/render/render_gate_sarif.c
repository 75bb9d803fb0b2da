/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SARIF 2.1.0 (OASIS) for code scanning: a result for each site that fails, or is noisy. GitHub shows 5,000 results and
 * rejects files with more than 25,000, so 5,000 are written and a notification says how many are left out. A result's
 * fingerprint is made of the site's key, so it stays when code moves.
 */
#include <inttypes.h>

#include "text/json.h"
#include "gate/repository.h"
#include "render/render_gate.h"

enum { RESULTS_MAX = 5000 };

static const struct {
	enum gate_change change;
	const char *id, *level, *title;
} rules[] = {
	{GATE_WORSE, "more-allocations", "error", "Allocates more than the baseline allows"},
	{GATE_NEW, "new-allocation-site", "error", "Allocates where the baseline has no allocation"},
	{GATE_NOISY, "noisy-allocation-site", "warning", "Allocates differently in each run"},
};
enum { RULES = sizeof(rules) / sizeof(rules[0]) };

static int rule_of(const struct gate_row *row)
{
	for (int i = 0; i < RULES; i++) {
		if (rules[i].change == row->change)
			return i;
	}
	return -1;
}

static cJSON *text_object(const char *name, const char *text)
{
	cJSON *object = json_object();

	json_add_text(object, name, text);
	return object;
}

static void begin(cJSON *driver)
{
	cJSON *list = json_array();

	json_add_text(driver, "name", "escapement");
	json_add_text(driver, "version", ESCAPEMENT_VERSION);
	for (int i = 0; i < RULES; i++) {
		cJSON *rule = json_object();

		json_add_text(rule, "id", rules[i].id);
		json_add(rule, "shortDescription", text_object("text", rules[i].title));
		json_add(rule, "defaultConfiguration", text_object("level", rules[i].level));
		cJSON_AddItemToArray(list, rule);
	}
	json_add(driver, "rules", list);
}

static cJSON *location(const char *path, uint32_t line, uint32_t column, const char *function)
{
	cJSON *place = json_object(), *physical = json_object(), *artifact = json_object(), *locations = json_array();
	char file[GATE_TEXT_SIZE];

	if (repository_path(path, file, sizeof(file))) {
		json_add_text(artifact, "uri", file);
		json_add(physical, "artifactLocation", artifact);
		if (line) {
			cJSON *region = json_object();

			json_add_integer(region, "startLine", line);
			if (column)
				json_add_integer(region, "startColumn", column);
			json_add(physical, "region", region);
		}
		json_add(place, "physicalLocation", physical);
	} else {
		cJSON_Delete(physical);
		cJSON_Delete(artifact);
	}
	if (function) {
		cJSON *logical = json_array();

		cJSON_AddItemToArray(logical, text_object("fullyQualifiedName", function));
		json_add(place, "logicalLocations", logical);
	}
	cJSON_AddItemToArray(locations, place);
	return locations;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
	for (; text && *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3ULL; /* FNV-1a */
	return (hash ^ 0xff) * 0x100000001b3ULL;
}

static cJSON *fingerprint(const struct gate_site *site)
{
	uint64_t hash = hash_text(0xcbf29ce484222325ULL, site->function);
	char text[24];

	hash = hash_text(hash, site->via);
	hash = hash_text(hash, site->runtime_call);
	hash = hash_text(hash, site->type);
	hash = hash_text(hash, site->benchmark);
	hash = hash_text(hash, site->benchmark_package);
	hash = hash_text(hash, site->annotation);
	snprintf(text, sizeof(text), "%016" PRIx64, hash);
	return text_object("escapementSite/v2", text);
}

static cJSON *result(const struct gate *gate, const struct gate_row *row, const struct gate_style *style)
{
	const struct gate_site *site = gate_row_site(row);
	cJSON *object = json_object();
	int rule = rule_of(row);
	char text[GATE_TEXT_SIZE];

	json_add_text(object, "ruleId", rules[rule].id);
	json_add_integer(object, "ruleIndex", rule);
	json_add_text(object, "level", row->fails && !style->advisory ? "error" : row->note ? "note" : "warning");
	json_add(object, "message", text_object("text", gate_message(text, gate, row, style)));
	json_add(object, "locations", location(site->file, site->line, site->column, site->function));
	json_add(object, "partialFingerprints", fingerprint(site));
	return object;
}

static cJSON *notification(const char *level, const char *text)
{
	cJSON *object = text_object("level", level);

	json_add(object, "message", text_object("text", text));
	return object;
}

/* What go statements below contracts started is no finding, so it is no result. */
static void add_starts(cJSON *notes, const struct gate *gate)
{
	char text[GATE_TEXT_SIZE];

	for (size_t i = 0; gate->contracts && i < gate_contracts_count(gate->contracts); i++) {
		struct gate_contract_result result = gate_contracts_result(gate->contracts, i);

		for (size_t j = 0; j < result.start_count && cJSON_GetArraySize(notes) < RESULTS_MAX; j++) {
			const struct gate_contract_start *start = &result.starts[j];
			cJSON *note = notification("note", gate_start_text(text, start));

			json_add(note, "locations", location(start->file, start->line, 0, start->in));
			json_append(notes, note);
		}
	}
}

static cJSON *invocation(const struct gate *gate, size_t left_out, const struct gate_style *style)
{
	cJSON *list = json_array(), *object = json_object(), *notes = json_array();
	char text[GATE_TEXT_SIZE];

	json_add_bool(object, "executionSuccessful", gate_status(gate) != STATUS_LOST);
	if (left_out) {
		snprintf(text, sizeof(text), "%zu more results are left out", left_out);
		json_append(notes, notification("warning", text));
	}
	if (gate_status(gate) == STATUS_LOST)
		json_append(notes, notification("error", gate_summary(text, gate, style)));
	add_starts(notes, gate);
	json_add(object, "toolExecutionNotifications", notes);
	cJSON_AddItemToArray(list, object);
	return list;
}

void render_gate_sarif(FILE *stream, const struct gate *gate, const struct gate_style *style)
{
	cJSON *driver = json_object(), *tool = json_object(), *text;
	size_t count = 0;
	char *printed;

	begin(driver);
	json_add(tool, "driver", driver);
	printed = cJSON_PrintUnformatted(tool);
	cJSON_Delete(tool);
	fprintf(stream,
		"{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\",\"version\":\"2.1.0\",\n"
		"\"runs\":[{\"tool\":%s,\n\"results\":[",
		printed);
	cJSON_free(printed);
	for (size_t i = 0; i < gate->row_count; i++) {
		const struct gate_row *row = &gate->rows[i];

		if (rule_of(row) < 0 || (row->change == GATE_NOISY && !row->fails) || count++ >= RESULTS_MAX)
			continue;
		text = result(gate, row, style);
		printed = cJSON_PrintUnformatted(text);
		fprintf(stream, "%s\n%s", count > 1 ? "," : "", printed);
		cJSON_free(printed);
		cJSON_Delete(text);
	}
	text = invocation(gate, count > RESULTS_MAX ? count - RESULTS_MAX : 0, style);
	printed = cJSON_PrintUnformatted(text);
	fprintf(stream, "],\n\"invocations\":%s}]}\n", printed);
	cJSON_free(printed);
	cJSON_Delete(text);
}
