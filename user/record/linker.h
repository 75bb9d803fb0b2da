/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_LINKER_H
#define ESCAPEMENT_LINKER_H

/*
 * Processes without an allocator that we know, which may load one later (dlopen): a probe stops each of their threads when
 * their dynamic linker maps libraries. Needs uprobe.multi, because other probes fire in all processes of the machine, and
 * the kernel's BTF, to tell threads that are not traced.
 */

#include "collect/collector.h"

struct linker_watch;

/* Watches a process, unless it is watched; does nothing if it has no dynamic linker or the kernel refuses. Each time that the
 * linker is about to map libraries, and when it has mapped them, a thread of the process gets SIGSTOP from the kernel: the
 * process must be traced. */
void linker_watch_begin(struct linker_watch **watches, struct collector *collector, int pid);

/* Ends it without waiting: one more SIGSTOP may come. Does nothing if the process is not watched. */
void linker_watch_end(struct linker_watch **watches, struct collector *collector, int pid);

/* Ends all. When it returns, no more signals are sent. */
void linker_watch_end_all(struct linker_watch **watches, struct collector *collector);

#endif
