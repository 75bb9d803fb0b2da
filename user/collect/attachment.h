/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ATTACHMENT_H
#define ESCAPEMENT_ATTACHMENT_H

/*
 * Attaches BPF programs to probes, by uprobe.multi if the kernel has it, else by perf uprobes, and detaches them.
 * Private to the collector. Not thread-safe.
 */

#include <stdbool.h>
#include <stdint.h>

#include "bpf/events.h"
#include "collect/probe_set.h"

struct programs;
struct attachment;
struct attachments;

/* Whether recordings use uprobe.multi: the running kernel has it, and ESCAPEMENT_ATTACH=perf is not set in the
 * environment. */
bool attachments_use_multi(void);

/* `programs` must outlive the result. `multi` must be the value that they were opened with. */
struct attachments *attachments_new(struct programs *programs, bool multi);
/* NULL is allowed; waits until the links of ended processes are detached */
void attachments_free(struct attachments *attachments);

/* Attaches a process's probes. Its events are added to slot `slot`, whose sums are `process`; if that is NULL, its
 * events are ignored. Probes whose program is not loaded are skipped. Returns NULL on failure, and then sets `status`
 * to -errno. */
struct attachment *attachments_attach(struct attachments *attachments, int pid, uint32_t slot,
				      struct event_process *process, const struct probe_set *probes, int *status);
/* Begins to detach: attachment_detach() has less to wait for then. NULL is allowed. */
void attachment_detach_begin(struct attachment *attachment);
/* Detaches, and returns when no program runs for the process any more. NULL is allowed. */
void attachment_detach(struct attachment *attachment);
/* The same for a process that has ended, for which no program can run, or for a program that may still run: returns at
 * once. */
void attachments_detach_later(struct attachments *attachments, struct attachment *attachment);
/* Waits until all of these are detached. */
void attachments_wait(struct attachments *attachments);

/* Whether the running kernel has uprobe.multi. */
bool attachments_kernel_has_multi(void);

#endif
