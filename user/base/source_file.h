/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SOURCE_FILE_H
#define ESCAPEMENT_SOURCE_FILE_H

/*
 * Opens files of source code, whose names come from profiles and compiler output, and these from anybody. What is in them is
 * shown to others. Therefore a file is opened only if its name and, where that is a link, the name of what it leads to are
 * those of Go, C or C++ source, if it is a regular file to which no link of /proc leads, and, for who called sudo, if that
 * user may read it (as a member of no more than the user's own group). May be used by any thread.
 */

#include <stddef.h>

/* Files of more are skipped: generated ones, of which nobody reads a line. */
#define SOURCE_FILE_MAX (64 << 20)

/*
 * Opens the file to read it; the caller closes the descriptor. A relative name is looked up below `directory` (NULL: the
 * working directory). Stores its size in bytes. Returns -1 if there is no such file that may be shown.
 */
int source_file_open(const char *file, const char *directory, size_t *size);

#endif
