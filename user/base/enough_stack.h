/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ENOUGH_STACK_H
#define ESCAPEMENT_ENOUGH_STACK_H

/*
 * A stack that does not depend on `ulimit -s`, which is meant for the program to be recorded: libdw puts the rows of a line table on
 * the stack, and on a small one the profiler would end by SIGSEGV, with nothing written.
 */

/* Returns what work(argc, argv) returns, which it calls on a stack that is large enough; threads that are created from then on have
 * one, too. Call it once, before there are threads. */
int enough_stack_call(int (*work)(int argc, char **argv), int argc, char **argv);

#endif
