/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbols/usdt.h"

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NOTE_STAPSDT = 3 };

static Elf *elf_open(const char *path, int *file)
{
	Elf *elf;

	elf_version(EV_CURRENT);
	*file = open(path, O_RDONLY | O_CLOEXEC);
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

/* Virtual address to file offset, by the loaded segments. */
static bool file_offset(Elf *elf, uint64_t address, uint64_t *offset)
{
	size_t count = 0;
	GElf_Phdr header;

	elf_getphdrnum(elf, &count);
	for (size_t i = 0; i < count; i++) {
		if (!gelf_getphdr(elf, (int)i, &header) || header.p_type != PT_LOAD)
			continue;
		if (address >= header.p_vaddr && address < header.p_vaddr + header.p_filesz) {
			*offset = address - header.p_vaddr + header.p_offset;
			return true;
		}
	}
	return false;
}

static Elf_Scn *section_find(Elf *elf, const char *name, GElf_Shdr *header)
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

static const char *string_end(const char *text, const char *limit)
{
	return text < limit ? memchr(text, 0, (size_t)(limit - text)) : NULL;
}

/* One note: three addresses (instruction, .stapsdt.base as linked, semaphore), then provider, name, arguments. */
static int probe_parse(Elf *elf, const char *descriptor, size_t size, uint64_t base, const char *provider,
		       struct usdt_probes *probes, const char *path, struct error *error)
{
	const char *limit = descriptor + size, *owner, *name, *arguments;
	struct usdt_probe *probe;
	uint64_t addresses[3];

	if (size < sizeof(addresses))
		goto malformed;
	memcpy(addresses, descriptor, sizeof(addresses));
	owner = descriptor + sizeof(addresses);
	if (!(name = string_end(owner, limit)) || !(arguments = string_end(++name, limit)) ||
	    !string_end(++arguments, limit))
		goto malformed;
	if (strcmp(owner, provider) != 0)
		return 0;
	/* prelinked files move .stapsdt.base; the addresses move with it */
	if (base) {
		addresses[0] += base - addresses[1];
		if (addresses[2])
			addresses[2] += base - addresses[1];
	}
	probes->items = reallocarray(probes->items, probes->count + 1, sizeof(*probes->items));
	if (!probes->items)
		abort();
	probe = &probes->items[probes->count];
	*probe = (struct usdt_probe){0};
	if (!file_offset(elf, addresses[0], &probe->offset) ||
	    (addresses[2] && !file_offset(elf, addresses[2], &probe->semaphore_offset)))
		goto malformed;
	probe->name = strdup(name);
	probe->arguments = strdup(arguments);
	if (!probe->name || !probe->arguments)
		abort();
	probes->count++;
	return 0;
malformed:
	return error_set(error, STATUS_USAGE, "malformed USDT note in '%s': rebuild or reinstall the file", path);
}

int usdt_read(const char *path, const char *provider, struct usdt_probes *probes, struct error *error)
{
	size_t position = 0, next, name_offset, descriptor_offset;
	Elf_Scn *section;
	GElf_Shdr header;
	uint64_t base = 0;
	Elf_Data *data;
	GElf_Nhdr note;
	int file, status = 0;
	Elf *elf = elf_open(path, &file);

	*probes = (struct usdt_probes){0};
	if (!elf)
		return 0;
	if (section_find(elf, ".stapsdt.base", &header))
		base = header.sh_addr;
	section = section_find(elf, ".note.stapsdt", &header);
	data = section ? elf_getdata(section, NULL) : NULL;
	while (data && !status && (next = gelf_getnote(data, position, &note, &name_offset, &descriptor_offset)) > 0) {
		const char *name = (const char *)data->d_buf + name_offset;

		if (note.n_type == NOTE_STAPSDT && note.n_namesz == sizeof("stapsdt") &&
		    memcmp(name, "stapsdt", sizeof("stapsdt")) == 0)
			status = probe_parse(elf, (const char *)data->d_buf + descriptor_offset, note.n_descsz, base,
					     provider, probes, path, error);
		position = next;
	}
	elf_end(elf);
	close(file);
	if (status)
		usdt_free(probes);
	return status;
}

void usdt_free(struct usdt_probes *probes)
{
	for (size_t i = 0; i < probes->count; i++) {
		free(probes->items[i].name);
		free(probes->items[i].arguments);
	}
	free(probes->items);
	*probes = (struct usdt_probes){0};
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
	Elf *elf = elf_open(path, &file);
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
	Elf *elf = elf_open(path, &file);
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
