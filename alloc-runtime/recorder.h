/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RECORDER_H
#define RECORDER_H

/*
 * GOALLOC_PROFILE=FILE: the process counts its own allocations, refills and growth by stack, for machines where no
 * BPF program may be loaded, and writes them down when it exits. The recorder is one more listener to the probes: it
 * raises their semaphores, so the library does what it does for any other.
 *
 * The file is text, one record a line; "FILE.PID" where FILE exists already (a program that runs several), "FILE.PID.1"
 * and so on where that does too (one that execs another). A forked child records what it allocates in a file of its own,
 * from its first allocation on. The first three records are written at once, all others at exit: what has no "end" is of
 * a process that was killed, called _exit, became another program by exec, or still runs.
 *
 *     goalloc-profile 1
 *     process PID COMM                                 as it was called when the file was made
 *     executable PATH
 *     map START LIMIT OFFSET PATH                      executable mappings, hexadecimal
 *     site ADDRESS LINE COLUMN FILE<tab>FUNCTION       before the first row that names it
 *     row KIND CLASS EVENTS COUNT BYTES SITE TRUNCATED DEPTH PC...     KIND: alloc, refill, central-grow, heap-grow
 *     class CLASS OBJECTS BYTES REFILLS CENTRAL_GROWS  by the library's own counters, since the recording began
 *     heap GROWS BYTES                                 the same
 *     lost EVENTS                                      that found no memory
 *     end
 */

#include <stdbool.h>
#include <stdint.h>

#include "lock.h"

#pragma GCC visibility push(hidden)

enum recorder_kind { RecordAlloc, RecordRefill, RecordCentralGrow, RecordHeapGrow };

extern bool recorder_active;
extern struct lock recorder_lock; /* innermost */

/* `stack` is a probe's: the address of `depth` in a struct goalloc_stack. Any thread. */
void recorder_note(enum recorder_kind kind, unsigned spanclass, uint64_t count, uint64_t bytes, uint64_t stack);

/* Begins anew after fork, in the only thread there is, when the heap is in order and the lock is free. */
void recorder_in_child(void);

#pragma GCC visibility pop
#endif
