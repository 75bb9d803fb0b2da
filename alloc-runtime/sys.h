/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SYS_H
#define SYS_H

/*
 * The allocator's interface to the operating system, implemented in one file per system. Memory is in one of two
 * states:
 *
 *     mapped    may be used; zero until first written                              sysMapAt, sysAlloc
 *     unused    still mapped, its contents given back; zero when next touched      sysUnused
 *
 * Sizes and addresses are multiples of the machine's page size. These functions do not allocate, take locks or set
 * errno, and none is a cancellation point.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sys_mapped {
	SysMapped,
	SysTaken,    /* another mapping is in the way */
	SysNoMemory, /* no memory or address space */
};
enum sys_mapped sysMapAt(uintptr_t address, size_t size);
void *sysAlloc(size_t size); /* maps memory at any address; NULL when memory is out */
/* The same for tables that are mostly not written: memory is not reserved, and the child of a fork does not get it. */
void *sysAllocSparse(size_t size);
void sysFree(void *address, size_t size); /* unmaps */
/* Returns a table of sysAlloc() with twice the room, `first` items if there was none (NULL, 0), and what was in it; the old one is
 * freed. `size`: of an item. NULL when memory is out; then the old one stays as it is. */
void *sysGrow(void *table, size_t *capacity, size_t first, size_t size);
bool sysUnused(void *address, size_t size);
/* Moves pages to memory that is mapped, too, and is overwritten. Neither is ever unmapped meanwhile. Returns how many bytes
 * were moved from the beginning; `from` is unused memory as far. Less than all if the system cannot, or if memory is locked,
 * which it would not stay. `size`: whole pages. */
size_t sysMove(void *to, void *from, size_t size);
/* Makes mapped memory zero and returns its contents. Locked memory stays as it is. */
void sysMapAnew(void *address, size_t size);
void sysPrefault(void *address, size_t size); /* a hint that mapped memory will be written soon */
/* Makes memory inaccessible until sysUnguard; its contents are lost. False if the system has no memory or mapping for it.
 * sysUnguard may cover more memory than what was guarded. */
bool sysGuard(void *address, size_t size);
void sysUnguard(void *address, size_t size);
void sysFutexWait(_Atomic uint32_t *word, uint32_t value);
void sysFutexWake(_Atomic uint32_t *word); /* one waiter */
void sysFutexWakeAll(_Atomic uint32_t *word);
void sysSleep(unsigned milliseconds);
size_t sysPageSize(void);
int sysProcessId(void); /* asks the kernel: differs in the child of a vfork */
uint64_t sysRandom(void);
uint64_t sysNow(void);				/* coarse monotonic nanoseconds */
void sysWrite(const char *text, size_t length); /* to standard error */
_Noreturn void sysAbort(void);

#endif
