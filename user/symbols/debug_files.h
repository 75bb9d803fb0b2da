/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_DEBUG_FILES_H
#define ESCAPEMENT_DEBUG_FILES_H

/*
 * The other files that a program's debug information is in. The program names them, and may name any file of the machine: a
 * FIFO to wait at, a device that does something when it is opened. libdwfl's and libdw's own searches would open it. Here
 * only regular files are opened, at the places where tools put them, and copied if others can change them. May be used by several threads, each with modules of
 * its own.
 */

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <stdbool.h>

#include "symbols/elf_copy.h"

/* What became of the files that a module's debug information is in. Begins as zeros; elf_share_end() ends its copies. */
struct debug_files {
	struct elf_share copies;
	bool copied;	 /* one of them, or the program, is a copy, as others can change it */
	bool over_limit; /* one was left out, as checksums of too much have been computed already */
	bool found;	 /* the one that was asked for last */
};

/* Has the module use `files`, which must outlive it. */
void debug_files_begin(struct debug_files *files, Dwfl_Module *module);

/*
 * A Dwfl_Callbacks.find_debuginfo. By build id, as Debian's packages have it; by .gnu_debuglink with the checksum that it
 * asks for; and what dwz has moved to a file for several programs (.gnu_debugaltlink). By name, a file is accepted if it is
 * beside the program or below its .debug, or below /usr/lib/debug.
 */
int debug_files_find(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base, const char *program,
		     const char *link, GElf_Word checksum, char **path);

/* Returns the module's debug information without what libdw would open further files for: NULL if dwz's part of it is not
 * where debug_files_find() looks. */
Dwarf *debug_files_dwarf(const struct debug_files *files, Dwfl_Module *module, Dwarf_Addr *bias);

/* Stores the part of a unit that -gsplit-dwarf has put into a file of its own, which libdw opens. False if there is none at the
 * places that libdw looks at, something else than a file is at one of them, or others can change what is there (only_ours.h).
 * `program`: path of the module's program, NULL if it has none. */
bool debug_files_split(const struct debug_files *files, Dwarf_Die *unit, Dwfl_Module *module, const char *program,
		       Dwarf_Die *split);

#endif
