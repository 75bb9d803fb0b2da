/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbols/usdt.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "symbols/elf_file.h"

enum {
	NOTE_STAPSDT = 3,
	NOTES_BYTES = 4 << 20, /* QEMU's are 300 KiB */
};

static const char *string_end(const char *text, const char *limit)
{
	return text < limit ? memchr(text, 0, (size_t)(limit - text)) : NULL;
}

/* Parses one note: three addresses (instruction, .stapsdt.base at link time, semaphore), then provider, name,
 * arguments. */
static int parse(Elf *elf, const char *descriptor, size_t size, uint64_t base, const char *provider,
		 struct usdt_probes *probes, struct error *error)
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
	/* prelink moves .stapsdt.base, and the addresses with it */
	if (base) {
		addresses[0] += base - addresses[1];
		if (addresses[2])
			addresses[2] += base - addresses[1];
	}
	probes->items = memory_resize(probes->items, probes->count + 1, sizeof(*probes->items));
	probe = &probes->items[probes->count];
	*probe = (struct usdt_probe){0};
	if (!elf_file_offset(elf, addresses[0], &probe->offset) ||
	    (addresses[2] && !elf_file_offset(elf, addresses[2], &probe->semaphore_offset)))
		goto malformed;
	probe->name = memory_text(name);
	probe->arguments = memory_text(arguments);
	probes->count++;
	return 0;
malformed:
	return error_set(error, STATUS_USAGE, "malformed USDT note: rebuild or reinstall the file");
}

/* Parses a copy: the file may change while it is looked at. */
static int probe_parse(Elf *elf, const char *descriptor, size_t size, uint64_t base, const char *provider,
		       struct usdt_probes *probes, struct error *error)
{
	char *copy = memory_allocate(size);
	int status;

	memcpy(copy, descriptor, size);
	status = parse(elf, copy, size, base, provider, probes, error);
	free(copy);
	return status;
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
	struct error why;
	Elf *elf = elf_file_open(path, ELF_NOTES, &file, &why);

	*probes = (struct usdt_probes){0};
	if (!elf)
		return why.status == STATUS_USAGE ? 0 : error_set(error, why.status, "%s", why.text);
	if (elf_section_find(elf, ".stapsdt.base", &header))
		base = header.sh_addr;
	section = elf_section_find(elf, ".note.stapsdt", &header);
	data = section && header.sh_size <= NOTES_BYTES ? elf_getdata(section, NULL) : NULL;
	while (data && !status && (next = gelf_getnote(data, position, &note, &name_offset, &descriptor_offset)) > 0) {
		const char *name = (const char *)data->d_buf + name_offset;

		if (note.n_type == NOTE_STAPSDT && note.n_namesz == sizeof("stapsdt") &&
		    memcmp(name, "stapsdt", sizeof("stapsdt")) == 0)
			status = probe_parse(elf, (const char *)data->d_buf + descriptor_offset, note.n_descsz, base,
					     provider, probes, error);
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
