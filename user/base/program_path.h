/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PROGRAM_PATH_H
#define ESCAPEMENT_PROGRAM_PATH_H

/* The file that a shell would run for the first word of a command: a path as it is, of which only running it tells whether it may be
 * executed; of a name, that in a directory of PATH, NULL if none has one that may. To be freed. */
char *program_path(const char *word);

#endif
