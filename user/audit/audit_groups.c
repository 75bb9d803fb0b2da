/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/audit_groups.h"

#include <stdlib.h>
#include <string.h>

#include "profile/interval.h"
#include "base/hash.h"
#include "base/memory.h"
#include "profile/frames.h"
#include "profile/owner.h"

uint64_t chain_hash(const struct profile_frame *chain, uint32_t length)
{
	uint64_t hash = length;

	for (uint32_t i = 0; i < length; i++) {
		hash = hash_fold(hash, (uintptr_t)chain[i].function);
		hash = hash_fold(hash, (uintptr_t)chain[i].file);
		hash = hash_fold(hash, (uint64_t)chain[i].line << 32 | chain[i].column);
	}
	return hash;
}

bool chain_equal(const struct profile_frame *a, uint32_t a_length, const struct profile_frame *b, uint32_t b_length)
{
	if (a_length != b_length)
		return false;
	for (uint32_t i = 0; i < a_length && a != b; i++) {
		if (a[i].function != b[i].function || a[i].file != b[i].file || a[i].line != b[i].line ||
		    a[i].column != b[i].column)
			return false;
	}
	return true;
}

static bool group_equal(const void *groups, uint64_t item, const void *key)
{
	const struct group *a = (const struct group *)groups + item - 1, *b = key;

	return a->call == b->call && a->type == b->type && a->span_class == b->span_class && a->callee == b->callee &&
	       a->reason == b->reason && a->foreign == b->foreign && a->via == b->via &&
	       chain_equal(a->owner, a->owner != NULL, b->owner, b->owner != NULL) &&
	       chain_equal(a->chain, a->length, b->chain, b->length);
}

static struct group *group_at(struct groups *groups, const struct group *key)
{
	uint64_t hash = hash_fold(hash_fold(chain_hash(key->chain, key->length), (uintptr_t)key->call),
				  (uintptr_t)key->type ^ (uintptr_t)key->callee ^ (uint64_t)(int64_t)key->span_class);
	uint32_t index;

	hash = hash_fold(hash, chain_hash(key->owner, key->owner != NULL) ^ (uintptr_t)key->via);
	index = element_at(&groups->by_key, hash, (uint32_t)groups->count, group_equal, groups->list, key);
	if (index == groups->count) {
		if (groups->count == groups->capacity) {
			groups->capacity = groups->capacity ? 2 * groups->capacity : 256;
			groups->list = memory_resize(groups->list, groups->capacity, sizeof(*groups->list));
		}
		groups->list[groups->count++] = *key;
	}
	return &groups->list[index];
}

static bool chain_covered(struct audit_index *index, const struct profile_frame *chain, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++) {
		if (audit_index_covers(index, &chain[i], i + 1 == length))
			return true;
	}
	return false;
}

/* Assigns a group whose own package is not covered to the nearest caller whose package is. */
static void find_covered_caller(struct audit_index *index, const struct profile_stack *stack,
				const struct frames_site *site, struct group *group)
{
	const char *callee = frames_site_frame(stack, site)->function;

	group->uncovered = true;
	group->reason = "the compiler output says nothing about this package";
	for (uint32_t i = site->location; i < stack->depth; i++) {
		const struct profile_location *location = profile_stack_at(stack, i);

		for (uint32_t j = i == site->location ? site->frame : 0; j < location->frame_count; j++) {
			if (!audit_index_covers(index, &location->frames[j], j + 1 == location->frame_count)) {
				callee = location->frames[j].function;
				continue;
			}
			group->chain = &location->frames[j];
			group->length = location->frame_count - j;
			group->callee = callee;
			group->call = group->type = NULL;
			return;
		}
	}
}

/*
 * Whether an uncovered package made the instance of a generic function that allocates: the one that calls it. The instance may
 * have been made for other types than those that the output speaks of. Who made it is unknown if the runtime calls it.
 */
static bool is_foreign(struct audit_index *index, const struct profile_stack *stack, uint32_t site)
{
	const struct profile_location *location = profile_stack_at(stack, site);

	if (!audit_index_is_instance(index, &location->frames[location->frame_count - 1]))
		return false;
	for (uint32_t i = site + 1; i < stack->depth; i++) {
		const struct profile_frame *caller;

		location = profile_stack_at(stack, i);
		caller = location->frame_count ? &location->frames[location->frame_count - 1] : NULL;
		if (!caller || !caller->function || frames_is_runtime(caller->function))
			return false;
		if (!strchr(frames_local_name(caller->function), '['))
			return !audit_index_covers(index, caller, true);
	}
	return false;
}

/* For a stack with only runtime functions: describes it by its outermost function other than goexit. */
static void describe_runtime_stack(const struct profile_stack *stack, struct group *group)
{
	group->unplaced = true;
	group->reason = "no symbols for this stack";
	for (uint32_t i = stack->depth; i-- > 0;) {
		const struct profile_location *location = profile_stack_at(stack, i);

		if (!location->frame_count || !location->frames[location->frame_count - 1].function ||
		    strcmp(location->frames[location->frame_count - 1].function, "runtime.goexit") == 0)
			continue;
		group->chain = &location->frames[location->frame_count - 1];
		group->length = 1;
		group->unplaced = false;
		group->uncovered = true;
		group->reason = "the runtime's own";
		return;
	}
}

/* What was measured at a place, a chain and its call, in one span class or, SPAN_CLASS_UNKNOWN, in all. */
struct place {
	const struct profile_frame *chain;
	uint32_t length;
	const char *call, *type;
	int32_t span_class;
	bool several; /* other types, too */
};

struct places {
	struct place *list;
	size_t count, capacity;
	struct hash_index by_key;
};

static struct place place_of(const struct group *group, int32_t span_class)
{
	return (struct place){.chain = group->chain,
			      .length = group->length,
			      .call = group->call,
			      .type = group->type,
			      .span_class = span_class};
}

static bool place_equal(const void *places, uint64_t item, const void *key)
{
	const struct place *a = (const struct place *)places + item - 1, *b = key;

	return a->call == b->call && a->span_class == b->span_class &&
	       chain_equal(a->chain, a->length, b->chain, b->length);
}

/* The known place, or a new one, which is `key`. */
static struct place *place_at(struct places *places, struct place key)
{
	uint64_t hash = hash_fold(hash_fold(chain_hash(key.chain, key.length), (uintptr_t)key.call),
				  (uint64_t)(int64_t)key.span_class);
	uint32_t index;

	if (places->count == places->capacity) {
		places->capacity = places->capacity ? 2 * places->capacity : 256;
		places->list = memory_resize(places->list, places->capacity, sizeof(*places->list));
	}
	index = element_at(&places->by_key, hash, (uint32_t)places->count, place_equal, places->list, &key);
	if (index == places->count)
		places->list[places->count++] = key;
	return &places->list[index];
}

static void note_type(struct places *places, const struct group *group, int32_t span_class)
{
	struct place *place = place_at(places, place_of(group, span_class));

	place->several |= place->type != group->type;
}

static void add_sample(struct groups *groups, struct places *places, struct audit_index *index,
		       struct owner_table *owners, const struct estimates *estimates,
		       const struct profile_sample *sample)
{
	const struct profile_stack *stack = sample->key.stack;
	struct group key = {.type = sample->key.type, .span_class = SPAN_CLASS_UNKNOWN}, *group;
	struct frames_site site;
	struct owner owner;
	int64_t any = 0;

	for (int i = 0; i < VALUE_COUNT; i++)
		any |= sample->values[i];
	if (!any) /* in other tools' profiles: a stack that only has objects allocated earlier */
		return;
	if (!stack || !stack->depth) {
		key.unplaced = true;
		key.reason = "its stack was lost";
	} else if (estimates_is_tiny(stack)) {
		key.unplaced = true;
		key.reason = "they share blocks: which line allocated how many is not known";
		key.chain = profile_stack_at(stack, 0)->frames;
		key.length = 1;
	} else if (!frames_site(stack, &site)) {
		describe_runtime_stack(stack, &key);
	} else {
		key.chain = frames_site_frame(stack, &site);
		key.length = profile_stack_at(stack, site.location)->frame_count - site.frame;
		key.call = site.runtime_call;
		owner = owner_of(owners, sample);
		key.owner = owner.frame;
		key.via = owner.via;
		if (!chain_covered(index, key.chain, key.length))
			find_covered_caller(index, stack, &site, &key);
		else
			key.foreign = is_foreign(index, stack, site.location);
	}
	if (!key.type && !sample->values[VALUE_OBJECTS])
		key.span_class = sample->key.span_class;
	group = group_at(groups, &key);
	if (group->type && sample->key.span_class != SPAN_CLASS_UNKNOWN)
		note_type(places, group, sample->key.span_class);
	for (int i = 0; i < VALUE_COUNT; i++)
		group->values[i] = add_saturated(group->values[i], sample->values[i]);
	interval_add_sample(&group->interval, estimates, sample);
}

/*
 * A group that has only costs, such as refills, gets the type of its place, if only one was measured there in the span class of the
 * costs or, if none was in that one, in all of them.
 */
static void give_costs_their_type(struct groups *groups, struct places *places)
{
	for (size_t i = 0; i < groups->count; i++) {
		if (groups->list[i].type)
			note_type(places, &groups->list[i], SPAN_CLASS_UNKNOWN);
	}
	for (size_t i = 0; i < groups->count; i++) {
		struct group *group = &groups->list[i];
		const struct place *place;

		if (group->type || group->values[VALUE_OBJECTS])
			continue;
		place = place_at(places, place_of(group, group->span_class));
		if (!place->type)
			place = place_at(places, place_of(group, SPAN_CLASS_UNKNOWN));
		if (!place->several)
			group->type = place->type;
	}
}

void groups_collect(struct groups *groups, struct audit_index *index, const struct estimates *estimates)
{
	const struct profile *profile = estimates->profile;
	struct owner_table *owners = owner_table_new(profile);
	struct places places = {0};

	*groups = (struct groups){0};
	hash_index_reserve(&groups->by_key, profile->sample_count);
	for (size_t i = 0; i < profile->sample_count; i++)
		add_sample(groups, &places, index, owners, estimates, profile->samples[i]);
	owner_table_free(owners);
	hash_index_free(&groups->by_key);
	give_costs_their_type(groups, &places);
	free(places.list);
	hash_index_free(&places.by_key);
}

void groups_free(struct groups *groups)
{
	for (size_t i = 0; i < groups->count; i++)
		interval_clear(&groups->list[i].interval);
	free(groups->list);
}
