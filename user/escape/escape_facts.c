/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fact is printed up to three times, in two places:
 *
 *   f.go:6:6: x escapes to heap:       the heading of its explanation (-m=2), as soon as the compiler has found it
 *   f.go:6:6:   flow: ~r0 = &x:        ...
 *   f.go:6:6: moved to heap: x         its verdict, after the compiler has sorted its messages
 *
 * Verdicts repeat as well: for each type that a generic function is instantiated with, and for a package and its test
 * variant. Each verdict makes one annotation. An explanation is kept until the verdict with the same position and
 * subject comes. If none comes before the end of the package, the explanation becomes an annotation of its own
 * (closures created for go and defer), or it was superseded by a stronger one (a leak with more dereferences). Before
 * Go 1.13 the verdict comes first and its explanation follows it.
 */
#include "escape/escape_facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/hash_index.h"
#include "base/memory.h"
#include "base/pointer_map.h"

/* An explanation whose verdict has not come yet. */
struct pending {
	struct escape_annotation fact; /* `detail` of a leak is its destination */
	int32_t derefs;		       /* of a leak */
	uint32_t next;		       /* number + 1 of the previous one at the same position; 0: none */
	bool claimed;
};

/*
 * The facts of one file of one package; later headers may add more. Verdicts are sorted by file, so what is looked up
 * while one file is read stays in the processor's cache, regardless of how much was read before.
 */
struct file_facts {
	const char *package, *file;
	struct hash_index index;  /* annotations by their content: number + 1 */
	struct hash_index spoken; /* a set of parameters that have a verdict, by place and name */
};

enum explained { NOTHING, REPETITION, PENDING, ANNOTATION };

struct facts {
	struct escape_output *output;
	struct string_table *strings;

	/* What all texts of the output have in common is in the facts of the first one: `root`, which may be this. */
	struct facts *root;
	struct pointer_map packages; /* known packages */
	struct file_facts *files;
	size_t file_count, file_capacity;
	struct hash_index file_index; /* by package and file: number + 1 */
	size_t last_file;	      /* number of the one that was looked up last */
	size_t annotation_capacity, package_capacity;

	const char *package;

	char *raw_path; /* path of the previous message, as printed: most lines have the same */
	size_t raw_path_length, raw_path_capacity;
	const char *file; /* the interned path for it */

	struct pending *pending; /* pending explanations of this package */
	struct arena pending_texts;
	size_t pending_count, pending_capacity;
	struct hash_index pending_index; /* the latest at a position: number + 1 */

	/* The explanation being read. */
	enum explained explained;
	size_t explained_number;
	uint32_t line, column;
	bool headed;   /* its heading was the last message */
	bool explains; /* some heading had more: `grep` has not left headings alone */
	bool truncated;
	bool doubled; /* its heading came twice, as each line of a log does that two outputs go to */
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
	return facts->file && path.length == facts->raw_path_length &&
	       memcmp(path.text, facts->raw_path, path.length) == 0;
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

/* ---- annotations by content ---- */

static bool is_leak(enum escape_kind kind)
{
	return kind == ESCAPE_LEAKING_PARAM || kind == ESCAPE_LEAKING_PARAM_CONTENT ||
	       kind == ESCAPE_LEAKING_PARAM_TO_RESULT;
}

/* Messages that express the same fact differently have the same class. */
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

static bool same_fact(const void *annotations, uint64_t item, const void *key)
{
	const struct escape_annotation *a = (const struct escape_annotation *)annotations + item - 1, *b = key;

	return same_place(a, b) && a->subject == b->subject && a->detail == b->detail &&
	       fact_class(a->kind) == fact_class(b->kind);
}

static bool same_file(const void *files, uint64_t item, const void *key)
{
	const struct file_facts *file = (const struct file_facts *)files + item - 1;
	const struct escape_annotation *fact = key;

	return file->file == fact->file && file->package == fact->package;
}

/* Returns the facts of the fact's file. Valid until the next call. */
static struct file_facts *file_of(struct facts *facts, const struct escape_annotation *fact)
{
	struct facts *root = facts->root;
	struct file_facts *last = root->file_count ? &root->files[root->last_file] : NULL;
	uint64_t *item;

	if (last && last->file == fact->file && last->package == fact->package)
		return last;
	item = hash_index_at(&root->file_index, hash_fold((uintptr_t)fact->package, (uintptr_t)fact->file), same_file,
			     root->files, fact);
	if (!*item) {
		root->files = array_reserve(root->files, root->file_count, &root->file_capacity, sizeof(*root->files));
		root->files[root->file_count++] = (struct file_facts){.package = fact->package, .file = fact->file};
		*item = root->file_count;
	}
	root->last_file = *item - 1;
	return &root->files[root->last_file];
}

/* Returns the number of the annotation with the same content, which is added if there is none. */
static size_t find_or_add(struct facts *facts, struct file_facts *file, const struct escape_annotation *fact)
{
	struct escape_output *output = facts->output;
	uint64_t *item = hash_index_at(&file->index, fact_hash(fact), same_fact, output->annotations, fact);

	if (*item)
		return *item - 1;
	output->annotations = array_reserve(output->annotations, output->annotation_count,
					    &facts->root->annotation_capacity, sizeof(*output->annotations));
	output->annotations[output->annotation_count] = *fact;
	*item = ++output->annotation_count;
	return *item - 1;
}

/* ---- explanations ---- */

/* Moves the explanation that was read to its annotation or pending entry. */
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
	facts->headed = false;
	facts->flow_count = facts->step_count = 0;
	facts->truncated = facts->doubled = false;
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
 * Before Go 1.13 there are no flow lines: all steps of an explanation belong to one edge, from the subject of the
 * verdict to its destination.
 */
static void add_implied_flow(struct facts *facts)
{
	const struct escape_annotation *owner = facts->explained == PENDING
							? &facts->pending[facts->explained_number].fact
							: &facts->output->annotations[facts->explained_number];
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

/* Whether this line of the explanation is the one before it. */
static bool is_last(struct facts *facts, const struct message *message)
{
	const struct escape_flow *flow = facts->flow_count ? &facts->flows[facts->flow_count - 1] : NULL;
	const struct escape_step *step = flow && flow->step_count ? &facts->steps[facts->step_count - 1] : NULL;
	const char *subject, *detail;

	if (message->role == MESSAGE_TRUNCATED) /* has no texts */
		return false;
	subject = intern(facts, message->subject);
	detail = intern(facts, message->detail);
	if (message->role == MESSAGE_FLOW)
		return flow && !step && flow->to == subject && flow->from == detail && flow->derefs == message->derefs;
	return step && message->role == MESSAGE_STEP && step->expression == subject && step->reason == detail &&
	       step->line == message->at.line && step->column == message->at.column;
}

static bool add_explanation(struct facts *facts, const struct position *position, const struct message *message)
{
	if (facts->explained == NOTHING)
		return false;
	/* Before Go 1.7 steps have no position of their own. */
	if (position->path.length && (position->line != facts->line || position->column != facts->column))
		return false;
	facts->headed = false;
	facts->explains = true;
	if (facts->explained == REPETITION || (facts->doubled && is_last(facts, message)))
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

/* ---- explanations without a verdict yet ---- */

static bool same_pending_place(const void *pending, uint64_t item, const void *key)
{
	return same_place(&((const struct pending *)pending + item - 1)->fact, key);
}

/* Iterates over the pending explanations at this place; start with NULL. */
static struct pending *next_pending(struct facts *facts, const struct escape_annotation *fact,
				    const struct pending *last)
{
	uint64_t number = last ? last->next
			       : hash_index_get(&facts->pending_index, position_hash(fact), same_pending_place,
						facts->pending, fact);

	return number ? &facts->pending[number - 1] : NULL;
}

static uint64_t parameter_hash(const struct escape_annotation *fact)
{
	return hash_fold(position_hash(fact), (uintptr_t)fact->subject);
}

static void add_heading(struct facts *facts, const struct escape_annotation *fact, int32_t derefs)
{
	uint64_t *item;

	for (struct pending *p = NULL; (p = next_pending(facts, fact, p));) {
		if (p->fact.subject == fact->subject && p->fact.kind == fact->kind && p->fact.detail == fact->detail &&
		    p->derefs == derefs) {
			facts->doubled = !p->fact.flow_count && p == &facts->pending[facts->pending_count - 1];
			begin_explanation(facts, facts->doubled ? PENDING : REPETITION, (size_t)(p - facts->pending),
					  fact);
			return;
		}
	}
	facts->pending =
		array_reserve(facts->pending, facts->pending_count, &facts->pending_capacity, sizeof(*facts->pending));
	facts->pending[facts->pending_count++] = (struct pending){.fact = *fact, .derefs = derefs};
	item = hash_index_at(&facts->pending_index, position_hash(fact), same_pending_place, facts->pending, fact);
	facts->pending[facts->pending_count - 1].next = (uint32_t)*item;
	*item = facts->pending_count;
	begin_explanation(facts, PENDING, facts->pending_count - 1, fact);
}

/* Compares two expressions up to the first parenthesis, because heading and verdict may print arguments differently. */
static bool same_head(const char *a, const char *b)
{
	size_t length = strcspn(a, "(");

	return length == strcspn(b, "(") && strncmp(a, b, length) == 0;
}

/* How well an explanation matches a verdict at the same place; 0: not at all. */
static int fitness(const struct pending *pending, const struct escape_annotation *verdict)
{
	const char *to = pending->fact.detail;
	size_t length;

	if (is_leak(verdict->kind) != is_leak(pending->fact.kind))
		return 0;
	if (!is_leak(verdict->kind)) {
		if (fact_class(verdict->kind) != ESCAPE_ESCAPES)
			return 0;
		return pending->fact.subject == verdict->subject ? 2
								 : same_head(pending->fact.subject, verdict->subject);
	}
	if (pending->fact.subject != verdict->subject)
		return 0;
	switch (verdict->kind) {
	case ESCAPE_LEAKING_PARAM_TO_RESULT: /* "R level=N" */
		length = strlen(to);
		return strncmp(verdict->detail, to, length) == 0 &&
		       strncmp(verdict->detail + length, " level=", 7) == 0 &&
		       atoi(verdict->detail + length + 7) == pending->derefs;
	case ESCAPE_LEAKING_PARAM:
		return pending->derefs ? 0 : pending->fact.kind == ESCAPE_LEAKING_PARAM ? 3 : to[0] == '{' ? 2 : 1;
	default: /* an explanation with fewer dereferences was found later, and supersedes */
		return !pending->derefs
			       ? 0
			       : (to[0] == '{' ? 2000 : 1000) - (pending->derefs < 999 ? pending->derefs : 999);
	}
}

/* Attaches the best pending explanation to a new verdict. */
static void claim_explanation(struct facts *facts, struct file_facts *file, struct escape_annotation *verdict)
{
	struct pending *best = NULL;
	int best_fitness = 0;

	for (struct pending *p = NULL; (p = next_pending(facts, verdict, p));) {
		int fit = p->claimed && verdict->flow_count ? 0 : fitness(p, verdict);

		if (fit > best_fitness) {
			best = p;
			best_fitness = fit;
		}
	}
	if (is_leak(verdict->kind) || verdict->kind == ESCAPE_DOES_NOT_ESCAPE)
		hash_index_add(&file->spoken, parameter_hash(verdict));
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

/* Called at the end of a package: explanations without a verdict become annotations. */
static void settle_pending(struct facts *facts)
{
	for (size_t i = 0; i < facts->pending_count; i++) {
		struct pending *p = &facts->pending[i];
		struct escape_annotation fact = p->fact;
		struct escape_annotation *known;
		struct file_facts *file;
		size_t number;
		char *detail;

		if (p->claimed)
			continue;
		file = file_of(facts, &fact);
		/* Only the strongest leak of a parameter gets a verdict. */
		if (is_leak(fact.kind) && hash_index_has(&file->spoken, parameter_hash(&fact)))
			continue;
		if (fact.kind == ESCAPE_LEAKING_PARAM_TO_RESULT) {
			detail = memory_format("%s level=%d", fact.detail, p->derefs);
			fact.detail = string_table_intern(facts->strings, detail, strlen(detail));
			free(detail);
		} else {
			fact.detail = NULL;
		}
		fact.explained_only = true;
		fact.text = arena_string(&facts->strings->arena, fact.text, strlen(fact.text));
		/* may move the annotations, so pointers into them are taken after this */
		number = find_or_add(facts, file, &fact);
		known = &facts->output->annotations[number];
		if (!known->flow_count) {
			known->flows = fact.flows;
			known->flow_count = fact.flow_count;
		}
	}
	hash_index_clear(&facts->pending_index);
	arena_free(&facts->pending_texts);
	facts->pending_count = 0;
}

/* ---- interface ---- */

struct facts *facts_new(struct escape_output *output, struct string_table *strings)
{
	struct facts *facts = memory_zeroed(1, sizeof(*facts));

	facts->output = output;
	facts->strings = strings;
	facts->root = facts;
	facts->raw_path = memory_resize(NULL, 1, 1);
	return facts;
}

struct facts *facts_branch(struct facts *facts)
{
	struct facts *branch = facts_new(facts->output, facts->strings);

	branch->root = facts->root;
	return branch;
}

static void free_text(struct facts *facts)
{
	free(facts->raw_path);
	free(facts->pending);
	hash_index_free(&facts->pending_index);
	free(facts->flows);
	free(facts->steps);
	free(facts);
}

void facts_free(struct facts *facts)
{
	end_explanation(facts);
	settle_pending(facts);
	if (facts->root != facts) {
		free_text(facts);
		return;
	}
	facts->output->annotations = memory_resize(facts->output->annotations, facts->output->annotation_count,
						   sizeof(*facts->output->annotations));
	for (size_t i = 0; i < facts->file_count; i++) {
		hash_index_free(&facts->files[i].index);
		hash_index_free(&facts->files[i].spoken);
	}
	free(facts->files);
	hash_index_free(&facts->file_index);
	pointer_map_free(&facts->packages);
	free_text(facts);
}

void facts_package(struct facts *facts, struct span path)
{
	struct escape_output *output = facts->output;
	uint32_t *known;

	end_explanation(facts);
	settle_pending(facts);
	facts->package = intern(facts, path);
	known = pointer_map_at(&facts->root->packages, facts->package);
	if (*known != POINTER_MAP_NONE) { /* headers repeat for test variants */
		output->repeated = true;
		return;
	}
	*known = (uint32_t)output->package_count;
	output->packages = array_reserve(output->packages, output->package_count, &facts->root->package_capacity,
					 sizeof(*output->packages));
	output->packages[output->package_count++] = facts->package;
}

const char *facts_heading_alone(const struct facts *facts)
{
	return facts->headed && facts->explains ? facts->pending[facts->explained_number].fact.text : NULL;
}

bool facts_add(struct facts *facts, const struct position *position, const struct message *message, struct span text)
{
	struct escape_annotation fact = {.package = facts->package, .kind = message->kind}, *verdict;
	struct file_facts *file;
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
		/* This text is shown if no verdict comes, so the colon before the explanation is removed. */
		fact.text = arena_string(&facts->pending_texts, text.text, text.length - span_ends(text, SPAN(":")));
		add_heading(facts, &fact, message->derefs);
		facts->headed = true;
		return true;
	}
	file = file_of(facts, &fact);
	number = find_or_add(facts, file, &fact);
	verdict = &facts->output->annotations[number];
	if (!verdict->text || verdict->explained_only) {
		verdict->text = arena_string(&facts->strings->arena, text.text, text.length);
		verdict->kind = fact.kind;
		verdict->explained_only = false;
	}
	claim_explanation(facts, file, verdict);
	begin_explanation(facts, verdict->flow_count ? REPETITION : ANNOTATION, number, verdict);
	return true;
}
