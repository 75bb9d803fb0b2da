/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SPECIAL_H
#define SPECIAL_H

/*
 * Records attached to single objects, as in Go: a finalizer, and a profile record. Few objects have any. Therefore a
 * span with a record sends all its frees down the slow path, which looks for records.
 */

#include "runtime.h"

#pragma GCC visibility push(hidden)

enum special_kind { SpecialFinalizer, SpecialProfile };

struct special {
	struct special *next; /* of the span, by offset */
	uintptr_t offset;
	enum special_kind kind;
	void (*finalizer)(void *object, void *argument);
	void *argument;
};

/* Called before an object is freed: removes its records and runs its finalizer. */
void specials_freed(struct mspan *s, uintptr_t address);

#pragma GCC visibility pop
#endif
