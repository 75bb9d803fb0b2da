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
	char *path;		   /* file to attach to, openable by us */
	uint64_t offset;	   /* file offset of the instruction */
	uint64_t semaphore_offset; /* file offset; 0: none */
	uint32_t flags;		   /* for the program: upper half of its attach cookie */
};

struct probe_set {
	struct probe *items;
	size_t count;
	struct event_layout layout; /* for the programs on Go binaries */
};

/* Adds a probe; copies `path`. `program` must outlive the set. */
void probe_set_add(struct probe_set *set, const char *program, const char *path, uint64_t offset,
		   uint64_t semaphore_offset, uint32_t flags);
void probe_set_free(struct probe_set *set);

#endif
