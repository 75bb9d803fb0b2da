/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/memory_blocks.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum {
	PAGE = 4096,
	/* Few, because reading a page that the process has never used makes it resident. */
	BLOCK_PAGES = 4,
	BLOCK = BLOCK_PAGES * PAGE,
	BLOCKS = 64, /* 1 MiB: chains run through memory in the order in which it was allocated */
	ALL_PAGES = (1 << BLOCK_PAGES) - 1,
};

struct block {
	uint64_t number; /* of the block, by address; 0: none */
	uint32_t pages;	 /* bit per page that has been read */
	bool has_holes;	 /* not all of it can be read: page by page */
	uint8_t *bytes;
};

struct memory_blocks {
	struct memory_reader *reader;
	struct block blocks[BLOCKS]; /* by number */
};

struct memory_blocks *memory_blocks_new(struct memory_reader *reader)
{
	struct memory_blocks *blocks = memory_zeroed(1, sizeof(*blocks));

	blocks->reader = reader;
	return blocks;
}

void memory_blocks_free(struct memory_blocks *blocks)
{
	if (!blocks)
		return;
	for (int i = 0; i < BLOCKS; i++)
		free(blocks->blocks[i].bytes);
	free(blocks);
}

void memory_blocks_forget(struct memory_blocks *blocks)
{
	for (int i = 0; i < BLOCKS; i++)
		blocks->blocks[i].number = blocks->blocks[i].pages = 0;
}

/* Returns the block that contains the page; NULL if it cannot be read. */
static struct block *block_with(struct memory_blocks *blocks, uint64_t address)
{
	uint64_t number = address / BLOCK;
	struct block *block = &blocks->blocks[number % BLOCKS];
	unsigned page = address % BLOCK / PAGE;

	if (block->number != number || !block->bytes) {
		block->number = number;
		block->pages = 0;
		block->has_holes = false;
		if (!block->bytes)
			block->bytes = memory_allocate(BLOCK);
	}
	if (block->pages & 1u << page)
		return block;
	if (!block->has_holes && memory_read(blocks->reader, number * BLOCK, block->bytes, BLOCK) == 0) {
		block->pages = ALL_PAGES;
		return block;
	}
	block->has_holes = true;
	if (memory_read(blocks->reader, number * BLOCK + page * PAGE, block->bytes + page * PAGE, PAGE))
		return NULL;
	block->pages |= 1u << page;
	return block;
}

int memory_blocks_read(struct memory_blocks *blocks, uint64_t address, void *buffer, size_t size)
{
	while (size) {
		const struct block *block = block_with(blocks, address);
		size_t part = PAGE - address % PAGE;

		if (!block)
			return -1;
		if (part > size)
			part = size;
		memcpy(buffer, block->bytes + address % BLOCK, part);
		buffer = (uint8_t *)buffer + part;
		address += part;
		size -= part;
	}
	return 0;
}
