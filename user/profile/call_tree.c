/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/call_tree.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash_table.h"
#include "base/arena.h"
#include "base/memory.h"

struct frame_entry {
	struct call_tree_frame key; /* strings are interned, so the bytes can be compared */
	uint32_t number;
	UT_hash_handle hh;
};

struct node_entry {
	struct {
		uint32_t parent, frame;
	} key;
	uint32_t number;
	UT_hash_handle hh;
};

struct call_tree_index {
	struct string_table strings;
	struct arena memory; /* memory of the entries */
	struct frame_entry *frames;
	struct node_entry *nodes;
	size_t frame_capacity, node_capacity, leaf_capacity;
};

/* The frames of one profile's locations, outermost first, by location->id: each location is looked up once. */
struct location_frames {
	uint32_t *numbers;
	uint32_t count;
};

static void *room_for_one(void *array, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity)
		return array;
	*capacity = *capacity ? 2 * *capacity : 1024;
	return memory_resize(array, *capacity, size);
}

static const char *intern(struct call_tree_index *index, const char *text)
{
	return text ? string_table_intern(&index->strings, text, strlen(text)) : NULL;
}

static struct call_tree_frame frame_key(struct call_tree_index *index, const char *function, const char *file,
					uint32_t line)
{
	struct call_tree_frame key;

	memset(&key, 0, sizeof(key)); /* including padding, because the hash covers all bytes */
	key.function = intern(index, function);
	key.file = intern(index, file);
	key.line = line;
	return key;
}

static uint32_t frame_number(struct call_tree *tree, const char *function, const char *file, uint32_t line)
{
	struct call_tree_index *index = tree->index;
	struct call_tree_frame key = frame_key(index, function, file, line);
	struct frame_entry *entry;

	HASH_FIND(hh, index->frames, &key, sizeof(key), entry);
	if (entry)
		return entry->number;
	entry = arena_allocate(&index->memory, sizeof(*entry));
	memset(entry, 0, sizeof(*entry));
	entry->key = key;
	entry->number = (uint32_t)tree->frame_count;
	HASH_ADD(hh, index->frames, key, sizeof(entry->key), entry);
	tree->frames = room_for_one(tree->frames, tree->frame_count, &index->frame_capacity, sizeof(*tree->frames));
	tree->frames[tree->frame_count++] = key;
	return entry->number;
}

uint32_t call_tree_find(const struct call_tree *tree, const char *function, const char *file, uint32_t line)
{
	struct call_tree_frame key = frame_key(tree->index, function, file, line);
	struct frame_entry *entry;

	HASH_FIND(hh, tree->index->frames, &key, sizeof(key), entry);
	return entry ? entry->number : CALL_TREE_NONE;
}

static uint32_t child_of(struct call_tree *tree, uint32_t parent, uint32_t frame)
{
	struct call_tree_index *index = tree->index;
	struct node_entry *entry, probe = {.key = {parent, frame}};

	HASH_FIND(hh, index->nodes, &probe.key, sizeof(probe.key), entry);
	if (entry)
		return entry->number;
	entry = arena_allocate(&index->memory, sizeof(*entry));
	*entry = probe;
	entry->number = (uint32_t)tree->node_count;
	HASH_ADD(hh, index->nodes, key, sizeof(entry->key), entry);
	tree->nodes = room_for_one(tree->nodes, tree->node_count, &index->node_capacity, sizeof(*tree->nodes));
	tree->nodes[tree->node_count++] = (struct call_tree_node){parent, frame, CALL_TREE_NONE};
	return entry->number;
}

static uint32_t position_frame(struct call_tree *tree, const struct profile_location *location, uint32_t which)
{
	const struct profile_frame *frame = which < location->frame_count ? &location->frames[which] : NULL;
	char address[32];

	if (frame && frame->function)
		return frame_number(tree, frame->function, frame->file, frame->line);
	snprintf(address, sizeof(address), "0x%" PRIx64, location->address);
	return frame_number(tree, address, location->mapping ? location->mapping->file : NULL, 0);
}

static const struct location_frames *frames_of(struct call_tree *tree, struct location_frames *known,
					       const struct profile_location *location)
{
	struct location_frames *frames = &known[location->id];
	uint32_t count = location->frame_count ? location->frame_count : 1;

	if (frames->numbers)
		return frames;
	frames->numbers = memory_zeroed(count, sizeof(*frames->numbers));
	frames->count = count;
	for (uint32_t i = 0; i < count; i++)
		frames->numbers[i] = position_frame(tree, location, count - 1 - i);
	return frames;
}

static struct call_tree_leaf *leaf_of(struct call_tree *tree, uint32_t node, uint32_t group)
{
	struct call_tree_index *index = tree->index;
	uint32_t leaf = tree->nodes[node].leaf;

	while (leaf != CALL_TREE_NONE && tree->leaves[leaf].group != group)
		leaf = tree->leaves[leaf].next;
	if (leaf != CALL_TREE_NONE)
		return &tree->leaves[leaf];
	tree->leaves = room_for_one(tree->leaves, tree->leaf_count, &index->leaf_capacity, sizeof(*tree->leaves));
	tree->leaves[tree->leaf_count] = (struct call_tree_leaf){.node = node,
								 .group = group,
								 .next = tree->nodes[node].leaf,
								 .allocating = CALL_TREE_NONE,
								 .owner = CALL_TREE_NONE};
	tree->nodes[node].leaf = (uint32_t)tree->leaf_count;
	return &tree->leaves[tree->leaf_count++];
}

static uint32_t frame_of(struct call_tree *tree, const struct profile_frame *frame)
{
	return frame && frame->function ? frame_number(tree, frame->function, frame->file, frame->line)
					: CALL_TREE_NONE;
}

/* What the samples of a profile are added with. */
struct addition {
	struct location_frames *known;
	struct owner_table *owners;
	call_tree_group *group_of;
	void *context;
	int side;
};

static void add_sample(struct call_tree *tree, const struct addition *addition, const struct profile_sample *sample)
{
	const struct profile_stack *stack = sample->key.stack;
	struct call_tree_leaf *leaf;
	struct owner owner = owner_of(addition->owners, sample);
	uint32_t node = 0;

	for (uint32_t i = stack->depth; i-- > 0;) {
		const struct location_frames *frames = frames_of(tree, addition->known, profile_stack_at(stack, i));

		for (uint32_t j = 0; j < frames->count; j++)
			node = child_of(tree, node, frames->numbers[j]);
	}
	leaf = leaf_of(tree, node, addition->group_of ? addition->group_of(sample, &owner, addition->context) : 0);
	leaf->allocating = frame_of(tree, owner.allocating);
	leaf->owner = frame_of(tree, owner.frame);
	for (int value = 0; value < VALUE_COUNT; value++)
		leaf->values[addition->side][value] =
			add_saturated(leaf->values[addition->side][value], sample->values[value]);
}

struct call_tree *call_tree_new(void)
{
	struct call_tree *tree = memory_zeroed(1, sizeof(*tree));

	tree->index = memory_zeroed(1, sizeof(*tree->index));
	tree->nodes = room_for_one(NULL, 0, &tree->index->node_capacity, sizeof(*tree->nodes));
	tree->nodes[tree->node_count++] = (struct call_tree_node){0, CALL_TREE_NONE, CALL_TREE_NONE};
	return tree;
}

void call_tree_add_grouped(struct call_tree *tree, const struct profile *profile, int side, call_tree_group *group_of,
			   void *context)
{
	struct addition addition = {
		.owners = owner_table_new(profile), .group_of = group_of, .context = context, .side = side};

	addition.known = memory_zeroed(profile->locations->count + 1, sizeof(*addition.known));
	for (size_t i = 0; i < profile->sample_count; i++)
		add_sample(tree, &addition, profile->samples[i]);
	for (size_t i = 0; i <= profile->locations->count; i++)
		free(addition.known[i].numbers);
	free(addition.known);
	owner_table_free(addition.owners);
}

void call_tree_add(struct call_tree *tree, const struct profile *profile, int side)
{
	call_tree_add_grouped(tree, profile, side, NULL, NULL);
}

void call_tree_free(struct call_tree *tree)
{
	if (!tree)
		return;
	HASH_CLEAR(hh, tree->index->frames);
	HASH_CLEAR(hh, tree->index->nodes);
	arena_free(&tree->index->memory);
	string_table_free(&tree->index->strings);
	free(tree->index);
	free(tree->frames);
	free(tree->nodes);
	free(tree->leaves);
	free(tree);
}
