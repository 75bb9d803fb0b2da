/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_HEAP_ROWS_H
#define ESCAPEMENT_HEAP_ROWS_H

/* What is alive in a process of a window, for its rows. */

#include "base/error.h"
#include "profile/profile.h"
#include "record/window.h"

/* Reads a heap snapshot of a target that was observed, while it is still the same process. The caller frees it. NULL with an
 * error: it has no heap that can be read (heap/snapshot.h), or has ended. */
struct profile *heap_rows_snapshot(const struct window_target *target, struct error *error);

#endif
