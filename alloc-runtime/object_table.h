/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef OBJECT_TABLE_H
#define OBJECT_TABLE_H

/*
 * A hash table from the addresses of objects to what is known of each. The caller locks. Memory comes from sysAlloc. Stores are
 * ordered such that the child of a fork can go on with it from any instant of a change: it may have lost one object.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "goalloc_contract.h"

#pragma GCC visibility push(hidden)

struct object_table {
	struct goalloc_object_slots *slots; /* read from outside */
	size_t used;
};

/* False when memory is out. The object must not be in the table. */
bool object_table_add(struct object_table *table, uintptr_t object, void *known);
/* Returns what is known of the object; NULL if it is not in the table. */
void *object_table_find(const struct object_table *table, uintptr_t object);
/* Removes the object and returns what was known of it; NULL if it is not in the table. */
void *object_table_take(struct object_table *table, uintptr_t object);

#pragma GCC visibility pop
#endif
