/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SARIF 2.1.0 (OASIS) for code scanning. GitHub rejects files with more than 25,000 results and shows 5,000, so only
 * the 5,000 most expensive are written; a notification has the number of the others. A result's fingerprint is made of
 * what stays when code moves: package file, function, runtime call, the compiler's message, and the rank among equal
 * ones by line.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "text/json.h"
#include "base/memory.h"
#include "audit/audit_place.h"
#include "render/render_audit.h"

enum { RESULTS_MAX = 5000 };

static const struct {
	const char *level, *title, *help;
} rules[AUDIT_VERDICT_COUNT] = {
	[AUDIT_ESCAPES] = {"warning", "Allocates on the heap",
			   "The compiler moved this to the heap, and it was seen to allocate."},
	[AUDIT_CONTRADICTED] =
		{"warning", "Allocates although it does not escape",
		 "The compiler says that this does not escape, and it was seen to allocate: too large or of "
		 "variable size for the stack, or the compiler output is from another build."},
	[AUDIT_UNANNOTATED] = {"note", "Allocates without a compiler message",
			       "Allocates, and the compiler output does not mention it: append or map growth, string "
			       "building, a call of the runtime."},
	[AUDIT_NOT_COVERED] = {"note", "Calls code that allocates",
			       "Calls a function that allocates in a package that the compiler output does not cover."},
	[AUDIT_UNPLACED] =
		{"none", "Allocates at an unknown line",
		 "Allocates at a line that is not known: tiny objects, which share blocks, or a lost stack."},
	[AUDIT_ESCAPES_UNSEEN] =
		{"none", "Would allocate on the heap",
		 "The compiler moves this to the heap; no allocation was seen: it did not run, or needed none."},
	[AUDIT_STACK] = {"none", "Stays on the stack", "Does not escape, and no allocation was seen."},
};

static uint64_t hash_text(uint64_t hash, const char *text)
{
	for (; text && *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3ULL; /* FNV-1a */
	return (hash ^ 0xff) * 0x100000001b3ULL;
}

static uint64_t row_hash(const struct audit_row *row)
{
	uint64_t hash = hash_text(0xcbf29ce484222325ULL, row->file);

	hash = hash_text(hash, row->site.function);
	hash = hash_text(hash, row->callee ? row->callee : row->runtime_call);
	for (uint32_t i = 0; i < row->inlined_count; i++)
		hash = hash_text(hash, row->inlined_at[i].function);
	if (row->annotation_count) {
		hash = hash_text(hash, escape_kind_name(row->annotations[0]->kind));
		hash = hash_text(hash, row->annotations[0]->subject);
	}
	return hash;
}

struct print {
	uint64_t hash;
	uint32_t line, column, index;
	uint32_t ordinal;
};

static int by_hash(const void *a, const void *b)
{
	const struct print *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->column != y->column)
		return x->column < y->column ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

static int by_index(const void *a, const void *b)
{
	const struct print *x = a, *y = b;

	return x->index < y->index ? -1 : 1;
}

/* Computes fingerprints in the order of the rows. The caller frees them. */
static struct print *fingerprints(const struct audit *audit)
{
	struct print *prints = memory_zeroed(audit->row_count + 1, sizeof(*prints));

	for (size_t i = 0; i < audit->row_count; i++)
		prints[i] = (struct print){row_hash(&audit->rows[i]), audit->rows[i].site.line,
					   audit->rows[i].site.column, (uint32_t)i, 0};
	qsort(prints, audit->row_count, sizeof(*prints), by_hash);
	for (size_t i = 1; i < audit->row_count; i++)
		prints[i].ordinal = prints[i].hash == prints[i - 1].hash ? prints[i - 1].ordinal + 1 : 0;
	qsort(prints, audit->row_count, sizeof(*prints), by_index);
	return prints;
}

static cJSON *object_in(cJSON *parent, const char *name)
{
	cJSON *object = json_object();

	json_add(parent, name, object);
	return object;
}

static cJSON *array_in(cJSON *parent, const char *name)
{
	cJSON *array = json_array();

	json_add(parent, name, array);
	return array;
}

static cJSON *element_of(cJSON *array)
{
	cJSON *object = json_object();

	json_append(array, object);
	return object;
}

static void add_format(cJSON *object, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void add_format(cJSON *object, const char *name, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = memory_format_list(format, arguments);
	va_end(arguments);
	json_add_text(object, name, text);
	free(text);
}

/* Adds a path as a URI reference: relative paths below the source root, absolute paths as file:. */
static void add_artifact(cJSON *place, const char *file)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
	char *uri = memory_allocate(3 * strlen(file) + 16), *end = uri;
	bool absolute = file[0] == '/', drive = file[0] && file[1] == ':';
	cJSON *artifact = object_in(place, "artifactLocation");

	if (absolute || drive)
		end = stpcpy(end, drive ? "file:///" : "file://");
	for (const char *c = file; *c; c++) {
		if (*c == '\\')
			*end++ = '/';
		else if (strchr(plain, *c) || (drive && c == file + 1))
			*end++ = *c;
		else
			end += sprintf(end, "%%%02X", (unsigned char)*c);
	}
	*end = 0;
	json_add_text(artifact, "uri", uri);
	if (!absolute && !drive)
		json_add_text(artifact, "uriBaseId", "%SRCROOT%");
	free(uri);
}

/* Fills in a location object. */
static void add_place(cJSON *location, const char *file, uint32_t line, uint32_t column)
{
	cJSON *place = object_in(location, "physicalLocation"), *region;

	add_artifact(place, file);
	if (!line)
		return;
	region = object_in(place, "region");
	json_add_integer(region, "startLine", line);
	if (column)
		json_add_integer(region, "startColumn", column);
}

static void add_related(cJSON *result, const struct audit_row *row)
{
	cJSON *related = array_in(result, "relatedLocations");
	int64_t id = 1;

	if (audit_place(row, NULL, NULL) != row->file) {
		cJSON *site = element_of(related);

		json_add_integer(site, "id", id++);
		add_place(site, row->file, row->site.line, row->site.column);
		add_format(object_in(site, "message"), "text", "allocated by %s",
			   row->site.function ? row->site.function : "(unknown)");
	}
	for (uint32_t i = 0; i < row->inlined_count; i++) {
		const struct profile_frame *frame = &row->inlined_at[i];
		cJSON *location;

		if (!row->inlined_files[i])
			continue;
		location = element_of(related);
		json_add_integer(location, "id", id++);
		add_place(location, row->inlined_files[i], frame->line, frame->column);
		add_format(object_in(location, "message"), "text", "inlined into %s",
			   frame->function ? frame->function : "(unknown)");
	}
	for (uint32_t i = 0; i < row->annotation_count; i++) {
		const struct escape_annotation *annotation = row->annotations[i];
		cJSON *location = element_of(related);

		json_add_integer(location, "id", id++);
		add_place(location, annotation->file, annotation->line, annotation->column);
		json_add_text(object_in(location, "message"), "text", annotation->text);
	}
}

/* The compiler's explanation, step by step. */
static void add_flow(cJSON *result, const struct escape_annotation *annotation)
{
	cJSON *steps = json_array();

	for (uint32_t i = 0; i < annotation->flow_count; i++) {
		for (uint32_t j = 0; j < annotation->flows[i].step_count; j++) {
			const struct escape_step *step = &annotation->flows[i].steps[j];
			cJSON *location;

			if (!step->file || !step->line)
				continue;
			location = object_in(element_of(steps), "location");
			add_place(location, step->file, step->line, step->column);
			add_format(object_in(location, "message"), "text", "%s (%s)", step->expression, step->reason);
		}
	}
	if (cJSON_GetArraySize(steps)) {
		cJSON *flow = element_of(array_in(result, "codeFlows"));

		json_add(element_of(array_in(flow, "threadFlows")), "locations", steps);
	} else {
		cJSON_Delete(steps);
	}
}

static void add_message(cJSON *result, const struct audit_row *row)
{
	const char *function = row->site.function ? row->site.function : "this function";
	cJSON *message = object_in(result, "message");
	char bytes[48] = "";

	if (row->values[VALUE_BYTES] != VALUE_UNMEASURED)
		snprintf(bytes, sizeof(bytes), ", %" PRId64 " bytes", row->values[VALUE_BYTES]);
	if (row->verdict == AUDIT_ESCAPES_UNSEEN || row->verdict == AUDIT_STACK ||
	    row->values[VALUE_OBJECTS] == VALUE_UNMEASURED)
		add_format(message, "text", "%s: %s", audit_verdict_name(row->verdict), audit_row_words(row));
	else
		add_format(message, "text", "%s: %s. %s allocated %" PRId64 " objects%s here%s%s%s.",
			   audit_verdict_name(row->verdict), audit_row_words(row), function, row->values[VALUE_OBJECTS],
			   bytes, row->callee ? ", by " : "", row->callee ? row->callee : "",
			   row->shared ? "; which of them is unknown" : "");
}

static void add_result(cJSON *results, const struct audit *audit, const struct audit_row *row,
		       const struct print *print)
{
	cJSON *result = element_of(results), *properties;
	uint32_t line, column;
	const char *file = audit_place(row, &line, &column);

	json_add_text(result, "ruleId", audit_verdict_name(row->verdict));
	json_add_integer(result, "ruleIndex", row->verdict);
	json_add_text(result, "level", rules[row->verdict].level);
	add_message(result, row);
	add_place(element_of(array_in(result, "locations")), file, line, column);
	add_related(result, row);
	for (uint32_t i = 0; i < row->annotation_count - row->linked_count; i++)
		add_flow(result, row->annotations[i]);
	add_format(object_in(result, "partialFingerprints"), "escapementSite/v1", "%016" PRIx64 ":%" PRIu32,
		   print->hash, print->ordinal);
	properties = object_in(result, "properties");
	json_add_value(properties, "objects", row->values[VALUE_OBJECTS]);
	json_add_value(properties, "bytes", row->values[VALUE_BYTES]);
	json_add_bool(properties, "exact", profile_is_exact(audit->profile));
}

static void add_tool(cJSON *run)
{
	cJSON *driver = object_in(object_in(run, "tool"), "driver"), *list;

	json_add_text(driver, "name", "escapement");
	json_add_text(driver, "semanticVersion", ESCAPEMENT_VERSION);
	list = array_in(driver, "rules");
	for (int i = 0; i < AUDIT_VERDICT_COUNT; i++) {
		cJSON *rule = element_of(list);

		json_add_text(rule, "id", audit_verdict_name((enum audit_verdict)i));
		json_add_text(object_in(rule, "shortDescription"), "text", rules[i].title);
		json_add_text(object_in(rule, "fullDescription"), "text", rules[i].help);
		json_add_text(object_in(rule, "defaultConfiguration"), "level", rules[i].level);
	}
}

static void add_notifications(cJSON *run, size_t left_out)
{
	cJSON *invocation = element_of(array_in(run, "invocations")), *notification;

	json_add_bool(invocation, "executionSuccessful", true);
	if (!left_out)
		return;
	notification = element_of(array_in(invocation, "toolExecutionNotifications"));
	json_add_text(notification, "level", "note");
	add_format(object_in(notification, "message"), "text", "%zu results of lower rank are not in this file",
		   left_out);
}

void render_audit_sarif(const struct audit *audit, const struct render_audit_options *options, FILE *stream)
{
	cJSON *log = json_object(), *run, *results;
	struct print *prints = fingerprints(audit);
	size_t written = 0, left_out = 0;
	char *text;

	(void)options;
	json_add_text(log, "$schema", "https://json.schemastore.org/sarif-2.1.0.json");
	json_add_text(log, "version", "2.1.0");
	run = element_of(array_in(log, "runs"));
	add_tool(run);
	json_add_text(run, "columnKind", "unicodeCodePoints");
	results = array_in(run, "results");
	for (size_t i = 0; i < audit->row_count; i++) {
		/* A result without a file cannot be shown, nor one that is in none of the program's. */
		if (!audit->rows[i].file || audit_row_is_outside(&audit->rows[i]))
			continue;
		if (written == RESULTS_MAX) {
			left_out++;
			continue;
		}
		add_result(results, audit, &audit->rows[i], &prints[i]);
		written++;
	}
	add_notifications(run, left_out);
	text = cJSON_Print(log);
	if (!text)
		memory_out();
	fprintf(stream, "%s\n", text);
	cJSON_free(text);
	cJSON_Delete(log);
	free(prints);
}
