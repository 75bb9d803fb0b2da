/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ELF_COPY_H
#define ESCAPEMENT_ELF_COPY_H

/*
 * Private copies of ELF files that somebody else may write to. libelf and libdw map a file and look at some parts of it several
 * times: what one look found harmless can be something else at the next. All looks into a copy see the same.
 *
 * Functions may be called by any thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum elf_copy_kind {
	ELF_COPY_SYMBOLS, /* headers, notes, symbols: at most ELF_COPY_SYMBOLS_MAX */
	ELF_COPY_DEBUG,	  /* debug information, too: at most ELF_COPY_MAX */
};

#define ELF_COPY_SYMBOLS_MAX ((size_t)128 << 20)
#define ELF_COPY_MAX	     ((size_t)512 << 20) /* also of all copies that are alive */

/*
 * Whether nobody but root, this process's user and the user who called sudo can write to an open file. What has no such name in
 * our own mount namespace may be root's in a container, who is somebody else.
 */
bool elf_copy_is_needless(int file);

/*
 * Copies what readers of that kind need of an open ELF file, at the same offsets; the rest reads as zeros. Stores how many bytes
 * that is, for elf_copy_ended(). Returns a descriptor of memory that cannot change any more, which the caller closes. -1 if that
 * is too much, or the headers are not those of an ELF file; `error` (may be NULL) says why, of "it".
 */
int elf_copy(int file, enum elf_copy_kind kind, size_t *copied, struct error *error);

/* The copy, and what has mapped it, is gone. */
void elf_copy_ended(size_t copied);

#endif
