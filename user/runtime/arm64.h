/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ARM64_H
#define ESCAPEMENT_ARM64_H

/* The few instructions of arm64 that code_walk.h tells apart. */

#include "runtime/code_step.h"

/* Describes the instruction at walk->code + walk->at, of which 4 bytes are there, in walk->step, whose address and length are
 * set. */
void arm64_step(struct code_walk *walk);

#endif
