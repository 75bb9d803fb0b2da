/* SPDX-License-Identifier: BSD-2-Clause */
#include "escape/escape_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "escape/escape_position.h"
#include "escape/escape_story.h"
#include "base/hash.h"
#include "base/hash_index.h"
#include "base/memory.h"
#include "base/text_compare.h"

struct escape_graph {
	const struct escape_output *output;
	struct escape_location *locations;
	size_t location_count;
	struct escape_edge *edges;
	size_t edge_count;
	struct hash_index index; /* locations: number + 1 */
	struct hash_index leaks; /* the first leak of a function of a package: annotation number + 1 */
	uint32_t *next_leak;	 /* by annotation number: the next of that function, + 1; 0: none */
};

static const char heap_name[] = "{heap}";

const char *escape_cause_name(enum escape_cause cause)
{
	static const char *const names[] = {"unknown", "heap-pointer", "outlives-frame", "size"};

	return names[cause];
}

static bool is_heap(const char *name)
{
	return strcmp(name, heap_name) == 0;
}

static uint64_t hash_text(const char *text)
{
	return text ? hash_bytes(text, strlen(text)) : 0;
}

static uint64_t location_hash(const struct escape_location *key)
{
	return hash_fold(hash_fold(hash_text(key->name), hash_text(key->function)), hash_text(key->package));
}

static bool location_same(const void *locations, uint64_t item, const void *key)
{
	const struct escape_location *a = (const struct escape_location *)locations + item - 1, *b = key;

	return text_same(a->name, b->name) && text_same(a->function, b->function) && text_same(a->package, b->package);
}

static struct escape_location location_key(const struct escape_annotation *annotation, const char *name)
{
	struct escape_location key = {.name = name};

	if (is_heap(name))
		return key;
	key.package = annotation->package;
	key.function = annotation->function ? annotation->function : annotation->file;
	return key;
}

static struct escape_location *add_location(struct escape_graph *graph, const struct escape_annotation *annotation,
					    const char *name)
{
	struct escape_location key = location_key(annotation, name);
	uint64_t *item = hash_index_at(&graph->index, location_hash(&key), location_same, graph->locations, &key);

	if (!*item) {
		graph->locations[graph->location_count++] = key;
		*item = graph->location_count;
	}
	return &graph->locations[*item - 1];
}

static void add_edge(struct escape_graph *graph, const struct escape_annotation *annotation,
		     const struct escape_flow *flow)
{
	struct escape_location *from = add_location(graph, annotation, flow->from);
	struct escape_edge *edge = &graph->edges[graph->edge_count++];

	edge->flow = flow;
	edge->annotation = annotation;
	edge->from = from;
	edge->to = add_location(graph, annotation, flow->to);
	edge->next = from->out;
	from->out = edge;
}

static bool is_leak(const struct escape_annotation *annotation)
{
	return annotation->kind == ESCAPE_LEAKING_PARAM || annotation->kind == ESCAPE_LEAKING_PARAM_CONTENT;
}

static uint64_t leak_hash(const char *package, const char *function)
{
	return hash_fold(hash_text(package), hash_text(function));
}

static bool leak_same(const void *annotations, uint64_t item, const void *key)
{
	const struct escape_annotation *a = (const struct escape_annotation *)annotations + item - 1, *b = key;

	return text_same(a->package, b->package) && text_same(a->function, b->function);
}

static void index_leaks(struct escape_graph *graph)
{
	const struct escape_output *output = graph->output;

	graph->next_leak = memory_zeroed(output->annotation_count + 1, sizeof(*graph->next_leak));
	for (size_t i = output->annotation_count; i-- > 0;) {
		const struct escape_annotation *a = &output->annotations[i];
		uint64_t *first;

		if (!is_leak(a) || !a->function)
			continue;
		first = hash_index_at(&graph->leaks, leak_hash(a->package, a->function), leak_same, output->annotations,
				      a);
		graph->next_leak[i] = (uint32_t)*first;
		*first = i + 1;
	}
}

struct escape_graph *escape_graph_new(const struct escape_output *output)
{
	struct escape_graph *graph = memory_zeroed(1, sizeof(*graph));
	size_t flows = 0;

	graph->output = output;
	for (size_t i = 0; i < output->annotation_count; i++)
		flows += output->annotations[i].flow_count;
	/* Allocated at its maximal size (two locations per edge), because pointers to locations must stay valid. */
	graph->locations = memory_resize(NULL, flows * 2 + 1, sizeof(*graph->locations));
	graph->edges = memory_resize(NULL, flows + 1, sizeof(*graph->edges));
	for (size_t i = 0; i < output->annotation_count; i++) {
		const struct escape_annotation *a = &output->annotations[i];

		for (uint32_t f = 0; f < a->flow_count; f++)
			add_edge(graph, a, &a->flows[f]);
	}
	index_leaks(graph);
	return graph;
}

void escape_graph_free(struct escape_graph *graph)
{
	if (!graph)
		return;
	free(graph->locations);
	free(graph->edges);
	hash_index_free(&graph->index);
	hash_index_free(&graph->leaks);
	free(graph->next_leak);
	free(graph);
}

size_t escape_graph_location_count(const struct escape_graph *graph)
{
	return graph->location_count;
}

size_t escape_graph_edge_count(const struct escape_graph *graph)
{
	return graph->edge_count;
}

const struct escape_location *escape_graph_find(const struct escape_graph *graph, const char *package,
						const char *function, const char *name)
{
	struct escape_location key = {.package = package, .function = function, .name = name};
	uint64_t number;

	if (is_heap(name))
		key.package = key.function = NULL;
	number = hash_index_get(&graph->index, location_hash(&key), location_same, graph->locations, &key);
	return number ? &graph->locations[number - 1] : NULL;
}

/* ---- causes ---- */

/* Returns the decisive step: the last step of the last flow. */
static const struct escape_step *last_step(const struct escape_annotation *annotation)
{
	for (uint32_t f = annotation->flow_count; f-- > 0;) {
		const struct escape_flow *flow = &annotation->flows[f];

		if (flow->step_count)
			return &flow->steps[flow->step_count - 1];
	}
	return NULL;
}

enum escape_cause escape_graph_cause(const struct escape_graph *graph, const struct escape_annotation *annotation)
{
	const struct escape_step *step = last_step(annotation);
	const struct escape_location *sink;
	const char *to;

	if (!annotation->flow_count)
		return ESCAPE_CAUSE_UNKNOWN;
	if (step && escape_story_is_size(step->reason))
		return ESCAPE_CAUSE_SIZE;
	to = annotation->flows[annotation->flow_count - 1].to;
	/* a value whose flows end there is allocated in the heap */
	if (is_heap(to) || strncmp(to, "{storage for ", 13) == 0)
		return ESCAPE_CAUSE_HEAP_POINTER;
	/* A variable: either it was moved to the heap itself, or it is a result or belongs to an outer block. */
	sink = escape_graph_find(graph, annotation->package,
				 annotation->function ? annotation->function : annotation->file, to);
	for (const struct escape_edge *edge = sink ? sink->out : NULL; edge; edge = edge->next) {
		if (edge->annotation->kind == ESCAPE_MOVED_TO_HEAP && strcmp(edge->annotation->subject, to) == 0)
			return ESCAPE_CAUSE_HEAP_POINTER;
	}
	return ESCAPE_CAUSE_OUTLIVES;
}

/* ---- into callees ---- */

/* Whether `path` is that of a package called `name`: "net/http", "gopkg.in/yaml.v3", "example.com/x/v2". */
static bool has_package_name(const char *path, struct span name)
{
	const char *end = path + strlen(path), *start;

	for (int parts = 0; parts < 2 && end > path; parts++, end = start > path ? start - 1 : path) {
		for (start = end; start > path && start[-1] != '/';)
			start--;
		if ((size_t)(end - start) >= name.length && memcmp(start, name.text, name.length) == 0 &&
		    ((size_t)(end - start) == name.length || start[name.length] == '.'))
			return true;
		/* Only a version may follow the name. */
		if (*start != 'v' || start[1] < '1' || start[1] > '9')
			return false;
	}
	return false;
}

/* Counts the leaks of a function that match what flows into it; returns the first. */
static const struct escape_annotation *fitting_leak(const struct escape_graph *graph, const char *package,
						    struct span function, bool content, size_t *count)
{
	const struct escape_annotation *annotations = graph->output->annotations, *first = NULL;
	struct escape_annotation key = {.package = package};
	char name[512];

	if (function.length >= sizeof(name))
		return NULL;
	memcpy(name, function.text, function.length);
	name[function.length] = 0;
	key.function = name;
	for (uint64_t n = hash_index_get(&graph->leaks, leak_hash(package, name), leak_same, annotations, &key); n;
	     n = graph->next_leak[n - 1]) {
		const struct escape_annotation *a = &annotations[n - 1];

		if ((a->kind == ESCAPE_LEAKING_PARAM_CONTENT) != content)
			continue;
		if (!first)
			first = a;
		*count += *count == 0 || a->subject != first->subject;
	}
	return first;
}

/*
 * Returns the number of dereferences in the callee: those of the flow minus those of the steps before the call. What is
 * spilled into the argument slice and read from it has 0.
 */
static int callee_derefs(const struct escape_flow *flow)
{
	static const struct {
		const char *reason;
		int derefs;
	} reasons[] = {{"spill", -1},	   {"address-of", -1},	  {"reference", -1},
		       {"indirection", 1}, {"dot of pointer", 1}, {"range-deref", 1}};
	int derefs = flow->derefs;

	for (uint32_t s = 0; s + 1 < flow->step_count; s++) {
		for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
			derefs -= strcmp(flow->steps[s].reason, reasons[i].reason) == 0 ? reasons[i].derefs : 0;
	}
	return derefs;
}

const struct escape_annotation *escape_graph_callee(const struct escape_graph *graph,
						    const struct escape_annotation *annotation, size_t *others)
{
	const struct escape_step *step = last_step(annotation);
	const struct escape_annotation *found = NULL;
	struct span package, function;
	size_t count = 0;
	bool content;

	*others = 0;
	if (!step || strcmp(step->reason, "call parameter") != 0 ||
	    !escape_story_callee(step->expression, &package, &function))
		return NULL;
	content = callee_derefs(&annotation->flows[annotation->flow_count - 1]) > 0;
	if (!package.length)
		found = fitting_leak(graph, annotation->package, function, content, &count);
	for (size_t p = 0; package.length && p < graph->output->package_count; p++) {
		const struct escape_annotation *leak;

		if (!has_package_name(graph->output->packages[p], package))
			continue;
		leak = fitting_leak(graph, graph->output->packages[p], function, content, &count);
		found = found ? found : leak;
	}
	*others = count ? count - 1 : 0;
	return found == annotation ? NULL : found;
}

char *escape_graph_story(const struct escape_graph *graph, const struct escape_annotation *annotation)
{
	size_t others;
	const struct escape_annotation *callee = escape_graph_callee(graph, annotation, &others);

	return escape_story(annotation, last_step(annotation), escape_graph_cause(graph, annotation),
			    others ? NULL : callee);
}
