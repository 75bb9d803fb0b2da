/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads an ELF file with USDT notes, symbols and DWARF, which FUZZ_ELF names, after changing some of its bytes. */
#include "base/error.h"
#include "base/regular_file.h"
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

static void check_symbols(const char *path)
{
	struct error error = {0};
	struct symbolizer *symbolizer = symbolizer_open(path, &error);
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

static void check(const char *path)
{
	struct error error = {0};
	struct usdt_probes probes;
	uint64_t address, value;

	if (usdt_read(path, "goalloc", &probes, &error) == 0) {
		for (size_t i = 0; i < probes.count; i++)
			REQUIRE(probes.items[i].offset < image.size && strlen(probes.items[i].name) < image.size);
		usdt_free(&probes);
	} else {
		REQUIRE(error.text[0]);
	}
	elf_note_find(path, GOALLOC_NOTE_OWNER, GOALLOC_NOTE_DESCRIPTION, &address, &value, NULL);
	elf_load_bias(path, 0x7f0000000000, 0, &value, NULL);
	check_symbols(path);
}

/* The same file, which nobody can change any more: so root, too, reads it where it is, and no copy. */
static void check_sealed(void)
{
	int file = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char path[REGULAR_FILE_NAME];

	REQUIRE(write(file, image.bytes, image.size) == (ssize_t)image.size);
	REQUIRE(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	check(regular_file_name(file, path));
	close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	image_change(&image, bytes, size);
	if (size % 2)
		check_sealed();
	else
		check(image.path);
	image_restore(&image);
	return 0;
}
