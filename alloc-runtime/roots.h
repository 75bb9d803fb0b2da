/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ROOTS_H
#define ROOTS_H

/*
 * Where marking begins: all memory in which a program keeps pointers outside of this heap.
 *
 *   data segments     of the program and of every loaded library, without this library's own variables
 *   threads           registers; the used part of the stack; thread-local storage, static and dynamic; the C library's
 *                     description of the thread, which has its pthread_setspecific() values
 *   ended threads     the same description, as long as nobody has joined them: it has their result
 *   stacks            of goalloc_stack_alloc() that are not free: all of them, because nobody knows how much is used
 *   records           arguments of finalizers, profile records
 *   the C library     its own heap of brk(2), and the dynamic linker's descriptions of libraries
 *
 * Memory that the program maps by itself is no root, as with LeakSanitizer.
 *
 * A thread that has been stopped inside this library may be handling an object that it has no address of, and a span
 * whose bits are in a register. Therefore each span whose struct such a thread refers to counts as referred to, with all
 * of its objects.
 */

#include "mgcmark.h"
#include "stopworld.h"

#pragma GCC visibility push(hidden)

struct roots;

/* With no lock held: collects what the dynamic linker knows, and calls `run` while it cannot change. Returns false if memory is
 * out. */
bool roots_collect(void (*run)(struct roots *roots, void *argument), void *argument);

/* With all other threads stopped: reads the process's mappings. Returns 0, or an errno: what opening or reading the file gave,
 * or ENOMEM. `sp`: the calling thread's stack pointer; what is below is left out. */
int roots_readMaps(struct roots *roots, uintptr_t sp);
/* The parts of the arena that must not be read. */
const struct address_range *roots_unreadable(const struct roots *roots, size_t *count);
/* Marks from all roots. Returns false if memory is out. */
bool roots_mark(struct roots *roots, struct gcmark *m, const struct stopped_world *world);

#pragma GCC visibility pop
#endif
