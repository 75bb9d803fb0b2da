/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_LOG_H
#define ESCAPEMENT_ESCAPE_LOG_H

/*
 * The compiler's optimisation log (-gcflags=-json=0,DIR): a directory for each package, with a file of JSON lines for
 * each source file. Its information about escapes is fed to the parser in the form of -m=2. It has no names of
 * functions, and no messages about what stays on the stack.
 */

#include "base/error.h"
#include "escape/escape_parser.h"

/* Reads a whole directory. Returns -1 with an error if it cannot be read or has no such file. */
int escape_log_read(const char *directory, struct escape_parser *parser, struct error *error);

#endif
