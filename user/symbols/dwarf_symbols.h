/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_DWARF_SYMBOLS_H
#define ESCAPEMENT_DWARF_SYMBOLS_H

/*
 * Frames from DWARF, and where there is none from ELF symbols, over elfutils' libdw. Separate debug files are found
 * by build id and debug link where they are installed.
 *
 * Opening looks at headers only. Debug information is read when it is first asked for: then once the list of
 * compilation units, and of each unit that an address falls into its functions and lines. One thread at a time.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "symbols/source_frame.h"

struct dwarf_symbols;

struct dwarf_symbols *dwarf_symbols_open(const char *path, struct error *error);
void dwarf_symbols_close(struct dwarf_symbols *symbols); /* NULL is allowed */

/* As symbolizer_lookup(). A frame that only a symbol tells of has no file and no line. */
size_t dwarf_symbols_lookup(struct dwarf_symbols *symbols, uint64_t address,
			    struct profile_frame frames[SYMBOLIZER_INLINE_MAX]);

/* The GNU build id as lower-case hexadecimal, NULL where there is none. Lives as long as `symbols`. */
const char *dwarf_symbols_build_id(const struct dwarf_symbols *symbols);

#endif
