/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_TRIGGER_H
#define ESCAPEMENT_TRIGGER_H

/*
 * What --when waits for:
 *
 *   EXPR       CONDITION { ("," | "or") CONDITION }     the first that comes true
 *   CONDITION  "rss" ">" SIZE                           resident memory of the process
 *              "rss" "+" (SIZE | PERCENT) "/" TIME      what it grew by within that time
 *              "cgroup" ">" PERCENT                     what its cgroup uses of its limit
 *              "oom"                                    the kernel kills for want of memory
 *   PERCENT    NUMBER "%"
 *
 * SIZE and TIME are those of all options (base/quantity.h); blanks may stand between any two words.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum trigger_kind {
	TRIGGER_RSS,	/* bytes */
	TRIGGER_GROWTH, /* bytes or share, within seconds */
	TRIGGER_CGROUP, /* share */
	TRIGGER_OOM,
};

struct trigger_condition {
	enum trigger_kind kind;
	int64_t bytes; /* 0: a share */
	double share;  /* 0.9 for 90% */
	double seconds;
	char text[48]; /* as it was written, without blanks around it; printable */
};

enum { TRIGGER_CONDITIONS_MAX = 8 };

struct trigger {
	struct trigger_condition conditions[TRIGGER_CONDITIONS_MAX];
	size_t count;
};

/* Parses an expression. Returns -1 with STATUS_USAGE, and in *position where in `text` (bytes from its start) something
 * else was expected. */
int trigger_parse(const char *text, struct trigger *trigger, size_t *position, struct error *error);

/* Whether one of the conditions is of that kind. */
bool trigger_has(const struct trigger *trigger, enum trigger_kind kind);

#endif
