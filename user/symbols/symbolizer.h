/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SYMBOLIZER_H
#define ESCAPEMENT_SYMBOLIZER_H

/*
 * From an address in a file to source positions, inlined frames included. One interface, two sources: Go's pclntab
 * (gopclntab.c; there even in stripped binaries) and DWARF with ELF symbols as a fallback (dwarf_symbols.c).
 * A symbolizer belongs to one file and may be used by one thread at a time.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "symbols/source_frame.h"

struct symbolizer;

/* Opens `path` (may be /proc/PID/root/…, /proc/PID/exe). Picks the source itself: pclntab where there is one. */
struct symbolizer *symbolizer_open(const char *path, struct error *error);
void symbolizer_close(struct symbolizer *symbolizer); /* NULL is allowed */

/*
 * Fills up to SYMBOLIZER_INLINE_MAX frames for the instruction at `address` (the file's own virtual address: load
 * bias already taken off), innermost first, the physical function last. The caller passes return addresses minus
 * one. Strings live as long as the symbolizer. Returns the number of frames; 0 when nothing is known.
 */
size_t symbolizer_lookup(struct symbolizer *symbolizer, uint64_t address, struct profile_frame *frames);

/* Go's own build id, or the GNU one of other programs; NULL if the file has none. Lives as long as the symbolizer. */
const char *symbolizer_build_id(const struct symbolizer *symbolizer);
/* The GNU build id as in profile_mapping; NULL if the file has none. Lives as long as the symbolizer. */
const char *symbolizer_gnu_build_id(const struct symbolizer *symbolizer);

#endif
