/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbols/elf_file.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/regular_file.h"

Elf *elf_file_open(const char *path, int *file)
{
	Elf *elf;

	elf_version(EV_CURRENT);
	*file = regular_file_open(path, NULL, NULL);
	if (*file < 0)
		return NULL;
	elf = elf_begin(*file, ELF_C_READ_MMAP, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF && gelf_getclass(elf) == ELFCLASS64)
		return elf;
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

Elf_Scn *elf_section_find(Elf *elf, const char *name, GElf_Shdr *header)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return NULL;
	while ((section = elf_nextscn(elf, section))) {
		const char *this_name;

		if (gelf_getshdr(section, header) && (this_name = elf_strptr(elf, names, header->sh_name)) &&
		    strcmp(this_name, name) == 0)
			return section;
	}
	return NULL;
}

/* Finds a dynamic symbol that the file defines, or one that it asks for. */
static bool find_dynamic(Elf *elf, const char *name, bool defined, uint64_t *value)
{
	GElf_Shdr header;
	Elf_Scn *section = elf_section_find(elf, ".dynsym", &header);
	Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
	size_t count = data && header.sh_entsize ? data->d_size / header.sh_entsize : 0;
	GElf_Sym symbol;

	for (size_t i = 0; i < count && i < INT_MAX; i++) {
		const char *this_name;

		if (gelf_getsym(data, (int)i, &symbol) && (symbol.st_shndx != SHN_UNDEF) == defined &&
		    (this_name = elf_strptr(elf, header.sh_link, symbol.st_name)) && strcmp(this_name, name) == 0) {
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
	Elf *elf = elf_file_open(path, &file);
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

int elf_note_find(const char *path, const char *owner, uint32_t type, uint64_t *address, uint64_t *value)
{
	size_t segments = 0;
	int file, found = 0;
	Elf *elf = elf_file_open(path, &file);
	GElf_Phdr header;

	if (!elf)
		return 0;
	elf_getphdrnum(elf, &segments);
	for (size_t i = 0; i < segments && !found; i++) {
		size_t position = 0, next, name_offset, descriptor_offset;
		Elf_Data *data;
		GElf_Nhdr note;

		if (!gelf_getphdr(elf, (int)i, &header) || header.p_type != PT_NOTE)
			continue;
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

int elf_load_bias(const char *path, uint64_t start, uint64_t offset, uint64_t *bias)
{
	const uint64_t page = 4096;
	size_t segments = 0;
	int file, status = -1;
	Elf *elf = elf_file_open(path, &file);
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
	elf_end(elf);
	close(file);
	return status;
}
