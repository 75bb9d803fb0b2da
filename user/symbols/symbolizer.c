/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbols/symbolizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/regular_file.h"
#include "symbols/dwarf_symbols.h"
#include "symbols/go_binary.h"

struct symbolizer {
	struct go_binary *go;	     /* NULL for programs in other languages */
	struct dwarf_symbols *dwarf; /* for a Go program, opened when an address belongs to C code behind cgo */
	int file;		     /* a Go program's file, to open its DWARF later; -1 otherwise */
};

struct symbolizer *symbolizer_open(const char *path, struct error *error)
{
	struct symbolizer *symbolizer = memory_zeroed(1, sizeof(*symbolizer));

	symbolizer->file = -1;
	symbolizer->go = go_binary_share(path, NULL);
	if (symbolizer->go) {
		symbolizer->file = regular_file_open(path, NULL, NULL);
		return symbolizer;
	}
	symbolizer->dwarf = dwarf_symbols_open(path, error);
	if (symbolizer->dwarf)
		return symbolizer;
	free(symbolizer);
	return NULL;
}

void symbolizer_close(struct symbolizer *symbolizer)
{
	if (!symbolizer)
		return;
	go_binary_unshare(symbolizer->go);
	dwarf_symbols_close(symbolizer->dwarf);
	if (symbolizer->file >= 0)
		close(symbolizer->file);
	free(symbolizer);
}

/* Returns the DWARF of a Go program's C code, opened at the first address that needs it. */
static struct dwarf_symbols *foreign_symbols(struct symbolizer *symbolizer)
{
	char name[REGULAR_FILE_NAME];

	if (!symbolizer->dwarf && symbolizer->file >= 0) {
		symbolizer->dwarf = dwarf_symbols_open(regular_file_name(symbolizer->file, name), NULL);
		close(symbolizer->file);
		symbolizer->file = -1;
	}
	return symbolizer->dwarf;
}

size_t symbolizer_lookup(struct symbolizer *symbolizer, uint64_t address, struct profile_frame *frames)
{
	size_t count = symbolizer->go ? gopclntab_lookup(symbolizer->go->symbols, address, frames) : 0;
	struct dwarf_symbols *dwarf = count ? NULL : foreign_symbols(symbolizer);

	return dwarf ? dwarf_symbols_lookup(dwarf, address, frames) : count;
}

void symbolizer_give_up_when(const volatile sig_atomic_t *asked)
{
	dwarf_symbols_give_up_when(asked);
}

const char *symbolizer_build_id(const struct symbolizer *symbolizer)
{
	if (symbolizer->go)
		return symbolizer->go->build_id;
	return dwarf_symbols_build_id(symbolizer->dwarf);
}

const char *symbolizer_gnu_build_id(const struct symbolizer *symbolizer)
{
	if (symbolizer->go)
		return symbolizer->go->gnu_build_id;
	return dwarf_symbols_build_id(symbolizer->dwarf);
}

const char *symbolizer_limit(const struct symbolizer *symbolizer)
{
	return symbolizer->dwarf ? dwarf_symbols_limit(symbolizer->dwarf) : NULL;
}
