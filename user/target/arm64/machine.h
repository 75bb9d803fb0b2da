/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_MACHINE_H
#define ESCAPEMENT_MACHINE_H

/* What arm64 means to the program; ../amd64/machine.h has the same names. */

#include <elf.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#define MACHINE_NAME "aarch64"

#define MACHINE_ARGUMENTS "x0", "x1", "x2", "x3", "x4", "x5"

static inline long machine_system_call(int tid)
{
	int number = -1;
	struct iovec buffer = {&number, sizeof(number)};

	return ptrace(PTRACE_GETREGSET, tid, (void *)(uintptr_t)NT_ARM_SYSTEM_CALL, &buffer) == 0 ? number : -1;
}

#endif
