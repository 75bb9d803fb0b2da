/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_BASELINE_PROGRAM_H
#define ESCAPEMENT_BASELINE_PROGRAM_H

/* What is known about a program before it runs, to avoid useless runs. */

#include <stdbool.h>

#include "gate/gate_counts.h"

/*
 * Whether a program whose command line is `words` can be compared with the baseline at all, as far as its file and the
 * settings say: baseline_comparable() without a measurement. What only a run can show is accepted.
 */
int baseline_check_program(const struct gate_counts *baseline, const char *const *words, int64_t rate,
			   const char *normalize, struct error *error);

/* Calls `note` with the name of each function of the Go program that a word of the command line runs, inlined ones too; `note`
 * returns true. Returns false if what runs may have others: it is no Go program, or one that may start or load another. */
bool baseline_program_functions(const char *word, bool (*note)(const char *name, void *context), void *context);

#endif
