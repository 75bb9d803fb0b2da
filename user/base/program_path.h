/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PROGRAM_PATH_H
#define ESCAPEMENT_PROGRAM_PATH_H

/* The file that a shell would run for the first word of a command: a path as it is, or that of a name in a directory of PATH; NULL if
 * there is none that may be executed. To be freed. */
char *program_path(const char *word);

#endif
