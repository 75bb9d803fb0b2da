/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ELF_COPY_H
#define ESCAPEMENT_ELF_COPY_H

/*
 * Private copies of ELF files that others can change (base/only_ours.h). libelf and libdw map a file and look at some of its parts
 * several times: what one look found harmless can be something else at the next. All looks into a copy see the same.
 *
 * A copy has the parts that a question needs, at the offsets that they have in the file. Of a section that is not copied, the copy's
 * header says that it has nothing in the file (SHT_NOBITS), as in the files that `objcopy --only-keep-debug` makes; a segment that
 * is not copied has no size in the file if symbols are, and is none (PT_NULL) if its contents say where others are.
 *
 * Functions may be called by any thread.
 */

#include "symbols/elf_share.h"

/* What a question needs; each has those before it, too. */
enum elf_parts {
	ELF_NOTES,   /* headers of segments and sections, notes */
	ELF_EXPORTS, /* dynamic symbols */
	ELF_SYMBOLS, /* all symbols */
	ELF_LINES,   /* the debug information that frames come from */
};

/*
 * Copies parts of an open ELF file. Beside what it takes of the share, each file has 64 KiB for its headers and notes; a part is copied
 * whole or not at all. `share`: that of the reader, which gets the file's owner if it has taken nothing; NULL for a copy of at most
 * ELF_COPY_TEMPORARY_MAX that lives only for one question. Returns a descriptor of sealed memory, which the caller
 * closes. -1 with errno: ENOEXEC if the file is no ELF file that can be read; or, and then share->left_out is set, E2BIG if its headers
 * and notes are larger than that, EFBIG if this process may make no file as long (setrlimit(2), RLIMIT_FSIZE), others if no copy could
 * be made.
 */
enum { ELF_COPY_TEMPORARY_MAX = 16 << 20 };
int elf_copy(int file, enum elf_parts parts, struct elf_share *share);

#endif
