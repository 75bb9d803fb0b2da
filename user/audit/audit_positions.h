/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_POSITIONS_H
#define ESCAPEMENT_AUDIT_POSITIONS_H

/* A table of annotations by file and line. Private to the audit's index. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pointer_map.h"
#include "escape/escape.h"

struct audit_position {
	uint32_t line, column;
	uint32_t annotation; /* index in the output */
};

/* Positions in the order of line, column, input. */
struct audit_positions {
	const struct audit_position *first;
	size_t count;
};

struct position_table {
	struct audit_position *positions; /* grouped by file */
	size_t count;
	size_t *starts; /* by file number: index of the file's first position; one more at the end */
};

/*
 * Fills an empty table with the annotations for which `accepts` returns true. `numbers` has a number below `file_count`
 * for each file. Several packages may have the same text at the same place, because they instantiate one generic
 * function; it is inserted once.
 */
void position_table_fill(struct position_table *table, const struct escape_output *output,
			 const struct pointer_map *numbers, uint32_t file_count,
			 bool (*accepts)(const struct escape_annotation *annotation));
void position_table_free(struct position_table *table);

struct audit_positions position_table_line(const struct position_table *table, uint32_t file, uint32_t line);
/* Whether the file has a position from line `first` to line `last`. */
bool position_table_has(const struct position_table *table, uint32_t file, uint32_t first, uint32_t last);

#endif
