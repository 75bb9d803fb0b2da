/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_DESCENDANTS_H
#define ESCAPEMENT_DESCENDANTS_H

/*
 * Programs that we started without tracing them, and their descendants. While adoption is on, a process whose parent
 * has ended becomes our child, so that we can find all of them.
 */

#include <stdbool.h>

/* Turns adoption on or off: whether this process becomes the parent of its orphaned descendants. Turn it on before a
 * program is started. */
void descendants_adopt(bool on);

/* Called in a child before its exec: has the kernel kill it when its parent ends, for any reason. */
void descendants_die_with_us(void);

/* Ends all descendants of this process: SIGTERM, after `grace_ms` SIGKILL. Returns when all of them have ended and been
 * reaped. */
void descendants_end(int grace_ms);

#endif
