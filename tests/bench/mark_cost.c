/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long a search for lost objects takes with so many MiB of live objects, in several shapes: `mark_cost MIB SHAPE` prints
 * the processor time of the search in seconds, and the number of live and of lost objects. Built with -fsanitize=leak it is
 * LeakSanitizer's search of the same objects.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#ifdef __SANITIZE_LEAK__
#include <sanitizer/lsan_interface.h>
#define scan(size)   calloc(1, size)
#define noscan(size) calloc(1, size)
#else
#include "goalloc.h"
#define scan(size)   goalloc_scan(size)
#define noscan(size) goalloc_noscan(size)
#endif

struct node {
	struct node *left, *right;
	uint64_t rest[6];
};

static void *volatile root;
static size_t objects;
static uint64_t state = 1;

static uint64_t random_number(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

static void *check(void *object)
{
	if (!object)
		abort();
	objects++;
	return object;
}

/* Nodes in an array that no root leads to when the shape is built. */
static struct node **nodes_of(size_t bytes, size_t *count, int shuffled)
{
	*count = bytes / sizeof(struct node);
	struct node **nodes = malloc(*count * sizeof *nodes);

	if (!nodes)
		abort();
	for (size_t i = 0; i < *count; i++)
		nodes[i] = check(scan(sizeof(struct node)));
	for (size_t i = *count - 1; shuffled && i > 0; i--) {
		size_t other = random_number() % (i + 1);
		struct node *swapped = nodes[i];
		nodes[i] = nodes[other];
		nodes[other] = swapped;
	}
	return nodes;
}

static void finish(struct node **nodes, size_t count)
{
	root = nodes[0];
	for (size_t i = 0; i < count; i++)
		((struct node *volatile *)nodes)[i] = NULL;
	free(nodes);
}

static void tree(size_t bytes, int shuffled)
{
	size_t count;
	struct node **nodes = nodes_of(bytes, &count, shuffled);

	for (size_t i = 1; i < count; i++)
		*(i % 2 ? &nodes[(i - 1) / 2]->left : &nodes[(i - 1) / 2]->right) = nodes[i];
	finish(nodes, count);
}

static void tree_as_allocated(size_t bytes)
{
	tree(bytes, 0);
}

static void tree_all_over(size_t bytes)
{
	tree(bytes, 1);
}

/* The same tree, with another reference in each node, to any other. */
static void graph_all_over(size_t bytes)
{
	size_t count;
	struct node **nodes = nodes_of(bytes, &count, 1);

	for (size_t i = 1; i < count; i++) {
		*(i % 2 ? &nodes[(i - 1) / 2]->left : &nodes[(i - 1) / 2]->right) = nodes[i];
		nodes[i]->rest[5] = (uintptr_t)nodes[random_number() % count];
	}
	finish(nodes, count);
}

static void list_all_over(size_t bytes)
{
	size_t count;
	struct node **nodes = nodes_of(bytes, &count, 1);

	for (size_t i = 1; i < count; i++)
		nodes[i - 1]->left = nodes[i];
	finish(nodes, count);
}

/* A hash table as a cache has it: chains of entries, each with a key and a value of 16 bytes to 4 KiB. */
static void cache(size_t bytes)
{
	enum { EntryBytes = 64 + 32 + 1024 };
	size_t buckets = bytes / EntryBytes;
	struct node **table = check(scan(buckets * sizeof *table));

	root = table;
	for (size_t used = 0; used < bytes;) {
		struct node *entry = check(scan(sizeof *entry)), **bucket = &table[random_number() % buckets];
		size_t size = (size_t)16 << random_number() % 9;
		entry->left = *bucket;
		*bucket = entry;
		entry->right = check(noscan(size));
		entry->rest[0] = (uintptr_t)check(noscan(32));
		used += sizeof *entry + size + 32;
	}
}

/* Blocks that may hold pointers, and do not. */
static void blocks(size_t bytes)
{
	enum { Block = 32 * 1024 };
	size_t count = bytes / Block;
	void **table = check(scan(count * sizeof *table));

	root = table;
	for (size_t i = 0; i < count; i++)
		table[i] = memset(check(scan(Block)), 'x', Block);
}

static const struct {
	const char *name;
	void (*build)(size_t bytes);
} shapes[] = {{"cache", cache},
	      {"blocks", blocks},
	      {"tree as allocated", tree_as_allocated},
	      {"tree all over", tree_all_over},
	      {"graph all over", graph_all_over},
	      {"list all over", list_all_over}};

/* Processor time, with that of processes that have been waited for: a search may run in one. */
static double now(void)
{
	double seconds = 0;

	for (int who = 0; who < 2; who++) {
		struct rusage usage;
		getrusage(who ? RUSAGE_CHILDREN : RUSAGE_SELF, &usage);
		seconds += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	}
	return seconds;
}

#ifndef __SANITIZE_LEAK__
static void count(const struct goalloc_unreachable *lost, void *argument)
{
	(void)lost;
	++*(size_t *)argument;
}
#endif

static size_t search(void)
{
	size_t lost = 0;

#ifdef __SANITIZE_LEAK__
	lost = (size_t)__lsan_do_recoverable_leak_check();
#else
	if (goalloc_find_unreachable(count, &lost) != 0)
		abort();
#endif
	return lost;
}

int main(int argc, char **argv)
{
	size_t bytes = argc > 1 ? strtoull(argv[1], NULL, 10) << 20 : 0;

	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		if (argc == 1)
			puts(shapes[i].name);
		else if (argc > 2 && strcmp(argv[2], shapes[i].name) == 0)
			shapes[i].build(bytes);
	if (argc > 2) {
		double before = now();
		size_t lost = search();
		printf("%.3f %zu %zu\n", now() - before, objects, lost);
	}
	fflush(stdout);
	_Exit(0);
}
