/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/audit_match.h"

#include <stdlib.h>
#include <string.h>

#include "audit/audit_calls.h"
#include "audit/audit_instance.h"
#include "audit/audit_moves.h"
#include "base/memory.h"
#include "escape/escape_functions.h"
#include "profile/frames.h"

/* Annotations that may belong to a group. */
struct candidates {
	const struct escape_annotation **list;
	size_t count, capacity;
};

struct audit_matcher {
	const struct escape_output *output;
	struct audit_index *index;
	struct audit_moves *moves;	/* made when a slice moves for the first time: few programs have such */
	const char *instance;		/* of the generic function that allocates; NULL if not known */
	struct candidates matched, own; /* at the physical function's line; at the innermost callee's own line */
};

struct audit_matcher *audit_matcher_new(const struct escape_output *output, struct audit_index *index)
{
	struct audit_matcher *matcher = memory_zeroed(1, sizeof(*matcher));

	matcher->output = output;
	matcher->index = index;
	return matcher;
}

void audit_matcher_free(struct audit_matcher *matcher)
{
	if (!matcher)
		return;
	free(matcher->matched.list);
	free(matcher->own.list);
	audit_moves_free(matcher->moves);
	free(matcher);
}

static void append(struct candidates *candidates, const struct escape_annotation *annotation)
{
	if (candidates->count == candidates->capacity) {
		candidates->capacity = candidates->capacity ? 2 * candidates->capacity : 16;
		candidates->list = memory_resize(candidates->list, candidates->capacity, sizeof(*candidates->list));
	}
	candidates->list[candidates->count++] = annotation;
}

static bool on_heap(const struct candidates *candidates)
{
	return candidates->count && candidates->list[0]->kind != ESCAPE_DOES_NOT_ESCAPE;
}

/* Collects the annotations on a frame's line that may be about the call: heap moves if there are any, and of these the
 * best matches. */
static void collect(struct audit_matcher *matcher, const struct profile_frame *frame, const struct call *call,
		    struct candidates *candidates)
{
	struct audit_positions line = audit_index_line(matcher->index, frame);
	int best = 0;
	bool heap = false;

	candidates->count = 0;
	for (size_t i = 0; i < line.count; i++) {
		const struct escape_annotation *annotation = &matcher->output->annotations[line.first[i].annotation];
		bool moved = annotation->kind != ESCAPE_DOES_NOT_ESCAPE;
		int fit = call_fits(call, annotation);

		if (!fit || (frame->column && annotation->column && frame->column != annotation->column) ||
		    !audit_instance_fits(annotation->subject, matcher->instance))
			continue;
		if ((heap && !moved) || (heap == moved && fit < best))
			continue;
		if (heap != moved || fit > best) {
			heap = moved;
			best = fit;
			candidates->count = 0;
		}
		append(candidates, annotation);
	}
}

/* Keeps the candidates of the highest rank; all of them if no rank is above 0. */
static void narrow(struct candidates *candidates, int (*rank)(const struct escape_annotation *, const void *),
		   const void *argument)
{
	int best = 0;
	size_t count = 0;

	if (candidates->count < 2)
		return;
	for (size_t i = 0; i < candidates->count; i++) {
		int fit = rank(candidates->list[i], argument);

		best = fit > best ? fit : best;
	}
	for (size_t i = 0; best && i < candidates->count; i++) {
		if (rank(candidates->list[i], argument) == best)
			candidates->list[count++] = candidates->list[i];
	}
	if (best)
		candidates->count = count;
}

static int is_possible_type(const struct escape_annotation *annotation, const void *call)
{
	return !call_excludes(call, annotation);
}

static int is_subject_of(const struct escape_annotation *annotation, const void *argument)
{
	const struct candidates *own = argument;
	int best = 0;

	for (size_t i = 0; i < own->count; i++) {
		int same = call_same_subject(annotation->subject, own->list[i]->subject);

		best = same > best ? same : best;
	}
	return best;
}

static int is_of_instance(const struct escape_annotation *annotation, const void *instance)
{
	return audit_instance_fits(annotation->subject, instance);
}

/* ---- which call on a line was inlined ---- */

/* Copies a function's name without type arguments. */
static void copy_plain(char *to, size_t size, const char *name)
{
	size_t depth = 0, length = 0;

	for (; *name && length + 1 < size; name++) {
		depth += *name == '[';
		if (!depth)
			to[length++] = *name;
		depth -= *name == ']' && depth;
	}
	to[length] = 0;
}

/* Whether the compiler's name of an inlined function ("sub.(*T[...]).M", "T.M" or "F") is that of a symbol. */
static bool is_function(const char *subject, const char *symbol)
{
	char said[512], local[512];
	size_t said_length, local_length;

	copy_plain(said, sizeof(said), subject);
	copy_plain(local, sizeof(local), frames_local_name(symbol));
	said_length = strlen(said);
	local_length = strlen(local);
	return said_length >= local_length && strcmp(said + said_length - local_length, local) == 0 &&
	       (said_length == local_length || said[said_length - local_length - 1] == '.');
}

struct inlined_call {
	struct audit_positions calls; /* inlined calls on the line */
	const struct escape_output *output;
	const char *callee;
	unsigned family; /* of the measured call */
};

/* Whether the callee was inlined at the annotation's position; 0 too if another function was. */
static int is_at_call(const struct escape_annotation *annotation, const void *argument)
{
	const struct inlined_call *call = argument;

	for (size_t i = 0; i < call->calls.count; i++) {
		if (call->calls.first[i].column == annotation->column &&
		    is_function(call->output->annotations[call->calls.first[i].annotation].subject, call->callee))
			return 1;
	}
	return 0;
}

static void narrow_by_call(struct audit_matcher *matcher, const struct group *group, struct candidates *candidates)
{
	const struct profile_frame *callee = &group->chain[group->length - 2];
	struct inlined_call call = {.output = matcher->output, .callee = callee->function};

	if (!callee->function)
		return;
	call.calls = audit_index_calls(matcher->index, &group->chain[group->length - 1]);
	narrow(candidates, is_at_call, &call);
}

/* Whether the measured call may be the boxing of the annotation's value. */
static bool may_box(unsigned family, const struct escape_annotation *annotation)
{
	const struct call boxing = {.family = CALL_BOX};

	return (!family || family & CALL_BOX) && call_fits(&boxing, annotation);
}

/*
 * What the compiler says at the position of an inlined call is about the inlined copy, except for what the caller does for
 * the call: it makes a slice of variadic arguments, and boxes arguments (Go 1.19 says so at the call, newer releases at the
 * argument) and the result.
 */
static int is_callers_own(const struct escape_annotation *annotation, const void *argument)
{
	const struct inlined_call *call = argument;

	if (strcmp(annotation->subject, "... argument") == 0 || may_box(call->family, annotation))
		return 1;
	for (size_t i = 0; i < call->calls.count; i++) {
		if (call->calls.first[i].column == annotation->column)
			return 0;
	}
	return 1;
}

static void narrow_to_callers_own(struct audit_matcher *matcher, const struct group *group,
				  struct candidates *candidates)
{
	struct inlined_call call = {.family = call_family(group->call)};

	if (candidates->count < 2)
		return;
	call.calls = audit_index_calls(matcher->index, &group->chain[0]);
	narrow(candidates, is_callers_own, &call);
}

/*
 * What the compiler says at the position of a call that was inlined into the callee's own line is about a deeper copy, whose chain
 * begins at another site. Takes it from the callee's own candidates. If there are no others, and the profile does not name the
 * runtime call, takes what has its words from those of the call's line, too.
 */
static void leave_to_callees(struct audit_matcher *matcher, const struct group *group, struct candidates *own,
			     struct candidates *matched)
{
	struct inlined_call call = {.family = call_family(group->call)};
	size_t kept = 0, others = 0;

	if (!own->count)
		return;
	call.calls = audit_index_calls(matcher->index, &group->chain[0]);
	for (size_t i = 0; i < own->count; i++) {
		const struct escape_annotation *annotation = own->list[i];

		if (is_callers_own(annotation, &call))
			own->list[kept++] = annotation;
	}
	if (kept)
		own->count = kept;
	if (kept || call.family)
		return;
	for (size_t i = 0; i < matched->count; i++) {
		if (is_subject_of(matched->list[i], own) < 2)
			matched->list[others++] = matched->list[i];
	}
	matched->count = others;
	own->count = 0;
}

/* ---- slices that move ---- */

/* Of more candidates nobody would look for the one that it is, and a row has a list of its own. */
enum { MOVED_MOST = 64 };

/*
 * Of a line where a slice moves only the explanation of its append or make speaks. Without it (-m, named results), the slice
 * is one of the function's. If there are too many candidates, it has none.
 */
static void collect_moved(struct audit_matcher *matcher, const struct profile_frame *frame,
			  struct candidates *candidates)
{
	const struct audit_positions all = audit_index_all(matcher->index);
	struct audit_moved moved;

	if (!matcher->moves)
		matcher->moves = audit_moves_new(matcher->output, matcher->index);
	moved = audit_moves_at_line(matcher->moves, frame);
	if (!moved.count)
		moved = audit_moves_in_function(matcher->moves, frame);
	for (size_t i = 0; moved.count <= MOVED_MOST && i < moved.count; i++) {
		const struct escape_annotation *annotation =
			&matcher->output->annotations[all.first[moved.first[i].place].annotation];

		if (audit_instance_fits(annotation->subject, matcher->instance))
			append(candidates, annotation);
	}
}

/* ---- the callees' own lines ---- */

/* Links the heap moves on one line that have the same expression; or the only one of the same kind, because constants
 * may have been substituted. */
static size_t link_line(struct audit_matcher *matcher, struct audit_positions line, size_t matched)
{
	struct candidates *candidates = &matcher->matched;
	const struct escape_annotation *alike = NULL;
	size_t linked = 0, alike_count = 0;

	for (size_t i = 0; i < line.count; i++) {
		const struct escape_annotation *annotation = &matcher->output->annotations[line.first[i].annotation];
		int same = 0;

		if (!audit_instance_fits(annotation->subject, matcher->instance))
			continue;
		for (size_t j = 0; j < matched && annotation->kind != ESCAPE_DOES_NOT_ESCAPE; j++) {
			int is = call_same_subject(annotation->subject, candidates->list[j]->subject);

			same = is > same ? is : same;
		}
		if (same == 2) {
			append(candidates, annotation);
			linked++;
		} else if (same == 1) {
			alike = annotation;
			alike_count++;
		}
	}
	if (!linked && alike_count == 1) {
		append(candidates, alike);
		linked++;
	}
	return linked;
}

/* An inlined copy of the code at the callees' own lines allocates: appends the annotations of those lines. Returns
 * their number. */
static size_t link_own_lines(struct audit_matcher *matcher, const struct group *group)
{
	size_t matched = matcher->matched.count, linked = 0;

	for (uint32_t i = 0; i + 1 < group->length; i++) {
		struct profile_frame line = group->chain[i];

		line.column = 0;
		linked += link_line(matcher, audit_index_line(matcher->index, &line), matched);
	}
	/* The annotation at the call has another text, or there is none: links everything at the innermost callee's
	 * line that the call may be. */
	for (size_t i = 0; !linked && on_heap(&matcher->own) && i < matcher->own.count; i++)
		append(&matcher->matched, matcher->own.list[i]);
	return matcher->matched.count - matched;
}

void audit_match(struct audit_matcher *matcher, const struct group *group, struct audit_match *match)
{
	const struct call call = call_of(group->call, group->type);
	struct candidates *matched = &matcher->matched, *own = &matcher->own;
	bool from_callee = false;

	matcher->instance = audit_instance(group->chain[0].function);
	collect(matcher, &group->chain[group->length - 1], &call, matched);
	if (!matched->count && call.family & CALL_MOVE)
		collect_moved(matcher, &group->chain[group->length - 1], matched);
	own->count = 0;
	if (group->length > 1) {
		collect(matcher, &group->chain[0], &call, own);
		leave_to_callees(matcher, group, own, matched);
		narrow(own, is_possible_type, &call);
		narrow(matched, is_subject_of, own);
		/* The output is from a build without inlining, or does not cover the caller: uses the callee's own
		 * annotation. */
		from_callee = !matched->count && on_heap(own);
		for (size_t i = 0; from_callee && i < own->count; i++)
			append(matched, own->list[i]);
	}
	narrow(matched, is_possible_type, &call);
	narrow(matched, is_of_instance, matcher->instance);
	if (group->length > 1 && !from_callee)
		narrow_by_call(matcher, group, matched);
	else if (group->length == 1)
		narrow_to_callers_own(matcher, group, matched);
	match->count = matched->count;
	match->heap = on_heap(matched);
	match->linked = group->length > 1 && matched->count && !from_callee ? link_own_lines(matcher, group) : 0;
	match->list = matched->list;
}
