/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_MOVES_H
#define ESCAPEMENT_GATE_MOVES_H

/*
 * Which of a gate's new sites are old ones under another name. Sites are paired only where runtime call, type and
 * benchmark are the same and objects and bytes agree to the last one, so what is paired adds up to nothing: moving
 * never hides that the program allocates more.
 */

#include "gate/gate.h"

/* Turns rows that are moves into GATE_MOVED; a row that became another's `before` is dropped. */
void gate_find_moves(struct gate *gate);

#endif
