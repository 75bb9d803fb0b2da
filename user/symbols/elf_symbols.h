/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ELF_SYMBOLS_H
#define ESCAPEMENT_ELF_SYMBOLS_H

/* Function symbols of an ELF module by address: its symbol table, or the dynamic one where it is stripped. */

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stdint.h>

struct elf_symbols;

/* Never NULL; without rows where the module has no symbols. The module must outlive it. */
struct elf_symbols *elf_symbols_new(Dwfl_Module *module);
void elf_symbols_free(struct elf_symbols *symbols); /* NULL is allowed */

/* The name of the function that holds the address; NULL where there is none. Lives as long as the module, or as
 * `symbols` where the name was cut. */
const char *elf_symbols_find(const struct elf_symbols *symbols, uint64_t address);

/* Whether somebody gave the function this name for the linker: one that no C function could have of itself. */
bool elf_symbol_is_given(const char *name);

#endif
