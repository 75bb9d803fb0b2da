/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_READING_H
#define ESCAPEMENT_ESCAPE_READING_H

/* Reads compiler output beside other work: in large projects it takes as long as reading the profile. */

#include "base/error.h"
#include "escape/escape.h"

struct escape_reading;

/*
 * Begins to read `name` (escape_read()) and to name functions by the sources below `directory` (escape_name_functions()),
 * in a thread. Standard input ("-"), pipes and devices are read before this returns, because others may want to read
 * them, too. The strings must outlive the reading. Never NULL; it must be ended.
 */
struct escape_reading *escape_reading_begin(const char *name, const char *directory);

/* Waits for the end, and frees the reading. Returns the output, which the caller frees; NULL with an error. */
struct escape_output *escape_reading_end(struct escape_reading *reading, struct error *error);

#endif
