/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/event_rows.h"

#include <errno.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#include "bpf/escapement.skel.h"
#include "base/memory.h"

/*
 * Stacks stay in a pair's map until so many have been inserted, and stores remember those that they have: in a program that
 * allocates at the same stacks all the time, to insert and to read them again and again is most of the cost of emptying a pair.
 */
enum { STACKS_KEPT = EVENT_STACKS_MAX / 8 };

/* Elements that are read at once, and the sizes of the largest ones. */
enum { BATCH = 1024, KEY_SIZE = sizeof(struct event_key), VALUE_SIZE = sizeof(struct event_stack) };
_Static_assert(sizeof(struct event_hash) <= KEY_SIZE && sizeof(struct event_sums) <= VALUE_SIZE, "they fit");

struct event_rows {
	struct escapement_bpf *bpf;
	volatile struct event_process *processes; /* by slot */
	const struct program_barrier *barrier;
	bool stacks;
	struct event_store stores[EVENT_SLOTS]; /* by process slot */
	struct event_stacks drained[2];		/* by pair: stacks of rows that are still in the pair's map */
	uint64_t inserted[2];			/* by pair: stacks that have been inserted since its map was emptied */
	bool filled[2];				/* whether the pair may contain anything */
	/* the numbers of rows and stacks inserted by the time the maps were last emptied */
	uint64_t relieved_rows, relieved_stacks;
	uint32_t sharing; /* processes that the maps were last divided among */
	/* a batch of the maps' elements: kept, because memory that is new each time is a third of the cost */
	char *keys, *values;
};

/* A quarter of a map is divided among all processes; the rest is for whoever comes first. */
static struct event_room room_of(uint32_t entries, uint32_t processes)
{
	uint32_t share = processes > 1 ? entries / 4 / processes : entries;

	return (struct event_room){share, entries - (processes > 1 ? share * processes : share)};
}

void event_rows_divide(struct event_rows *rows)
{
	volatile struct event_maps *maps = &rows->bpf->bss->maps;
	uint32_t processes = 0;

	for (uint32_t slot = 0; slot < EVENT_SLOTS; slot++)
		processes += rows->processes[slot].recording != 0;
	if (!processes)
		processes = 1;
	if (processes == rows->sharing)
		return;
	rows->sharing = processes;
	maps->room[EVENT_ROWS] = room_of(bpf_map__max_entries(rows->bpf->maps.rows0), processes);
	maps->room[EVENT_STACKS] = room_of(EVENT_STACKS_MAX, processes);
	maps->room[EVENT_CACHES] = room_of(EVENT_CACHES_MAX, processes);
}

/* A map of a pair, which no program is filling, is empty again. */
static void vacate(struct event_rows *rows, uint32_t which, enum event_table table)
{
	rows->bpf->bss->maps.taken[which][table] = 0;
	for (uint32_t slot = 0; slot < EVENT_SLOTS; slot++) {
		if (rows->processes[slot].taken[which][table])
			rows->processes[slot].taken[which][table] = 0;
	}
}

struct event_rows *event_rows_new(struct escapement_bpf *bpf, volatile struct event_process *processes,
				  const struct program_barrier *barrier, bool stacks)
{
	struct event_rows *rows = memory_zeroed(1, sizeof(*rows));

	rows->bpf = bpf;
	rows->processes = processes;
	rows->barrier = barrier;
	rows->stacks = stacks;
	rows->keys = memory_allocate((size_t)BATCH * KEY_SIZE);
	rows->values = memory_allocate((size_t)BATCH * VALUE_SIZE);
	event_rows_divide(rows);
	return rows;
}

void event_rows_free(struct event_rows *rows)
{
	if (!rows)
		return;
	for (uint32_t slot = 0; slot < EVENT_SLOTS; slot++)
		event_store_free(&rows->stores[slot]);
	event_stacks_free(&rows->drained[0]);
	event_stacks_free(&rows->drained[1]);
	free(rows->keys);
	free(rows->values);
	free(rows);
}

static int rows_map(const struct event_rows *rows, uint32_t which)
{
	return bpf_map__fd(which ? rows->bpf->maps.rows1 : rows->bpf->maps.rows0);
}

static int stacks_map(const struct event_rows *rows, uint32_t which)
{
	return bpf_map__fd(which ? rows->bpf->maps.stacks1 : rows->bpf->maps.stacks0);
}

/* Whether the pair may hold rows. */
static bool pair_filled(const struct event_rows *rows, uint32_t which)
{
	return rows->bpf->bss->maps.filling == which || rows->filled[which];
}

/* bpf_map_lookup_batch(), or bpf_map_lookup_and_delete_batch(). */
typedef int batch_function(int map, void *from, void *to, void *keys, void *values, __u32 *count,
			   const struct bpf_map_batch_opts *options);

/* Calls `each` for the elements of a map. Returns 0, or -errno if the kernel did not return all of them. */
static int each_element(struct event_rows *rows, int map, batch_function *read, size_t key_size, size_t value_size,
			void (*each)(void *context, const void *key, const void *value), void *context)
{
	uint32_t position, *previous = NULL;
	bool more = true;

	while (more) {
		uint32_t count = BATCH;

		more = read(map, previous, &position, rows->keys, rows->values, &count, NULL) == 0;
		if (!more && errno != ENOENT)
			return -errno;
		for (uint32_t i = 0; i < count; i++)
			each(context, rows->keys + i * key_size, rows->values + i * value_size);
		previous = &position;
	}
	return 0;
}

struct row_reader {
	event_row_function *each;
	void *context;
};

static void read_row(void *context, const void *key, const void *sums)
{
	const struct row_reader *reader = context;

	reader->each(reader->context, key, sums);
}

static int each_of_map(struct event_rows *rows, int map, event_row_function *each, void *context)
{
	struct row_reader reader = {each, context};

	return each_element(rows, map, bpf_map_lookup_batch, sizeof(struct event_key), sizeof(struct event_sums),
			    read_row, &reader);
}

/* Reads the rows of one process. */
struct slot_reader {
	uint32_t slot;
	event_row_function *each;
	void *context;
};

static void read_slot(void *context, const struct event_key *key, const struct event_sums *sums)
{
	const struct slot_reader *reader = context;

	if (key->slot == reader->slot)
		reader->each(reader->context, key, sums);
}

void event_rows_each(struct event_rows *rows, uint32_t slot, event_row_function *each, void *context)
{
	const struct event_store *store = &rows->stores[slot];
	struct slot_reader reader = {slot, each, context};

	for (uint32_t which = 0; which < 2; which++) {
		if (pair_filled(rows, which))
			each_of_map(rows, rows_map(rows, which), read_slot, &reader);
	}
	for (uint32_t i = 0; i < store->row_count; i++) {
		struct event_key key = event_store_key(&store->rows[i], slot);

		each(context, &key, &store->rows[i].sums);
	}
	for (uint32_t i = 0; i < store->waiting_count; i++) {
		struct event_key key = event_store_key(&store->waiting[i], slot);

		each(context, &key, &store->waiting[i].sums);
	}
	if (!rows->stacks)
		event_process_rows(&rows->processes[slot], slot, each, context);
}

/* Adds a row from the maps to its store. A stack that the row should have but that cannot be found is counted as
 * lost. */
static void store_row(struct event_rows *rows, const struct event_key *key, const struct event_stack *stack,
		      const struct event_sums *sums)
{
	if (!event_store_add(&rows->stores[key->slot], key, stack, sums))
		__atomic_fetch_add(&rows->processes[key->slot].lost_stacks, sums->count, __ATOMIC_RELAXED);
}

struct gathered_rows {
	struct gathered_row {
		struct event_key key;
		struct event_sums sums;
	} * items;
	size_t count, capacity;
};

static void gather_row(void *context, const struct event_key *key, const struct event_sums *sums)
{
	struct gathered_rows *gathered = context;

	if (gathered->count == gathered->capacity) {
		gathered->capacity = 2 * gathered->capacity + 64;
		gathered->items = memory_resize(gathered->items, gathered->capacity, sizeof(*gathered->items));
	}
	gathered->items[gathered->count++] = (struct gathered_row){*key, *sums};
}

/* Returns the stack of a row in that pair; NULL if it has none. */
static const struct event_stack *pair_stack(struct event_rows *rows, uint32_t which, const struct event_hash *hash,
					    struct event_stack *buffer)
{
	const struct event_stack *drained;

	if (!hash->part[0] && !hash->part[1])
		return NULL;
	drained = event_stacks_find(&rows->drained[which], hash);
	if (drained)
		return drained;
	return bpf_map_lookup_elem(stacks_map(rows, which), hash, buffer) ? NULL : buffer;
}

/* Like pair_stack(), but searches both pairs; NULL too if the stack has already been moved to a store. */
static const struct event_stack *any_stack(struct event_rows *rows, const struct event_hash *hash,
					   struct event_stack *buffer)
{
	const struct event_stack *stack = pair_stack(rows, 0, hash, buffer);

	return stack ? stack : pair_stack(rows, 1, hash, buffer);
}

void event_rows_add(struct event_rows *rows, const struct event_key *key, const struct event_sums *sums)
{
	struct event_stack buffer;

	if (rows->stacks)
		store_row(rows, key, any_stack(rows, &key->stack, &buffer), sums);
}

/* Moves the rows of one process out of a pair that programs may be filling for other processes. */
static int take_slot(struct event_rows *rows, uint32_t which, uint32_t slot)
{
	struct gathered_rows gathered = {0};
	struct slot_reader reader = {slot, gather_row, &gathered};
	int error = each_of_map(rows, rows_map(rows, which), read_slot, &reader);
	struct event_stack stack;

	for (size_t i = 0; i < gathered.count; i++) {
		const struct event_key *key = &gathered.items[i].key;

		store_row(rows, key, pair_stack(rows, which, &key->stack, &stack), &gathered.items[i].sums);
		bpf_map_delete_elem(rows_map(rows, which), key);
	}
	free(gathered.items);
	return error;
}

static void store_total(void *rows, const struct event_key *key, const struct event_sums *sums)
{
	store_row(rows, key, NULL, sums);
}

int event_rows_collect(struct event_rows *rows, uint32_t slot)
{
	uint32_t filling = rows->bpf->bss->maps.filling;
	int error = 0;

	for (uint32_t i = 0; i < 2; i++) { /* older rows first */
		uint32_t which = i ? filling : !filling;
		int status = pair_filled(rows, which) ? take_slot(rows, which, slot) : 0;

		if (status)
			error = status;
	}
	if (!rows->stacks)
		event_process_rows(&rows->processes[slot], slot, store_total, rows);
	return error;
}

void event_rows_take(struct event_rows *rows, uint32_t slot, struct event_store *store)
{
	*store = rows->stores[slot];
	rows->stores[slot] = (struct event_store){0};
}

struct pair {
	struct event_rows *rows;
	uint32_t which;
};

static void drain_row(void *context, const void *row_key, const void *sums)
{
	const struct pair *pair = context;
	const struct event_key *key = row_key;
	struct event_stack buffer;

	if (!event_store_add_known(&pair->rows->stores[key->slot], key, sums))
		store_row(pair->rows, key, pair_stack(pair->rows, pair->which, &key->stack, &buffer), sums);
}

static void take_stack(void *stacks, const void *hash, const void *stack)
{
	event_stacks_add(stacks, hash, stack);
}

/* Empties a pair that no program is filling. What cannot be read now stays until the pair's next turn. */
static void drain(struct event_rows *rows, uint32_t which)
{
	bool keeps = rows->inserted[which] <= STACKS_KEPT;
	struct pair pair = {rows, which};

	if ((!keeps &&
	     each_element(rows, stacks_map(rows, which), bpf_map_lookup_and_delete_batch, sizeof(struct event_hash),
			  sizeof(struct event_stack), take_stack, &rows->drained[which])) ||
	    each_element(rows, rows_map(rows, which), bpf_map_lookup_and_delete_batch, sizeof(struct event_key),
			 sizeof(struct event_sums), drain_row, &pair))
		return;
	rows->filled[which] = false;
	vacate(rows, which, EVENT_ROWS);
	if (keeps)
		return;
	event_stacks_clear(&rows->drained[which]);
	rows->inserted[which] = 0;
	vacate(rows, which, EVENT_STACKS);
}

void event_rows_gather(struct event_rows *rows)
{
	volatile struct event_maps *maps = &rows->bpf->bss->maps;
	uint32_t full = maps->filling;

	rows->inserted[full] += maps->stacks - rows->relieved_stacks;
	rows->relieved_rows = maps->rows;
	rows->relieved_stacks = maps->stacks;
	rows->filled[full] = true;
	maps->filling = !full;
	if (program_barrier_wait(rows->barrier)) /* otherwise the pair is emptied at its next turn */
		drain(rows, full);
}

/* After so many new rows a map of that size is emptied. In the smallest one there is then room for the 2,000 rows that a
 * sampler makes at most between two looks (programs.c), also in what several processes share; sooner would only be work, again and
 * again in a program that allocates at more places. */
static uint64_t rows_to_relieve(uint32_t entries, uint32_t processes)
{
	enum { ALONE = 6 << 10, SHARED = 4 << 10 };
	uint32_t least = processes > 1 ? SHARED : ALONE;

	return entries / 4 > least ? entries / 4 : least;
}

void event_rows_relieve(struct event_rows *rows)
{
	const volatile struct event_maps *maps = &rows->bpf->bss->maps;
	uint32_t entries = bpf_map__max_entries(rows->bpf->maps.rows0);

	event_rows_divide(rows);
	if (maps->rows - rows->relieved_rows > rows_to_relieve(entries, rows->sharing) ||
	    maps->stacks - rows->relieved_stacks > EVENT_STACKS_MAX / 4)
		event_rows_gather(rows);
}

void event_rows_settle(struct event_rows *rows, uint32_t slot, event_slice_function *slice_of, void *context)
{
	event_store_settle(&rows->stores[slot], slice_of, context);
}

const struct event_store *event_rows_store(const struct event_rows *rows, uint32_t slot)
{
	return &rows->stores[slot];
}
