/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_FUZZ_REQUIRE_H
#define ESCAPEMENT_FUZZ_REQUIRE_H

/* A condition that must hold for every input. libFuzzer saves the input that aborts the process. */

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(condition)                                                                        \
	do {                                                                                      \
		if (!(condition)) {                                                               \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

#endif
