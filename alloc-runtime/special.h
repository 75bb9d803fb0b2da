/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SPECIAL_H
#define SPECIAL_H

/*
 * Records attached to single objects, as in Go: a finalizer, a profile record, and the row of the heap
 * profile that counts it. Few objects have any. Therefore a
 * span with a record sends all its frees down the slow path, which looks for records.
 */

#include "runtime.h"

#pragma GCC visibility push(hidden)

enum special_kind { SpecialFinalizer, SpecialProfile, SpecialRow };

struct special {
	struct special *next; /* of the span, by offset */
	uintptr_t offset;
	enum special_kind kind;
	void (*finalizer)(void *object, void *argument);
	void *argument;
};

/* Called before an object is freed: removes its records and runs its finalizer. */
void specials_freed(struct mspan *s, uintptr_t address);
/* Records the row that counts the object. Returns 0, or -1 if memory is out. */
int special_set_row(void *object, struct goalloc_row *row);
/* Counts the object as freed in its row, if it has one. */
void special_drop_row(struct mspan *s, uintptr_t address);

#pragma GCC visibility pop
#endif
