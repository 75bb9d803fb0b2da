/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/setbacks.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/hash_table.h"
#include "base/memory.h"
#include "target/procfs.h"

enum { LONGEST_S = 3600 };

struct entry {
	UT_hash_handle hh;
	struct setback_key key;
	unsigned times; /* in a row */
	int64_t until_ns;
};

struct setbacks {
	struct entry *entries;
};

struct setbacks *setbacks_new(void)
{
	return memory_zeroed(1, sizeof(struct setbacks));
}

static void forget(struct setbacks *setbacks, struct entry *entry)
{
	HASH_DEL(setbacks->entries, entry);
	free(entry);
}

void setbacks_forget(struct setbacks *setbacks)
{
	struct entry *entry, *next;

	HASH_ITER (hh, setbacks->entries, entry, next)
		forget(setbacks, entry);
}

void setbacks_free(struct setbacks *setbacks)
{
	if (setbacks)
		setbacks_forget(setbacks);
	free(setbacks);
}

struct setback_key setback_of_process(int pid, uint64_t started)
{
	return (struct setback_key){0, (uint64_t)pid, started};
}

struct setback_key setback_of_group(uid_t user, size_t watch)
{
	return (struct setback_key){1, user, watch};
}

static struct entry *find(const struct setbacks *setbacks, struct setback_key key)
{
	struct entry *entry;

	HASH_FIND(hh, setbacks->entries, &key, sizeof(key), entry);
	return entry;
}

static double pause_of(double every, unsigned times)
{
	double pause = every;

	while (times-- > 1 && pause < LONGEST_S)
		pause *= 2;
	if (pause > LONGEST_S)
		pause = every > LONGEST_S ? every : LONGEST_S;
	return pause;
}

double setbacks_add(struct setbacks *setbacks, struct setback_key key, double every)
{
	struct entry *entry = find(setbacks, key);
	double pause;

	if (!entry) {
		entry = memory_zeroed(1, sizeof(*entry));
		entry->key = key;
		HASH_ADD(hh, setbacks->entries, key, sizeof(entry->key), entry);
	}
	pause = pause_of(every, ++entry->times);
	entry->until_ns = monotonic_ns() + (int64_t)(pause * 1e9);
	return pause;
}

void setbacks_remove(struct setbacks *setbacks, struct setback_key key)
{
	struct entry *entry = find(setbacks, key);

	if (entry)
		forget(setbacks, entry);
}

void setbacks_tidy(struct setbacks *setbacks)
{
	struct entry *entry, *next;

	HASH_ITER (hh, setbacks->entries, entry, next) {
		if (entry->key.is_group ? monotonic_ns() > entry->until_ns + LONGEST_S * 1000000000LL
					: procfs_start_time((int)entry->key.first) != entry->key.second)
			forget(setbacks, entry);
	}
}

enum setback setbacks_find(const struct setbacks *setbacks, struct setback_key key)
{
	const struct entry *entry = find(setbacks, key);

	if (!entry)
		return SETBACK_NONE;
	return monotonic_ns() < entry->until_ns ? SETBACK_NOW : SETBACK_DUE;
}

void setbacks_groups(const struct setbacks *setbacks,
		     void (*take)(void *context, uid_t user, size_t watch, unsigned failures), void *context)
{
	for (const struct entry *entry = setbacks->entries; entry; entry = entry->hh.next) {
		if (entry->key.is_group)
			take(context, (uid_t)entry->key.first, entry->key.second, entry->times);
	}
}
