/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hash_tables [COUNT...]: compares uthash (base/hash_table.h) with the open addressing of base/hash_index.h, on what the tables
 * of user/ hold: strings to intern, pointers, keys of events. COUNT distinct keys go in, one after the other, and are
 * then found in random order. Each table is a process of its own; CPU time, the least of three interleaved rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/hash_index.h"
#include "base/hash_table.h"
#include "base/pointer_map.h"
#include "base/string_table.h"
#include "collect/event_store.h"

enum { ROUNDS = 3, PASSES = 2, TEXT = 64, OBJECT = 40 };

struct table {
	struct string_table strings;
	struct pointer_map map;
	struct event_row *rows;
	size_t row_count, row_capacity;
	struct hash_index index;
	struct arena arena;
	struct handled {
		UT_hash_handle hh;
		union {
			const void *pointer;
			struct event_row row;
			char text[TEXT];
		};
	} * handled;
};

/* Looks a key up, and adds it if it is new. */
typedef uint64_t look_up(struct table *table, uint64_t number);

static size_t text_of(char *text, uint64_t number)
{
	return (size_t)snprintf(text, TEXT, "example.com/pkg%llu/x.func%llu", (unsigned long long)number / 50,
				(unsigned long long)number);
}

/* Addresses that are never read from. */
static const void *pointer_of(uint64_t number)
{
	return (const void *)(uintptr_t)(0x7f0000000000 + number * OBJECT);
}

static struct event_row row_of(uint64_t number)
{
	return (struct event_row){.type = 0x500000 + number * 2654435761u % 977 * 64,
				  .stack = (uint32_t)(number / 3),
				  .kind = number % 3,
				  .span_class = number % 67};
}

static uint64_t index_string(struct table *table, uint64_t number)
{
	char text[TEXT];

	return (uintptr_t)string_table_intern(&table->strings, text, text_of(text, number));
}

static uint64_t index_pointer(struct table *table, uint64_t number)
{
	uint32_t *value = pointer_map_at(&table->map, pointer_of(number));

	if (*value == POINTER_MAP_NONE)
		*value = (uint32_t)number;
	return *value;
}

static const size_t ROW_KEY = offsetof(struct event_row, sums);

static bool row_same(const void *rows, uint64_t item, const void *key)
{
	return memcmp((const struct event_row *)rows + item - 1, key, ROW_KEY) == 0;
}

static uint64_t index_row(struct table *table, uint64_t number)
{
	struct event_row row = row_of(number);
	uint64_t *item = hash_index_at(&table->index, hash_bytes(&row, ROW_KEY), row_same, table->rows, &row);

	if (!*item) {
		if (table->row_count == table->row_capacity) {
			table->row_capacity = table->row_capacity ? 2 * table->row_capacity : 64;
			table->rows = memory_resize(table->rows, table->row_capacity, sizeof(*table->rows));
		}
		table->rows[table->row_count++] = row;
		*item = table->row_count;
	}
	return ++table->rows[*item - 1].sums.events;
}

/* Items are as large as what they hold. */
static struct handled *handled_new(struct table *table, size_t size)
{
	return arena_allocate(&table->arena, offsetof(struct handled, text) + size);
}

static uint64_t uthash_string(struct table *table, uint64_t number)
{
	char text[TEXT];
	size_t length = text_of(text, number);
	struct handled *found;
	unsigned hash;

	HASH_VALUE(text, length, hash);
	HASH_FIND_BYHASHVALUE(hh, table->handled, text, length, hash, found);
	if (!found) {
		found = handled_new(table, length + 1);
		memcpy(found->text, text, length + 1);
		HASH_ADD_KEYPTR_BYHASHVALUE(hh, table->handled, found->text, length, hash, found);
	}
	return (uintptr_t)found->text;
}

static uint64_t uthash_pointer(struct table *table, uint64_t number)
{
	const void *pointer = pointer_of(number);
	struct handled *found;

	HASH_FIND_PTR(table->handled, &pointer, found);
	if (!found) {
		found = handled_new(table, sizeof(pointer));
		found->pointer = pointer;
		HASH_ADD_PTR(table->handled, pointer, found);
	}
	return (uintptr_t)found;
}

static uint64_t uthash_row(struct table *table, uint64_t number)
{
	struct event_row row = row_of(number);
	struct handled *found;
	unsigned hash;

	HASH_VALUE(&row, ROW_KEY, hash);
	HASH_FIND_BYHASHVALUE(hh, table->handled, &row, ROW_KEY, hash, found);
	if (!found) {
		found = handled_new(table, sizeof(row));
		found->row = row;
		HASH_ADD_KEYPTR_BYHASHVALUE(hh, table->handled, &found->row, ROW_KEY, hash, found);
	}
	return ++found->row.sums.events;
}

struct result {
	double added_ns, found_ns, mib;
};

/* All numbers below `count`, each once, in an order that caches cannot predict. */
static uint64_t scattered(uint64_t i, uint64_t count)
{
	const uint64_t prime = 2147483647; /* larger than any count: each number comes once */

	return i * prime % count;
}

static void measure(look_up *look, uint64_t count, struct result *best)
{
	struct table table = {0};
	struct rusage usage;
	uint64_t seen = 0;
	int64_t times[PASSES + 1];

	times[0] = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (int pass = 0; pass < PASSES; pass++) {
		for (uint64_t i = 0; i < count; i++)
			seen += look(&table, pass ? scattered(i, count) : i);
		times[pass + 1] = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	}
	getrusage(RUSAGE_SELF, &usage);
	if (!best->mib || (double)(times[1] - times[0]) / (double)count < best->added_ns)
		best->added_ns = (double)(times[1] - times[0]) / (double)count;
	if (!best->mib || (double)(times[2] - times[1]) / (double)count < best->found_ns)
		best->found_ns = (double)(times[2] - times[1]) / (double)count;
	best->mib = (double)usage.ru_maxrss / 1024 + (seen == 0);
}

static int measure_apart(look_up *look, uint64_t count, struct result *best)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		measure(look, count, best);
		_exit(0);
	}
	return child < 0 || waitpid(child, &status, 0) < 0 || status != 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *keys, *table;
		look_up *look;
	} cases[] = {
		{"strings", "uthash", uthash_string},	{"strings", "hash_index", index_string},
		{"pointers", "uthash", uthash_pointer}, {"pointers", "hash_index", index_pointer},
		{"events", "uthash", uthash_row},	{"events", "hash_index", index_row},
	};
	enum { CASES = sizeof(cases) / sizeof(*cases) };
	static char *usual[] = {"", "100000", "1000000", NULL};
	struct result *results =
		mmap(NULL, CASES * sizeof(*results), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (results == MAP_FAILED)
		return 1;
	printf("| keys | how many | table | adding, ns | finding, ns | MiB |\n|---|---:|---|---:|---:|---:|\n");
	for (char **count = argc > 1 ? argv + 1 : usual + 1; *count; count++) {
		memset(results, 0, CASES * sizeof(*results));
		for (int i = 0; i < ROUNDS * CASES; i++) {
			if (measure_apart(cases[i % CASES].look, strtoul(*count, NULL, 10), &results[i % CASES])) {
				fprintf(stderr, "hash_tables: %s with %s keys failed\n", cases[i % CASES].table,
					*count);
				return 1;
			}
		}
		for (int i = 0; i < CASES; i++)
			printf("| %s | %s | %s | %.0f | %.0f | %.0f |\n", cases[i].keys, *count, cases[i].table,
			       results[i].added_ns, results[i].found_ns, results[i].mib);
		fflush(stdout);
	}
	return 0;
}
