/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ERROR_H
#define ESCAPEMENT_ERROR_H

/*
 * How failures are reported: every fallible function of libescapement takes a `struct error *` as its last parameter;
 * on failure it fills the error and returns -1 or NULL. The text says what failed, on what, why, and what to do, in
 * lower case and without a full stop. It is printable (printable.h), whatever names are in it. The caller that prints
 * it adds the program's name.
 */

#include <stdbool.h>

#include "base/exit_status.h"

struct error {
	enum exit_status status; /* the process's exit status */
	int cause;		 /* enum obstacle (target/obstacle.h), if that table has the cause; else 0 */
	char text[1024];	 /* always terminated; truncated if too long */
};

/* Fills `error` (which may be NULL) and returns -1, so that a failing path can `return error_set(...)`. */
int error_set(struct error *error, enum exit_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Whether an errno says that something is used up for now (processes, descriptors, memory), and nothing of what was asked for. */
bool error_is_shortage(int code);

/* Puts "CONTEXT: " before the text of an error that a callee set. Returns -1. */
int error_prefix(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
