/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_CALL_TREE_H
#define ESCAPEMENT_CALL_TREE_H

/*
 * The stacks of one or two profiles as one calling tree: each node is a source-level frame (inlined frames included)
 * below its callers. Frames with the same function, file and line are equal, in whichever profile they are. One thread
 * builds the tree, then any may read it.
 *
 *   node 0 is the root, "all"; a node's parent has a lower number
 *   a leaf has the sums of the samples of one group whose stack ends at its node; a node has at most one leaf of each group
 */

#include <stddef.h>
#include <stdint.h>

#include "base/string_table.h"
#include "profile/owner.h"
#include "profile/profile.h"

#define CALL_TREE_NONE UINT32_MAX

enum { CALL_TREE_NOW, CALL_TREE_BEFORE, CALL_TREE_SIDES };

struct call_tree_frame {
	const char *function; /* never NULL; an address if nothing is known */
	const char *file;     /* NULL if unknown */
	uint32_t line;	      /* 0 if unknown */
};

struct call_tree_node {
	uint32_t parent;
	uint32_t frame; /* CALL_TREE_NONE for the root */
	uint32_t leaf;	/* the first; CALL_TREE_NONE: no stack ends here */
};

struct call_tree_leaf {
	uint32_t node;
	uint32_t group;
	uint32_t next;	     /* another leaf of the node; CALL_TREE_NONE: this is the last */
	uint32_t allocating; /* frame that called the runtime (owner.h); CALL_TREE_NONE if there is none */
	uint32_t owner;	     /* frame that owns the allocation; CALL_TREE_NONE if there is none */
	int64_t values[CALL_TREE_SIDES][VALUE_COUNT]; /* valid if the profile of that side measures them */
};

struct call_tree {
	struct call_tree_frame *frames;
	size_t frame_count;
	struct call_tree_node *nodes;
	size_t node_count;
	struct call_tree_leaf *leaves;
	size_t leaf_count;
	struct call_tree_index *index; /* private */
};

struct call_tree *call_tree_new(void); /* never NULL */
void call_tree_free(struct call_tree *tree);

/* Adds the samples of a profile to one side. Strings are copied: the profile may be freed before the tree. */
void call_tree_add(struct call_tree *tree, const struct profile *profile, int side);

/* The same, with samples that belong to different things apart: `group_of` says which group each is in (0 without it). */
typedef uint32_t call_tree_group(const struct profile_sample *sample, const struct owner *owner, void *context);
void call_tree_add_grouped(struct call_tree *tree, const struct profile *profile, int side, call_tree_group *group_of,
			   void *context);

/* Returns the frame with that position; CALL_TREE_NONE if no stack has it. Only for the thread that builds the tree. */
uint32_t call_tree_find(const struct call_tree *tree, const char *function, const char *file, uint32_t line);

#endif
