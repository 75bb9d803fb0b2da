/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GOPCLNTAB_H
#define ESCAPEMENT_GOPCLNTAB_H

/*
 * Go's own symbol table, which the runtime needs and therefore strip leaves: function bounds and names, file and
 * line of every instruction, and which calls were inlined into it. Layout: src/runtime/symtab.go, symtabinl.go and
 * cmd/link/internal/ld/pcln.go of Go 1.19 to 1.27.
 *
 * Nothing is decoded when a table is opened, so a large binary opens as fast as a small one. Every read is checked:
 * a damaged table gives fewer frames, never a crash. Names and files point into the image, or live as long as the
 * table. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbols/go_image.h"
#include "symbols/go_versions.h"
#include "symbols/source_frame.h"

struct gopclntab;

/* What a program's runtime.moduledata says. Addresses are link-time. */
struct go_module {
	uint64_t address; /* of moduledata itself */
	uint64_t header;  /* of pcHeader */
	uint64_t text, text_end;
	uint64_t types, types_end;
	uint64_t gofunc; /* base of funcdata */
};

/* Finds pcHeader and moduledata. `version` may be NULL: then the layout is told from the data. NULL if there is no
 * table or it is none that is understood. The image must outlive the table. */
struct gopclntab *gopclntab_open(const struct go_image *image, const struct go_version *version, struct error *error);
void gopclntab_close(struct gopclntab *table); /* NULL is allowed */

const struct go_module *gopclntab_module(const struct gopclntab *table);
/* The version row whose layout fits: the given one, or the one found. */
const struct go_version *gopclntab_version(const struct gopclntab *table);

/*
 * The frames of the instruction at a link-time address, innermost first, as symbolizer_lookup() gives them. Names
 * are as Go's stack traces write them, type arguments as [...].
 */
size_t gopclntab_lookup(struct gopclntab *table, uint64_t address, struct profile_frame frames[SYMBOLIZER_INLINE_MAX]);

struct go_function {
	uint32_t index;	     /* 0 to gopclntab_function_count() - 1, in order of address */
	uint64_t entry, end; /* link-time addresses; code is in [entry, end) */
	const char *name;    /* as the linker has it: type arguments in full */
};

uint32_t gopclntab_function_count(const struct gopclntab *table);
bool gopclntab_function(const struct gopclntab *table, uint32_t index, struct go_function *function);
/* The function whose code is at an address. */
bool gopclntab_function_at(const struct gopclntab *table, uint64_t address, struct go_function *function);
/* The function of exactly that name. Linear: for several names, iterate once. */
bool gopclntab_function_named(const struct gopclntab *table, const char *name, struct go_function *function);

/* Calls `visit` with the name of each function that was inlined into one, until it returns false. */
void gopclntab_inlined(const struct gopclntab *table, uint32_t index, bool (*visit)(const char *name, void *context),
		       void *context);

#endif
