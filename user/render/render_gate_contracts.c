/* SPDX-License-Identifier: BSD-2-Clause */
/* Contracts in the formats of a gate: what was counted below each function, and what go statements there started. */
#include <stdlib.h>

#include "base/append.h"
#include "base/memory.h"
#include "base/printable.h"
#include "base/text_compare.h"
#include "render/render_gate.h"

enum { STARTS_SHOWN = 50 }; /* in Markdown, which has a size that it must not exceed */

static size_t count_of(const struct gate *gate)
{
	return gate->contracts ? gate_contracts_count(gate->contracts) : 0;
}

static const char *limits_text(char text[GATE_TEXT_SIZE], const struct policy_contract *contract)
{
	*text = 0;
	for (int i = 0; i < POLICY_VALUES; i++) {
		char number[40];

		if (contract->limits[i].given)
			text_append(text, GATE_TEXT_SIZE, "%s%s%s=%s", *text ? " " : "",
				    profile_values[policy_values[i]].key, contract->limits[i].per_call ? "/call" : "",
				    gate_grouped(number, contract->limits[i].most));
	}
	return text;
}

const char *gate_contract_text(char text[GATE_TEXT_SIZE], const struct gate_contract_result *result)
{
	char numbers[3][40], limits[GATE_TEXT_SIZE];

	snprintf(text, GATE_TEXT_SIZE, "%.1500s: %s object%s, %s bytes in %s call%s (allowed: %.300s)",
		 result->contract->function, gate_grouped(numbers[0], (double)result->objects),
		 result->objects == 1 ? "" : "s", gate_grouped(numbers[1], (double)result->bytes),
		 gate_grouped(numbers[2], (double)result->calls), result->calls == 1 ? "" : "s",
		 limits_text(limits, result->contract));
	return text;
}

/* "started main.worker 20 times" */
static const char *started_text(char text[GATE_TEXT_SIZE], const struct gate_contract_start *start)
{
	char number[40];

	snprintf(text, GATE_TEXT_SIZE, "started %.1900s %s time%s",
		 start->function ? start->function : "(unknown function)", gate_grouped(number, (double)start->count),
		 start->count == 1 ? "" : "s");
	return text;
}

/* "40 objects, 640 bytes, not counted" */
static const char *allocated_text(char text[GATE_TEXT_SIZE], const struct gate_contract_start *start)
{
	char numbers[2][40];

	if (!start->function)
		snprintf(text, GATE_TEXT_SIZE, "what they allocated is unknown");
	else
		snprintf(text, GATE_TEXT_SIZE, "%s%s object%s, %s bytes, not counted%s",
			 start->shared ? "at most " : "", gate_grouped(numbers[0], (double)start->objects),
			 start->objects == 1 ? "" : "s", gate_grouped(numbers[1], (double)start->bytes),
			 start->shared ? " (also started elsewhere)" : "");
	return text;
}

static const char *function_of(const struct gate_contract_start *start)
{
	return start->in ? start->in : "(unknown function)";
}

/* "main.go:12"; the directory would make lines too long for a terminal */
static const char *short_place(char text[GATE_TEXT_SIZE], const struct gate_contract_start *start)
{
	snprintf(text, GATE_TEXT_SIZE, "%.1900s:%u", start->file ? text_base_name(start->file) : "?", start->line);
	return text;
}

const char *gate_start_text(char text[GATE_TEXT_SIZE], const struct gate_contract_start *start)
{
	char started[GATE_TEXT_SIZE], allocated[GATE_TEXT_SIZE];

	snprintf(text, GATE_TEXT_SIZE, "go in %.800s %.900s: %.200s", function_of(start), started_text(started, start),
		 allocated_text(allocated, start));
	return text;
}

void gate_contracts_text(FILE *stream, const struct gate *gate)
{
	char text[GATE_TEXT_SIZE], place[GATE_TEXT_SIZE];

	for (size_t i = 0; i < count_of(gate); i++) {
		struct gate_contract_result result = gate_contracts_result(gate->contracts, i);

		fprintf(stream, "contract %s: %s\n", result.broken ? "broken" : "kept",
			gate_contract_text(text, &result));
		for (size_t j = 0; j < result.start_count; j++) {
			const struct gate_contract_start *start = &result.starts[j];

			fprintf(stream, "  go in %s (%s) %s:\n", function_of(start), short_place(place, start),
				started_text(text, start));
			fprintf(stream, "    %s\n", allocated_text(text, start));
		}
	}
}

static void put_start(FILE *stream, const struct gate_contract_start *start)
{
	char text[GATE_TEXT_SIZE];

	fputs("  - ", stream);
	text_put(stream, TEXT_MARKDOWN, gate_start_text(text, start));
	if (start->file) {
		fputs("<br>", stream);
		snprintf(text, sizeof(text), "%.2000s:%u", start->file, start->line);
		text_put(stream, TEXT_MARKDOWN, text);
	}
	putc('\n', stream);
}

size_t gate_contracts_markdown(FILE *stream, const struct gate *gate)
{
	char text[GATE_TEXT_SIZE], *list;
	size_t length;
	FILE *memory = open_memstream(&list, &length);

	if (!memory)
		memory_out();
	for (size_t i = 0; i < count_of(gate); i++) {
		struct gate_contract_result result = gate_contracts_result(gate->contracts, i);

		fprintf(memory, "- contract %s ", result.broken ? "**broken**:" : "kept:");
		text_put(memory, TEXT_MARKDOWN, gate_contract_text(text, &result));
		putc('\n', memory);
		for (size_t j = 0; j < result.start_count && j < STARTS_SHOWN; j++)
			put_start(memory, &result.starts[j]);
		if (result.start_count > STARTS_SHOWN)
			fprintf(memory, "  - and %zu more go statements\n", result.start_count - STARTS_SHOWN);
	}
	if (count_of(gate))
		putc('\n', memory);
	if (fclose(memory))
		memory_out();
	fwrite(list, 1, length, stream);
	free(list);
	return length;
}

static cJSON *start_object(const struct gate_contract_start *start)
{
	cJSON *object = json_object();

	json_add_text(object, "in", start->in);
	json_add_text(object, "file", start->file);
	json_add_position(object, "line", start->line);
	json_add_text(object, "function", start->function);
	json_add_integer(object, "times", start->count);
	if (start->function) {
		json_add_integer(object, "objects", start->objects);
		json_add_integer(object, "bytes", start->bytes);
	} else {
		json_add_null(object, "objects");
		json_add_null(object, "bytes");
	}
	json_add_bool(object, "elsewhere", start->shared);
	return object;
}

static cJSON *contract_object(const struct gate_contract_result *result)
{
	cJSON *object = json_object(), *allowed = json_object(), *started = json_array();

	json_add_text(object, "function", result->contract->function);
	json_add_bool(object, "broken", result->broken);
	json_add_integer(object, "calls", result->calls);
	json_add_integer(object, "objects", result->objects);
	json_add_integer(object, "bytes", result->bytes);
	for (int i = 0; i < POLICY_VALUES; i++) {
		const char *name = profile_values[policy_values[i]].key;
		cJSON *limit;

		if (!result->contract->limits[i].given) {
			json_add_null(allowed, name);
			continue;
		}
		limit = json_object();
		json_add(limit, "most", gate_number_object(result->contract->limits[i].most));
		json_add_bool(limit, "per_call", result->contract->limits[i].per_call);
		json_add(allowed, name, limit);
	}
	json_add(object, "allowed", allowed);
	for (size_t i = 0; i < result->start_count; i++)
		json_append(started, start_object(&result->starts[i]));
	json_add(object, "started", started);
	return object;
}

void gate_contracts_json(struct json_document *document, const struct gate *gate)
{
	json_document_rows_begin(document, "contracts");
	for (size_t i = 0; i < count_of(gate); i++) {
		struct gate_contract_result result = gate_contracts_result(gate->contracts, i);

		json_document_row(document, contract_object(&result));
	}
	json_document_rows_end(document);
}
