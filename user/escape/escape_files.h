/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_FILES_H
#define ESCAPEMENT_ESCAPE_FILES_H

/*
 * Whose the files of an output are. The compiler prints names relative to where the go command ran, so outputs of commands that
 * ran in several directories have one name, "./a.go", for files of several packages. Below the header of a package there may also
 * be files of others, whose generic functions it instantiates; these do not have several owners.
 *
 * A file belongs to a package that declares a function in it (messages about inlining name each) and, without such a message, to
 * one of the directory in its name.
 */

#include "escape/escape.h"

/*
 * Gives each file that has a name in common with one of another package the name that -trimpath would give it: its package's path,
 * and its own. Returns NULL, or why nobody knows which lines are about which file, as the rest of a sentence that begins with the
 * output's name and ends with what to do about it; the caller frees it. That is so if
 *   - two commands wrote into one line;
 *   - a package declares a function at two lines of one file, or two functions at one place, and nothing tells whether that is
 *     another version of the file (escape_versions.h) or lines of another package;
 *   - a message names a function that its package, of which all functions are named, does not declare, or lines of an
 *     explanation are elsewhere.
 * Clears `hollow` if names have directories: these show which package a line is about. What may be wrong, and nothing shows whether
 * it is, becomes a caution of the output.
 */
char *escape_settle_files(struct escape_output *output);

#endif
