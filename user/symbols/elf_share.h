/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ELF_SHARE_H
#define ESCAPEMENT_ELF_SHARE_H

/*
 * How much memory copies of files take that others can change (elf_copy.h), inflated sections included: all that are alive have a
 * budget of symbols and one of debug information, so that debug information leaves symbols theirs. In each,
 *
 *   the files of an owner have at most 3/4 of what the other owners have left, however many they are;
 *   a file takes at most 1/2 of what those of its owner may still have, so that large ones leave something to the others.
 *
 * An owner is a user number: whoever has several, as a container's root may, has the parts of several.
 *
 * Functions may be called by any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum elf_budget { ELF_BUDGET_SYMBOLS, ELF_BUDGET_LINES, ELF_BUDGETS };

#define ELF_SHARE_SYMBOLS_MAX ((size_t)64 << 20)
#define ELF_SHARE_LINES_MAX   ((size_t)128 << 20)

/* What the copies of one reader have. Begins as zeros, with the owner of its files. */
struct elf_share {
	uid_t owner;
	unsigned account; /* 1 + its number; 0: it has taken nothing */
	size_t taken[ELF_BUDGETS];
	const char *left_out; /* NULL, or what was not copied, and why; lives for ever */
};

/* Stores what a file may take at most, for elf_share_claim(). */
void elf_share_allow(const struct elf_share *share, size_t most[ELF_BUDGETS]);

/* Takes so many bytes, and from `*most`. Returns false if they are more than that, or than there are. */
bool elf_share_claim(struct elf_share *share, enum elf_budget budget, size_t bytes, size_t *most);

/* Takes so many bytes of symbols beside a copy, as for a file of its own. */
bool elf_share_take(struct elf_share *share, size_t bytes);

/* Gives a share back, when the copies and what has mapped them are gone. It may be used again. */
void elf_share_end(struct elf_share *share);

#endif
