/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SPECIAL_H
#define SPECIAL_H

/*
 * Records that hang on single objects, as in Go: a callback for when the object is freed, and a profile record. Few
 * objects have any, so a span with a record sends all its frees down the slow path, which looks for them.
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

/* The object is about to be freed: drops its records and runs its finalizer. */
void specials_freed(struct mspan *s, uintptr_t address);

#pragma GCC visibility pop
#endif
