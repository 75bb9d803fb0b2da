/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_BY_POSITION_H
#define ESCAPEMENT_ESCAPE_BY_POSITION_H

/*
 * Some annotations of a compiler output by their position: file, line and column. Where a call is inlined, what the compiler
 * says of the copy stands at the position of the call.
 *
 * Built by one thread, read by any. The output must outlive it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash_index.h"
#include "escape/escape.h"

struct escape_by_position {
	const struct escape_annotation *annotations;
	struct hash_index at; /* the first annotation of a position: its number + 1 */
	uint32_t *next;	      /* by number: the next one there, + 1; 0: none */
	size_t count;
};

/* Indexes the annotations that are wanted; free it with escape_by_position_free(). */
void escape_by_position_init(struct escape_by_position *index, const struct escape_output *output,
			     bool (*is_wanted)(const struct escape_annotation *));
void escape_by_position_free(struct escape_by_position *index);

/* Returns the first indexed annotation, in the order of the output, at the position of another; NULL if there is none. */
const struct escape_annotation *escape_by_position_first(const struct escape_by_position *index,
							 const struct escape_annotation *position);
/* Returns the next one after an indexed annotation; NULL after the last. */
const struct escape_annotation *escape_by_position_next(const struct escape_by_position *index,
							const struct escape_annotation *annotation);

#endif
