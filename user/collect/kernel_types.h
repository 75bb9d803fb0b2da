/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_KERNEL_TYPES_H
#define ESCAPEMENT_KERNEL_TYPES_H

/* The kernel's structures, from its BTF. Not thread-safe. */

#include <stdint.h>

/* The offset of task_struct.ptrace, in bytes, which is not 0 while a thread is traced; 0 if the kernel has no BTF that
 * says it. Takes some milliseconds, once. */
uint32_t kernel_ptrace_offset(void);

#endif
