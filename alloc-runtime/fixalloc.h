/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef FIXALLOC_H
#define FIXALLOC_H

/*
 * A free-list allocator for objects of one size, for the allocator's own structures. Memory is never given back, so a
 * stale pointer to such an object still points to one of the same type: what free does without locks relies on it.
 * The caller holds the lock that guards the list.
 */

#include <stddef.h>

struct fixalloc {
	size_t size; /* a multiple of 64: objects are aligned to cache lines */
	void *list;  /* freed ones; the first word links, the rest keeps its contents */
	char *chunk; /* what is left of the newest chunk */
	size_t left;
	size_t inuse; /* bytes of objects handed out */
	size_t sys;   /* bytes mapped */
};

void fixalloc_init(struct fixalloc *f, size_t size);
void *fixalloc_alloc(struct fixalloc *f); /* zero when new, else as it was freed; NULL when memory is out */
void fixalloc_free(struct fixalloc *f, void *object);
/* Begins a new chunk and a new list of freed objects, where the old ones may be broken. */
void fixalloc_forget(struct fixalloc *f);

#endif
