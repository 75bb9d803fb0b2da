/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MGCMARK_H
#define MGCMARK_H

/*
 * Marking, as in Go's mgcmark.go and mbitmap.go, but only on request, to find objects that nothing refers to any more.
 * Nothing is freed by it.
 *
 * How a mark goes down: roots.c hands in ranges of memory and single words. Each word that is an address in the arena
 * is taken for a pointer, and put on the queue of its region of the arena. gcDrain empties one queue after the other: it
 * finds the object (findObject), which the word may point anywhere into, and sets its bit in the bitmap (greyobject). If
 * the bit was clear, and the span class is a scannable one, it looks at each of the object's words (scanobject). Free objects have their bits set from the beginning, so that a bit that is
 * clear at the end is that of a lost object.
 *
 * The bitmap has one bit for each 8 bytes of the arena; an object's is that of its first word. It and the table of pages
 * are mapped when marking begins and unmapped when it ends, and what the kernel never wrote of them takes no memory.
 *
 * The queues have room that follows from the size of the heap, and take memory as far as it is used. If they are
 * full, an object is marked at once but not scanned, and the range of addresses of all such objects is remembered. When the
 * queues are empty, the marked objects of that range are scanned again, until none was left out.
 *
 * Lost objects are told apart as valgrind does: one that another lost object refers to is lost indirectly, but of a
 * cycle, one object is lost directly.
 *
 * The caller has stopped all other threads and holds mheap.lock. Nothing here takes a lock or allocates but from the
 * system.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime.h"

#pragma GCC visibility push(hidden)

struct gcmark;

/* Returns NULL when memory is out. `unreadable`: the parts of the arena that must not be read, in ascending order; they
 * must stay valid. */
struct gcmark *gcmark_begin(const struct address_range *unreadable, size_t count);
void gcmark_end(struct gcmark *m);

/* Marks what the words of [start, limit) refer to, and all that can be reached from there. The memory must be readable. */
void markroot(struct gcmark *m, uintptr_t start, uintptr_t limit);
/* The same for a single word. */
void markroot_word(struct gcmark *m, uintptr_t word);
/* The same for each object of a span that is not free. */
void markroot_span(struct gcmark *m, struct mspan *s);
/* Returns the end of the object that contains the address; 0 if there is none. */
uintptr_t gcmark_objectEnd(const struct gcmark *m, uintptr_t address);

/* Calls `visit` for each object that no root leads to. Call it once, after all roots. False stops it. */
void gcmark_lost(struct gcmark *m, bool (*visit)(void *argument, struct mspan *s, unsigned index, bool indirect),
		 void *argument);

/* Whether the span is in use, also if a thread has been stopped while it was allocating or freeing the span. */
bool gcmark_spanInUse(const struct mspan *s);

#pragma GCC visibility pop
#endif
