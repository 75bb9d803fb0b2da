/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolizer.h"

#include <stdlib.h>

#include "dwarf_symbols.h"

struct symbolizer {
	struct dwarf_symbols *dwarf;
};

struct symbolizer *symbolizer_open(const char *path, struct error *error)
{
	struct dwarf_symbols *dwarf = dwarf_symbols_open(path, error);
	struct symbolizer *symbolizer;

	if (!dwarf)
		return NULL;
	symbolizer = calloc(1, sizeof(*symbolizer));
	if (!symbolizer)
		abort();
	symbolizer->dwarf = dwarf;
	return symbolizer;
}

void symbolizer_close(struct symbolizer *symbolizer)
{
	if (!symbolizer)
		return;
	dwarf_symbols_close(symbolizer->dwarf);
	free(symbolizer);
}

size_t symbolizer_lookup(struct symbolizer *symbolizer, uint64_t address, struct profile_frame *frames)
{
	return dwarf_symbols_lookup(symbolizer->dwarf, address, frames);
}

const char *symbolizer_build_id(const struct symbolizer *symbolizer)
{
	return dwarf_symbols_build_id(symbolizer->dwarf);
}
