/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SECRET_H
#define ESCAPEMENT_SECRET_H

/*
 * Command lines without what looks like a secret. A profile is shared and kept for long; its command line is for people
 * who want to know what was measured, and needs no password. What looks like one is a matter of opinion: the rules are
 * those of docs/permissions.md, and err on the side of hiding.
 */

#define SECRET_HIDDEN "<hidden>"

/*
 * Copies the words of a command line, which end with NULL, and hides all in each that looks like a secret:
 *  - the value of a name that says so: --password=X, --token X, API_KEY=X, "Authorization: X", ?access_token=X, also within a
 *    word: sh -c "mysql --password X";
 *  - the password of a URL: scheme://user:X@host;
 *  - words of a known form: keys of AWS, GitHub, GitLab, Slack, Stripe, Google; JSON web tokens; keys in PEM;
 *  - long words of capital and small letters and digits in which no path or name is recognised.
 * The caller frees the words and the array, which ends with NULL.
 */
char **secret_hide(const char *const *words);

/* The same as one line for a shell, as command_line_text() writes it. The caller frees it. */
char *secret_command_line(const char *const *words);

#endif
