/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fact is printed up to three times, and in two places:
 *
 *   f.go:6:6: x escapes to heap:       the heading of its explanation (-m=2), as soon as the compiler knows
 *   f.go:6:6:   flow: ~r0 = &x:        ...
 *   f.go:6:6: moved to heap: x         its verdict, when the compiler has sorted all that it has to say
 *
 * and verdicts repeat: for each type that a generic function is made for, for a package and its test variant.
 * Verdicts make annotations, once each. Explanations wait until the verdict of the same position and subject comes;
 * what no verdict claims until its package ends is an annotation of its own (closures made for go and defer), or
 * was overtaken by a stronger one (a leak with more dereferences). Before 1.13 the verdict stands first and its
 * explanation follows it.
 */
#include "escape_facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pointer_map.h"

/* An explanation that waits for its verdict. */
struct pending {
	struct escape_annotation fact; /* of a leak, `detail` is the destination */
	int32_t derefs;                /* of a leak */
	uint32_t next;                 /* the one before at a position with the same hash, + 1 */
	bool claimed;
	bool overtaken; /* of a leak whose parameter has a verdict, and only the strongest leaks get one */
};

/*
 * What was said of one package; it may be said again under a later header. Packages have tables of their own, so that
 * what is looked up while one is read stays in the cache, however many there are.
 */
struct package_facts {
	const char *name; /* NULL before any header */
	uint64_t *index;  /* annotations by what they say: the hash's upper half, the number + 1 in the lower */
	size_t count, capacity;
};

enum explained { NOTHING, REPETITION, PENDING, ANNOTATION };

struct facts {
	struct escape_output *output;
	struct string_table *strings;

	struct package_facts *packages; /* the first is that of lines before any header; then as in the output */
	struct package_facts *package;  /* of these, the one that is being read */
	size_t package_facts_capacity;
	struct pointer_map package_numbers; /* by name */
	char *raw_path; /* of the message before, as printed: most lines have the same */
	size_t raw_path_length, raw_path_capacity;
	const char *file; /* what it is kept as */

	size_t annotation_capacity, package_capacity;

	struct pending *pending; /* of this package */
	size_t pending_count, pending_capacity;
	uint32_t *pending_index; /* by position: number + 1 */
	size_t pending_index_capacity;

	/* The explanation that is being read. */
	enum explained explained;
	size_t explained_number;
	uint32_t line, column;
	bool truncated;
	struct escape_flow *flows;
	size_t flow_count, flow_capacity;
	struct escape_step *steps;
	size_t step_count, step_capacity;
};

void *array_reserve(void *array, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity)
		return array;
	*capacity = *capacity ? *capacity * 2 : 16;
	return memory_resize(array, *capacity, size);
}

static const char *intern(struct facts *facts, struct span span)
{
	return string_table_intern(facts->strings, span.text, span.length);
}

static const char *intern_optional(struct facts *facts, struct span span)
{
	return span.length ? intern(facts, span) : NULL;
}

static bool is_likely_path(const struct facts *facts, struct span path)
{
	return facts->file && path.length == facts->raw_path_length && memcmp(path.text, facts->raw_path, path.length) == 0;
}

static const char *intern_path(struct facts *facts, struct span path)
{
	char *buffer;
	const char *file;

	if (is_likely_path(facts, path))
		return facts->file;
	buffer = memory_resize(NULL, path.length + 6, 1);
	file = intern(facts, position_normalize(path, buffer));
	free(buffer);
	return file;
}

static void remember_path(struct facts *facts, struct span path)
{
	if (is_likely_path(facts, path))
		return;
	facts->file = intern_path(facts, path);
	if (path.length > facts->raw_path_capacity) {
		facts->raw_path_capacity = path.length * 2;
		facts->raw_path = memory_resize(facts->raw_path, facts->raw_path_capacity, 1);
	}
	memcpy(facts->raw_path, path.text, path.length);
	facts->raw_path_length = path.length;
}

struct span facts_likely_path(const struct facts *facts)
{
	return (struct span){facts->raw_path, facts->raw_path_length};
}

/* ---- annotations by what they say ---- */

static bool is_leak(enum escape_kind kind)
{
	return kind == ESCAPE_LEAKING_PARAM || kind == ESCAPE_LEAKING_PARAM_CONTENT ||
	       kind == ESCAPE_LEAKING_PARAM_TO_RESULT;
}

/* Messages that say the same fact in other words have the same class. */
static unsigned fact_class(enum escape_kind kind)
{
	return kind == ESCAPE_MOVED_TO_HEAP ? ESCAPE_ESCAPES : kind;
}

static uint64_t position_hash(const struct escape_annotation *fact)
{
	return hash_fold((uintptr_t)fact->file, (uint64_t)fact->line << 32 | fact->column);
}

static uint64_t fact_hash(const struct escape_annotation *fact)
{
	uint64_t hash = hash_fold(position_hash(fact), (uintptr_t)fact->subject);

	return hash_fold(hash, (uintptr_t)fact->detail + fact_class(fact->kind));
}

static bool same_place(const struct escape_annotation *a, const struct escape_annotation *b)
{
	return a->line == b->line && a->column == b->column && a->file == b->file;
}

static bool same_fact(const struct escape_annotation *a, const struct escape_annotation *b)
{
	return same_place(a, b) && a->subject == b->subject && a->detail == b->detail &&
	       fact_class(a->kind) == fact_class(b->kind);
}

static void grow_index(struct package_facts *package, const struct escape_annotation *annotations)
{
	size_t capacity = package->capacity ? package->capacity * 2 : 8;
	uint64_t *index = memory_zeroed(capacity, sizeof(*index));

	for (size_t i = 0; i < package->capacity; i++) {
		uint64_t entry = package->index[i];
		size_t at;

		if (!entry)
			continue;
		at = fact_hash(&annotations[(uint32_t)entry - 1]) & (capacity - 1);
		while (index[at])
			at = (at + 1) & (capacity - 1);
		index[at] = entry;
	}
	free(package->index);
	package->index = index;
	package->capacity = capacity;
}

/* The number of the annotation of this package that says the same, added where there is none. */
static size_t find_or_add(struct facts *facts, const struct escape_annotation *fact)
{
	struct escape_output *output = facts->output;
	struct package_facts *package = facts->package;
	uint64_t hash = fact_hash(fact);
	size_t mask, at;

	if (package->count * 2 >= package->capacity)
		grow_index(package, output->annotations);
	mask = package->capacity - 1;
	for (at = hash & mask; package->index[at]; at = (at + 1) & mask) {
		size_t i = (uint32_t)package->index[at] - 1;

		if (package->index[at] >> 32 == hash >> 32 && same_fact(&output->annotations[i], fact))
			return i;
	}
	output->annotations = array_reserve(output->annotations, output->annotation_count,
					    &facts->annotation_capacity, sizeof(*output->annotations));
	output->annotations[output->annotation_count] = *fact;
	package->index[at] = hash >> 32 << 32 | (output->annotation_count + 1);
	package->count++;
	return output->annotation_count++;
}

/* ---- explanations ---- */

/* Gives what was read of an explanation to its owner. */
static void end_explanation(struct facts *facts)
{
	struct escape_annotation *owner = NULL;
	struct escape_flow *flows;
	struct escape_step *steps;

	if (facts->explained == PENDING)
		owner = &facts->pending[facts->explained_number].fact;
	else if (facts->explained == ANNOTATION)
		owner = &facts->output->annotations[facts->explained_number];
	if (owner && facts->flow_count) {
		flows = arena_allocate(&facts->strings->arena, facts->flow_count * sizeof(*flows));
		steps = arena_allocate(&facts->strings->arena, facts->step_count * sizeof(*steps));
		memcpy(flows, facts->flows, facts->flow_count * sizeof(*flows));
		if (facts->step_count)
			memcpy(steps, facts->steps, facts->step_count * sizeof(*steps));
		for (size_t i = 0; i < facts->flow_count; i++) {
			flows[i].steps = steps;
			steps += flows[i].step_count;
		}
		owner->flows = flows;
		owner->flow_count = (uint32_t)facts->flow_count;
		owner->truncated = facts->truncated;
	}
	facts->explained = NOTHING;
	facts->flow_count = facts->step_count = 0;
	facts->truncated = false;
}

static void begin_explanation(struct facts *facts, enum explained explained, size_t number,
			      const struct escape_annotation *fact)
{
	facts->explained = explained;
	facts->explained_number = number;
	facts->line = fact->line;
	facts->column = fact->column;
}

static void add_flow(struct facts *facts, const struct escape_flow *flow)
{
	facts->flows = array_reserve(facts->flows, facts->flow_count, &facts->flow_capacity, sizeof(*facts->flows));
	facts->flows[facts->flow_count++] = *flow;
}

/*
 * Before 1.13 there are no flow lines: all steps of an explanation stand under one edge, from what the verdict is
 * about to where it goes.
 */
static void add_implied_flow(struct facts *facts)
{
	const struct escape_annotation *owner = facts->explained == PENDING ?
		&facts->pending[facts->explained_number].fact : &facts->output->annotations[facts->explained_number];
	struct escape_flow flow = {.from = owner->subject};
	struct span heap = SPAN("{heap}");

	if (owner->kind == ESCAPE_LEAKING_PARAM_TO_RESULT && owner->detail)
		heap = (struct span){owner->detail, (size_t)(strchrnul(owner->detail, ' ') - owner->detail)};
	flow.to = intern(facts, heap);
	add_flow(facts, &flow);
}

static void add_step(struct facts *facts, const struct message *message)
{
	if (!facts->flow_count)
		add_implied_flow(facts);
	facts->flows[facts->flow_count - 1].step_count++;
	facts->steps = array_reserve(facts->steps, facts->step_count, &facts->step_capacity, sizeof(*facts->steps));
	facts->steps[facts->step_count++] = (struct escape_step){
		.expression = intern(facts, message->subject),
		.reason = intern(facts, message->detail),
		.file = intern_path(facts, message->at.path),
		.line = message->at.line,
		.column = message->at.column,
	};
}

static bool add_explanation(struct facts *facts, const struct position *position, const struct message *message)
{
	if (facts->explained == NOTHING)
		return false;
	/* Before 1.7 steps stand without a position of their own. */
	if (position->path.length && (position->line != facts->line || position->column != facts->column))
		return false;
	if (facts->explained == REPETITION)
		return true;
	if (message->role == MESSAGE_TRUNCATED)
		facts->truncated = true;
	else if (message->role == MESSAGE_STEP)
		add_step(facts, message);
	else
		add_flow(facts, &(struct escape_flow){.to = intern(facts, message->subject),
						      .from = intern(facts, message->detail),
						      .derefs = message->derefs});
	return true;
}

/* ---- explanations that wait for their verdict ---- */

static uint32_t *pending_slot(struct facts *facts, const struct escape_annotation *fact)
{
	return &facts->pending_index[(position_hash(fact) >> 20) & (facts->pending_index_capacity - 1)];
}

static void grow_pending_index(struct facts *facts)
{
	free(facts->pending_index);
	facts->pending_index_capacity = facts->pending_index_capacity ? facts->pending_index_capacity * 4 : 64;
	facts->pending_index = memory_zeroed(facts->pending_index_capacity, sizeof(*facts->pending_index));
	for (size_t i = 0; i < facts->pending_count; i++) {
		uint32_t *slot = pending_slot(facts, &facts->pending[i].fact);

		facts->pending[i].next = *slot;
		*slot = (uint32_t)i + 1;
	}
}

/* The pending explanations at this place, one after the other; start with NULL. */
static struct pending *next_pending(struct facts *facts, const struct escape_annotation *fact,
				    const struct pending *last)
{
	uint32_t number;

	if (!facts->pending_count)
		return NULL;
	for (number = last ? last->next : *pending_slot(facts, fact); number; number = facts->pending[number - 1].next) {
		if (same_place(&facts->pending[number - 1].fact, fact))
			return &facts->pending[number - 1];
	}
	return NULL;
}

static void add_heading(struct facts *facts, const struct escape_annotation *fact, int32_t derefs)
{
	uint32_t *slot;

	for (struct pending *p = NULL; (p = next_pending(facts, fact, p));) {
		if (p->fact.subject == fact->subject && p->fact.kind == fact->kind && p->fact.detail == fact->detail &&
		    p->derefs == derefs) {
			begin_explanation(facts, REPETITION, 0, fact);
			return;
		}
	}
	facts->pending = array_reserve(facts->pending, facts->pending_count, &facts->pending_capacity,
				       sizeof(*facts->pending));
	facts->pending[facts->pending_count++] = (struct pending){.fact = *fact, .derefs = derefs};
	if (facts->pending_count > facts->pending_index_capacity) {
		grow_pending_index(facts);
	} else {
		slot = pending_slot(facts, fact);
		facts->pending[facts->pending_count - 1].next = *slot;
		*slot = (uint32_t)facts->pending_count;
	}
	begin_explanation(facts, PENDING, facts->pending_count - 1, fact);
}

/* An expression up to its first parenthesis: arguments may be printed in another way in heading and verdict. */
static bool same_head(const char *a, const char *b)
{
	size_t length = strcspn(a, "(");

	return length == strcspn(b, "(") && strncmp(a, b, length) == 0;
}

/* How well an explanation fits a verdict at the same place: 0 not at all. */
static int fitness(const struct pending *pending, const struct escape_annotation *verdict)
{
	const char *to = pending->fact.detail;
	size_t length;

	if (is_leak(verdict->kind) != is_leak(pending->fact.kind))
		return 0;
	if (!is_leak(verdict->kind)) {
		if (fact_class(verdict->kind) != ESCAPE_ESCAPES)
			return 0;
		return pending->fact.subject == verdict->subject ? 2 :
		       same_head(pending->fact.subject, verdict->subject);
	}
	if (pending->fact.subject != verdict->subject)
		return 0;
	switch (verdict->kind) {
	case ESCAPE_LEAKING_PARAM_TO_RESULT: /* "R level=N" */
		length = strlen(to);
		return strncmp(verdict->detail, to, length) == 0 && strncmp(verdict->detail + length, " level=", 7) == 0 &&
		       atoi(verdict->detail + length + 7) == pending->derefs;
	case ESCAPE_LEAKING_PARAM:
		return pending->derefs ? 0 : pending->fact.kind == ESCAPE_LEAKING_PARAM ? 3 : to[0] == '{' ? 2 : 1;
	default: /* fewer dereferences were found later, and count */
		return !pending->derefs ? 0 : (to[0] == '{' ? 2000 : 1000) - (pending->derefs < 999 ? pending->derefs : 999);
	}
}

/* Gives a new verdict its explanation. */
static void claim_explanation(struct facts *facts, struct escape_annotation *verdict)
{
	bool of_parameter = is_leak(verdict->kind) || verdict->kind == ESCAPE_DOES_NOT_ESCAPE;
	struct pending *best = NULL;
	int best_fitness = 0;

	for (struct pending *p = NULL; (p = next_pending(facts, verdict, p));) {
		int fit = p->claimed && verdict->flow_count ? 0 : fitness(p, verdict);

		p->overtaken |= of_parameter && p->fact.subject == verdict->subject && is_leak(p->fact.kind);
		if (fit > best_fitness) {
			best = p;
			best_fitness = fit;
		}
	}
	if (!best)
		return;
	best->claimed = true;
	if (!verdict->function)
		verdict->function = best->fact.function;
	if (verdict->flow_count)
		return;
	verdict->flows = best->fact.flows;
	verdict->flow_count = best->fact.flow_count;
	verdict->truncated = best->fact.truncated;
}

/* The package is over: what no verdict claimed was explained only. */
static void settle_pending(struct facts *facts)
{
	for (size_t i = 0; i < facts->pending_count; i++) {
		struct pending *p = &facts->pending[i];
		struct escape_annotation fact = p->fact;
		struct escape_annotation *known;
		size_t number;
		char *detail;

		if (p->claimed || p->overtaken)
			continue;
		if (fact.kind == ESCAPE_LEAKING_PARAM_TO_RESULT) {
			if (asprintf(&detail, "%s level=%d", fact.detail, p->derefs) < 0)
				abort();
			fact.detail = string_table_intern(facts->strings, detail, strlen(detail));
			free(detail);
		} else {
			fact.detail = NULL;
		}
		fact.explained_only = true;
		number = find_or_add(facts, &fact); /* moves the annotations: look there only now */
		known = &facts->output->annotations[number];
		if (!known->flow_count) {
			known->flows = fact.flows;
			known->flow_count = fact.flow_count;
		}
	}
	/* Slot by slot: one large package must not make each of many small ones dear. */
	for (size_t i = 0; i < facts->pending_count; i++)
		*pending_slot(facts, &facts->pending[i].fact) = 0;
	facts->pending_count = 0;
}

/* ---- the outside ---- */

/* The facts of the package of that name, NULL before any header. */
static struct package_facts *enter_package(struct facts *facts, const char *name)
{
	struct escape_output *output = facts->output;
	uint32_t none = 0, *number = name ? pointer_map_at(&facts->package_numbers, name) : &none;

	if (*number == POINTER_MAP_NONE) {
		*number = (uint32_t)output->package_count + 1;
		output->packages = array_reserve(output->packages, output->package_count, &facts->package_capacity,
						 sizeof(*output->packages));
		output->packages[output->package_count++] = name;
		facts->packages = array_reserve(facts->packages, *number, &facts->package_facts_capacity,
						sizeof(*facts->packages));
		facts->packages[*number] = (struct package_facts){.name = name};
	}
	return &facts->packages[*number];
}

struct facts *facts_new(struct escape_output *output, struct string_table *strings)
{
	struct facts *facts = memory_zeroed(1, sizeof(*facts));

	facts->output = output;
	facts->strings = strings;
	facts->raw_path = memory_resize(NULL, 1, 1);
	facts->packages = array_reserve(NULL, 0, &facts->package_facts_capacity, sizeof(*facts->packages));
	facts->packages[0] = (struct package_facts){0};
	facts->package = enter_package(facts, NULL);
	return facts;
}

void facts_free(struct facts *facts)
{
	end_explanation(facts);
	settle_pending(facts);
	for (size_t i = 0; i <= facts->output->package_count; i++)
		free(facts->packages[i].index);
	free(facts->packages);
	pointer_map_free(&facts->package_numbers);
	free(facts->raw_path);
	free(facts->pending);
	free(facts->pending_index);
	free(facts->flows);
	free(facts->steps);
	free(facts);
}

void facts_package(struct facts *facts, struct span path)
{
	end_explanation(facts);
	settle_pending(facts);
	facts->package = enter_package(facts, intern(facts, path));
}

bool facts_add(struct facts *facts, const struct position *position, const struct message *message,
	       struct span text)
{
	struct escape_annotation fact = {.package = facts->package->name, .kind = message->kind}, *verdict;
	size_t number;

	if (message->role != MESSAGE_VERDICT && message->role != MESSAGE_HEADING)
		return add_explanation(facts, position, message);
	end_explanation(facts);
	remember_path(facts, position->path);
	fact.file = facts->file;
	fact.line = position->line;
	fact.column = position->column;
	fact.subject = intern(facts, message->subject);
	fact.detail = intern_optional(facts, message->detail);
	fact.function = intern_optional(facts, message->function);
	if (message->role == MESSAGE_HEADING) {
		fact.text = arena_string(&facts->strings->arena, text.text, text.length);
		add_heading(facts, &fact, message->derefs);
		return true;
	}
	number = find_or_add(facts, &fact);
	verdict = &facts->output->annotations[number];
	if (!verdict->text || verdict->explained_only) {
		verdict->text = arena_string(&facts->strings->arena, text.text, text.length);
		verdict->kind = fact.kind;
		verdict->explained_only = false;
	}
	claim_explanation(facts, verdict);
	begin_explanation(facts, verdict->flow_count ? REPETITION : ANNOTATION, number, verdict);
	return true;
}
