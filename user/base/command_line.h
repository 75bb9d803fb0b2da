/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_COMMAND_LINE_H
#define ESCAPEMENT_COMMAND_LINE_H

/*
 * Command lines for people, who paste them into a shell: each word is quoted if a shell would read it as anything but
 * itself. The result is printable (printable.h): a byte that is not becomes an escape that bash, zsh and POSIX.1-2024
 * shells read back, $'\x1b'.
 */

/* The words, which end with NULL, separated by spaces. Returns a new string, which the caller frees; "" for NULL. */
char *command_line_text(const char *const *words);

#endif
