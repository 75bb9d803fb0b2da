/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_DESCENDANTS_H
#define ESCAPEMENT_DESCENDANTS_H

/*
 * Programs that we started without tracing them, and their descendants. While adoption is on, a process whose parent
 * has ended becomes our child, so that we can find all of them.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/* Turns adoption on or off: whether this process becomes the parent of its orphaned descendants. Turn it on before a
 * program is started. */
void descendants_adopt(bool on);

/*
 * A program and a guard, which is its parent and a child of ours. When we end, for any reason, SIGKILL too, the guard
 * kills the program and all that it has started. (The kernel's PR_SET_PDEATHSIG reaches children only.)
 */
struct guard;

/* Starts both. `become` is called in the program's process; if it returns, that ends with 127. NULL with
 * STATUS_CANNOT_MEASURE: "cannot start 'NAME': ". */
struct guard *guard_start(void (*become)(void *context), void *context, const char *name, struct error *error);
/* Signals the program, if it has not ended. */
void guard_signal(const struct guard *guard, int number);
/* 0, or the errno with which the kernel did not let the guard give up its privileges. */
int guard_privileged(const struct guard *guard);
/* Whether the program has ended; stores its wait status. If the guard was killed, it counts as killed. */
bool guard_ended(const struct guard *guard, int *wait_status);
/* Ends the guard alone. What the program left behind becomes our child. NULL is allowed. */
void guard_free(struct guard *guard);

/* Ends all descendants of this process: SIGTERM, after `grace_ms` SIGKILL. Returns when all of them have ended and been
 * reaped. */
void descendants_end(int grace_ms);

#endif
