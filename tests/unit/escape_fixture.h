/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_FIXTURE_H
#define ESCAPEMENT_ESCAPE_FIXTURE_H

/* The compiler's output of the seed programs, one file a Go release and choice of flags (tests/tools/seed-output). */

#include <glob.h>
#include <stdio.h>

/* Finds the files of these flags ("m2-l"), oldest release first. The caller calls globfree(). */
static inline void escape_fixtures(const char *flags, glob_t *found)
{
	char pattern[128];

	snprintf(pattern, sizeof(pattern), "tests/fixtures/escape-output/seeds.go*.%s.txt", flags);
	assert_int_equal(glob(pattern, 0, NULL, found), 0);
	assert_true(found->gl_pathc >= 2);
}

#endif
