/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GOALLOC_ROWS_H
#define ESCAPEMENT_GOALLOC_ROWS_H

/*
 * The heap profile of a live libgoalloc (goalloc_contract.h), copied from the memory of its process: how many sampled objects
 * of one size each stack has allocated, and how many of them were freed. The process runs meanwhile, and is not trusted:
 * what it says is checked here. Not thread-safe.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "goalloc_contract.h"
#include "runtime/goalloc_description.h"
#include "target/target.h"

struct goalloc_rows {
	uint64_t rate;	  /* mean bytes between samples; 1: each object; 0: there is no heap profile */
	uint64_t lost;	  /* sampled objects that are in no row */
	uint64_t changed; /* times that an object was allocated or freed while it was copied; 0: it is of one moment */
	char *bytes;	  /* private: all rows; `size` bytes, of which the next row is at `next` */
	size_t size, next;
};

/* Copies all rows. Returns 0, or -1: if refusal->text is not empty, the process publishes what no libgoalloc does; otherwise
 * its memory could not be read. goalloc_rows_free() may follow in either case. */
int goalloc_rows_read(struct goalloc_rows *rows, const struct goalloc_layout *layout, const struct target *target,
		      struct error *refusal);
/* Returns the next row, with at most GOALLOC_STACK_MAX addresses and at least as many allocated as freed, valid until they
 * are freed. NULL after the last one. */
const struct goalloc_row *goalloc_rows_next(struct goalloc_rows *rows);
void goalloc_rows_free(struct goalloc_rows *rows);

#endif
