/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef FIXALLOC_H
#define FIXALLOC_H

/*
 * A free-list allocator of fixed-size objects, for the allocator's own structures. Memory is never returned to the
 * system, so a stale pointer to such an object still points to an object of the same type; the lock-free paths of free
 * rely on this. The caller holds the lock that guards the list.
 */

#include <stddef.h>

struct fixalloc {
	size_t size; /* a multiple of 64: objects are aligned to cache lines */
	void *list;  /* freed objects: the first word links them, the rest keeps its contents */
	char *chunk; /* unused part of the newest chunk */
	size_t left;
	size_t inuse; /* bytes of objects handed out */
	size_t sys;   /* bytes mapped */
};

void fixalloc_init(struct fixalloc *f, size_t size);
void *fixalloc_alloc(struct fixalloc *f); /* zeroed if new, else with its old contents; NULL: no memory */
void fixalloc_free(struct fixalloc *f, void *object);
/* Drops the current chunk and the list of freed objects, which may be inconsistent (in the child of a fork). */
void fixalloc_forget(struct fixalloc *f);

#endif
