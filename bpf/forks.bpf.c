// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Counts the copies that processes make of themselves (fork), and the processes that they let share their memory. A link of
 * uprobe.multi that is bound to a process does not see its children, so a recording of a server that forks would be silent
 * about most of its work.
 *
 * The tracepoint is raw, and only its second argument is used, the flags of clone(2): no kernel structure is read, so no
 * BTF is needed. It fires in the parent, for each new thread and process of the machine.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/sched.h>
#include <bpf/bpf_helpers.h>

#include "events.h"

/* The processes that are watched come first. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EVENT_SLOTS);
	__type(key, __u32);
	__type(value, struct event_forks);
} forks SEC(".maps");

/* Adds the event to the place `i`, if that is of the current process. Returns 1 behind the last place that is taken. */
static long count_at(__u64 i, __u64 *flags)
{
	__u32 key = i;
	struct event_forks *watched = bpf_map_lookup_elem(&forks, &key);
	struct bpf_pidns_info info = {};

	if (!watched || !watched->pid)
		return 1;
	if (!bpf_get_ns_current_pid_tgid(watched->pid_namespace_device, watched->pid_namespace_inode, &info,
					 sizeof(info)) &&
	    info.tgid == watched->pid)
		__sync_fetch_and_add(*flags & CLONE_VM ? &watched->sharers : &watched->copies, 1);
	return 0;
}

SEC("raw_tracepoint/task_newtask")
int process_forked(struct bpf_raw_tracepoint_args *context)
{
	__u64 flags = context->args[1];

	if (!(flags & CLONE_THREAD || (flags & CLONE_VM && flags & CLONE_VFORK)))
		bpf_loop(EVENT_SLOTS, count_at, &flags, 0);
	return 0;
}
