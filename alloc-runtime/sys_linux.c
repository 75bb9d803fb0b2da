/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sys.h on Linux. Preserves errno, because free must not change it. Functions of libc in which a thread can be cancelled are called by
 * syscall(), in which it cannot: it may hold locks, and malloc and free are no cancellation points.
 */
#include "sys.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sections.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* Linux before 4.17 ignores MAP_FIXED_NOREPLACE and treats the address as a hint. */
enum sys_mapped sysMapAt(uintptr_t address, size_t size)
{
	int saved = errno;
	void *mapped = mmap((void *)address, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	enum sys_mapped result = mapped == (void *)address		   ? SysMapped
				 : mapped == MAP_FAILED && errno != EEXIST ? SysNoMemory
									   : SysTaken;

	if (mapped != MAP_FAILED && result != SysMapped)
		munmap(mapped, size);
	errno = saved;
	return result;
}

void *sysAlloc(size_t size)
{
	int saved = errno;
	void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	errno = saved;
	return address == MAP_FAILED ? NULL : address;
}

RARELY_RUN void *sysAllocSparse(size_t size)
{
	int saved = errno;
	void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (address != MAP_FAILED)
		(void)(madvise(address, size, MADV_DONTFORK) + madvise(address, size, MADV_HUGEPAGE));
	errno = saved;
	return address == MAP_FAILED ? NULL : address;
}

void sysFree(void *address, size_t size)
{
	int saved = errno;

	munmap(address, size);
	errno = saved;
}

RARELY_RUN void *sysGrow(void *table, size_t *capacity, size_t first, size_t size)
{
	size_t room = *capacity ? 2 * *capacity : first;
	void *grown = sysAlloc(room * size);

	if (!grown)
		return NULL;
	if (table) {
		memcpy(grown, table, *capacity * size);
		sysFree(table, *capacity * size);
	}
	*capacity = room;
	return grown;
}

bool sysUnused(void *address, size_t size)
{
	int saved = errno;
	bool done = madvise(address, size, MADV_DONTNEED) == 0;

	errno = saved;
	return done;
}

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

/* The kernel unmaps what is at an address before it notices that memory is out. */
static void map_again(void *address, size_t size)
{
	unsigned char in_core;

	if (mincore(address, 1, &in_core) != 0 && sysMapAt((uintptr_t)address, size) != SysMapped)
		sysAbort();
}

/* For memory without a file, MS_INVALIDATE does nothing else but fail where any of it is locked. The C library's msync
 * is a cancellation point, which realloc and free must not be. */
static bool is_locked(void *address, size_t size)
{
	return syscall(SYS_msync, address, size, MS_INVALIDATE) != 0;
}

/* Moves pages of one mapping of the kernel's. Asked to move them to an address, older kernels unmap what is there before they
 * notice that they cannot, and another thread may map something in the hole. So the pages go to an address of the kernel's
 * choice first; from there they are one mapping, and only memory for the kernel itself could be missing. */
static bool move_mapping(char *to, char *from, size_t size)
{
	/* MREMAP_DONTUNMAP exists since Linux 5.7. It unlocks what it leaves. */
	void *between = mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);

	if (between == MAP_FAILED)
		return false;
	if (mremap(between, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to) {
		map_again(to, size);
		memcpy(to, between, size);
		munmap(between, size);
	}
	return true;
}

size_t sysMove(void *to, void *from, size_t size)
{
	int saved = errno;
	size_t done = 0, part = is_locked(from, size) || is_locked(to, size) ? 0 : size;

	/* Pages that were moved before are in mappings of their own, of which nobody tells the ends: EFAULT is what the kernel
	 * says of more than one. Parts of one mapping become one again where they go. */
	while (part) {
		if (move_mapping((char *)to + done, (char *)from + done, part)) {
			done += part;
			part = size - done;
		} else {
			part = errno == EFAULT ? part / 2 & -sysPageSize() : 0;
		}
	}
	errno = saved;
	return done;
}

void sysMapAnew(void *address, size_t size)
{
	int saved = errno;

	if (!is_locked(address, size) &&
	    mmap(address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		map_again(address, size);
	errno = saved;
}

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* MADV_POPULATE_WRITE exists since Linux 5.14. It takes half the time of the page faults that it saves. */
void sysPrefault(void *address, size_t size)
{
	static _Atomic bool unsupported;
	int saved = errno;

	if (!atomic_load_explicit(&unsupported, memory_order_relaxed) &&
	    madvise(address, size, MADV_POPULATE_WRITE) != 0 && errno == EINVAL)
		atomic_store_explicit(&unsupported, true, memory_order_relaxed);
	errno = saved;
}

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE  103
#endif

/* From Linux 6.13 on guards are marks in page tables, but not in locked memory; elsewhere they are mappings. */
bool sysGuard(void *address, size_t size)
{
	int saved = errno;
	bool done = madvise(address, size, MADV_GUARD_INSTALL) == 0 || mprotect(address, size, PROT_NONE) == 0;

	errno = saved;
	return done;
}

void sysUnguard(void *address, size_t size)
{
	int saved = errno;

	madvise(address, size, MADV_GUARD_REMOVE);
	mprotect(address, size, PROT_READ | PROT_WRITE);
	errno = saved;
}

void sysFutexWait(_Atomic uint32_t *word, uint32_t value)
{
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL);
	errno = saved;
}

static void wake(_Atomic uint32_t *word, int most)
{
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, most);
	errno = saved;
}

void sysFutexWake(_Atomic uint32_t *word)
{
	wake(word, 1);
}

void sysFutexWakeAll(_Atomic uint32_t *word)
{
	wake(word, INT_MAX);
}

void sysSleep(unsigned milliseconds)
{
	struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000};
	int saved = errno;

	while (syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &left, &left) != 0 && errno == EINTR)
		;
	errno = saved;
}

size_t sysPageSize(void)
{
	return getauxval(AT_PAGESZ);
}

int sysProcessId(void)
{
	return (int)syscall(SYS_getpid);
}

uint64_t sysRandom(void)
{
	int saved = errno;
	uint64_t random;

	/* Early at boot getrandom may have no entropy yet; then the time and the address-space layout are the seed. */
	if (syscall(SYS_getrandom, &random, sizeof random, GRND_NONBLOCK) != (long)sizeof random)
		random = sysNow() ^ (uintptr_t)&random;
	errno = saved;
	return random;
}

uint64_t sysNow(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void sysWrite(const char *text, size_t length)
{
	int saved = errno;

	while (length > 0) {
		long n = syscall(SYS_write, STDERR_FILENO, text, length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		text += n;
		length -= (size_t)n;
	}
	errno = saved;
}

void sysAbort(void)
{
	abort();
}
