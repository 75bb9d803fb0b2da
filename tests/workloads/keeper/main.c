/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Holds objects, as it is told on its standard input, and answers each line by one:
 *
 *   hold NAME COUNT SIZE   allocates COUNT objects of SIZE bytes at the site of NAME: a, b or c
 *   tiny NAME COUNT SIZE   the same without pointers, so that objects below 16 bytes share blocks
 *   drop NAME              frees all of them
 *   resize NAME SIZE       gives the newest object of NAME another size
 *   churn COUNT SIZE       allocates and frees
 *   stats                  objects and bytes that are alive, by libgoalloc's own counters
 *   breathe                fills and empties a cache until it gets another line
 *   leak                   the same, and keeps one object in a hundred, at the site `leaks`
 */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "goalloc.h"

enum { OBJECTS = 1 << 20, NAMES = 3, CACHE = 2000 };

static struct {
	void **objects;
	size_t count;
} held[NAMES];

static __attribute__((noinline)) void *site_a(size_t size)
{
	return goalloc_scan_at(size, GOALLOC_SITE());
}

static __attribute__((noinline)) void *site_b(size_t size)
{
	return goalloc_scan_at(size, GOALLOC_SITE());
}

static __attribute__((noinline)) void *site_c(size_t size)
{
	return goalloc_scan_at(size, GOALLOC_SITE());
}

static void *(*const sites[NAMES])(size_t) = {site_a, site_b, site_c};

static bool has_line(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&input, 1, 0) > 0;
}

static void hold(int name, size_t count, size_t size, int tiny)
{
	for (size_t i = 0; i < count && held[name].count < OBJECTS; i++)
		held[name].objects[held[name].count++] = tiny ? goalloc_noscan(size) : sites[name](size);
}

static void drop(int name)
{
	while (held[name].count)
		goalloc_free(held[name].objects[--held[name].count]);
}

static void resize(int name, size_t size)
{
	void **object = &held[name].objects[held[name].count - 1];
	size_t old = goalloc_usable_size(*object);
	void *moved = sites[name](size);

	memcpy(moved, *object, old < size ? old : size);
	goalloc_free(*object);
	*object = moved;
}

static void churn(size_t count, size_t size)
{
	for (size_t i = 0; i < count; i++)
		goalloc_free(goalloc_scan(size));
}

static __attribute__((noinline)) void *leaks(size_t size)
{
	return goalloc_scan_at(size, GOALLOC_SITE());
}

static void breathe(int leak)
{
	static void *cache[CACHE];

	for (unsigned n = 0; !has_line(); n++) {
		struct timespec pause = {0, 20000};

		goalloc_free(cache[n % CACHE]);
		cache[n % CACHE] = n / CACHE % 2 ? NULL : goalloc_scan_at(4096, GOALLOC_SITE());
		if (leak && n % 100 == 0)
			*(void *volatile *)leaks(16384) = NULL;
		nanosleep(&pause, NULL);
	}
	for (unsigned i = 0; i < CACHE; i++) {
		goalloc_free(cache[i]);
		cache[i] = NULL;
	}
}

static void print_stats(void)
{
	struct goalloc_stats stats;

	goalloc_read_stats(&stats);
	printf("%llu %llu\n", (unsigned long long)(stats.total.objects - stats.total.frees),
	       (unsigned long long)(stats.total.bytes - stats.total.freed_bytes));
}

int main(void)
{
	char line[200], verb[20], name;
	size_t count, size;

	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0); /* so that poll() knows of a line that was not read */
	for (int i = 0; i < NAMES; i++)
		held[i].objects = calloc(OBJECTS, sizeof(void *));
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%19s %c %zu %zu", verb, &name, &count, &size) == 4 && name >= 'a' && name <= 'c')
			hold(name - 'a', count, size, strcmp(verb, "tiny") == 0);
		else if (sscanf(line, "drop %c", &name) == 1)
			drop(name - 'a');
		else if (sscanf(line, "resize %c %zu", &name, &size) == 2)
			resize(name - 'a', size);
		else if (sscanf(line, "churn %zu %zu", &count, &size) == 2)
			churn(count, size);
		else if (strcmp(line, "breathe\n") == 0 || strcmp(line, "leak\n") == 0)
			breathe(*line == 'l');
		if (strncmp(line, "stats", 5) == 0)
			print_stats();
		else
			puts("done");
	}
	return 0;
}
