/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/cut_files.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static atomic_uint pages;
static uintptr_t page_mask;

/* What else is a SIGBUS, as memory that the machine has lost, ends the process as it would without a handler: the instruction
 * faults again. */
static void put_zeros(int number, siginfo_t *info, void *context)
{
	int saved = errno;
	void *page = (void *)((uintptr_t)info->si_addr & ~page_mask);

	(void)context;
	if (info->si_code != BUS_ADRERR || mmap(page, page_mask + 1, PROT_READ | PROT_WRITE,
						MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		signal(number, SIG_DFL);
	else
		atomic_fetch_add(&pages, 1);
	errno = saved;
}

void cut_files_read_as_zeros(void)
{
	struct sigaction action = {.sa_sigaction = put_zeros, .sa_flags = SA_SIGINFO | SA_RESTART};

	page_mask = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
	sigaction(SIGBUS, &action, NULL);
}

unsigned cut_files_pages(void)
{
	return atomic_load(&pages);
}
