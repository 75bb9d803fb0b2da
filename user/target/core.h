/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_CORE_H
#define ESCAPEMENT_CORE_H

/*
 * A core file, as the kernel or gdb's gcore writes it, in the place of a live process: its mappings and its memory. What the
 * core leaves out because it is in the executable is read from there.
 *
 * The file may be damaged or made up: all that is read from it is bounded, and every offset is held against its size.
 */

#include <stdint.h>

#include "base/error.h"
#include "target/target.h"

struct core;

/*
 * A target that is read from the core file at `path`, to be closed with target_close(). `executable` is the path of its
 * executable; NULL: where the core says that it was. NULL with STATUS_USAGE if the file is not a core file of an amd64 or arm64
 * process, is cut short, or is of another executable.
 */
struct target *core_open(const char *path, const char *executable, struct error *error);

/* When the file was written, on the wall clock. */
int64_t core_time_ns(const struct core *core);

#endif
