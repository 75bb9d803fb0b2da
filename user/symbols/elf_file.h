/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ELF_FILE_H
#define ESCAPEMENT_ELF_FILE_H

/* Queries on a 64-bit ELF file. Pure functions of the file. An error has STATUS_USAGE if it is no ELF file that can be read, and
 * STATUS_CANNOT_MEASURE if that is not known, for want of descriptors or memory, or because the process may make no copy of it: that
 * says nothing of the file, and another time may be better. */

#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "symbols/elf_copy.h"

/*
 * Whether libdw may be given this file: it believes what a header says of the size of tables, inflates what is compressed, and
 * what is no ELF file at all. Here it is one whose tables lie in it and are no longer than those of real programs; nor is there
 * more that is compressed. That holds as long as nobody writes to the file. If not, `error` (may be NULL) says why, of "it". `share`:
 * of a copy, to which is counted what libdw inflates of it that elf_copy() does not know (.gnu_debugdata); otherwise NULL.
 */
bool elf_file_is_harmless(int file, struct elf_share *share, struct error *error);

/* Whether the notes of all segments and sections, which may lie over each other, are together as short as those of real
 * programs: libelf may copy each. Others are not to be looked through for a build id. */
bool elf_notes_are_few(Elf *elf);

/* Opens an ELF file, a regular and sound one; of one that others can change, a copy of these parts (elf_copy.h), up to 16 MiB. The
 * caller calls elf_end() and closes the descriptor `*file`. NULL with an error if it is not an ELF file, or cannot be opened. */
Elf *elf_file_open(const char *path, enum elf_parts parts, int *file, struct error *error);
/* Computes the file offset of a virtual address from the loaded segments. Returns false if no
 * segment contains it, or the file ends before it. */
bool elf_file_offset(Elf *elf, uint64_t address, uint64_t *offset);
/* Returns the section of that name and stores its header; NULL if there is none. */
Elf_Scn *elf_section_find(Elf *elf, const char *name, GElf_Shdr *header);
/* The same for those behind `section`, as a file may have several of one name; NULL: for all. */
Elf_Scn *elf_section_next(Elf *elf, Elf_Scn *section, const char *name, GElf_Shdr *header);

/* Whether a dynamically linked file asks for that symbol of a library. */
bool elf_imports(const char *path, const char *symbol);
/* Stores the file offset of a function or variable that a library defines for others. Returns false if it does not. */
bool elf_exported_offset(Elf *elf, const char *symbol, uint64_t *offset);

/*
 * Finds the note with this owner and type in a PT_NOTE segment. Returns 1 and stores the virtual address of its
 * descriptor and the descriptor's first 8 bytes (in host byte order; 0 if it is shorter). Returns 0 if there is no such
 * note, or the file is not an ELF file; -1 with an error if that is not known.
 */
int elf_note_find(const char *path, const char *owner, uint32_t type, uint64_t *address, uint64_t *value,
		  struct error *error);

/*
 * Computes the load bias (address in the process minus virtual address in the file) of an image whose bytes at file
 * offset `offset` are mapped at `start`. Returns -1 with an error if the file is not an ELF file or has no such segment.
 */
int elf_load_bias(const char *path, uint64_t start, uint64_t offset, uint64_t *bias, struct error *error);

#endif
