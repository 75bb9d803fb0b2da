/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PROCESS_ROOTS_H
#define ESCAPEMENT_PROCESS_ROOTS_H

/*
 * Where marking begins in a stopped process: what libgoalloc takes for roots in its own process (alloc-runtime/roots.h), seen from
 * outside.
 *
 *   data segments   of the program and of every loaded library, by their program headers in its memory, without libgoalloc's own
 *                   variables
 *   threads         registers; the used part of the stack; thread-local storage, static and dynamic; the C library's description of
 *                   the thread
 *   stacks          of coroutines that are in use (goalloc_stack_alloc())
 *   records         arguments of finalizers, profile records
 *   the C library   its own heap of brk(2), the dynamic linker's descriptions of libraries, results of threads that nobody has joined
 *
 * Memory that the program maps by itself is no root. All that is read is cut to what the kernel says is mapped, and every list has a
 * bound.
 */

#include <stdbool.h>
#include <stdint.h>

#include "heap/marks.h"
#include "target/stopped_threads.h"

/* Whether a thread is inside libgoalloc, where it may be handling an object that it has no address of. */
bool process_is_inside(const struct target *target, struct stopped_threads *stopped,
		       const struct goalloc_search *search);

/* What glibc exports for debuggers of its list of threads; 0: not known. */
struct glibc {
	uint64_t descriptor_bytes, list_offset;
	uint64_t lists; /* address of the heads of the lists: stacks in use, of the program, and kept for later */
};

/* Reads that from the C library's files. To be called before the process is stopped: it may be the process itself that serves
 * the file system on which they are. What they do not say stays unknown. Returns -1 with an error if they could not be opened for
 * want of descriptors or memory. */
int process_roots_glibc(const struct target *target, struct glibc *glibc, struct error *error);

/* Marks from all roots, and all objects of spans that threads inside libgoalloc refer to. Returns -1 if they cannot be read within
 * the budget of the target's reader. */
int process_roots_mark(struct marks *marks, const struct goalloc_objects *objects, const struct target *target,
		       struct stopped_threads *stopped, struct resident *resident, const struct glibc *glibc);

#endif
