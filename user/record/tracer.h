/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_TRACER_H
#define ESCAPEMENT_TRACER_H

/*
 * Programs that trace what they run (strace, gdb). A process can have only one tracer, and we trace what we start
 * ourselves. So such a program fails under us and never runs its own target. This module recognises it, for the error
 * message.
 */

#include <stdbool.h>

#include "base/error.h"

struct tracer {
	char comm[32];
	char traced[256]; /* what it was to run, as its arguments have it; "" if they do not show it */
};

/* Whether the program that the process runs may be one: it calls ptrace(). */
bool tracer_recognise(int pid, struct tracer *tracer);

/* Fills the error for a recording in which nothing but a tracer ran. */
void tracer_explain(const struct tracer *tracer, struct error *error);

#endif
