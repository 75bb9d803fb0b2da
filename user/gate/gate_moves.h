/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_MOVES_H
#define ESCAPEMENT_GATE_MOVES_H

/*
 * Finds a gate's new sites that are old ones under another name. Sites are paired only if runtime call, type and
 * benchmark are the same, and objects and bytes agree exactly, so paired sites cancel out: a move never hides that the
 * program allocates more.
 */

#include "gate/gate.h"

/* Changes rows that are moves into GATE_MOVED; a row that became another's `before` is removed. */
void gate_find_moves(struct gate *gate);

#endif
