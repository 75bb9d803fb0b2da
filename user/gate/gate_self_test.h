/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_SELF_TEST_H
#define ESCAPEMENT_GATE_SELF_TEST_H

#include "base/error.h"
#include "gate/gate_counts.h"
#include "gate/policy.h"

/*
 * Proves that the gate can fail: adds one object more than the policy allows at one measured site, the strictest that
 * is judged and steady, and checks that the gate fails there. Returns 0 if it does; else an error that says why not.
 * `description` receives what was done; at least 512 bytes.
 */
int gate_self_test(const struct gate_counts *before, const struct gate_counts *after, const struct policy *policy,
		   char *description, size_t size, struct error *error);

#endif
