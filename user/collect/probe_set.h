/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PROBE_SET_H
#define ESCAPEMENT_PROBE_SET_H

/* The instructions to put probes on: filled in by user/runtime, attached by collector_attach(). */

#include <stddef.h>
#include <stdint.h>

#include "bpf/events.h"

/* One place in one file that a BPF program is attached to. */
struct probe {
	const char *program;	   /* name of the BPF program */
	int file;		   /* descriptor of the file to attach to */
	uint64_t offset;	   /* file offset of the instruction */
	uint64_t semaphore_offset; /* file offset; 0: none */
	uint32_t flags;		   /* for the program: upper half of its attach cookie */
};

/* The descriptors of its files stay open until it has been attached for the last time. It does not own them. */
struct probe_set {
	struct probe *items;
	size_t count;
	struct event_layout layout; /* for the programs on Go binaries */
};

/* Adds a probe. `file` is the descriptor by which it was found out where the probe belongs: a name may lead to another file by
 * then, and the offset into the middle of an instruction. `program` must outlive the set. */
void probe_set_add(struct probe_set *set, const char *program, int file, uint64_t offset, uint64_t semaphore_offset,
		   uint32_t flags);
void probe_set_free(struct probe_set *set);

#endif
