/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_INDEX_H
#define ESCAPEMENT_AUDIT_INDEX_H

/*
 * The annotations about allocations, by file and line, under the file names of a profile; and which functions the
 * compiler output covers. This is the part of the audit that handles paths and packages.
 */

#include <stdbool.h>

#include "audit/audit.h"
#include "audit/audit_positions.h"
#include "audit/pathmatch.h"

/* How the files of the profile and the output are matched. */
struct audit_options {
	const struct pathmatch_map *maps; /* --path-map */
	size_t map_count;
	const char *directory; /* base of the output's relative paths; NULL if unknown */
	/* Verdicts whose rows nobody will read, one bit per enum audit_verdict: rows without an allocation are only counted. There
	 * may be millions. */
	unsigned unread;
	/* Nobody reads how many rows without an allocation there are either: they are not counted. */
	bool uncounted;
	/* An audit of the same build and output that was made with `exemplary`, and whose profile has all files that this one has:
	 * its index and `stale` hold for this one, which has no warnings. It must outlive this one. NULL: find out. */
	const struct audit *like;
	bool exemplary; /* `like` of others */
	/* The profile, if nobody needs its samples after the audit, which then frees them; else NULL. */
	struct profile *spent;
};

struct audit_index;

struct audit_index *audit_index_new(const struct profile *profile, const struct escape_output *output,
				    const struct audit_options *options);
void audit_index_free(struct audit_index *index);

/* Returns all positions, sorted by file, line, column, input. */
struct audit_positions audit_index_all(const struct audit_index *index);
/* Returns the positions on a frame's line; none if the output does not have its file. */
struct audit_positions audit_index_line(const struct audit_index *index, const struct profile_frame *frame);
/* Returns the calls on a frame's line that were inlined there. The index is built at the first call, because few audits
 * need it. */
struct audit_positions audit_index_calls(struct audit_index *index, const struct profile_frame *frame);
/* Returns a frame's file name in the output; NULL if it is not there. */
const char *audit_index_file(const struct audit_index *index, const char *measured);
/* Returns the same name of the file of an annotation that is in audit_index_all(). Equal files have equal pointers. */
const char *audit_index_annotated_file(const struct audit_index *index, const char *annotated);
/* Whether the frame's function is a generic one of which the output has what other packages make, but not its own package. */
bool audit_index_is_instance(struct audit_index *index, const struct profile_frame *frame);
/* Whether the output covers the frame's function. `physical`: the frame is that of a physical function; a generic
 * function is compiled, and covered, by the packages that instantiate it. An inlined function was compiled by the
 * package of the physical function. */
bool audit_index_covers(struct audit_index *index, const struct profile_frame *frame, bool physical);

#endif
