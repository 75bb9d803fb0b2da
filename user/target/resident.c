/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/resident.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/search.h"
#include "target/procfs.h"

#define PAGE		UINT64_C(4096)
#define HAS_CONTENTS	(UINT64_C(3) << 62) /* present, or swapped out */
#define ENTRIES_AT_ONCE 8192

struct resident {
	const struct target *target;
	int pagemap;	       /* -1: cannot be read */
	uint64_t first, count; /* pages whose entries are here */
	uint64_t entries[ENTRIES_AT_ONCE];
};

struct resident *resident_new(const struct target *target)
{
	struct resident *resident = memory_zeroed(1, sizeof(*resident));
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/pagemap", target->tid);
	resident->target = target;
	resident->pagemap = open(path, O_RDONLY | O_CLOEXEC);
	return resident;
}

void resident_forget(struct resident *resident)
{
	resident->count = 0;
}

void resident_free(struct resident *resident)
{
	if (!resident)
		return;
	if (resident->pagemap >= 0)
		close(resident->pagemap);
	free(resident);
}

struct private_bytes {
	uint64_t all, anonymous, swapped; /* KiB */
};

static bool take_private(void *context, const char *line)
{
	struct private_bytes *bytes = context;

	if (sscanf(line, "VmRSS: %" SCNu64, &bytes->all) != 1 &&
	    sscanf(line, "RssAnon: %" SCNu64, &bytes->anonymous) != 1)
		sscanf(line, "VmSwap: %" SCNu64, &bytes->swapped);
	return true;
}

uint64_t resident_private(const struct target *target)
{
	struct private_bytes bytes = {.anonymous = UINT64_MAX};

	procfs_lines(target->tid, "status", take_private, &bytes);
	return ((bytes.anonymous == UINT64_MAX ? bytes.all : bytes.anonymous) + bytes.swapped) * 1024;
}

static bool ends_before(const void *items, size_t index, const void *key)
{
	return ((const struct target_mapping *)items)[index].limit <= *(const uint64_t *)key;
}

/* Whether the page has contents. Reads the entries of those behind it, too, up to `limit`. Reading many entries takes time, which is
 * that of the target's reader. */
static bool has_contents(struct resident *resident, uint64_t page, uint64_t limit)
{
	uint64_t wanted = limit - page < ENTRIES_AT_ONCE ? limit - page : ENTRIES_AT_ONCE;
	ssize_t got;

	if (resident->pagemap < 0)
		return true;
	if (page - resident->first >= resident->count) {
		resident->target->reader->spent |= monotonic_ns() > resident->target->reader->deadline_ns;
		got = pread(resident->pagemap, resident->entries, wanted * sizeof(uint64_t),
			    (off_t)(page * sizeof(uint64_t)));
		resident->first = page;
		resident->count = got > 0 ? (uint64_t)got / sizeof(uint64_t) : 0;
		if (!resident->count)
			return true;
	}
	return resident->entries[page - resident->first] & HAS_CONTENTS;
}

/* The same for a range of one mapping. */
static bool next_in(struct resident *resident, uint64_t *start, uint64_t limit, uint64_t *end)
{
	uint64_t page = *start / PAGE, last = (limit + PAGE - 1) / PAGE;

	while (page < last && !has_contents(resident, page, last) && !resident->target->reader->spent)
		page++;
	if (page == last || resident->target->reader->spent)
		return false;
	*start = *start > page * PAGE ? *start : page * PAGE;
	while (page < last && has_contents(resident, page, last) && !resident->target->reader->spent)
		page++;
	*end = limit < page * PAGE ? limit : page * PAGE;
	return true;
}

bool resident_next(struct resident *resident, uint64_t *start, uint64_t limit, uint64_t *end)
{
	const struct target *target = resident->target;
	size_t at = search_place(0, target->mapping_count, ends_before, target->mappings, start);

	for (; at < target->mapping_count && target->mappings[at].start < limit && !target->reader->spent; at++) {
		const struct target_mapping *mapping = &target->mappings[at];

		*start = *start > mapping->start ? *start : mapping->start;
		if (mapping->readable && *start < limit &&
		    next_in(resident, start, limit < mapping->limit ? limit : mapping->limit, end))
			return true;
		*start = mapping->limit;
	}
	return false;
}
