/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_GROUPS_H
#define ESCAPEMENT_AUDIT_GROUPS_H

/*
 * The first step of the join: groups the samples of a profile by inline chain, runtime call and type, and adds up each
 * group. Private to the join.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/audit_index.h"
#include "base/hash_index.h"
#include "profile/estimates.h"
#include "profile/interval.h"
#include "profile/profile.h"

/* Samples of one chain, call and type. A group whose package the output does not cover is placed at its nearest covered
 * caller. */
struct group {
	const struct profile_frame *chain;	   /* the site, then what it is inlined into */
	uint32_t length;			   /* 0: nothing is known about the stack */
	const char *call, *type, *callee, *reason; /* `reason`: why it is uncovered or unplaced */
	const struct profile_frame *owner;	   /* NULL: outside of the owner module, or unknown */
	const char *via;
	int32_t span_class;	  /* of costs alone, such as refills, whose type is unknown; else SPAN_CLASS_UNKNOWN */
	bool uncovered, unplaced; /* of another package than those of the output; of no known line */
	bool foreign; /* an instance of a generic function that a package made which the output does not cover */
	int64_t values[VALUE_COUNT];
	struct interval interval;
};

/* The index of the element of `elements` that has the key; if there is none, enters and returns `next`. In the index
 * elements are their numbers, + 1. */
static inline uint32_t element_at(struct hash_index *index, uint64_t hash, uint32_t next, hash_same *same,
				  const void *elements, const void *key)
{
	uint64_t *item = hash_index_at(index, hash, same, elements, key);

	if (!*item)
		*item = (uint64_t)next + 1;
	return (uint32_t)(*item - 1);
}

struct groups {
	struct group *list;
	size_t count, capacity;
	struct hash_index by_key;
};

/* Groups the samples of the profile of `estimates`. The groups refer to the profile. */
void groups_collect(struct groups *groups, struct audit_index *index, const struct estimates *estimates);
void groups_free(struct groups *groups);

uint64_t chain_hash(const struct profile_frame *chain, uint32_t length);
bool chain_equal(const struct profile_frame *a, uint32_t a_length, const struct profile_frame *b, uint32_t b_length);

#endif
