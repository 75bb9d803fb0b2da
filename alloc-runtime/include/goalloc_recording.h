/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef GOALLOC_RECORDING_H
#define GOALLOC_RECORDING_H

/*
 * The second contract between libgoalloc and its observers: the file that a process writes about itself when
 * GOALLOC_PROFILE=FILE is in its environment. It is for machines on which no BPF program may be loaded. The first
 * contract, of probes and counters in memory, is goalloc_contract.h.
 *
 * FILES. The process creates FILE and never overwrites an existing file. If FILE exists (when a program starts several
 * processes), it creates FILE.PID; if that exists too (when a process calls exec), FILE.PID.1, FILE.PID.2 and so on. A
 * forked child records its own allocations into a file of its own, which it creates at its first allocation.
 *
 * FORMAT. Text; one record a line; fields separated by single spaces. Numbers are decimal and unsigned, ADDRESS, START,
 * LIMIT, OFFSET, SITE and PC hexadecimal without 0x. PATH, COMM, FILE and FUNCTION extend to the end of the line or to
 * the tab; the library writes '?' in place of a newline or tab in them. Records come in this order:
 *
 *     goalloc-profile 1                                the name and version of the format
 *     process PID COMM                                 COMM as it was when the file was created
 *     executable PATH
 *     map START LIMIT OFFSET PATH                      one for each executable mapping of a file
 *     site ADDRESS LINE COLUMN FILE<tab>FUNCTION       precedes the first row that refers to ADDRESS
 *     row KIND CLASS EVENTS COUNT BYTES SITE TRUNCATED DEPTH PC...
 *     class CLASS OBJECTS BYTES REFILLS CENTRAL_GROWS  the library's own counters, since the recording began
 *     heap GROWS BYTES                                 the same
 *     lost EVENTS                                      events that are in no row, because memory was out
 *     end
 *
 * A row sums the events of one KIND (GOALLOC_RECORDED_KINDS), span class and stack. COUNT and BYTES are: of `alloc`,
 * objects and the bytes that they count for; of `refill`, refills and 0; of `central-grow`, grows and 0; of `heap-grow`,
 * grows and bytes mapped (CLASS is GOALLOC_RECORDED_NO_CLASS). SITE is the struct goalloc_site that the caller gave, or 0.
 * TRUNCATED is 1 if the stack had more frames than the DEPTH return addresses that follow, innermost first.
 *
 * The first three records are written at once, all others when the process exits. A file without `end` belongs to a
 * process that is still running, was killed, or called _exit or exec.
 *
 * VERSION. The version is increased when a reader of the old version would misread the file. Readers refuse unknown
 * versions. They also refuse unknown words, so a new kind of record needs a new version.
 */

#define GOALLOC_RECORDING_ENVIRONMENT "GOALLOC_PROFILE"
#define GOALLOC_RECORDING_NAME	      "goalloc-profile"
#define GOALLOC_RECORDING_VERSION     1

/* First word of each record, in the order of their first appearance. */
#define GOALLOC_RECORD_PROCESS	  "process"
#define GOALLOC_RECORD_EXECUTABLE "executable"
#define GOALLOC_RECORD_MAP	  "map"
#define GOALLOC_RECORD_SITE	  "site"
#define GOALLOC_RECORD_ROW	  "row"
#define GOALLOC_RECORD_CLASS	  "class"
#define GOALLOC_RECORD_HEAP	  "heap"
#define GOALLOC_RECORD_LOST	  "lost"
#define GOALLOC_RECORD_END	  "end"

enum goalloc_recorded_kind {
	GOALLOC_RECORDED_ALLOC,
	GOALLOC_RECORDED_REFILL,
	GOALLOC_RECORDED_CENTRAL_GROW,
	GOALLOC_RECORDED_HEAP_GROW,
};
/* KIND, by enum goalloc_recorded_kind. */
#define GOALLOC_RECORDED_KINDS                                 \
	{                                                      \
		"alloc", "refill", "central-grow", "heap-grow" \
	}
#define GOALLOC_RECORDED_NO_CLASS 65535 /* CLASS of a row without a span class */

#endif
