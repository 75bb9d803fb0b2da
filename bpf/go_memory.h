/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#ifndef ESCAPEMENT_GO_MEMORY_H
#define ESCAPEMENT_GO_MEMORY_H

/* Reads words of the target's memory; 0 if they cannot be read. */

#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static __always_inline __u64 read_word(__u64 address)
{
	__u64 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)address);
	return value;
}

static __always_inline __u64 read_half(__u64 address)
{
	__u16 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)address);
	return value;
}

#endif
