/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_INDEX_H
#define ESCAPEMENT_AUDIT_INDEX_H

/*
 * The annotations that speak of allocations, by file and line, as the files of a profile know them; and which
 * functions the compiler output covers. The part of the audit that knows about paths and packages.
 */

#include <stdbool.h>

#include "audit/audit.h"
#include "audit/audit_positions.h"
#include "audit/pathmatch.h"

/* How the files of the two sides are matched. */
struct audit_options {
	const struct pathmatch_map *maps; /* --path-map */
	size_t map_count;
	const char *directory; /* what relative paths of the output are relative to; NULL where not known */
};

struct audit_index;

struct audit_index *audit_index_new(const struct profile *profile, const struct escape_output *output,
				    const struct audit_options *options);
void audit_index_free(struct audit_index *index);

/* All of them, in the order of file, line, column, input. */
struct audit_positions audit_index_all(const struct audit_index *index);
/* Those on a frame's line; none where its file is not one of the output's. */
struct audit_positions audit_index_line(const struct audit_index *index, const struct profile_frame *frame);
/* The calls on a frame's line that were inlined there. Indexed at the first question: few audits ask. */
struct audit_positions audit_index_calls(struct audit_index *index, const struct profile_frame *frame);
/* The file of a frame as the output names it; NULL where it does not. */
const char *audit_index_file(const struct audit_index *index, const char *measured);
/* Whether the output says anything about the package of that frame; or, if the frame is that of a `physical` function,
 * about that function: a generic one, which the packages that instantiate it compile and speak of. Inlined, it was
 * compiled by the package of the physical function. */
bool audit_index_covers(struct audit_index *index, const struct profile_frame *frame, bool physical);

#endif
