/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SYS_H
#define SYS_H

/*
 * What the allocator asks of the operating system; one file a system implements it. Memory is in one of two states:
 *
 *     mapped    may be used; zero until first written                         sysMapAt, sysAlloc
 *     unused    still mapped, its contents given back; zero when next touched sysUnused
 *
 * Sizes and addresses are multiples of the machine's page. None of these allocates, takes locks or sets errno.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sys_mapped {
	SysMapped,
	SysTaken,    /* there is a mapping of somebody else's */
	SysNoMemory, /* or no address space */
};
enum sys_mapped sysMapAt(uintptr_t address, size_t size);
void *sysAlloc(size_t size);		  /* maps wherever there is room; NULL when memory is out */
void sysFree(void *address, size_t size); /* unmaps */
bool sysUnused(void *address, size_t size);
void sysPrefault(void *address, size_t size); /* mapped memory will be written soon: a hint */
void sysFutexWait(_Atomic uint32_t *word, uint32_t value);
void sysFutexWake(_Atomic uint32_t *word);
void sysSleep(unsigned milliseconds);
uint64_t sysRandom(void);
uint64_t sysNow(void);				/* coarse monotonic nanoseconds */
void sysWrite(const char *text, size_t length); /* to standard error */
_Noreturn void sysAbort(void);

#endif
