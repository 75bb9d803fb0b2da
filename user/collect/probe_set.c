/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/probe_set.h"
#include "base/memory.h"

#include <stdlib.h>

void probe_set_add(struct probe_set *set, const char *program, int file, uint64_t offset, uint64_t semaphore_offset,
		   uint32_t flags)
{
	set->items = memory_resize(set->items, set->count + 1, sizeof(*set->items));
	set->items[set->count++] = (struct probe){program, file, offset, semaphore_offset, flags};
}

void probe_set_free(struct probe_set *set)
{
	free(set->items);
	*set = (struct probe_set){0};
}
