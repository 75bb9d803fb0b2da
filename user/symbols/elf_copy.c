/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything that decides what is copied is read once, into memory of ours: the headers, which are written to the copy when
 * all else is there, whatever parts of the file lie over each other. Sizes that sections inflate to are taken from the copy.
 *
 * What is not copied is a hole, and takes memory as soon as somebody reads it: so no header of a copy leads there. A copy is
 * written and not mapped: a child that another thread forks would inherit the mapping, and keep the copy from being sealed.
 */
#include "symbols/elf_copy.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/only_ours.h"

enum {
	SECTIONS_MAX = 1 << 16,
	SEGMENTS_MAX = 4096,
	RESERVE = 64 << 10, /* of headers and notes of each file, which so are known whatever others have taken */
	BLOCK = 64 << 10,
	SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE,
	NO_EXECUTION = 8, /* MFD_NOEXEC_SEAL, since Linux 6.3 */
};

#define PAGE_MASK UINT64_C(4095)

static const char too_large[] =
	"some functions or lines are not known: others may write to the file, and of such files "
	"at most 64 MiB of symbols and 128 MiB of debug information are read, three quarters of what is left "
	"for each owner of files, and half of what is left of that for each file";
static const char not_copied[] =
	"some functions or lines are not known: others may write to the file, and it could not be copied, for want of "
	"memory or descriptors or because this process may make no such file in memory (ulimit -f, memfd_create)";
static const char cut[] =
	"somebody has cut the file while it was read, or it cannot be read: functions and lines in that "
	"part are not known";

/* ---- how much ---- */

struct copy {
	int from, to;
	uint64_t size; /* of the file, and of the copy */
	struct elf_share *share;
	size_t temporary_left, reserve_left, most[ELF_BUDGETS];
	Elf64_Ehdr header;
	Elf64_Phdr *segments;
	Elf64_Shdr *sections;
	uint8_t *parts; /* of each section: what it is a part of, or NOWHERE */
	size_t section_count;
	bool cut, too_large, failed;
};

enum { NOWHERE = 0xff };

static bool take_own(uint64_t bytes, size_t *left)
{
	if (bytes > *left)
		return false;
	*left -= bytes;
	return true;
}

/* Whether the copy may have so much more of a part. */
static bool claim(struct copy *copy, enum elf_parts part, uint64_t bytes)
{
	bool fits;

	if (!copy->share) {
		fits = take_own(bytes, &copy->temporary_left);
	} else if (part == ELF_NOTES && take_own(bytes, &copy->reserve_left)) {
		fits = true;
	} else {
		enum elf_budget budget = part == ELF_LINES ? ELF_BUDGET_LINES : ELF_BUDGET_SYMBOLS;

		fits = elf_share_claim(copy->share, budget, bytes, &copy->most[budget]);
	}
	copy->too_large |= !fits;
	return fits;
}

/* ---- reading and writing ---- */

/* Reads as far as the file reaches; what it has no more stays zeros. */
static void read_range(struct copy *copy, void *buffer, uint64_t offset, uint64_t length)
{
	uint8_t *to = buffer;
	ssize_t got = 1;

	while (length && got > 0) {
		got = pread(copy->from, to, length, (off_t)offset);
		if (got > 0) {
			to += got;
			offset += (uint64_t)got;
			length -= (uint64_t)got;
		} else if (got < 0 && errno == EINTR) {
			got = 1;
		}
	}
	copy->cut |= length > 0;
}

static void write_range(struct copy *copy, const void *buffer, uint64_t offset, uint64_t length)
{
	const uint8_t *from = buffer;

	while (length && !copy->failed) {
		ssize_t put = pwrite(copy->to, from, length, (off_t)offset);

		if (put > 0) {
			from += put;
			offset += (uint64_t)put;
			length -= (uint64_t)put;
		} else {
			copy->failed = put == 0 || errno != EINTR;
		}
	}
}

/* Reads what the copy has there. */
static void read_back(struct copy *copy, void *buffer, uint64_t offset, uint64_t length)
{
	copy->failed |= pread(copy->to, buffer, length, (off_t)offset) != (ssize_t)length;
}

static bool lies_in_file(const struct copy *copy, uint64_t offset, uint64_t length)
{
	return offset <= copy->size && length <= copy->size - offset;
}

/* What a range takes, in pages; 0 if it is not in the file. */
static uint64_t cost(const struct copy *copy, uint64_t offset, uint64_t length)
{
	return length && lies_in_file(copy, offset, length)
		       ? ((offset + length + PAGE_MASK) & ~PAGE_MASK) - (offset & ~PAGE_MASK)
		       : 0;
}

/* Sizes are the file's word, and it may have many. */
static uint64_t add(uint64_t a, uint64_t b)
{
	return a <= UINT64_MAX - b ? a + b : UINT64_MAX;
}

static void copy_range(struct copy *copy, uint64_t offset, uint64_t length)
{
	uint8_t *block = cost(copy, offset, length) ? memory_allocate(BLOCK) : NULL;

	while (block && length) {
		uint64_t next = length < BLOCK ? length : BLOCK;

		memset(block, 0, next);
		read_range(copy, block, offset, next);
		write_range(copy, block, offset, next);
		offset += next;
		length -= next;
	}
	free(block);
}

/* ---- headers ---- */

static bool is_elf(const Elf64_Ehdr *header)
{
	return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 && header->e_ident[EI_CLASS] == ELFCLASS64 &&
	       header->e_ident[EI_DATA] == ELFDATA2LSB;
}

/* Returns a table of the file; NULL if it is empty or does not lie in the file. */
static void *read_table(struct copy *copy, uint64_t offset, size_t count, size_t size)
{
	void *table;

	if (!count || !offset || count > SECTIONS_MAX || !lies_in_file(copy, offset, count * size) ||
	    !claim(copy, ELF_NOTES, cost(copy, offset, count * size)))
		return NULL;
	table = memory_zeroed(count, size);
	read_range(copy, table, offset, count * size);
	return table;
}

/* The first section has the number of sections if there are too many for the header. */
static size_t count_sections(struct copy *copy)
{
	Elf64_Shdr first = {0};

	if (copy->header.e_shnum || !copy->header.e_shoff)
		return copy->header.e_shoff ? copy->header.e_shnum : 0;
	if (lies_in_file(copy, copy->header.e_shoff, sizeof(first)))
		read_range(copy, &first, copy->header.e_shoff, sizeof(first));
	return first.sh_size <= SECTIONS_MAX ? first.sh_size : SECTIONS_MAX + 1;
}

/* Of the first section, only numbers mean anything that are too large for the header. That of sections is read twice: what the
 * table has is what was read of it. */
static void limit_first_section(struct copy *copy)
{
	uint32_t names = copy->header.e_shstrndx == SHN_XINDEX ? copy->sections[0].sh_link : 0;

	copy->sections[0] = (Elf64_Shdr){.sh_size = copy->header.e_shnum ? 0 : copy->section_count, .sh_link = names};
}

static bool read_headers(struct copy *copy)
{
	const Elf64_Ehdr *header = &copy->header;

	read_range(copy, &copy->header, 0, sizeof(copy->header));
	if (!is_elf(header) || header->e_phnum > SEGMENTS_MAX || !claim(copy, ELF_NOTES, PAGE_MASK + 1))
		return false;
	copy->section_count = count_sections(copy);
	copy->segments = read_table(copy, header->e_phoff, header->e_phnum, sizeof(Elf64_Phdr));
	copy->sections = read_table(copy, header->e_shoff, copy->section_count, sizeof(Elf64_Shdr));
	if ((header->e_phnum && !copy->segments) || (copy->section_count && !copy->sections))
		return false;
	if (copy->section_count)
		limit_first_section(copy);
	copy->parts = memory_allocate(copy->section_count + 1);
	memset(copy->parts, NOWHERE, copy->section_count + 1);
	return true;
}

static void write_headers(struct copy *copy)
{
	write_range(copy, &copy->header, 0, sizeof(copy->header));
	if (copy->segments)
		write_range(copy, copy->segments, copy->header.e_phoff, copy->header.e_phnum * sizeof(Elf64_Phdr));
	if (copy->sections)
		write_range(copy, copy->sections, copy->header.e_shoff, copy->section_count * sizeof(Elf64_Shdr));
}

/* ---- which sections ---- */

/* Those that dwarf_symbols.c reads. libdw would read and inflate others, too: of locations and macros. */
static const char *const line_sections[] = {
	"info", "types", "abbrev", "line", "line_str", "str", "str_offsets", "addr", "ranges", "rnglists",
};

static bool is_of_lines(const char *name)
{
	static const char *const prefixes[] = {".debug_", ".zdebug_"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t length = strlen(prefixes[i]);

		for (size_t j = 0; j < sizeof(line_sections) / sizeof(line_sections[0]); j++) {
			if (strncmp(name, prefixes[i], length) == 0 && strcmp(name + length, line_sections[j]) == 0)
				return true;
		}
	}
	return false;
}

static uint8_t part_by_name(const char *name)
{
	static const struct {
		const char *name;
		enum elf_parts part;
	} others[] = {
		{".gnu_debuglink", ELF_NOTES},
		{".gnu_debugaltlink", ELF_NOTES},
		{".gnu.prelink_undo", ELF_NOTES},
		{".gnu_debugdata", ELF_SYMBOLS},
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (strcmp(name, others[i].name) == 0)
			return (uint8_t)others[i].part;
	}
	return is_of_lines(name) ? ELF_LINES : NOWHERE;
}

static uint8_t part_by_type(uint32_t type)
{
	switch (type) {
	case SHT_NOTE:
		return ELF_NOTES;
	case SHT_DYNAMIC:
	case SHT_DYNSYM:
		return ELF_EXPORTS;
	case SHT_SYMTAB:
	case SHT_SYMTAB_SHNDX:
		return ELF_SYMBOLS;
	}
	return NOWHERE;
}

static void put_in(struct copy *copy, size_t section, uint8_t part)
{
	if (section && section < copy->section_count && part < copy->parts[section])
		copy->parts[section] = part;
}

static size_t names_section(const struct copy *copy)
{
	size_t index = copy->header.e_shstrndx;

	return index == SHN_XINDEX && copy->section_count ? copy->sections[0].sh_link : index;
}

/* Stores the name of a section, as much of it as matters. */
static void name_of(struct copy *copy, const Elf64_Shdr *section, char name[32])
{
	size_t index = names_section(copy);
	const Elf64_Shdr *names = index < copy->section_count ? &copy->sections[index] : NULL;
	uint64_t length;

	memset(name, 0, 32);
	if (!names || names->sh_type == SHT_NOBITS || section->sh_name >= names->sh_size ||
	    !lies_in_file(copy, names->sh_offset, names->sh_size))
		return;
	length = names->sh_size - section->sh_name;
	read_back(copy, name, names->sh_offset + section->sh_name, length < 31 ? length : 31);
}

static void sort_sections(struct copy *copy)
{
	for (size_t i = 0; i < copy->section_count; i++) {
		const Elf64_Shdr *section = &copy->sections[i];
		uint8_t part = part_by_type(section->sh_type);
		char name[32];

		name_of(copy, section, name);
		put_in(copy, i, part != NOWHERE ? part : part_by_name(name));
		if (section->sh_type == SHT_SYMTAB || section->sh_type == SHT_DYNSYM)
			put_in(copy, section->sh_link, part);
	}
}

/* ---- copying ---- */

static bool is_in(const struct copy *copy, size_t section, enum elf_parts part)
{
	return copy->parts[section] == part && copy->sections[section].sh_type != SHT_NOBITS;
}

/* Some of it would be worse than nothing: functions of debug information whose names are elsewhere hide those of symbols. */
static void leave_out(struct copy *copy, enum elf_parts part)
{
	for (size_t i = 0; i < copy->section_count; i++)
		copy->parts[i] = copy->parts[i] == part ? NOWHERE : copy->parts[i];
}

static void copy_sections(struct copy *copy, enum elf_parts part)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < copy->section_count; i++)
		bytes = add(bytes, is_in(copy, i, part)
					   ? cost(copy, copy->sections[i].sh_offset, copy->sections[i].sh_size)
					   : 0);
	if (!bytes)
		return;
	if (!claim(copy, part, bytes)) {
		leave_out(copy, part);
		return;
	}
	for (size_t i = 0; i < copy->section_count; i++) {
		if (is_in(copy, i, part))
			copy_range(copy, copy->sections[i].sh_offset, copy->sections[i].sh_size);
	}
}

static bool has_segment(const struct copy *copy, uint32_t type)
{
	for (size_t i = 0; i < copy->header.e_phnum; i++) {
		if (copy->segments[i].p_type == type)
			return true;
	}
	return false;
}

/* Where there are no sections, symbols are looked for from a segment on, anywhere in the file: all of it or none is copied. */
static bool copy_all(struct copy *copy)
{
	if (!claim(copy, ELF_SYMBOLS, cost(copy, 0, copy->size)))
		return false;
	copy_range(copy, 0, copy->size);
	return true;
}

static bool copy_note(struct copy *copy, const Elf64_Phdr *segment)
{
	if (segment->p_type != PT_NOTE || !claim(copy, ELF_NOTES, cost(copy, segment->p_offset, segment->p_filesz)))
		return false;
	copy_range(copy, segment->p_offset, segment->p_filesz);
	return true;
}

/* Where code lies in the file, though it is not copied, is what copies without all symbols are asked for. */
static void hide_segment(Elf64_Phdr *segment, enum elf_parts parts)
{
	if (segment->p_type == PT_NOTE || segment->p_type == PT_DYNAMIC)
		segment->p_type = PT_NULL;
	if (parts >= ELF_SYMBOLS)
		segment->p_filesz = 0;
}

static void copy_segments(struct copy *copy, enum elf_parts parts)
{
	bool all = parts >= ELF_SYMBOLS && !copy->section_count && has_segment(copy, PT_DYNAMIC) && copy_all(copy);

	for (size_t i = 0; i < copy->header.e_phnum; i++) {
		Elf64_Phdr *segment = &copy->segments[i];

		if (!lies_in_file(copy, segment->p_offset, segment->p_filesz) || (!all && !copy_note(copy, segment)))
			hide_segment(segment, parts);
	}
}

/* The names of sections come first: they say what the others are. */
static bool copy_names(struct copy *copy)
{
	size_t index = names_section(copy);
	const Elf64_Shdr *names = index < copy->section_count ? &copy->sections[index] : NULL;

	if (!names || names->sh_type == SHT_NOBITS)
		return true;
	put_in(copy, index, ELF_NOTES);
	if (!claim(copy, ELF_NOTES, cost(copy, names->sh_offset, names->sh_size)))
		return false;
	copy_range(copy, names->sh_offset, names->sh_size);
	return true;
}

/* Returns what a section of the copy inflates to: one that is marked, or as GNU's tools once compressed them (.zdebug_*). */
static uint64_t inflated(struct copy *copy, const Elf64_Shdr *section)
{
	struct {
		char magic[4];
		uint8_t size[8];
	} older;
	Elf64_Chdr header;
	uint64_t size;

	if (section->sh_flags & SHF_COMPRESSED && section->sh_size >= sizeof(header)) {
		read_back(copy, &header, section->sh_offset, sizeof(header));
		return header.ch_size;
	}
	if (section->sh_size < sizeof(older))
		return 0;
	read_back(copy, &older, section->sh_offset, sizeof(older));
	memcpy(&size, older.size, sizeof(size));
	return memcmp(older.magic, "ZLIB", 4) == 0 ? be64toh(size) : 0;
}

/* Code and data keep their sizes: where they lie in memory is asked for. */
static void hide(Elf64_Shdr *section)
{
	if (section->sh_type != SHT_PROGBITS || !(section->sh_flags & SHF_ALLOC))
		section->sh_size = 0;
	section->sh_type = section->sh_type == SHT_NULL ? SHT_NULL : SHT_NOBITS;
	section->sh_flags &= ~(uint64_t)SHF_COMPRESSED;
}

static bool is_copied(const struct copy *copy, size_t section)
{
	const Elf64_Shdr *header = &copy->sections[section];

	return copy->parts[section] != NOWHERE && header->sh_type != SHT_NOBITS && header->sh_type != SHT_NULL &&
	       lies_in_file(copy, header->sh_offset, header->sh_size);
}

/* Returns what a part inflates to, if that is allowed; otherwise leaves it out. */
static uint64_t inflated_part(struct copy *copy, enum elf_parts part)
{
	uint64_t size = 0;

	for (size_t i = 1; i < copy->section_count; i++) {
		if (copy->parts[i] == part && is_copied(copy, i))
			size = add(size, inflated(copy, &copy->sections[i]));
	}
	if (!size || claim(copy, part, size))
		return size;
	leave_out(copy, part);
	return 0;
}

static void hide_others(struct copy *copy)
{
	for (size_t i = 1; i < copy->section_count; i++) {
		if (!is_copied(copy, i) && copy->sections[i].sh_type != SHT_NOBITS)
			hide(&copy->sections[i]);
	}
}

/* Whether that is so in the finished copy, too: in a file that is made up, headers may lie over a section's size. */
static bool inflates_to(struct copy *copy, uint64_t total)
{
	for (size_t i = 1; i < copy->section_count; i++) {
		uint64_t size = is_copied(copy, i) ? inflated(copy, &copy->sections[i]) : 0;

		if (size > total)
			return false;
		total -= size;
	}
	return true;
}

static bool fill(struct copy *copy, enum elf_parts parts)
{
	uint64_t inflates = 0;

	if (!read_headers(copy) || !copy_names(copy))
		return false;
	sort_sections(copy);
	copy_segments(copy, parts);
	for (int part = ELF_NOTES; part <= (int)parts; part++)
		copy_sections(copy, (enum elf_parts)part);
	for (size_t i = 0; i < copy->section_count; i++)
		copy->parts[i] = copy->parts[i] > parts ? NOWHERE : copy->parts[i];
	write_headers(copy);
	for (int part = ELF_NOTES; part <= (int)parts; part++)
		inflates = add(inflates, inflated_part(copy, (enum elf_parts)part));
	hide_others(copy);
	write_headers(copy);
	return inflates_to(copy, inflates) && !copy->failed;
}

/* ---- the copy ---- */

/* The kernel ends who makes a file longer than that. */
static bool may_be_as_long(off_t size)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_FSIZE, &limit) == 0 && (uint64_t)size <= limit.rlim_cur;
}

/* Returns a descriptor of memory of that size. */
static int memory_file(off_t size)
{
	int file = memfd_create("elf", MFD_CLOEXEC | MFD_ALLOW_SEALING | NO_EXECUTION);

	if (file < 0 && errno == EINVAL)
		file = memfd_create("elf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (file >= 0 && !may_be_as_long(size)) {
		close(file);
		errno = EFBIG;
		return -1;
	}
	if (file >= 0 && ftruncate(file, size)) {
		close(file);
		file = -1;
	}
	return file;
}

/* Fills in the memory file and seals it. */
static bool fill_file(struct copy *copy, enum elf_parts parts)
{
	bool done;

	if (copy->share && !copy->share->account)
		copy->share->owner = only_ours_owner(copy->from);
	if (copy->share)
		elf_share_allow(copy->share, copy->most);
	done = fill(copy, parts);
	free(copy->segments);
	free(copy->sections);
	free(copy->parts);
	copy->failed |= done && fcntl(copy->to, F_ADD_SEALS, SEALS) != 0;
	return done && !copy->failed;
}

int elf_copy(int file, enum elf_parts parts, struct elf_share *share)
{
	struct copy copy = {
		.from = file, .share = share, .temporary_left = ELF_COPY_TEMPORARY_MAX, .reserve_left = RESERVE};
	struct stat status;
	int failure;

	if (fstat(file, &status))
		return -1;
	if (status.st_size < (off_t)sizeof(Elf64_Ehdr)) {
		errno = ENOEXEC;
		return -1;
	}
	copy.size = (uint64_t)status.st_size;
	copy.to = memory_file(status.st_size);
	copy.failed = copy.to < 0;
	failure = errno;
	if (!copy.failed && !fill_file(&copy, parts)) {
		close(copy.to);
		copy.to = -1;
		failure = copy.failed ? ENOMEM : copy.too_large ? E2BIG : ENOEXEC;
	}
	if (share && !share->left_out)
		share->left_out = copy.failed ? not_copied : copy.cut ? cut : copy.too_large ? too_large : NULL;
	errno = failure;
	return copy.to;
}
