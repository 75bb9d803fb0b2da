/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbols/elf_copy.h"

#include <elf.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/caller.h"
#include "base/memory.h"
#include "base/regular_file.h"

enum {
	SECTIONS_MAX = 1 << 16,
	SEGMENTS_MAX = 4096,
	SMALL = 4096, /* a section that is copied, whatever it is */
	SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE,
};

static atomic_size_t alive; /* bytes of all copies */

/* ---- whose files need none ---- */

static bool is_ours(const struct stat *status)
{
	struct caller caller;

	if (status->st_mode &
	    (S_IWGRP | S_IWOTH)) /* with an access control list, the group's are the most that it gives */
		return false;
	return status->st_uid == 0 || status->st_uid == geteuid() ||
	       (caller_find(&caller) && status->st_uid == caller.user);
}

static bool is_reachable(int file, const struct stat *status)
{
	char name[REGULAR_FILE_NAME], *path = realpath(regular_file_name(file, name), NULL);
	struct stat found;
	bool same = path && stat(path, &found) == 0 && found.st_dev == status->st_dev && found.st_ino == status->st_ino;

	free(path);
	return same;
}

bool elf_copy_is_needless(int file)
{
	int seals = fcntl(file, F_GET_SEALS);
	struct stat status;

	if (seals >= 0 && (seals & F_SEAL_WRITE))
		return true;
	return fstat(file, &status) == 0 && is_ours(&status) && is_reachable(file, &status);
}

/* ---- copying ---- */

struct copy {
	int from;
	uint64_t size; /* of the file, and of the copy */
	char *to;      /* the copy, mapped */
	size_t done, most;
};

static bool charge(struct copy *copy, uint64_t bytes)
{
	if (bytes > copy->most - copy->done)
		return false;
	if (atomic_fetch_add(&alive, bytes) + bytes > ELF_COPY_MAX) {
		atomic_fetch_sub(&alive, bytes);
		return false;
	}
	copy->done += bytes;
	return true;
}

/* Copies a part of the file, as far as that reaches and can be read. Returns false if it is too much. */
static bool copy_part(struct copy *copy, uint64_t offset, uint64_t length)
{
	ssize_t got = 1;

	if (offset >= copy->size)
		return true;
	if (length > copy->size - offset)
		length = copy->size - offset;
	if (!charge(copy, length))
		return false;
	for (uint64_t end = offset + length; offset < end && got > 0; offset += (uint64_t)got) {
		got = pread(copy->from, copy->to + offset, end - offset, (off_t)offset);
		if (got < 0)
			break;
	}
	return true;
}

/* Whether readers look into the section. Code and data of the program are not among them. */
static bool is_wanted(const Elf64_Shdr *section, enum elf_copy_kind kind)
{
	switch (section->sh_type) {
	case SHT_NOBITS:
		return false;
	case SHT_SYMTAB:
	case SHT_DYNSYM:
	case SHT_SYMTAB_SHNDX:
	case SHT_STRTAB:
	case SHT_NOTE:
	case SHT_DYNAMIC:
		return true;
	}
	return section->sh_size <= SMALL || (kind == ELF_COPY_DEBUG && !(section->sh_flags & SHF_ALLOC));
}

/* Of a file without sections, whose symbols are somewhere in its data. */
static bool is_data(const Elf64_Phdr *segment)
{
	return segment->p_type == PT_LOAD && !(segment->p_flags & PF_X);
}

/* From now on the copy's headers are what is read: the file may have others by now. */
static bool copy_sections(struct copy *copy, enum elf_copy_kind kind)
{
	const Elf64_Ehdr *header = (const void *)copy->to;
	uint64_t count = header->e_shnum, at = header->e_shoff;
	const Elf64_Shdr *sections;

	if (!at || at % alignof(Elf64_Shdr) || at > copy->size || copy->size - at < sizeof(*sections))
		return true;
	sections = (const void *)(copy->to + at);
	if (!count) { /* there are too many for the header */
		if (!copy_part(copy, at, sizeof(*sections)))
			return false;
		count = sections[0].sh_size;
	}
	if (count > SECTIONS_MAX || count > (copy->size - at) / sizeof(*sections))
		return false;
	if (!copy_part(copy, at, count * sizeof(*sections)))
		return false;
	for (uint64_t i = 0; i < count; i++) {
		const Elf64_Shdr section = sections[i];

		if (is_wanted(&section, kind) && !copy_part(copy, section.sh_offset, section.sh_size))
			return false;
	}
	return true;
}

static bool copy_segments(struct copy *copy)
{
	const Elf64_Ehdr *header = (const void *)copy->to;
	uint64_t count = header->e_phnum, at = header->e_phoff;
	const Elf64_Phdr *segments;

	if (!at || at % alignof(Elf64_Phdr) || at > copy->size)
		return true;
	if (count > SEGMENTS_MAX || count > (copy->size - at) / sizeof(*segments))
		return false;
	if (!copy_part(copy, at, count * sizeof(*segments)))
		return false;
	segments = (const void *)(copy->to + at);
	for (uint64_t i = 0; i < count; i++) {
		const Elf64_Phdr segment = segments[i];

		if ((segment.p_type == PT_NOTE || segment.p_type == PT_DYNAMIC ||
		     (!header->e_shnum && is_data(&segment))) &&
		    !copy_part(copy, segment.p_offset, segment.p_filesz))
			return false;
	}
	return true;
}

static bool is_elf(const struct copy *copy)
{
	const Elf64_Ehdr *header = (const void *)copy->to;

	return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 && header->e_ident[EI_CLASS] == ELFCLASS64 &&
	       header->e_ident[EI_DATA] == ELFDATA2LSB;
}

/* Fills in the memory file. */
static int fill(int from, int to, uint64_t size, enum elf_copy_kind kind, size_t *copied, struct error *error)
{
	struct copy copy = {
		.from = from, .size = size, .most = kind == ELF_COPY_DEBUG ? ELF_COPY_MAX : ELF_COPY_SYMBOLS_MAX};
	int status = 0;

	copy.to = size < sizeof(Elf64_Ehdr) || ftruncate(to, (off_t)size)
			  ? MAP_FAILED
			  : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, to, 0);
	if (copy.to == MAP_FAILED || !copy_part(&copy, 0, sizeof(Elf64_Ehdr)) || !is_elf(&copy))
		status = error_set(error, STATUS_USAGE, "it is no 64-bit ELF file of this byte order, or is damaged");
	else if (!copy_segments(&copy) || !copy_sections(&copy, kind))
		status = error_set(
			error, STATUS_USAGE,
			"others may write to it, and its tables are larger than the %zu MiB that are copied of such a file",
			copy.most >> 20);
	if (copy.to != MAP_FAILED)
		munmap(copy.to, size);
	*copied = copy.done;
	return status;
}

int elf_copy(int file, enum elf_copy_kind kind, size_t *copied, struct error *error)
{
	int to = memfd_create("elf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct stat status;

	*copied = 0;
	if (to < 0 || fstat(file, &status))
		error_set(error, STATUS_CANNOT_MEASURE, "cannot copy it: %m");
	else if (fill(file, to, (uint64_t)status.st_size, kind, copied, error) == 0) {
		if (fcntl(to, F_ADD_SEALS, SEALS) == 0)
			return to;
		error_set(error, STATUS_CANNOT_MEASURE, "cannot copy it: %m");
	}
	elf_copy_ended(*copied);
	*copied = 0;
	if (to >= 0)
		close(to);
	return -1;
}

void elf_copy_ended(size_t copied)
{
	atomic_fetch_sub(&alive, copied);
}
