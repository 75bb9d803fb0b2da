/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbols/go_image.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/regular_file.h"

#define PAGE_MASK 4095ULL

/* Searches go through all segments. Code and data of a program lie within 2 GiB, because instructions address them so; a file may
 * say that it maps a hole of 1 TiB, and that 32 times. */
#define SEGMENTS_BYTES (UINT64_C(2) << 30)

enum {
	DYNAMIC_MAX = 4096,	   /* entries of the dynamic section */
	RELOCATIONS_MAX = 8 << 20, /* a read looks at all of them */
	NOTES_BYTES = 64 << 10,	   /* of a segment */
};

/* Returns `size` bytes at an offset in the file, or NULL. */
static const void *file_at(const struct go_image *image, uint64_t offset, uint64_t size)
{
	if (offset > image->size || size > image->size - offset)
		return NULL;
	return image->data + offset;
}

static bool read_header(const struct go_image *image, Elf64_Ehdr *header)
{
	const void *bytes = file_at(image, 0, sizeof(*header));

	if (!bytes)
		return false;
	memcpy(header, bytes, sizeof(*header));
	return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 && header->e_ident[EI_CLASS] == ELFCLASS64 &&
	       header->e_ident[EI_DATA] == ELFDATA2LSB;
}

static bool read_program_header(const struct go_image *image, const Elf64_Ehdr *header, unsigned index,
				Elf64_Phdr *program)
{
	const void *bytes;

	if (header->e_phentsize != sizeof(*program))
		return false;
	bytes = file_at(image, header->e_phoff + (uint64_t)index * sizeof(*program), sizeof(*program));
	if (!bytes)
		return false;
	memcpy(program, bytes, sizeof(*program));
	return true;
}

static void add_segment(struct go_image *image, const Elf64_Phdr *program)
{
	struct go_image_segment *segment;

	if (image->segment_count == GO_IMAGE_SEGMENTS_MAX || program->p_offset > image->size ||
	    program->p_vaddr > UINT64_MAX - program->p_filesz)
		return;
	segment = &image->segments[image->segment_count++];
	segment->address = program->p_vaddr;
	segment->offset = program->p_offset;
	segment->size = program->p_filesz;
	if (segment->size > image->size - segment->offset)
		segment->size = image->size - segment->offset; /* the file is truncated: use what is there */
	if (segment->size > SEGMENTS_BYTES - image->segments_bytes)
		segment->size = SEGMENTS_BYTES - image->segments_bytes;
	image->segments_bytes += segment->size;
	segment->writable = program->p_flags & PF_W;
	segment->executable = program->p_flags & PF_X;
	if (image->segment_count == 1 || (program->p_vaddr & ~PAGE_MASK) < image->base)
		image->base = program->p_vaddr & ~PAGE_MASK;
}

static void find_relocations(struct go_image *image, const Elf64_Phdr *dynamic)
{
	uint64_t table = 0, size = 0;
	Elf64_Dyn entry;

	for (uint64_t at = 0; at + sizeof(entry) <= dynamic->p_filesz && at < DYNAMIC_MAX * sizeof(entry);
	     at += sizeof(entry)) {
		const void *bytes = file_at(image, dynamic->p_offset + at, sizeof(entry));

		if (!bytes)
			return;
		memcpy(&entry, bytes, sizeof(entry));
		if (entry.d_tag == DT_NULL)
			break;
		if (entry.d_tag == DT_RELA)
			table = entry.d_un.d_ptr;
		if (entry.d_tag == DT_RELASZ)
			size = entry.d_un.d_val;
	}
	if (size / sizeof(Elf64_Rela) > RELOCATIONS_MAX)
		return;
	image->relocations = go_image_at(image, table, size);
	image->relocation_count = image->relocations ? size / sizeof(Elf64_Rela) : 0;
}

static int not_a_program(const char *path, struct error *error)
{
	return error_set(error, STATUS_USAGE, "'%s' is not an ELF file of amd64 or arm64", path);
}

static int read_layout(struct go_image *image, const char *path, struct error *error)
{
	Elf64_Ehdr header;
	Elf64_Phdr program;

	if (!read_header(image, &header) || (header.e_machine != EM_X86_64 && header.e_machine != EM_AARCH64))
		return not_a_program(path, error);
	image->machine = header.e_machine;
	image->position_independent = header.e_type == ET_DYN;
	for (unsigned i = 0; i < header.e_phnum && read_program_header(image, &header, i, &program); i++) {
		if (program.p_type == PT_LOAD)
			add_segment(image, &program);
	}
	for (unsigned i = 0; i < header.e_phnum && read_program_header(image, &header, i, &program); i++) {
		if (program.p_type == PT_DYNAMIC) { /* there is one */
			find_relocations(image, &program);
			break;
		}
	}
	if (image->segment_count == 0)
		return error_set(error, STATUS_USAGE, "'%s' has no loadable segment, so it is not a program", path);
	return 0;
}

/* Maps the file with a page of zeros behind it: whoever may write to the file can take away the end of its last string after we
 * have looked for it, and then that page is its end. */
static void *map_file(int file, size_t size)
{
	size_t pages = (size + PAGE_MASK) & ~PAGE_MASK;
	char *place = mmap(NULL, pages + PAGE_MASK + 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	void *data = place == MAP_FAILED ? place : mmap(place, size, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, 0);

	if (place != MAP_FAILED && data == MAP_FAILED)
		munmap(place, pages + PAGE_MASK + 1);
	return data;
}

static void unmap_file(const void *data, size_t size)
{
	munmap((void *)data, ((size + PAGE_MASK) & ~PAGE_MASK) + PAGE_MASK + 1);
}

int go_image_open(struct go_image *image, const char *path, struct error *error)
{
	struct stat status;
	void *data;

	memset(image, 0, sizeof(*image));
	image->file = regular_file_open(path, &status, error);
	if (image->file < 0)
		return -1;
	if (status.st_size < (off_t)sizeof(Elf64_Ehdr))
		return not_a_program(path, error);
	data = map_file(image->file, (size_t)status.st_size);
	if (data == MAP_FAILED)
		return error_set(error, regular_file_status(errno), "cannot map '%s': %s", path, strerror(errno));
	image->data = data;
	image->size = (size_t)status.st_size;
	return read_layout(image, path, error);
}

void go_image_close(struct go_image *image)
{
	if (image->data)
		unmap_file(image->data, image->size);
	if (image->file >= 0)
		close(image->file);
	memset(image, 0, sizeof(*image));
	image->file = -1;
}

static const struct go_image_segment *segment_of(const struct go_image *image, uint64_t address)
{
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct go_image_segment *segment = &image->segments[i];

		if (address >= segment->address && address - segment->address < segment->size)
			return segment;
	}
	return NULL;
}

const void *go_image_rest(const struct go_image *image, uint64_t address, uint64_t *size)
{
	const struct go_image_segment *segment = segment_of(image, address);

	if (!segment)
		return NULL;
	*size = segment->size - (address - segment->address);
	return image->data + segment->offset + (address - segment->address);
}

const void *go_image_at(const struct go_image *image, uint64_t address, uint64_t size)
{
	uint64_t rest;
	const void *bytes = go_image_rest(image, address, &rest);

	return bytes && size <= rest ? bytes : NULL;
}

bool go_image_offset(const struct go_image *image, uint64_t address, uint64_t *offset)
{
	const struct go_image_segment *segment = segment_of(image, address);

	if (!segment)
		return false;
	*offset = segment->offset + (address - segment->address);
	return true;
}

static Elf64_Rela relocation(const struct go_image *image, size_t index)
{
	Elf64_Rela rela;

	memcpy(&rela, image->relocations + index * sizeof(rela), sizeof(rela));
	return rela;
}

static bool is_relative(const struct go_image *image, const Elf64_Rela *rela)
{
	return ELF64_R_TYPE(rela->r_info) == (image->machine == EM_AARCH64 ? R_AARCH64_RELATIVE : R_X86_64_RELATIVE);
}

bool go_image_read(const struct go_image *image, uint64_t address, void *buffer, uint64_t size)
{
	const void *bytes = go_image_at(image, address, size);

	if (!bytes || size > 64 << 10)
		return false;
	memcpy(buffer, bytes, size);
	for (size_t i = 0; i < image->relocation_count; i++) {
		Elf64_Rela rela = relocation(image, i);

		if (is_relative(image, &rela) && rela.r_offset >= address && rela.r_offset - address < size &&
		    size - (rela.r_offset - address) >= 8)
			memcpy((uint8_t *)buffer + (rela.r_offset - address), &rela.r_addend, 8);
	}
	return true;
}

/* If pointers come from relocations, their bytes in the file are undefined. Searches the addends of the relocations
 * instead. */
static uint64_t find_relocated_pair(const struct go_image *image, uint64_t first, uint64_t second)
{
	enum { CANDIDATES_MAX = 64 };
	int candidates = 0;

	for (size_t i = 0; i < image->relocation_count && candidates < CANDIDATES_MAX; i++) {
		Elf64_Rela rela = relocation(image, i);
		uint64_t pair[2];

		if (!is_relative(image, &rela) || (uint64_t)rela.r_addend != first)
			continue;
		candidates++;
		if (go_image_read(image, rela.r_offset, pair, sizeof(pair)) && pair[0] == first && pair[1] == second)
			return rela.r_offset;
	}
	return 0;
}

uint64_t go_image_find_pair(const struct go_image *image, uint64_t first, uint64_t second)
{
	uint64_t pair[2] = {first, second};
	uint64_t found = find_relocated_pair(image, first, second);

	if (found)
		return found;
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct go_image_segment *segment = &image->segments[i];
		uint64_t skip = -segment->address & 7;

		if (!segment->writable)
			continue;
		for (uint64_t at = skip; at + sizeof(pair) <= segment->size; at += 8) {
			if (memcmp(image->data + segment->offset + at, pair, sizeof(pair)) == 0)
				return segment->address + at;
		}
	}
	return 0;
}

static const char *accepted(const struct go_image *image, uint64_t address, uint64_t length,
			    bool (*accept)(const char *, uint64_t))
{
	const char *text;

	if (length == 0 || length > 256)
		return NULL;
	text = go_image_at(image, address, length);
	return text && accept(text, length) ? text : NULL;
}

const char *go_image_find_string(const struct go_image *image, bool (*accept)(const char *text, uint64_t length),
				 uint64_t *length)
{
	for (size_t i = 0; i < image->relocation_count; i++) {
		Elf64_Rela rela = relocation(image, i);
		const void *bytes = is_relative(image, &rela) ? go_image_at(image, rela.r_offset + 8, 8) : NULL;
		const char *text;

		if (!bytes)
			continue;
		memcpy(length, bytes, 8);
		text = accepted(image, (uint64_t)rela.r_addend, *length, accept);
		if (text)
			return text;
	}
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct go_image_segment *segment = &image->segments[i];

		if (!segment->writable)
			continue;
		for (uint64_t at = -segment->address & 7; at + 16 <= segment->size; at += 8) {
			uint64_t header[2];
			const char *text;

			memcpy(header, image->data + segment->offset + at, sizeof(header));
			*length = header[1];
			text = accepted(image, header[0], header[1], accept);
			if (text)
				return text;
		}
	}
	return NULL;
}

bool go_image_section(const struct go_image *image, const char *name, uint64_t *address, uint64_t *size)
{
	Elf64_Ehdr header;
	Elf64_Shdr strings, section;
	const void *bytes;

	if (!read_header(image, &header) || header.e_shentsize != sizeof(section))
		return false;
	bytes = file_at(image, header.e_shoff + (uint64_t)header.e_shstrndx * sizeof(section), sizeof(section));
	if (!bytes || header.e_shoff == 0)
		return false;
	memcpy(&strings, bytes, sizeof(strings));
	for (unsigned i = 0; i < header.e_shnum; i++) {
		size_t length = strlen(name) + 1;
		const char *text;

		bytes = file_at(image, header.e_shoff + (uint64_t)i * sizeof(section), sizeof(section));
		if (!bytes)
			return false;
		memcpy(&section, bytes, sizeof(section));
		text = file_at(image, strings.sh_offset + section.sh_name, length);
		if (text && memcmp(text, name, length) == 0) {
			*address = section.sh_addr;
			*size = section.sh_size;
			return true;
		}
	}
	return false;
}

/* Finds a note in one PT_NOTE segment, in which name and descriptor are each padded to 4 bytes. */
static const void *find_note(const uint8_t *notes, size_t size, const char *owner, uint32_t type, size_t *found)
{
	Elf64_Nhdr note;
	size_t at = 0;

	while (size - at >= sizeof(note)) {
		uint64_t name, descriptor, end;

		memcpy(&note, notes + at, sizeof(note));
		name = at + sizeof(note);
		descriptor = name + (((uint64_t)note.n_namesz + 3) & ~3ULL);
		end = descriptor + (((uint64_t)note.n_descsz + 3) & ~3ULL);
		if (descriptor + note.n_descsz > size)
			return NULL;
		if (note.n_type == type && note.n_namesz >= strlen(owner) + 1 &&
		    memcmp(notes + name, owner, strlen(owner) + 1) == 0) {
			*found = note.n_descsz;
			return notes + descriptor;
		}
		if (end >= size)
			return NULL;
		at = end;
	}
	return NULL;
}

const void *go_image_note(const struct go_image *image, const char *owner, uint32_t type, size_t *size)
{
	Elf64_Ehdr header;
	Elf64_Phdr program;

	if (!read_header(image, &header))
		return NULL;
	for (unsigned i = 0; i < header.e_phnum && read_program_header(image, &header, i, &program); i++) {
		uint64_t bytes = program.p_filesz < NOTES_BYTES ? program.p_filesz : NOTES_BYTES;
		const void *notes = file_at(image, program.p_offset, bytes);
		const void *found;

		if (program.p_type != PT_NOTE || !notes)
			continue;
		found = find_note(notes, bytes, owner, type, size);
		if (found)
			return found;
	}
	return NULL;
}
