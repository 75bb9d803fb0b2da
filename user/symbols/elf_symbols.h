/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ELF_SYMBOLS_H
#define ESCAPEMENT_ELF_SYMBOLS_H

/* Finds function symbols of an ELF module by address, in its symbol table or, if it is stripped, in the dynamic one. */

#include <elfutils/libdwfl.h>
#include <libelf.h>
#include <stdbool.h>
#include <stdint.h>

struct elf_symbols;

/* Never returns NULL; a module without symbols gives an empty table, and of one with more than 4,194,304 the others are left
 * out. The module must outlive it. */
struct elf_symbols *elf_symbols_new(Dwfl_Module *module);
/* The same of what the file itself has, of which nothing is inflated. */
struct elf_symbols *elf_symbols_of_file(Elf *file);
void elf_symbols_free(struct elf_symbols *symbols); /* NULL is allowed */

/* Returns the name of the function that contains the address, NULL if there is none. The name is valid as long as
 * `symbols`. */
const char *elf_symbols_find(struct elf_symbols *symbols, uint64_t address);

/* Whether the symbol name is an asm label (__asm__("runtime.newobject")), that is, not a valid C identifier. */
bool elf_symbol_is_given(const char *name);

#endif
