/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_DWARF_SYMBOLS_H
#define ESCAPEMENT_DWARF_SYMBOLS_H

/*
 * Frames from DWARF or, if there is none, from ELF symbols, using elfutils' libdw. Installed separate debug files are
 * found by build id and debug link.
 *
 * Opening reads headers only. Debug information is read when it is first needed: first the list of compilation units,
 * then the functions and lines of each unit that an address falls into. Not thread-safe.
 */

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "symbols/source_frame.h"

struct dwarf_symbols;

/* Opens a file. One of which more is compressed than libdw may inflate has its symbols' names only; one of which a copy is needed
 * (elf_copy.h) and cannot be made has none, which dwarf_symbols_limit() tells of. NULL if it is no ELF file. */
struct dwarf_symbols *dwarf_symbols_open(const char *path, struct error *error);
void dwarf_symbols_close(struct dwarf_symbols *symbols); /* NULL is allowed */

/* Like symbolizer_lookup(). A frame that is known only from a symbol has no file and no line. */
size_t dwarf_symbols_lookup(struct dwarf_symbols *symbols, uint64_t address,
			    struct profile_frame frames[SYMBOLIZER_INLINE_MAX]);

/* Like symbolizer_give_up_when(). */
void dwarf_symbols_give_up_when(const volatile sig_atomic_t *asked);

/* Returns the GNU build id in lower-case hexadecimal, NULL if there is none. Valid as long as `symbols`. */
const char *dwarf_symbols_build_id(const struct dwarf_symbols *symbols);

/* Says what is not read of the file, and which limit it is over; NULL if none so far. Valid as long as `symbols`. */
const char *dwarf_symbols_limit(const struct dwarf_symbols *symbols);

#endif
