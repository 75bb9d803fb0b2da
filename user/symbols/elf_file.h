/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ELF_FILE_H
#define ESCAPEMENT_ELF_FILE_H

/* Questions to a 64-bit ELF file. Pure functions of the file; "no ELF file" includes one that cannot be opened. */

#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <stdint.h>

/* Opens an ELF file with its descriptor; the caller ends the one and closes the other. NULL if it is no ELF file. */
Elf *elf_open(const char *path, int *file);
/* The file offset of a virtual address, by the loaded segments. False if no segment holds it. */
bool elf_file_offset(Elf *elf, uint64_t address, uint64_t *offset);
/* The section of that name and its header; NULL if there is none. */
Elf_Scn *elf_section_find(Elf *elf, const char *name, GElf_Shdr *header);

/*
 * Finds the note of that owner and type in a PT_NOTE segment. Returns 1 and the descriptor's virtual address and its
 * first 8 bytes (host byte order, 0 where it is shorter); 0 where there is none or the file is no ELF file.
 */
int elf_note_find(const char *path, const char *owner, uint32_t type, uint64_t *address, uint64_t *value);

/*
 * Load bias (address in the process minus virtual address in the file) of an image of which the bytes at file offset
 * `offset` are mapped at `start`. -1 where the file is no ELF file or has no such segment.
 */
int elf_load_bias(const char *path, uint64_t start, uint64_t offset, uint64_t *bias);

#endif
