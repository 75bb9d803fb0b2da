/* SPDX-License-Identifier: BSD-2-Clause */
/* See object_table.h. Open addressing with linear probing; what is removed leaves no mark, because the entries behind it move up. */
#include "object_table.h"

#include "sys.h"

enum { FirstSlots = 1 << 12 };

static size_t home(const struct goalloc_object_slots *slots, uintptr_t object)
{
	return (size_t)(object * 0x9e3779b97f4a7c15 >> 20) & (slots->capacity - 1);
}

/* Returns the slot of the object, or the free one where it belongs. */
static size_t find(const struct goalloc_object_slots *slots, uintptr_t object)
{
	size_t at = home(slots, object);

	while (slots->slots[at].object && slots->slots[at].object != object)
		at = (at + 1) & (slots->capacity - 1);
	return at;
}

/* Stores the address last: a slot with one is complete. */
static void put(struct goalloc_object_slot *slot, uintptr_t object, const void *known)
{
	slot->row = (uintptr_t)known;
	__atomic_store_n(&slot->object, object, __ATOMIC_RELEASE);
}

static size_t size_of(size_t capacity)
{
	return sizeof(struct goalloc_object_slots) + capacity * sizeof(struct goalloc_object_slot);
}

static bool make_room(struct object_table *table)
{
	struct goalloc_object_slots *old = table->slots, *slots;
	size_t capacity = old ? 2 * old->capacity : FirstSlots;

	if (old && 2 * (table->used + 1) <= old->capacity)
		return true;
	slots = sysAlloc(size_of(capacity));
	if (!slots)
		return false;
	slots->capacity = capacity;
	for (size_t i = 0; old && i < old->capacity; i++) {
		if (old->slots[i].object)
			slots->slots[find(slots, old->slots[i].object)] = old->slots[i];
	}
	__atomic_store_n(&table->slots, slots, __ATOMIC_RELEASE);
	if (old)
		sysFree(old, size_of(old->capacity));
	return true;
}

bool object_table_add(struct object_table *table, uintptr_t object, void *known)
{
	if (!make_room(table))
		return false;
	put(&table->slots->slots[find(table->slots, object)], object, known);
	table->used++;
	return true;
}

/* Fills the gap at `at` by the entries behind it that may stand there. */
static void close_gap(struct goalloc_object_slots *slots, size_t at)
{
	size_t mask = slots->capacity - 1;

	for (size_t next = (at + 1) & mask; slots->slots[next].object; next = (next + 1) & mask) {
		const struct goalloc_object_slot *slot = &slots->slots[next];

		if (((next - home(slots, slot->object)) & mask) < ((next - at) & mask))
			continue;
		put(&slots->slots[at], slot->object, (void *)(uintptr_t)slot->row);
		at = next;
	}
	__atomic_store_n(&slots->slots[at].object, 0, __ATOMIC_RELEASE);
}

void *object_table_find(const struct object_table *table, uintptr_t object)
{
	const struct goalloc_object_slots *slots = table->slots;
	size_t at = slots ? find(slots, object) : 0;

	return slots && slots->slots[at].object ? (void *)(uintptr_t)slots->slots[at].row : NULL;
}

void *object_table_take(struct object_table *table, uintptr_t object)
{
	struct goalloc_object_slots *slots = table->slots;
	size_t at = slots ? find(slots, object) : 0;
	void *known;

	if (!slots || !slots->slots[at].object)
		return NULL;
	known = (void *)(uintptr_t)slots->slots[at].row;
	close_gap(slots, at);
	table->used--;
	return known;
}
