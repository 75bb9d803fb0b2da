/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GOPCLNTAB_H
#define ESCAPEMENT_GOPCLNTAB_H

/*
 * Go's own symbol table: bounds and names of functions, file and line of every instruction, and which calls were
 * inlined into it. The runtime needs it, so strip does not remove it. Layout: src/runtime/symtab.go, symtabinl.go and
 * cmd/link/internal/ld/pcln.go of Go 1.19 to 1.27.
 *
 * Nothing is decoded when a table is opened, so a large binary opens as fast as a small one. Every read is checked: a
 * damaged table gives fewer frames, never a crash. Names and files point into the image, or live as long as the table.
 * Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbols/go_image.h"
#include "target/go_versions.h"
#include "symbols/source_frame.h"

struct gopclntab;

/* Contents of a program's runtime.moduledata. Addresses are link-time. */
struct go_module {
	uint64_t address; /* of moduledata itself */
	uint64_t header;  /* of pcHeader */
	uint64_t text, text_end;
	uint64_t types, types_end;
	uint64_t gofunc; /* base of funcdata */
};

/* Finds pcHeader and moduledata. If `version` is NULL, the layout is determined from the data. Returns NULL if there is
 * no table, or none of a known layout. The image must outlive the table. */
struct gopclntab *gopclntab_open(const struct go_image *image, const struct go_version *version, struct error *error);
void gopclntab_close(struct gopclntab *table); /* NULL is allowed */

const struct go_module *gopclntab_module(const struct gopclntab *table);
/* Returns the version row whose layout fits: the given one, or the one that was determined. */
const struct go_version *gopclntab_version(const struct gopclntab *table);

/*
 * The frames of the instruction at a link-time address, innermost first, like symbolizer_lookup(). Names are written as
 * in Go's stack traces, with type arguments as [...].
 */
size_t gopclntab_lookup(struct gopclntab *table, uint64_t address, struct profile_frame frames[SYMBOLIZER_INLINE_MAX]);

struct go_function {
	uint32_t index;	     /* 0 to gopclntab_function_count() - 1, in order of address */
	uint64_t entry, end; /* link-time addresses; code is in [entry, end) */
	const char *name;    /* as in the linker's table: with full type arguments */
};

uint32_t gopclntab_function_count(const struct gopclntab *table);
bool gopclntab_function(const struct gopclntab *table, uint32_t index, struct go_function *function);
/* Finds the function whose code contains an address. */
bool gopclntab_function_at(const struct gopclntab *table, uint64_t address, struct go_function *function);
/* Finds the function of exactly that name. The search is linear: for several names, iterate once instead. */
bool gopclntab_function_named(const struct gopclntab *table, const char *name, struct go_function *function);

/* What a walk by gopclntab_inlined() over all functions of a file takes at most; that over Kubernetes takes 20 million. */
#define GOPCLNTAB_WALK_STEPS (UINT64_C(1) << 30)

/* Calls `visit` with the name of each function that was inlined into one, until it returns false. The steps that this takes are
 * subtracted from `*steps_left`, which the caller sets to GOPCLNTAB_WALK_STEPS for all functions together; nothing is visited
 * any more when none are left. */
void gopclntab_inlined(const struct gopclntab *table, uint32_t index, uint64_t *steps_left,
		       bool (*visit)(const char *name, void *context), void *context);

#endif
