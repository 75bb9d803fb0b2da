/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STACK_TABLE_H
#define STACK_TABLE_H

/*
 * Rows of counts by stack: what the recorder and the heap profile keep. A row stays where it is, so that an object can
 * refer to it and observers can read it: rows are appended to chunks, and a hash table of their addresses finds them.
 *
 * The caller locks. Memory comes from sysAlloc, because a table that called malloc would count its own allocations. Stores
 * are ordered such that the table holds together for the child of a fork at any instant of a change; a row of which the
 * table has lost the address gets a second row with the same key.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "goalloc_contract.h"

#pragma GCC visibility push(hidden)

struct stack_table {
	struct goalloc_row **rows; /* hash table, NULL: free */
	size_t capacity, used;
	struct goalloc_row_chunk *chunks; /* newest first */
};

/* Returns the row with this key and stack, new ones with counts of 0. `stack` is the probes' argument: the address of `depth`
 * in a struct goalloc_stack, or 0. NULL when memory is out. */
struct goalloc_row *stack_table_row(struct stack_table *table, uint64_t key, uint64_t stack);
/* Empties the table in the child of a fork. The chunks stay mapped: a thread of the parent may have been writing. */
void stack_table_forget(struct stack_table *table);

uint64_t hash_words(uint64_t hash, const uint64_t *words, size_t count);

#pragma GCC visibility pop
#endif
