/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ATTACHMENT_H
#define ESCAPEMENT_ATTACHMENT_H

/*
 * Links of probes to the BPF programs: by uprobe.multi where the kernel has it, else by perf uprobes; and how they end.
 * Part of the collector: nobody else includes this. One thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "bpf/events.h"
#include "collect/probe_set.h"

struct programs;
struct attachment;
struct attachments;

/* Whether recordings attach by uprobe.multi: the running kernel has it, and ESCAPEMENT_ATTACH=perf in the environment does
 * not forbid it. */
bool attachments_use_multi(void);

/* `programs` must outlive it; `multi` is what they were opened with. */
struct attachments *attachments_new(struct programs *programs, bool multi);
void attachments_free(struct attachments *attachments); /* NULL is allowed; waits for the links of the dead */

/* Attaches a process's probes; its events go to that slot, whose sums are `process`: NULL if there are none, so that its
 * events go nowhere. Probes whose program is not loaded are left out. NULL on failure, `status` is then -errno. */
struct attachment *attachments_attach(struct attachments *attachments, int pid, uint32_t slot,
				      struct event_process *process, const struct probe_set *probes, int *status);
/* Returns when no program runs any more for it. NULL is allowed. */
void attachment_detach(struct attachment *attachment);
/* The same for a process that is gone, so that nothing can run for it: returns at once. */
void attachments_detach_dead(struct attachments *attachments, struct attachment *attachment);

/* Whether the running kernel attaches by uprobe.multi. */
bool attachments_kernel_has_multi(void);

#endif
