/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_FACTS_H
#define ESCAPEMENT_ESCAPE_FACTS_H

/*
 * Recognised messages to annotations: one fact is one annotation, however often it is printed, and has the
 * explanation that belongs to it. Private to the parser.
 */

#include "escape/escape.h"
#include "escape/escape_shapes.h"
#include "base/string_table.h"

struct facts;

struct facts *facts_new(struct escape_output *output, struct string_table *strings);
/* What remains pending is settled. The output is left to its owner. */
void facts_free(struct facts *facts);

/* All that follows belongs to this package. */
void facts_package(struct facts *facts, struct span path);

/* Adds a message. False: a line of an explanation where none is open at this position. */
bool facts_add(struct facts *facts, const struct position *position, const struct message *message, struct span text);

/* The path that the message before had, as printed. */
struct span facts_likely_path(const struct facts *facts);

/* Makes room for one more element in a growing array. */
void *array_reserve(void *array, size_t count, size_t *capacity, size_t size);

#endif
