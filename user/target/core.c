/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/core.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/regular_file.h"
#include "base/search.h"
#include "base/string_table.h"
#include "base/unaligned.h"

enum {
	SEGMENTS_MAX = 1 << 17,
	NOTES_MAX = 64 << 20,
	FILES_MAX = 1 << 13,
	PAGE = 4096,
};

/* A mapping of a file, as the note NT_FILE names it. Equal paths are one pointer. */
struct mapped_file {
	uint64_t start, limit, offset;
	const char *path;
};

struct core {
	const char *path;
	int file, executable_file;
	uint64_t size;
	int64_t time_ns;
	Elf64_Phdr *segments; /* PT_LOAD, by address */
	size_t segment_count;
	uint8_t *notes;
	size_t notes_size;
	struct mapped_file *files; /* by address; none overlaps another */
	size_t file_count;
	struct string_table paths;
	uint64_t entry; /* of the executable */
};

/* --- reading --- */

static int read_at(const struct core *core, int file, uint64_t offset, void *buffer, size_t size)
{
	(void)core;
	while (size) {
		ssize_t got = pread(file, buffer, size, (off_t)offset);

		if (got <= 0)
			return -1;
		buffer = (uint8_t *)buffer + got;
		offset += (uint64_t)got;
		size -= (size_t)got;
	}
	return 0;
}

static bool starts_until(const void *items, size_t index, const void *key)
{
	return ((const Elf64_Phdr *)items)[index].p_vaddr <= *(const uint64_t *)key;
}

/* The segment that contains the address; NULL if there is none. */
static const Elf64_Phdr *segment_at(const struct core *core, uint64_t address)
{
	size_t behind = search_place(0, core->segment_count, starts_until, core->segments, &address);
	const Elf64_Phdr *segment = behind ? &core->segments[behind - 1] : NULL;

	return segment && address - segment->p_vaddr < segment->p_memsz ? segment : NULL;
}

static bool begins_until(const void *items, size_t index, const void *key)
{
	return ((const struct mapped_file *)items)[index].start <= *(const uint64_t *)key;
}

static const struct mapped_file *file_at(const struct core *core, uint64_t address)
{
	size_t behind = search_place(0, core->file_count, begins_until, core->files, &address);
	const struct mapped_file *file = behind ? &core->files[behind - 1] : NULL;

	return file && address < file->limit ? file : NULL;
}

/* Copies from the one source that has the start of the piece, at most `size` bytes. Returns how many; 0 if no source
 * has it. */
static size_t read_part(const struct core *core, uint64_t address, void *buffer, size_t size)
{
	const Elf64_Phdr *segment = segment_at(core, address);
	uint64_t within = segment ? address - segment->p_vaddr : 0, left;
	const struct mapped_file *mapped, *executable;

	if (segment && within < segment->p_filesz) {
		left = segment->p_filesz - within;
		size = size < left ? size : (size_t)left;
		return read_at(core, core->file, segment->p_offset + within, buffer, size) ? 0 : size;
	}
	mapped = file_at(core, address);
	executable = file_at(core, core->entry);
	if (!mapped || !executable || core->executable_file < 0 || mapped->path != executable->path)
		return 0;
	left = mapped->limit - address;
	size = size < left ? size : (size_t)left;
	return read_at(core, core->executable_file, mapped->offset + (address - mapped->start), buffer, size) ? 0
													      : size;
}

/* memory_reader.copy of a core file. */
static ssize_t copy_core(void *context, const struct target_piece *pieces, size_t count)
{
	const struct core *core = context;
	ssize_t copied = 0;

	for (size_t i = 0; i < count; i++) {
		for (size_t done = 0, part; done < pieces[i].size; done += part, copied += (ssize_t)part) {
			part = read_part(core, pieces[i].address + done, (uint8_t *)pieces[i].buffer + done,
					 pieces[i].size - done);
			if (!part)
				return copied;
		}
	}
	return copied;
}

/* --- headers --- */

static int malformed(const struct core *core, const char *what, struct error *error)
{
	return error_set(error, STATUS_USAGE, "'%s' is not a core file that can be read: %s", core->path, what);
}

static int compare_segments(const void *a, const void *b)
{
	const Elf64_Phdr *left = a, *right = b;

	return (left->p_vaddr > right->p_vaddr) - (left->p_vaddr < right->p_vaddr);
}

/* The number of program headers; more than 16 bits hold are in the first section header. */
static uint64_t header_count(const struct core *core, const Elf64_Ehdr *header)
{
	Elf64_Shdr first;

	if (header->e_phnum != PN_XNUM)
		return header->e_phnum;
	return read_at(core, core->file, header->e_shoff, &first, sizeof(first)) ? 0 : first.sh_info;
}

static int read_segments(struct core *core, struct error *error)
{
	Elf64_Ehdr header;
	Elf64_Phdr *all;
	uint64_t count, needed = 0;
	int status = 0;

	if (core->size < sizeof(header) || read_at(core, core->file, 0, &header, sizeof(header)) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_type != ET_CORE || (header.e_machine != EM_X86_64 && header.e_machine != EM_AARCH64))
		return malformed(core, "it is none of a process of amd64 or arm64", error);
	count = header_count(core, &header);
	if (!count || count > SEGMENTS_MAX || header.e_phentsize != sizeof(*all))
		return malformed(core, "its program headers are damaged", error);
	all = memory_zeroed(count, sizeof(*all));
	core->segments = memory_zeroed(count, sizeof(*all));
	if (read_at(core, core->file, header.e_phoff, all, count * sizeof(*all)))
		status = error_set(error, STATUS_USAGE, "core file '%s' is cut short", core->path);
	for (uint64_t i = 0; i < count && !status; i++) {
		uint64_t end = 0;

		if (__builtin_add_overflow(all[i].p_offset, all[i].p_filesz, &end) ||
		    all[i].p_filesz > all[i].p_memsz + NOTES_MAX)
			status = malformed(core, "a segment is larger than any file", error);
		needed = all[i].p_filesz && end > needed ? end : needed;
		if (all[i].p_type == PT_LOAD)
			core->segments[core->segment_count++] = all[i];
		if (all[i].p_type != PT_NOTE || core->notes || all[i].p_filesz > NOTES_MAX || end > core->size)
			continue;
		core->notes_size = all[i].p_filesz;
		core->notes = memory_zeroed(core->notes_size + 1, 1);
		if (read_at(core, core->file, all[i].p_offset, core->notes, core->notes_size))
			core->notes_size = 0;
	}
	free(all);
	if (!status && needed > core->size)
		status = error_set(error, STATUS_USAGE, "core file '%s' is cut short: it has %llu of %llu bytes",
				   core->path, (unsigned long long)core->size, (unsigned long long)needed);
	qsort(core->segments, core->segment_count, sizeof(*core->segments), compare_segments);
	return status;
}

/* --- notes --- */

/* count, page size, {start, limit, offset in pages}…, then a path each. Whoever writes them goes through the mappings in their order. */
static void take_files(struct core *core, const uint8_t *note, size_t size)
{
	uint64_t count = size >= 16 ? load_u64(note) : 0, page = size >= 16 ? load_u64(note + 8) : 0, behind = 0;
	const char *path, *end = (const char *)note + size;

	if (core->files || count > FILES_MAX || 16 + 24 * count > size || page > (1 << 30))
		return;
	core->files = memory_zeroed(count + 1, sizeof(*core->files));
	path = (const char *)note + 16 + 24 * count;
	for (uint64_t i = 0; i < count; i++) {
		const uint8_t *at = note + 16 + 24 * i;
		const char *terminator = memchr(path, 0, (size_t)(end - path));
		struct mapped_file file = {load_u64(at), load_u64(at + 8), load_u64(at + 16) * page, NULL};

		if (!terminator)
			return;
		if (file.start >= behind && file.limit > file.start && terminator - path < PATH_MAX) {
			file.path = string_table_intern(&core->paths, path, (size_t)(terminator - path));
			core->files[core->file_count++] = file;
			behind = file.limit;
		}
		path = terminator + 1;
	}
}

static void take_note(struct core *core, struct target *target, uint32_t type, const uint8_t *note, size_t size)
{
	prpsinfo_t information;

	if (type == NT_FILE) {
		take_files(core, note, size);
	} else if (type == NT_PRPSINFO && size >= sizeof(information) && !target->command_line) {
		memcpy(&information, note, sizeof(information));
		target->pid = target->tid = information.pr_pid > 0 ? information.pr_pid : 0;
		memcpy(target->comm, information.pr_fname, sizeof(information.pr_fname));
		target->command_line = memory_text_of(information.pr_psargs, ELF_PRARGSZ);
		target->command_length = strlen(target->command_line);
		/* The kernel has joined the arguments by spaces, and some have spaces in them: all are one argument. */
		target->command_line[strcspn(target->command_line, " ")] = 0;
	} else if (type == NT_AUXV) {
		for (size_t at = 0; at + 16 <= size; at += 16) {
			if (load_u64(note + at) == AT_ENTRY)
				core->entry = load_u64(note + at + 8);
		}
	}
}

static void read_notes(struct core *core, struct target *target)
{
	size_t at = 0;

	while (at + 12 <= core->notes_size) {
		uint64_t name = load_u32(core->notes + at), size = load_u32(core->notes + at + 4);
		uint64_t content = at + 12 + (name + 3) / 4 * 4;

		if (content > core->notes_size || size > core->notes_size - content)
			return;
		take_note(core, target, load_u32(core->notes + at + 8), core->notes + content, size);
		at = content + (size + 3) / 4 * 4;
	}
}

/* --- the target --- */

static void add_mapping(struct target *target, uint64_t start, uint64_t limit, uint32_t flags,
			const struct mapped_file *file)
{
	target->mappings[target->mapping_count++] =
		(struct target_mapping){.start = start,
					.limit = limit,
					.offset = file ? file->offset + (start - file->start) : 0,
					.device = file ? 1 : 0,
					.inode = file ? (uintptr_t)file->path : 0,
					.executable = flags & PF_X,
					.writable = flags & PF_W};
}

static int compare_mappings(const void *a, const void *b)
{
	const struct target_mapping *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

/* Mappings of one range of a file follow each other, and share its path as those of a live process do. */
static void add_paths(const struct core *core, struct target *target)
{
	const struct mapped_file *before = NULL;

	for (size_t i = 0; i < target->mapping_count; i++) {
		struct target_mapping *mapping = &target->mappings[i];
		const struct mapped_file *file = file_at(core, mapping->start);

		mapping->path = i && file == before ? mapping[-1].path : memory_text(file ? file->path : "");
		before = file;
	}
}

/* A mapping a segment; and one for each file that the core has nothing of: its code, mostly. */
static void add_mappings(const struct core *core, struct target *target)
{
	target->mappings = memory_zeroed(core->segment_count + core->file_count + 1, sizeof(*target->mappings));
	for (size_t i = 0; i < core->segment_count; i++) {
		const Elf64_Phdr *segment = &core->segments[i];

		add_mapping(target, segment->p_vaddr, segment->p_vaddr + segment->p_memsz, segment->p_flags,
			    file_at(core, segment->p_vaddr));
	}
	for (size_t i = 0; i < core->file_count; i++) {
		if (!segment_at(core, core->files[i].start))
			add_mapping(target, core->files[i].start, core->files[i].limit, PF_X, &core->files[i]);
	}
	qsort(target->mappings, target->mapping_count, sizeof(*target->mappings), compare_mappings);
	add_paths(core, target);
}

/* The first page has the file's headers and, as linkers lay programs out, its build id. */
static bool is_of_executable(const struct core *core, const struct mapped_file *executable)
{
	uint8_t in_core[PAGE], in_file[PAGE];

	for (size_t i = 0; i < core->file_count; i++) {
		const struct mapped_file *file = &core->files[i];
		const Elf64_Phdr *segment = segment_at(core, file->start);

		if (file->offset || file->path != executable->path || !segment ||
		    segment->p_filesz < file->start - segment->p_vaddr + PAGE)
			continue;
		return read_at(core, core->file, segment->p_offset + (file->start - segment->p_vaddr), in_core, PAGE) ||
		       (read_at(core, core->executable_file, 0, in_file, PAGE) == 0 &&
			memcmp(in_core, in_file, PAGE) == 0);
	}
	return true;
}

static int find_executable(struct core *core, struct target *target, const char *given, struct error *error)
{
	const struct mapped_file *executable = file_at(core, core->entry);

	if (!executable)
		return malformed(core, "it does not say what its executable was", error);
	target->executable = memory_text(executable->path);
	core->executable_file = regular_file_open(given ? given : executable->path, NULL, error);
	if (core->executable_file < 0)
		return error_prefix(error, "the executable of core file '%s'%s", core->path,
				    given ? "" : " (--exe FILE says where it is)");
	if (!is_of_executable(core, executable))
		return error_set(error, STATUS_USAGE, "core file '%s' is not of '%s': their build ids differ",
				 core->path, given ? given : executable->path);
	return 0;
}

static void core_free(struct core *core)
{
	if (core->file >= 0)
		close(core->file);
	if (core->executable_file >= 0)
		close(core->executable_file);
	free(core->segments);
	free(core->notes);
	free(core->files);
	string_table_free(&core->paths);
	free(core);
}

/* Opens a file that the core's process had mapped. */
static int core_file_open(const struct core *core, const struct target_mapping *mapping, struct error *error)
{
	const struct mapped_file *executable = file_at(core, core->entry);
	char name[REGULAR_FILE_NAME];
	int file;

	if (!executable || strcmp(mapping->path, executable->path) != 0)
		return regular_file_open(mapping->path, NULL, error);
	file = regular_file_open(regular_file_name(core->executable_file, name), NULL, error);
	if (file < 0)
		error_prefix(error, "'%s'", mapping->path);
	return file;
}

struct target *core_open(const char *path, const char *executable, struct error *error)
{
	struct target *target = memory_zeroed(1, sizeof(*target));
	struct core *core = memory_zeroed(1, sizeof(*core));
	struct stat status;

	target->core = core;
	target->core_free = core_free;
	target->core_file_open = core_file_open;
	target->memory = -1;
	target->reader = memory_zeroed(1, sizeof(*target->reader));
	target->reader->copy = copy_core;
	target->reader->context = core;
	target_allow(target);
	core->path = path;
	core->executable_file = -1;
	core->file = regular_file_open(path, &status, error);
	if (core->file < 0) {
		error_prefix(error, "core file");
		target_close(target);
		return NULL;
	}
	core->size = (uint64_t)status.st_size;
	core->time_ns = status.st_mtim.tv_sec * INT64_C(1000000000) + status.st_mtim.tv_nsec;
	if (read_segments(core, error) == 0) {
		read_notes(core, target);
		if (find_executable(core, target, executable, error) == 0) {
			add_mappings(core, target);
			return target;
		}
	}
	target_close(target);
	return NULL;
}

int64_t core_time_ns(const struct core *core)
{
	return core->time_ns;
}
