/* SPDX-License-Identifier: BSD-2-Clause */
/* See special.h. A span's list is sorted by (offset, kind). mheap.speciallock guards all lists. */
#include "special.h"

#include <errno.h>

#include "malloc_fast.h"

/* Returns the link that points to the record, or to where it would be inserted. */
static struct special **locate(struct mspan *s, uintptr_t offset, enum special_kind kind)
{
	struct special **at = &s->specials;

	while (*at && ((*at)->offset < offset || ((*at)->offset == offset && (*at)->kind < kind)))
		at = &(*at)->next;
	return at;
}

static bool is(const struct special *p, uintptr_t offset, enum special_kind kind)
{
	return p && p->offset == offset && p->kind == kind;
}

static struct mspan *span_of_object(const void *object)
{
	struct mspan *s = span_at(object);

	return s && (s->state == mSpanInUse || s->state == mSpanLarge) ? s : NULL;
}

static int set(void *object, struct special record)
{
	struct mspan *s = span_of_object(object);

	if (!s) {
		errno = EINVAL;
		return -1;
	}
	record.offset = (uintptr_t)object - s->base;
	lock_acquire(&mheap.speciallock);
	struct special **at = locate(s, record.offset, record.kind), *p = *at;
	if (is(p, record.offset, record.kind)) {
		record.next = p->next;
	} else {
		p = fixalloc_alloc(&mheap.specialalloc);
		record.next = *at;
	}
	if (p) {
		*p = record;
		*at = p;
		/* From now on all frees of this span take the slow path, which calls specials_freed. */
		__atomic_store_n(&s->divMagic, 0, __ATOMIC_RELAXED);
	}
	lock_release(&mheap.speciallock);
	if (!p)
		errno = ENOMEM;
	return p ? 0 : -1;
}

static bool take(struct mspan *s, uintptr_t offset, enum special_kind kind, struct special *taken)
{
	lock_acquire(&mheap.speciallock);
	struct special **at = locate(s, offset, kind), *p = *at;
	bool found = is(p, offset, kind);
	if (found) {
		*taken = *p;
		*at = p->next;
		fixalloc_free(&mheap.specialalloc, p);
	}
	lock_release(&mheap.speciallock);
	return found;
}

void specials_freed(struct mspan *s, uintptr_t address)
{
	struct special record;

	take(s, address - s->base, SpecialProfile, &record);
	if (take(s, address - s->base, SpecialFinalizer, &record))
		record.finalizer((void *)address, record.argument);
}

int goalloc_set_finalizer(void *object, void (*finalizer)(void *object, void *argument), void *argument)
{
	struct mspan *s = span_of_object(object);
	struct special old;

	if (finalizer)
		return set(object,
			   (struct special){.kind = SpecialFinalizer, .finalizer = finalizer, .argument = argument});
	if (s)
		take(s, (uintptr_t)object - s->base, SpecialFinalizer, &old);
	return 0;
}

int goalloc_set_profile_record(void *object, void *record)
{
	return set(object, (struct special){.kind = SpecialProfile, .argument = record});
}

void *goalloc_profile_record(const void *object)
{
	struct mspan *s = span_of_object(object);
	void *record = NULL;

	if (!s)
		return NULL;
	lock_acquire(&mheap.speciallock);
	struct special *p = *locate(s, (uintptr_t)object - s->base, SpecialProfile);
	if (is(p, (uintptr_t)object - s->base, SpecialProfile))
		record = p->argument;
	lock_release(&mheap.speciallock);
	return record;
}
