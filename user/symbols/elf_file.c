/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbols/elf_file.h"

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/only_ours.h"
#include "base/regular_file.h"

enum {
	SECTIONS_MAX = 1 << 16, /* libelf takes 266 bytes for each, whether or not the file has anything there */
	SEGMENTS_MAX = 4096,
	NOTES_BYTES = 1 << 20,	  /* of a file: libelf copies those at odd places */
	NOTES_MAX = 8 << 20,	  /* of all segments and sections together, which may lie over each other */
	SYMBOLS_BYTES = 64 << 20, /* of a table: likewise */
	XZ_BLOCK = 64 << 10,
	XZ_MEMORY = 96 << 20,	  /* that the decoder of .gnu_debugdata may take: 65 MiB after xz -9 */
	DEBUGDATA_MAX = 64 << 20, /* of .gnu_debugdata: some symbols of a library */
};

/* What libdw may inflate of a file: more than Kubernetes' debug information. */
#define INFLATED_MAX (INT64_C(512) << 20)

static bool table_fits(uint64_t size, uint64_t offset, uint64_t count, uint64_t entry)
{
	return count == 0 || (offset <= size && count <= (size - offset) / entry);
}

/* Whether this is a 64-bit ELF file whose tables lie in it and are no longer than those of real programs. One of the other byte
 * order is none: libelf would read other numbers from it than we do here. `first`: its first section, zeros if it has none. */
static bool headers_are_sound(const Elf64_Ehdr *header, const Elf64_Shdr *first, uint64_t size)
{
	/* the first section has their number, if there are too many for the header */
	uint64_t sections = header->e_shoff && !header->e_shnum ? first->sh_size : header->e_shnum;

	return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 && header->e_ident[EI_CLASS] == ELFCLASS64 &&
	       header->e_ident[EI_DATA] == ELFDATA2LSB && sections <= SECTIONS_MAX && header->e_phnum <= SEGMENTS_MAX &&
	       table_fits(size, header->e_shoff, sections, sizeof(Elf64_Shdr)) &&
	       table_fits(size, header->e_phoff, header->e_phnum, sizeof(Elf64_Phdr));
}

static bool is_sound(int file)
{
	Elf64_Ehdr header;
	Elf64_Shdr first;
	struct stat status;

	if (fstat(file, &status) || pread(file, &header, sizeof(header), 0) != sizeof(header))
		return false;
	if (header.e_shoff > INT64_MAX || pread(file, &first, sizeof(first), (off_t)header.e_shoff) != sizeof(first))
		memset(&first, 0, sizeof(first));
	return headers_are_sound(&header, &first, (uint64_t)status.st_size);
}

/* The same for one in memory. */
static bool bytes_are_sound(const uint8_t *bytes, size_t size)
{
	Elf64_Ehdr header;
	Elf64_Shdr first = {0};

	if (size < sizeof(header))
		return false;
	memcpy(&header, bytes, sizeof(header));
	if (table_fits(size, header.e_shoff, 1, sizeof(first)))
		memcpy(&first, bytes + header.e_shoff, sizeof(first));
	return headers_are_sound(&header, &first, size);
}

/* What a copy failed for is the file's fault in two cases; all else may pass. */
static int refuse(const char *path, int code, struct error *error)
{
	char words[REGULAR_FILE_WORDS];

	regular_file_words(path, words);
	if (code == ENOEXEC)
		return error_set(error, STATUS_USAGE, "%s is no 64-bit ELF file of this byte order, or is damaged",
				 words);
	if (code == E2BIG)
		return error_set(error, STATUS_USAGE,
				 "cannot copy %s, which others can change: more than %d MiB would be copied", words,
				 ELF_COPY_TEMPORARY_MAX >> 20);
	return error_set(error, STATUS_CANNOT_MEASURE, "cannot copy %s, which others can change: %s", words,
			 code == EFBIG ? "this process may make no file as long (ulimit -f)" : strerror(code));
}

static int open_unchanging(const char *path, enum elf_parts parts, struct error *error)
{
	int file = regular_file_open(path, NULL, error), copy;

	if (file < 0 || only_ours_file(file))
		return file;
	copy = elf_copy(file, parts, NULL);
	if (copy < 0)
		refuse(path, errno, error);
	close(file);
	return copy;
}

Elf *elf_file_open(const char *path, enum elf_parts parts, int *file, struct error *error)
{
	Elf *elf;

	elf_version(EV_CURRENT);
	*file = open_unchanging(path, parts, error);
	if (*file < 0)
		return NULL;
	elf = is_sound(*file) ? elf_begin(*file, ELF_C_READ_MMAP, NULL) : NULL;
	if (elf && elf_kind(elf) == ELF_K_ELF && gelf_getclass(elf) == ELFCLASS64)
		return elf;
	refuse(path, ENOEXEC, error);
	elf_end(elf);
	close(*file);
	*file = -1;
	return NULL;
}

bool elf_file_offset(Elf *elf, uint64_t address, uint64_t *offset)
{
	size_t count = 0, size = 0;
	GElf_Phdr header;

	elf_rawfile(elf, &size);
	elf_getphdrnum(elf, &count);
	for (size_t i = 0; i < count; i++) {
		uint64_t into;

		if (!gelf_getphdr(elf, (int)i, &header) || header.p_type != PT_LOAD)
			continue;
		into = address - header.p_vaddr;
		/* A segment may say that it is larger than the file. */
		if (address >= header.p_vaddr && into < header.p_filesz && header.p_offset < size &&
		    into < size - header.p_offset) {
			*offset = header.p_offset + into;
			return true;
		}
	}
	return false;
}

/* Whether the string at an offset of a string table is this one. (elf_strptr() would look for the end of the last string of the
 * table each time.) */
static bool string_is(const Elf_Data *strings, uint64_t offset, const char *text)
{
	size_t size = strlen(text) + 1;

	return strings && strings->d_buf && offset <= strings->d_size && size <= strings->d_size - offset &&
	       memcmp((const char *)strings->d_buf + offset, text, size) == 0;
}

static Elf_Data *section_data(Elf *elf, size_t index)
{
	Elf_Scn *section = elf_getscn(elf, index);

	return section ? elf_rawdata(section, NULL) : NULL;
}

Elf_Scn *elf_section_next(Elf *elf, Elf_Scn *section, const char *name, GElf_Shdr *header)
{
	Elf_Data *strings;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return NULL;
	strings = section_data(elf, names);
	while ((section = elf_nextscn(elf, section))) {
		if (gelf_getshdr(section, header) && string_is(strings, header->sh_name, name))
			return section;
	}
	return NULL;
}

Elf_Scn *elf_section_find(Elf *elf, const char *name, GElf_Shdr *header)
{
	return elf_section_next(elf, NULL, name, header);
}

/* Returns what a section inflates to: one that is marked, or as GNU's tools once compressed them (.zdebug_*). */
static int64_t section_inflated(Elf_Scn *section)
{
	GElf_Shdr header;
	GElf_Chdr compressed;
	Elf_Data *data;
	uint64_t size = 0;

	if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS)
		return 0;
	if (header.sh_flags & SHF_COMPRESSED) {
		if (gelf_getchdr(section, &compressed))
			size = compressed.ch_size;
	} else if (header.sh_type == SHT_PROGBITS && (data = elf_rawdata(section, NULL)) && data->d_buf &&
		   data->d_size >= 4 + sizeof(size) && memcmp(data->d_buf, "ZLIB", 4) == 0) {
		memcpy(&size, (const char *)data->d_buf + 4, sizeof(size));
		size = be64toh(size);
	}
	return size < INFLATED_MAX ? (int64_t)size : INFLATED_MAX + 1;
}

struct bytes {
	uint8_t *of;
	size_t size;
};

/* Inflates .gnu_debugdata, whose index may lie, as libdw does: it knows the formats of xz and of its forerunner. Returns false if that is
 * over a limit. The caller frees the bytes. */
static bool inflate(const Elf_Data *data, struct bytes *bytes)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	lzma_ret status = lzma_auto_decoder(&stream, XZ_MEMORY, 0);
	size_t room = 0;

	*bytes = (struct bytes){0};
	stream.next_in = data->d_buf;
	stream.avail_in = data->d_size;
	while (status == LZMA_OK && bytes->size <= DEBUGDATA_MAX) {
		if (bytes->size == room) {
			room = room ? room * 2 : XZ_BLOCK;
			bytes->of = memory_resize(bytes->of, room, 1);
		}
		stream.next_out = bytes->of + bytes->size;
		stream.avail_out = room - bytes->size;
		status = lzma_code(&stream, LZMA_FINISH);
		bytes->size = room - stream.avail_out;
	}
	lzma_end(&stream);
	return status != LZMA_MEMLIMIT_ERROR && bytes->size <= DEBUGDATA_MAX;
}

/* Whether libelf would inflate a section of this file, or divide by the size of its symbols that it says is 0. */
static bool is_odd_inside(Elf *elf)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section))) {
		if (gelf_getshdr(section, &header) && (header.sh_flags & SHF_COMPRESSED || section_inflated(section) ||
						       (header.sh_type == SHT_SYMTAB && !header.sh_entsize)))
			return true;
	}
	return false;
}

/* Whether libelf may be given what .gnu_debugdata has inflated to. What is no ELF file at all, it does not read. */
static bool is_plain_inside(const struct bytes *bytes)
{
	Elf *elf;
	bool plain;

	if (bytes->size < SELFMAG || memcmp(bytes->of, ELFMAG, SELFMAG) != 0)
		return true;
	elf = bytes_are_sound(bytes->of, bytes->size) ? elf_memory((char *)bytes->of, bytes->size) : NULL;
	plain = elf && elf_notes_are_few(elf) && !is_odd_inside(elf);
	elf_end(elf);
	return plain;
}

/* Returns what the .gnu_debugdata of a file inflates to; -1 with `error` if libdw may not be given that. */
static int64_t debugdata_inflated(Elf *elf, struct error *error)
{
	GElf_Shdr header;
	Elf_Scn *section = elf_section_find(elf, ".gnu_debugdata", &header);
	Elf_Data *data = section && header.sh_type != SHT_NOBITS ? elf_rawdata(section, NULL) : NULL;
	struct bytes bytes;
	int64_t inflated = -1;

	if (!data || !data->d_buf)
		return 0;
	if (!inflate(data, &bytes))
		error_set(error, STATUS_USAGE,
			  "its .gnu_debugdata inflates to more than %d MiB, or takes %d MiB to read",
			  DEBUGDATA_MAX >> 20, XZ_MEMORY >> 20);
	else if (!is_plain_inside(&bytes))
		error_set(
			error, STATUS_USAGE,
			"its .gnu_debugdata is damaged, or has something compressed in it once more, or notes longer than %d MiB together",
			NOTES_MAX >> 20);
	else
		inflated = (int64_t)bytes.size;
	free(bytes.of);
	return inflated;
}

/* Names that libelf inflates are others than those that we see. */
static bool names_are_compressed(Elf *elf)
{
	GElf_Shdr header;
	size_t names;

	return elf_getshdrstrndx(elf, &names) == 0 && gelf_getshdr(elf_getscn(elf, names), &header) &&
	       header.sh_flags & SHF_COMPRESSED;
}

bool elf_notes_are_few(Elf *elf)
{
	size_t segments = 0;
	uint64_t left = NOTES_MAX;
	Elf_Scn *section = NULL;
	GElf_Phdr segment;
	GElf_Shdr header;

	elf_getphdrnum(elf, &segments);
	for (size_t i = 0; i < segments; i++) {
		if (!gelf_getphdr(elf, (int)i, &segment) || segment.p_type != PT_NOTE)
			continue;
		if (segment.p_filesz > left)
			return false;
		left -= segment.p_filesz;
	}
	while ((section = elf_nextscn(elf, section))) {
		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_NOTE)
			continue;
		if (header.sh_size > left)
			return false;
		left -= header.sh_size;
	}
	return true;
}

/* Fills `error` with the limit if a file inflates to more. */
static bool inflates_little(Elf *elf, struct elf_share *share, struct error *error)
{
	Elf_Scn *section = NULL;
	int64_t inflated = 0;

	if (names_are_compressed(elf)) {
		error_set(error, STATUS_USAGE, "the names of its sections are compressed");
		return false;
	}
	while ((section = elf_nextscn(elf, section)) && inflated <= INFLATED_MAX)
		inflated += section_inflated(section);
	if (inflated > INFLATED_MAX) {
		error_set(error, STATUS_USAGE, "its compressed sections inflate to more than %d MiB",
			  (int)(INFLATED_MAX >> 20));
		return false;
	}
	inflated = debugdata_inflated(elf, error);
	if (inflated < 0)
		return false;
	if (share && !elf_share_take(share, (size_t)inflated)) {
		error_set(error, STATUS_USAGE,
			  "others can change it, and its .gnu_debugdata inflates to more than half of what such files "
			  "of its owner may still have of %zu MiB",
			  ELF_SHARE_SYMBOLS_MAX >> 20);
		return false;
	}
	return true;
}

bool elf_file_is_harmless(int file, struct elf_share *share, struct error *error)
{
	char name[REGULAR_FILE_NAME];
	struct error why;
	int again;
	Elf *elf = elf_file_open(regular_file_name(file, name), ELF_SYMBOLS, &again, &why);
	bool harmless;

	if (!elf) {
		if (why.status == STATUS_USAGE)
			error_set(error, STATUS_USAGE, "it is no 64-bit ELF file of this byte order, or is damaged");
		else
			error_set(error, why.status, "%s", why.text);
		return false;
	}
	harmless = elf_notes_are_few(elf);
	if (!harmless)
		error_set(error, STATUS_USAGE, "its notes are longer than %d MiB together", NOTES_MAX >> 20);
	harmless = harmless && inflates_little(elf, share, error);
	elf_end(elf);
	close(again);
	return harmless;
}

/* Finds a dynamic symbol that the file defines, or one that it asks for. */
static bool find_dynamic(Elf *elf, const char *name, bool defined, uint64_t *value)
{
	GElf_Shdr header;
	Elf_Scn *section = elf_section_find(elf, ".dynsym", &header);
	Elf_Data *data = section && header.sh_size <= SYMBOLS_BYTES ? elf_getdata(section, NULL) : NULL;
	Elf_Data *strings = data ? section_data(elf, header.sh_link) : NULL;
	size_t count = data && header.sh_entsize ? data->d_size / header.sh_entsize : 0;
	GElf_Sym symbol;

	for (size_t i = 0; i < count && i < INT_MAX; i++) {
		if (gelf_getsym(data, (int)i, &symbol) && (symbol.st_shndx != SHN_UNDEF) == defined &&
		    string_is(strings, symbol.st_name, name)) {
			*value = symbol.st_value;
			return true;
		}
	}
	return false;
}

bool elf_exported_offset(Elf *elf, const char *symbol, uint64_t *offset)
{
	uint64_t address;

	return find_dynamic(elf, symbol, true, &address) && elf_file_offset(elf, address, offset);
}

bool elf_imports(const char *path, const char *symbol)
{
	int file;
	Elf *elf = elf_file_open(path, ELF_EXPORTS, &file, NULL);
	uint64_t unused;
	bool found = elf && find_dynamic(elf, symbol, false, &unused);

	if (elf) {
		elf_end(elf);
		close(file);
	}
	return found;
}

static bool note_matches(const char *name, const GElf_Nhdr *note, const char *owner, uint32_t type)
{
	size_t length = strlen(owner);

	return note->n_type == type && note->n_namesz >= length && memcmp(name, owner, length) == 0 &&
	       (note->n_namesz == length || name[length] == 0);
}

int elf_note_find(const char *path, const char *owner, uint32_t type, uint64_t *address, uint64_t *value,
		  struct error *error)
{
	struct error why;
	size_t segments = 0, left = NOTES_BYTES;
	int file, found = 0;
	Elf *elf = elf_file_open(path, ELF_NOTES, &file, &why);
	GElf_Phdr header;

	if (!elf)
		return why.status == STATUS_USAGE ? 0 : error_set(error, why.status, "%s", why.text);
	elf_getphdrnum(elf, &segments);
	for (size_t i = 0; i < segments && !found; i++) {
		size_t position = 0, next, name_offset, descriptor_offset;
		Elf_Data *data;
		GElf_Nhdr note;

		if (!gelf_getphdr(elf, (int)i, &header) || header.p_type != PT_NOTE || header.p_filesz > left)
			continue;
		left -= header.p_filesz;
		data = elf_getdata_rawchunk(elf, (int64_t)header.p_offset, header.p_filesz,
					    header.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
		while (data && !found &&
		       (next = gelf_getnote(data, position, &note, &name_offset, &descriptor_offset)) > 0) {
			if (note_matches((const char *)data->d_buf + name_offset, &note, owner, type)) {
				*address = header.p_vaddr + descriptor_offset;
				*value = 0;
				if (note.n_descsz >= sizeof(*value))
					memcpy(value, (const char *)data->d_buf + descriptor_offset, sizeof(*value));
				found = 1;
			}
			position = next;
		}
	}
	elf_end(elf);
	close(file);
	return found;
}

int elf_load_bias(const char *path, uint64_t start, uint64_t offset, uint64_t *bias, struct error *error)
{
	const uint64_t page = 4096;
	char words[REGULAR_FILE_WORDS];
	size_t segments = 0;
	int file, status = -1;
	Elf *elf = elf_file_open(path, ELF_NOTES, &file, error);
	GElf_Phdr header;

	if (!elf)
		return -1;
	elf_getphdrnum(elf, &segments);
	for (size_t i = 0; i < segments && status; i++) {
		if (!gelf_getphdr(elf, (int)i, &header) || header.p_type != PT_LOAD)
			continue;
		if (offset >= header.p_offset / page * page && offset < header.p_offset + header.p_filesz) {
			*bias = start - (header.p_vaddr - header.p_offset + offset);
			status = 0;
		}
	}
	if (status)
		error_set(error, STATUS_USAGE, "%s has no segment at offset %llu", regular_file_words(path, words),
			  (unsigned long long)offset);
	elf_end(elf);
	close(file);
	return status;
}
