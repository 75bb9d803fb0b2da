/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_TEST_H
#define ESCAPEMENT_GO_TEST_H

/*
 * `go test` as the program to measure. The test binaries are measured, not the go command, its compiler and its linker.
 * A result from go's test cache would measure nothing, so -count=1 is put behind "test" unless the user has a -count.
 */

#include <stdbool.h>

#define GO_TEST_BINARIES "*.test" /* the processes to observe */

/* Whether the words are a `go test` command. */
bool go_test_is(int argc, char **argv);
/*
 * The command line argv[0..*argc-1], whose word `first` is go, with -count=1 added: a copy for the caller to free, with
 * *argc one more. `argv` itself if it has a -count already.
 */
char **go_test_uncached(int *argc, char **argv, int first);

#endif
