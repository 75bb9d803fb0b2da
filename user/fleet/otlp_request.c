/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/otlp_request.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash_table.h"
#include "base/memory.h"
#include "base/pointer_map.h"
#include "base/string_table.h"
#include "base/text_compare.h"
#include "base/utf8.h"
#include "fleet/otlp.pb-c.h"

enum { ID_BYTES = 16, SPAN_BYTES = 8 };

/* A growing list of messages, or texts. */
struct list {
	void **items;
	size_t count, capacity;
};

struct function {
	UT_hash_handle hh;
	struct function_key {
		int32_t name, file;
		int64_t start_line;
	} key;
	int32_t index;
};

struct otlp_request {
	struct arena arena; /* of all messages */
	struct string_table texts;
	struct pointer_map text_indices;
	struct function *functions;
	struct list resources, mapping_table, location_table, function_table, string_table, attribute_table,
		stack_table;
	/* of the profile being added: where its mappings, locations and stacks are in the tables; 0: nowhere yet */
	struct pointer_map mappings, locations, stacks;
};

static void *message(struct otlp_request *request, size_t size)
{
	return memset(arena_allocate(&request->arena, size), 0, size);
}

#define NEW(request, Type, init)                                    \
	({                                                          \
		Type *new_message = message(request, sizeof(Type)); \
		init(new_message);                                  \
		new_message;                                        \
	})

static int32_t append(struct list *list, void *item)
{
	if (list->count == list->capacity) {
		list->capacity = list->capacity ? 2 * list->capacity : 64;
		list->items = memory_resize(list->items, list->capacity, sizeof(*list->items));
	}
	list->items[list->count] = item;
	return (int32_t)list->count++;
}

/* --- the tables --- */

static int32_t text_index(struct otlp_request *request, const char *text)
{
	char *repaired = utf8_repair(text ? text : "");
	const char *known;
	uint32_t *index;

	text = repaired ? repaired : text ? text : "";
	known = string_table_intern(&request->texts, text, strlen(text));
	index = pointer_map_at(&request->text_indices, known);
	if (*index == POINTER_MAP_NONE)
		*index = (uint32_t)append(&request->string_table, (void *)known);
	free(repaired);
	return (int32_t)*index;
}

static const char *text_of(struct otlp_request *request, const char *text)
{
	return request->string_table.items[text_index(request, text)];
}

static Otlp__AnyValue *text_value(struct otlp_request *request, const char *text)
{
	Otlp__AnyValue *value = NEW(request, Otlp__AnyValue, otlp__any_value__init);

	value->value_case = OTLP__ANY_VALUE__VALUE_STRING_VALUE;
	value->string_value = (char *)text_of(request, text);
	return value;
}

static int32_t attribute_index(struct otlp_request *request, const char *key, const char *text)
{
	Otlp__KeyValueAndUnit *attribute = NEW(request, Otlp__KeyValueAndUnit, otlp__key_value_and_unit__init);

	attribute->key_strindex = text_index(request, key);
	attribute->value = text_value(request, text);
	return append(&request->attribute_table, attribute);
}

static int32_t mapping_index(struct otlp_request *request, const struct profile_mapping *from)
{
	uint32_t *known = from ? pointer_map_at(&request->mappings, from) : NULL;
	Otlp__Mapping *mapping;

	if (!from || *known != POINTER_MAP_NONE)
		return from ? (int32_t)*known : 0;
	mapping = NEW(request, Otlp__Mapping, otlp__mapping__init);
	mapping->memory_start = from->start;
	mapping->memory_limit = from->limit;
	mapping->file_offset = from->offset;
	mapping->filename_strindex = text_index(request, from->file);
	if (from->build_id) {
		mapping->attribute_indices = message(request, sizeof(*mapping->attribute_indices));
		mapping->attribute_indices[mapping->n_attribute_indices++] =
			attribute_index(request, "process.executable.build_id.gnu", from->build_id);
	}
	return (int32_t)(*known = (uint32_t)append(&request->mapping_table, mapping));
}

static int32_t function_index(struct otlp_request *request, const struct profile_frame *frame)
{
	struct function_key key;
	struct function *function;
	Otlp__Function *to;

	memset(&key, 0, sizeof(key));
	key.name = text_index(request, frame->function);
	key.file = text_index(request, frame->file);
	key.start_line = frame->start_line;
	if (!key.name && !key.file)
		return 0;
	HASH_FIND(hh, request->functions, &key, sizeof(key), function);
	if (function)
		return function->index;
	to = NEW(request, Otlp__Function, otlp__function__init);
	to->name_strindex = to->system_name_strindex = key.name;
	to->filename_strindex = key.file;
	to->start_line = key.start_line;
	function = message(request, sizeof(*function));
	function->key = key;
	function->index = append(&request->function_table, to);
	HASH_ADD(hh, request->functions, key, sizeof(function->key), function);
	return function->index;
}

static int32_t location_index(struct otlp_request *request, const struct profile_location *from)
{
	uint32_t *known = pointer_map_at(&request->locations, from);
	Otlp__Location *location;

	if (*known != POINTER_MAP_NONE)
		return (int32_t)*known;
	location = NEW(request, Otlp__Location, otlp__location__init);
	location->mapping_index = mapping_index(request, from->mapping);
	location->address = from->address;
	location->n_lines = from->frame_count;
	location->lines = message(request, (from->frame_count + 1) * sizeof(*location->lines));
	for (uint32_t i = 0; i < from->frame_count; i++) {
		location->lines[i] = NEW(request, Otlp__Line, otlp__line__init);
		location->lines[i]->function_index = function_index(request, &from->frames[i]);
		location->lines[i]->line = from->frames[i].line;
		location->lines[i]->column = from->frames[i].column;
	}
	return (int32_t)(*known = (uint32_t)append(&request->location_table, location));
}

static int32_t stack_index(struct otlp_request *request, const struct profile_stack *from)
{
	uint32_t *known = pointer_map_at(&request->stacks, from);
	Otlp__Stack *stack;

	if (*known != POINTER_MAP_NONE)
		return (int32_t)*known;
	stack = NEW(request, Otlp__Stack, otlp__stack__init);
	stack->n_location_indices = from->depth;
	stack->location_indices = message(request, (from->depth + 1) * sizeof(*stack->location_indices));
	for (uint32_t i = 0; i < from->depth; i++)
		stack->location_indices[i] = location_index(request, profile_stack_at(from, i));
	return (int32_t)(*known = (uint32_t)append(&request->stack_table, stack));
}

/* --- profiles --- */

static Otlp__ValueType *value_type(struct otlp_request *request, const char *type, const char *unit)
{
	Otlp__ValueType *to = NEW(request, Otlp__ValueType, otlp__value_type__init);

	to->type_strindex = text_index(request, type);
	to->unit_strindex = text_index(request, unit);
	return to;
}

static Otlp__Sample *sample_of(struct otlp_request *request, const struct profile_sample *from, int value)
{
	Otlp__Sample *sample = NEW(request, Otlp__Sample, otlp__sample__init);

	sample->stack_index = stack_index(request, from->key.stack);
	sample->n_values = 1;
	sample->values = message(request, sizeof(*sample->values));
	sample->values[0] = from->values[value];
	return sample;
}

static Otlp__Profile *profile_of(struct otlp_request *request, const struct fleet_profile *of,
				 const struct profile *from, int value)
{
	Otlp__Profile *profile = NEW(request, Otlp__Profile, otlp__profile__init);
	uint8_t *id = message(request, ID_BYTES);

	fleet_profile_id(of, id);
	id[0] ^= (uint8_t)value; /* it is one of several of the process */
	profile->profile_id.data = id;
	profile->profile_id.len = ID_BYTES;
	profile->sample_type = value_type(request, profile_values[value].pprof_type, profile_values[value].pprof_unit);
	profile->period_type = value_type(request, "space", "bytes");
	profile->period = from->rate > 0 ? from->rate : 0;
	profile->time_unix_nano = (uint64_t)from->start_ns;
	profile->duration_nano = (uint64_t)from->duration_ns;
	profile->samples = message(request, (from->sample_count + 1) * sizeof(*profile->samples));
	for (size_t i = 0; i < from->sample_count; i++) {
		if (from->samples[i]->values[value])
			profile->samples[profile->n_samples++] = sample_of(request, from->samples[i], value);
	}
	return profile;
}

static Otlp__KeyValue *key_value(struct otlp_request *request, const char *key, const char *text)
{
	Otlp__KeyValue *pair = NEW(request, Otlp__KeyValue, otlp__key_value__init);

	pair->key = (char *)key;
	pair->value = text_value(request, text);
	return pair;
}

/* By the names of OpenTelemetry's semantic conventions. */
static Otlp__Resource *resource_of(struct otlp_request *request, const struct fleet_profile *of)
{
	bool go = strncmp(of->runtime, "go", 2) == 0 && strncmp(of->runtime, "goalloc", 7) != 0;
	const char *const texts[][2] = {
		{"service.name", of->service},
		{"host.name", of->host},
		{"process.executable.name", text_base_name(of->executable)},
		{go ? "process.executable.build_id.go" : "process.executable.build_id.gnu", of->build},
		{"process.runtime.name", go ? "go" : "goalloc"},
		{"process.runtime.version", of->runtime},
	};
	enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };
	Otlp__Resource *resource = NEW(request, Otlp__Resource, otlp__resource__init);
	Otlp__KeyValue *pid = NEW(request, Otlp__KeyValue, otlp__key_value__init);

	resource->attributes = message(request, (TEXTS + 1) * sizeof(*resource->attributes));
	for (size_t i = 0; i < TEXTS; i++) {
		if (*texts[i][1])
			resource->attributes[resource->n_attributes++] = key_value(request, texts[i][0], texts[i][1]);
	}
	pid->key = "process.pid";
	pid->value = NEW(request, Otlp__AnyValue, otlp__any_value__init);
	pid->value->value_case = OTLP__ANY_VALUE__VALUE_INT_VALUE;
	pid->value->int_value = (int64_t)of->pid;
	resource->attributes[resource->n_attributes++] = pid;
	return resource;
}

static Otlp__InstrumentationScope *scope_of(struct otlp_request *request)
{
	Otlp__InstrumentationScope *scope = NEW(request, Otlp__InstrumentationScope, otlp__instrumentation_scope__init);

	scope->name = "escapement";
	scope->version = ESCAPEMENT_VERSION;
	return scope;
}

enum { VALUES = 2 }; /* of a process: objects and bytes */

void otlp_request_add(struct otlp_request *request, const struct fleet_profile *of, const struct profile *profile)
{
	const int values[VALUES] = {(int)profile_objects(profile), (int)profile_bytes(profile)};
	Otlp__ResourceProfiles *resource = NEW(request, Otlp__ResourceProfiles, otlp__resource_profiles__init);
	Otlp__ScopeProfiles *scope = NEW(request, Otlp__ScopeProfiles, otlp__scope_profiles__init);

	resource->resource = resource_of(request, of);
	resource->n_scope_profiles = 1;
	resource->scope_profiles = message(request, sizeof(*resource->scope_profiles));
	resource->scope_profiles[0] = scope;
	scope->scope = scope_of(request);
	scope->profiles = message(request, VALUES * sizeof(*scope->profiles));
	for (size_t i = 0; i < VALUES; i++)
		scope->profiles[scope->n_profiles++] = profile_of(request, of, profile, values[i]);
	append(&request->resources, resource);
	/* their keys may be used again */
	pointer_map_free(&request->mappings);
	pointer_map_free(&request->locations);
	pointer_map_free(&request->stacks);
	request->mappings = request->locations = request->stacks = (struct pointer_map){0};
}

/* --- the whole --- */

struct otlp_request *otlp_request_new(void)
{
	struct otlp_request *request = memory_zeroed(1, sizeof(*request));

	text_index(request, "");
	append(&request->mapping_table, NEW(request, Otlp__Mapping, otlp__mapping__init));
	append(&request->location_table, NEW(request, Otlp__Location, otlp__location__init));
	append(&request->function_table, NEW(request, Otlp__Function, otlp__function__init));
	append(&request->attribute_table, NEW(request, Otlp__KeyValueAndUnit, otlp__key_value_and_unit__init));
	append(&request->stack_table, NEW(request, Otlp__Stack, otlp__stack__init));
	return request;
}

size_t otlp_request_profiles(const struct otlp_request *request)
{
	return request->resources.count * VALUES;
}

uint8_t *otlp_request_pack(struct otlp_request *request, size_t *size)
{
	Otlp__ExportProfilesServiceRequest whole = OTLP__EXPORT_PROFILES_SERVICE_REQUEST__INIT;
	Otlp__ProfilesDictionary dictionary = OTLP__PROFILES_DICTIONARY__INIT;
	Otlp__Link none = OTLP__LINK__INIT, *links = &none; /* of zeroes, for readers that look at lengths */
	uint8_t zeroes[ID_BYTES] = {0};
	uint8_t *bytes;

	none.trace_id = (ProtobufCBinaryData){ID_BYTES, zeroes};
	none.span_id = (ProtobufCBinaryData){SPAN_BYTES, zeroes};
	dictionary.n_link_table = 1;
	dictionary.link_table = &links;
#define TABLE(name)                                \
	dictionary.n_##name = request->name.count; \
	dictionary.name = (void *)request->name.items
	TABLE(mapping_table);
	TABLE(location_table);
	TABLE(function_table);
	TABLE(string_table);
	TABLE(attribute_table);
	TABLE(stack_table);
#undef TABLE
	whole.dictionary = &dictionary;
	whole.n_resource_profiles = request->resources.count;
	whole.resource_profiles = (void *)request->resources.items;
	bytes = memory_allocate(otlp__export_profiles_service_request__get_packed_size(&whole) + 1);
	*size = otlp__export_profiles_service_request__pack(&whole, bytes);
	return bytes;
}

void otlp_request_free(struct otlp_request *request)
{
	struct list *const lists[] = {&request->resources,	&request->mapping_table, &request->location_table,
				      &request->function_table, &request->string_table,	 &request->attribute_table,
				      &request->stack_table};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		free(lists[i]->items);
	HASH_CLEAR(hh, request->functions);
	pointer_map_free(&request->text_indices);
	string_table_free(&request->texts);
	arena_free(&request->arena);
	free(request);
}
