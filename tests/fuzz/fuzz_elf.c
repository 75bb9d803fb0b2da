/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads an ELF file with USDT notes, symbols and DWARF, which FUZZ_ELF names, after changing some of its bytes. */
#include "base/error.h"
#include "goalloc_contract.h"
#include "image.h"
#include "symbols/elf_file.h"
#include "symbols/symbolizer.h"
#include "symbols/usdt.h"

enum { ADDRESSES = 16 };

static struct image image;
static uint64_t text, text_size;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const parts[] = {"debug", "note", "tab", "str", "dyn", "frame", NULL};

	(void)argc, (void)argv;
	image_open(&image, "FUZZ_ELF", parts);

	const Elf64_Ehdr *header = (const void *)image.bytes;
	const Elf64_Phdr *segments = (const void *)(image.bytes + header->e_phoff);

	for (int i = 0; i < header->e_phnum; i++) {
		if (segments[i].p_type == PT_LOAD && segments[i].p_flags & PF_X) {
			text = segments[i].p_vaddr;
			text_size = segments[i].p_memsz;
		}
	}
	return 0;
}

static void check_symbols(void)
{
	struct error error = {0};
	struct symbolizer *symbolizer = symbolizer_open(image.path, &error);
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];

	if (!symbolizer)
		return;
	for (uint64_t i = 0; i < ADDRESSES; i++) {
		size_t count = symbolizer_lookup(symbolizer, text + text_size / ADDRESSES * i + i, frames);

		REQUIRE(count <= SYMBOLIZER_INLINE_MAX);
		for (size_t k = 0; k < count; k++) {
			REQUIRE(!frames[k].function || strlen(frames[k].function) < image.size);
			REQUIRE(!frames[k].file || strlen(frames[k].file) < 2 * image.size);
		}
	}
	REQUIRE(!symbolizer_build_id(symbolizer) || strlen(symbolizer_build_id(symbolizer)) <= 2 * image.size);
	symbolizer_close(symbolizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct error error = {0};
	struct usdt_probes probes;
	uint64_t address, value;

	image_change(&image, bytes, size);
	if (usdt_read(image.path, "goalloc", &probes, &error) == 0) {
		for (size_t i = 0; i < probes.count; i++)
			REQUIRE(probes.items[i].offset < image.size && strlen(probes.items[i].name) < image.size);
		usdt_free(&probes);
	} else {
		REQUIRE(error.text[0]);
	}
	elf_note_find(image.path, GOALLOC_NOTE_OWNER, GOALLOC_NOTE_DESCRIPTION, &address, &value);
	elf_load_bias(image.path, 0x7f0000000000, 0, &value);
	check_symbols();
	image_restore(&image);
	return 0;
}
