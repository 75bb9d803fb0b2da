/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_FACTS_H
#define ESCAPEMENT_ESCAPE_FACTS_H

/*
 * Turns recognised messages into annotations: one annotation per fact, however often it is printed, with its
 * explanation. Private to the parser.
 */

#include "escape/escape.h"
#include "escape/escape_shapes.h"
#include "base/string_table.h"

struct facts;

struct facts *facts_new(struct escape_output *output, struct string_table *strings);
/* The facts of another text of the same output: what another command wrote at the same time. It has packages and explanations of
 * its own. */
struct facts *facts_branch(struct facts *facts);
/* Settles pending explanations and frees the facts; branches before those that they are of. The output stays with its owner. */
void facts_free(struct facts *facts);

/* All following messages belong to this package. */
void facts_package(struct facts *facts, struct span path);

/* Adds a message. Returns false for a line of an explanation if none is open at this position. */
bool facts_add(struct facts *facts, const struct position *position, const struct message *message, struct span text);

/* Returns the path of the previous message, as printed. */
struct span facts_likely_path(const struct facts *facts);

/* Returns the last message if it is the heading of an explanation, of which nothing follows; else NULL. Valid until the facts are
 * freed. */
const char *facts_heading_alone(const struct facts *facts);

/* Makes room for one more element in a growing array. */
void *array_reserve(void *array, size_t count, size_t *capacity, size_t size);

#endif
