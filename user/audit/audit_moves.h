/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_MOVES_H
#define ESCAPEMENT_AUDIT_MOVES_H

/*
 * A slice that began on the stack moves to the heap where it leaves its function (Go 1.26). The compiler says nothing at
 * that line; what it says of the append or make is elsewhere. This table finds the appends and makes that move at a line,
 * because their explanations pass it ("from return out (return) at a.go:20:2"), and all of a function. Private to the join;
 * not thread-safe.
 */

#include <stddef.h>
#include <stdint.h>

#include "audit/audit_index.h"

/* An annotation under one of its keys. */
struct audit_move {
	const char *file; /* canonical, so that equal files have equal pointers */
	uint64_t key;	  /* a line, or the hash of a function's name */
	uint32_t place;	  /* index in audit_index_all() */
};

struct audit_moves {
	struct move_table {
		struct audit_move *list; /* sorted */
		size_t count, capacity;
	} by_line, by_function;
	const struct audit_index *index;
};

/* In the order of audit_index_all(); valid as long as the table. */
struct audit_moved {
	const struct audit_move *first;
	size_t count;
};

/* Never NULL. The table refers to the index, which must outlive it. */
struct audit_moves *audit_moves_new(const struct escape_output *output, const struct audit_index *index);
void audit_moves_free(struct audit_moves *moves); /* NULL is allowed */

/* The annotations whose explanations pass the frame's line. */
struct audit_moved audit_moves_at_line(const struct audit_moves *moves, const struct profile_frame *frame);
/* Those of the frame's function. Names are compared by their 64-bit hashes. */
struct audit_moved audit_moves_in_function(const struct audit_moves *moves, const struct profile_frame *frame);

#endif
