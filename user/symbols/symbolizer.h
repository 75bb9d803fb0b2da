/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SYMBOLIZER_H
#define ESCAPEMENT_SYMBOLIZER_H

/*
 * Translates an address in a file to source positions, including inlined frames. One interface to two sources: Go's
 * pclntab (gopclntab.c; present even in stripped binaries), and DWARF with ELF symbols as a fallback (dwarf_symbols.c).
 * A symbolizer belongs to one file and may be used by one thread at a time.
 */

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "symbols/source_frame.h"

struct symbolizer;

/* Opens `path` (which may be /proc/PID/root/… or /proc/PID/exe). Uses pclntab if the file has one, else DWARF. */
struct symbolizer *symbolizer_open(const char *path, struct error *error);
void symbolizer_close(struct symbolizer *symbolizer); /* NULL is allowed */

/*
 * Fills up to SYMBOLIZER_INLINE_MAX frames for the instruction at `address` (the file's own virtual address, without
 * load bias), innermost first, the physical function last. The caller passes return addresses minus one. Strings live
 * as long as the symbolizer. Returns the number of frames; 0 if nothing is known.
 */
size_t symbolizer_lookup(struct symbolizer *symbolizer, uint64_t address, struct profile_frame *frames);

/* When *asked is not 0, no symbolizer of this process reads more debug information, and symbolizer_limit() of those that would
 * have says so. NULL: never, which is so at first. For who is told to end: a hostile file can keep one busy for a minute. */
void symbolizer_give_up_when(const volatile sig_atomic_t *asked);

/* Says what is not read of the file, and which limit it is over; NULL if none so far. Valid as long as the symbolizer. */
const char *symbolizer_limit(const struct symbolizer *symbolizer);

/* Returns Go's build id, or the GNU build id of other programs; NULL if the file has none. Valid as long as the
 * symbolizer. */
const char *symbolizer_build_id(const struct symbolizer *symbolizer);
/* Returns the GNU build id, as in profile_mapping; NULL if the file has none. Valid as long as the symbolizer. */
const char *symbolizer_gnu_build_id(const struct symbolizer *symbolizer);

#endif
