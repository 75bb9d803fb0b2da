// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Stops a thread that we trace, in the function that its dynamic linker calls for debuggers when it maps libraries. Only
 * SIGSTOP can neither be blocked nor ignored; the tracer takes it away, so that the program never gets it. Must not be
 * attached to a process that is not traced.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/signal.h>
#include <bpf/bpf_helpers.h>

SEC("uprobe.multi")
int libraries_mapped(void *context)
{
	bpf_send_signal_thread(SIGSTOP);
	return 0;
}
