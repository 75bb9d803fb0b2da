/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SEEDS_H
#define SEEDS_H

/*
 * The seed programs (tests/fixtures/seed-programs) lowered to C as Go 1.24 compiles them with -gcflags=-l. For every
 * heap allocation in the program's own code, the C code calls the same runtime function with the Go position that the
 * compiler prints. Every Go function that allocates, or calls one that does, is a C function with the name that Go's
 * linker gives it. Variables that Go keeps on the stack are C locals. Allocations within fmt are not lowered: a call of
 * fmt only uses its arguments.
 */

#include "driver.h"

extern const struct workload_program seed_escape, seed_add, seed_fmtptr, seed_fmtval, seed_noescape, seed_simple,
	seed_slice;

#define SEED_PROGRAM(program, main_function)                                            \
	const struct workload_program seed_##program = {#program, main_function, sites, \
							sizeof(sites) / sizeof(sites[0])}

/* fmt.Println(values...) and fmt.Printf(format, values...). */
void fmt_call(const struct go_interface *values, int count) GO_SYMBOL("fmt.Fprintf");

#endif
