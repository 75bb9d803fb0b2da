/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_GROUPS_H
#define ESCAPEMENT_AUDIT_GROUPS_H

/*
 * The first step of the join: the samples of a profile in groups of one inline chain, runtime call and type, each with
 * its sums. Also the hash table that groups and rows are found by. Private to the join.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/audit_index.h"
#include "profile/estimates.h"
#include "profile/interval.h"
#include "profile/profile.h"

/* Samples of one chain, call and type. A group whose package the output does not cover stands at its nearest covered
 * caller. */
struct group {
	const struct profile_frame *chain; /* the site, then what it is inlined into */
	uint32_t length;		   /* 0: nothing is known of the stack */
	const char *call, *type, *callee, *reason;
	const struct profile_frame *owner; /* NULL: outside, or not known */
	const char *via;
	bool uncovered;
	int64_t values[VALUE_COUNT];
	struct interval interval;
};

/* A hash table of indexes into an array that grows elsewhere. A zeroed struct is an empty one. */
struct index_table {
	struct {
		uint64_t hash;
		uint32_t index; /* + 1; 0: free */
	} * slots;
	size_t capacity, count;
};

/* The index of the element that `equal` says is the same as `key`; if there is none, enters and returns `next`. */
uint32_t index_table_at(struct index_table *table, uint64_t hash, uint32_t next, const void *elements, const void *key,
			bool (*equal)(const void *elements, uint32_t index, const void *key));

struct groups {
	struct group *list;
	size_t count, capacity;
	struct index_table by_key;
};

/* Groups the samples of the profile that `estimates` is of. The groups refer to the profile. */
void groups_collect(struct groups *groups, struct audit_index *index, const struct estimates *estimates);
void groups_free(struct groups *groups);

uint64_t hash_mix(uint64_t hash, uint64_t value);
uint64_t chain_hash(const struct profile_frame *chain, uint32_t length);
bool chain_equal(const struct profile_frame *a, uint32_t a_length, const struct profile_frame *b, uint32_t b_length);

#endif
