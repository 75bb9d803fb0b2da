/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_HASH_TABLE_H
#define ESCAPEMENT_HASH_TABLE_H

/* uthash, which handles failed allocations as memory.h does. Include this header instead of <uthash.h>. */

#include "base/memory.h"

#define uthash_malloc(size)   memory_allocate(size)
#define uthash_fatal(message) memory_out()
#include <uthash.h>

#endif
