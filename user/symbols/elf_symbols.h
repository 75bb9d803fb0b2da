/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ELF_SYMBOLS_H
#define ESCAPEMENT_ELF_SYMBOLS_H

/*
 * Finds function symbols of an ELF module by address, in its symbol table or, if it is stripped, in the dynamic one. Where no section
 * says where that is, segments do: those we read ourselves, as libdwfl looks for the end of a hash table in steps each of which goes
 * over all before it.
 */

#include <elfutils/libdwfl.h>
#include <libelf.h>
#include <stdbool.h>
#include <stdint.h>

struct elf_symbols;

/* Never returns NULL; a module without symbols gives an empty table, and of one with more than 4,194,304 the others are left
 * out. The module must outlive it. */
struct elf_symbols *elf_symbols_new(Dwfl_Module *module);
/* Whether only segments say where the file's symbols are. elf_symbols_new() may not be asked of the module of such a file, and libdwfl
 * may not relocate it. */
bool elf_symbols_are_by_segments(Elf *file);
/* As elf_symbols_new(), of what any file itself has, of which nothing is inflated. The file must outlive it. */
struct elf_symbols *elf_symbols_of_file(Elf *file);
void elf_symbols_free(struct elf_symbols *symbols); /* NULL is allowed */

/* Returns the name of the function that contains the address, NULL if there is none. The name is valid as long as
 * `symbols`. */
const char *elf_symbols_find(struct elf_symbols *symbols, uint64_t address);

/* Whether the symbol name is an asm label (__asm__("runtime.newobject")), that is, not a valid C identifier. */
bool elf_symbol_is_given(const char *name);

#endif
