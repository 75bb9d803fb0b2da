// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Stops a thread that is traced, in the function that its dynamic linker calls for debuggers when it maps libraries. Only
 * SIGSTOP can neither be blocked nor ignored; the tracer takes it away, so that the program never gets it. A thread that
 * nobody traces (CLONE_UNTRACED), which nobody would let go on, is not stopped.
 *
 * The cookie's flags are the offset of task_struct.ptrace. A relocation by libbpf would make every recording read the
 * kernel's BTF, and need it.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/signal.h>
#include <bpf/bpf_helpers.h>

#include "events.h"

SEC("uprobe.multi")
int libraries_mapped(void *context)
{
	__u32 offset = EVENT_COOKIE_FLAGS(bpf_get_attach_cookie(context)), traced = 0;

	bpf_probe_read_kernel(&traced, sizeof(traced), (const char *)bpf_get_current_task() + offset);
	if (traced)
		bpf_send_signal_thread(SIGSTOP);
	return 0;
}
