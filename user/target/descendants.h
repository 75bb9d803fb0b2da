/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_DESCENDANTS_H
#define ESCAPEMENT_DESCENDANTS_H

/*
 * Programs that we started without tracing them, and what these started. While they are adopted, a process whose parent
 * has ended becomes our child, so that none gets out of sight.
 */

#include <stdbool.h>

/* Before a program is started: become the parent of all its orphans; or not any more. */
void descendants_adopt(bool on);

/* In a child, before its exec: has the kernel kill it when its parent ends, however that ends. */
void descendants_die_with_us(void);

/* Ends all descendants of this process: SIGTERM, after `grace_ms` SIGKILL. Returns when all have ended, having waited for
 * them. */
void descendants_end(int grace_ms);

#endif
