/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RECORDER_H
#define RECORDER_H

/*
 * GOALLOC_PROFILE=FILE: the process counts its own allocations, refills and growth by stack, for machines where no
 * BPF program may be loaded, and writes them down when it exits. The recorder is one more listener to the probes: it
 * raises their semaphores, so the library does what it does for any other.
 *
 * The file is text, one record a line; "FILE.PID" where FILE exists already (a program that runs several). A process
 * that is killed, or calls _exit, writes nothing; what a fork without exec does is not recorded.
 *
 *     goalloc-profile 1
 *     process PID COMM
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

#pragma GCC visibility push(hidden)

enum recorder_kind { RecordAlloc, RecordRefill, RecordCentralGrow, RecordHeapGrow };

extern bool recorder_active;

/* `stack` is a probe's: the address of `depth` in a struct goalloc_stack. Any thread. */
void recorder_note(enum recorder_kind kind, unsigned spanclass, uint64_t count, uint64_t bytes, uint64_t stack);

#pragma GCC visibility pop
#endif
