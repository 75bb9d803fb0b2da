/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_HEAP_PROCESS_H
#define ESCAPEMENT_HEAP_PROCESS_H

/*
 * What the modules of user/heap/ know of a process with a heap, and one table of functions for each runtime
 * (heap_of_go.c, heap_of_goalloc.c). Opened by heap_process_open(). Private to them.
 */

#include <signal.h>

#include "profile/profile.h"
#include "runtime/heap_span.h"
#include "symbols/address_space.h"
#include "target/target.h"

struct heap_collector; /* snapshot.h */
struct memory_map;     /* memory_map.h */

/* The first member of each runtime's struct. */
struct heap_process {
	const struct heap_runtime *runtime;
	struct target *target;
	bool owns_target;
	bool redacted;
};

/* A snapshot while it is made. */
struct heap_builder {
	struct heap_process *process;
	struct profile *profile;
	struct address_space *space;
};

/* Functions that return an int return -1 with an error if it cannot be had. */
struct heap_runtime {
	/* Fills in the time, the rate, the collection and the samples, by heap_builder_add(). */
	int (*fill)(struct heap_builder *builder, struct error *error);
	/* Adds the runtime's name and the modules. */
	void (*describe)(const struct heap_process *process, struct profile *profile,
			 struct profile_process *described);
	/* The same for lost objects; also whether each is in the row of its site (rows_exact), and how long the process was stopped, for at most `seconds`. */
	int (*fill_unreachable)(struct heap_builder *builder, double seconds, struct error *error);
	/* As in snapshot.h. */
	int (*wait_collection)(struct heap_process *process, double seconds, const volatile sig_atomic_t *stop,
			       struct error *error);
	int (*wait_fresh)(struct heap_process *process, double seconds, const volatile sig_atomic_t *stop,
			  struct error *error);
	struct heap_collector (*collector)(const struct heap_process *process);
	/* Reads all spans, sorted by address; the caller frees them, also after a failure. A refusal has a text, unless the
	 * process has ended. */
	int (*spans)(struct heap_process *process, struct heap_span **items, size_t *count, struct error *refusal);
	/* Fills in what the runtime says of each line, and of classes what its spans do not say. */
	void (*says)(struct heap_process *process, const struct heap_span *spans, size_t count, struct memory_map *map);
	void (*close)(struct heap_process *process);
};

/* Each returns NULL if the process has no such heap; with *absent false, it has one that cannot be read, and the error says why. */
struct heap_process *heap_of_go(struct target *target, bool *absent, struct error *error);
struct heap_process *heap_of_goalloc(struct target *target, bool *absent, struct error *error);

/* Sampled objects of one size. */
struct heap_sample {
	uint64_t size;
	int span_class;
	int64_t allocated, live;
	const struct profile_stack *stack;
};

/* Adds samples of profile->rate as the objects that they stand for. */
void heap_builder_add(struct heap_builder *builder, const struct heap_sample *sample);

/* Adds objects of one size that are lost. */
void heap_builder_add_lost(struct heap_builder *builder, const struct profile_stack *stack, int span_class,
			   int64_t objects, int64_t bytes, bool indirect);

/* Sets the error of a process whose heap cannot be read: `refusal` says why, if it has a text. Returns -1. */
int heap_cannot_read(const struct heap_process *process, const struct error *refusal, struct error *error);

#endif
