/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_LOG_H
#define ESCAPEMENT_ESCAPE_LOG_H

/*
 * The compiler's optimisation log (-gcflags=-json=0,DIR): a directory for each package, with a file of JSON lines for
 * each source file. What it says of escapes is fed to the parser in the words of -m=2. It names no functions and does
 * not say what stays on the stack.
 */

#include "base/error.h"
#include "escape/escape_parser.h"

/* Reads all of a directory. -1 with an error if it cannot be read or holds no such file. */
int escape_log_read(const char *directory, struct escape_parser *parser, struct error *error);

#endif
