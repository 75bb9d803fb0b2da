/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PERTURB_H
#define PERTURB_H

/*
 * mallopt(M_PERTURB): what is allocated is filled with the complement of a byte, and what is freed with the byte itself, as
 * glibc does it, so that a program which reads either is found out.
 *
 * While it is on, every allocation takes the slow path (sampler_word), and so do frees, because no span has a divMagic. A
 * span whose frees have been sent there stays so when it is off again.
 */

#include <stddef.h>

#include "runtime.h"

#pragma GCC visibility push(hidden)

void perturb_set(unsigned char byte); /* 0: off */
bool perturb_isOn(void);
/* Fills an object of that size; does nothing while it is off. NULL is allowed, and returned. */
void *perturb_allocated(void *object, size_t size);
void perturb_freed(void *object, size_t size);

#pragma GCC visibility pop
#endif
