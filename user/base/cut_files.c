/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/cut_files.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { OWN_MAX = 128 };

/* The program and its libraries. */
static struct range {
	uintptr_t start, limit;
} own[OWN_MAX];
static size_t own_count;

static atomic_uint pages;
static uintptr_t page_mask;

static int note_own(struct dl_phdr_info *object, size_t size, void *context)
{
	struct range range = {UINTPTR_MAX, 0};

	(void)size, (void)context;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		uintptr_t start = object->dlpi_addr + segment->p_vaddr, limit = start + segment->p_memsz;

		if (segment->p_type != PT_LOAD)
			continue;
		range.start = start < range.start ? start : range.start;
		range.limit = limit > range.limit ? limit : range.limit;
	}
	if (own_count < OWN_MAX)
		own[own_count++] = range;
	return 0;
}

static bool is_own(uintptr_t address)
{
	for (size_t i = 0; i < own_count; i++) {
		if (address >= (own[i].start & ~page_mask) && address < own[i].limit)
			return true;
	}
	return false;
}

/* A line of /proc/self/maps as its characters come, as a signal handler may read it. */
struct line {
	enum { START, LIMIT, PERMISSIONS, OFFSET, DEVICE, INODE, NAME } field;
	uintptr_t start, limit;
	bool is_private, has_inode;
};

static uintptr_t with_digit(uintptr_t number, char digit)
{
	return number << 4 | (uintptr_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

static void take(struct line *line, char next)
{
	if (line->field < NAME && next == (line->field == START ? '-' : ' ')) {
		line->field++;
	} else if (line->field == START) {
		line->start = with_digit(line->start, next);
	} else if (line->field == LIMIT) {
		line->limit = with_digit(line->limit, next);
	} else if (line->field == PERMISSIONS) {
		line->is_private = next == 'p';
	} else if (line->field == INODE) {
		line->has_inode |= next != '0';
	}
}

/* Whether the address is in a private mapping of a file. */
static bool is_of_a_file(uintptr_t address)
{
	int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	struct line line = {0};
	bool found = false;
	char buffer[4096];
	ssize_t length;

	while (file >= 0 && !found && (length = read(file, buffer, sizeof(buffer))) > 0) {
		for (ssize_t i = 0; i < length && !found; i++) {
			take(&line, buffer[i]);
			if (buffer[i] != '\n')
				continue;
			found = address >= line.start && address < line.limit && line.is_private && line.has_inode;
			line = (struct line){0};
		}
	}
	if (file >= 0)
		close(file);
	return found;
}

/* Whatever else is a SIGBUS ends the process as it would without a handler, since the instruction faults again: memory that the
 * machine has lost, say, or that cannot be read back from swap. */
static void put_zeros(int number, siginfo_t *info, void *context)
{
	int saved = errno;
	uintptr_t page = (uintptr_t)info->si_addr & ~page_mask;

	(void)context;
	if (info->si_code != BUS_ADRERR || is_own(page) || !is_of_a_file(page) ||
	    mmap((void *)page, page_mask + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		    MAP_FAILED)
		signal(number, SIG_DFL);
	else
		atomic_fetch_add(&pages, 1);
	errno = saved;
}

void cut_files_read_as_zeros(void)
{
	struct sigaction action = {.sa_sigaction = put_zeros, .sa_flags = SA_SIGINFO | SA_RESTART};

	page_mask = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
	own_count = 0;
	dl_iterate_phdr(note_own, NULL);
	sigaction(SIGBUS, &action, NULL);
}

unsigned cut_files_pages(void)
{
	return atomic_load(&pages);
}
