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
 *   - lines of commands are not told apart, or stand behind something that is not recognised (`refusal`);
 *   - a package declares a function at two lines of one file, or two functions at one place: that is another version of the file,
 *     or lines of another package;
 *   - a message names a function that its package, of which all functions are named, does not declare, or lines of an
 *     explanation are elsewhere.
 * Clears `hollow` if names have directories: these show which package a line is about.
 */
char *escape_settle_files(struct escape_output *output);

/* Returns the dot after the package in "sync.(*Map[int,bool]).Load", an instance of another package's generic function.
 * A package's own functions are printed without it. NULL if there is none. */
const char *escape_instance_dot(const char *subject);

/* Whether the annotation is a message about inlining a function, at the function's declaration itself: closures are
 * declared again wherever the function that contains them is inlined. */
bool escape_is_declaration(const struct escape_annotation *annotation);

#endif
