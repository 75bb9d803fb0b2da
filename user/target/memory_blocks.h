/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_MEMORY_BLOCKS_H
#define ESCAPEMENT_MEMORY_BLOCKS_H

/*
 * Memory of a process read in large blocks, the latest of which are kept: for chains of small structures that lie near
 * each other, of which each would else cost a system call. What a block holds is as old as its first read;
 * memory_blocks_forget() makes it new. Reads are charged to the reader's budget by the block.
 *
 * One thread at a time.
 */

#include "target/memory_reader.h"

struct memory_blocks;

struct memory_blocks *memory_blocks_new(struct memory_reader *reader); /* the reader must outlive it */
void memory_blocks_free(struct memory_blocks *blocks);		       /* NULL is allowed */

/* Drops all blocks, so that the next reads are from the process. */
void memory_blocks_forget(struct memory_blocks *blocks);

/* As memory_read(). */
int memory_blocks_read(struct memory_blocks *blocks, uint64_t address, void *buffer, size_t size);

#endif
