/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_MARKS_H
#define ESCAPEMENT_MARKS_H

/*
 * Marking, to find objects that nothing refers to: as libgoalloc does it in its own process (alloc-runtime/mgcmark.h), on a copy of
 * another one's heap.
 *
 * Each word that is an address inside an object counts as a reference to it, also to its middle. Free objects are marked from
 * the beginning, so that what is not marked in the end is lost. A lost object that another lost one refers to is lost indirectly;
 * of a cycle, one is lost directly.
 *
 * Takes 3 bits an object, and 16 bytes for each that waits to be looked at: at most all of them. Work is bounded by the words of
 * the copy and by objects. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/heap_image.h"

struct marks;

struct marks *marks_new(const struct heap_image *image); /* never NULL; the image must outlive it */
void marks_free(struct marks *marks);			 /* NULL is allowed */

/* Marks what these words refer to. What is found is not looked into before marks_follow(), for which the copy must be there. */
void marks_words(struct marks *marks, const uint64_t *words, size_t count);
/* Marks all objects of a span that are not free, in marks_follow(). */
void marks_span(struct marks *marks, const struct goalloc_span *span);
/* An object that counts as free though its bit says otherwise. */
void marks_set_free(struct marks *marks, uint64_t address);
/* Returns the end of the object that contains the address; 0 if there is none. */
uint64_t marks_object_end(const struct marks *marks, uint64_t address);

/* An object that is lost. */
struct marks_lost {
	const struct goalloc_span *span;
	uint32_t index; /* in the span */
	bool indirect;
};

/* Follows all references. Returns -1 if that was not done by the deadline (monotonic_ns()). */
int marks_follow(struct marks *marks, int64_t deadline_ns);
/* After that: calls `visit` with each object that is lost. */
void marks_lost(const struct marks *marks, void (*visit)(void *context, const struct marks_lost *lost), void *context);
/* After that: returns whether the object that contains the address is lost. marks_set_free() takes it out. */
bool marks_find_lost(const struct marks *marks, uint64_t address, struct marks_lost *lost);

#endif
