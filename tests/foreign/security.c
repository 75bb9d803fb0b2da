/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults that attackers use, as mimalloc-bench's security cases have them, written anew. The program's name is the case. A child
 * makes the fault and then allocates: it is well if the allocator ends the child, or if what it hands out afterwards overlaps with
 * nothing that is in use.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { Objects = 200, Small = 64, Large = 1 << 20 };

static char *volatile in_use; /* memory that must not be handed out */
static size_t in_use_bytes;
static char in_data[4096] __attribute__((aligned(64)));

static void *volatile hidden; /* so that compilers do not see what is freed */

static void release(void *object)
{
	hidden = object;
	free(hidden);
}

static void keep(void *object, size_t bytes)
{
	in_use = object;
	in_use_bytes = bytes;
}

static void twice(size_t size)
{
	void *object = malloc(size);

	release(object);
	release(object);
}

static void double_free_small(void)
{
	twice(Small);
}

static void double_free_large(void)
{
	twice(Large);
}

static void double_free_delayed(void)
{
	void *object = malloc(Small), *other = malloc(Small);

	release(object);
	release(other);
	release(object);
}

static void *release_there(void *object)
{
	release(object);
	return NULL;
}

static void double_free_of_another_thread(void)
{
	void *object = malloc(Small);
	pthread_t thread;

	if (pthread_create(&thread, NULL, release_there, object) == 0)
		pthread_join(thread, NULL);
	release(object);
}

static void free_inside(void)
{
	char *object = malloc(1024);

	memset(object, 0, 1024);
	keep(object, 1024);
	release(object + 512);
}

static void free_unaligned(void)
{
	char *object = malloc(Small);

	keep(object, Small);
	release(object + 1);
}

static void free_inside_large(void)
{
	char *object = malloc(Large);

	keep(object, Large);
	release(object + 8192);
}

static void free_of_data(void)
{
	keep(in_data, sizeof in_data);
	release(in_data + 64);
}

static void free_of_the_stack(void)
{
	static char *stack;
	char object[4096] __attribute__((aligned(64))) = {0};

	stack = object;
	keep(stack, sizeof object);
	release(object + 64);
}

static void realloc_of_freed(void)
{
	void *object = malloc(Small);

	release(object);
	hidden = realloc(hidden, 48);
}

#define CASE(name)          \
	{                   \
#name, name \
	}
static const struct {
	const char *name;
	void (*fault)(void);
} cases[] = {
	CASE(double_free_small),   CASE(double_free_large),
	CASE(double_free_delayed), CASE(double_free_of_another_thread),
	CASE(free_inside),	   CASE(free_unaligned),
	CASE(free_inside_large),   CASE(free_of_data),
	CASE(free_of_the_stack),   CASE(realloc_of_freed),
};

static bool overlap(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
	return a < b + b_bytes && b < a + a_bytes;
}

/* Whether what is handed out now is in use already. */
static bool has_effect(size_t size)
{
	char *objects[Objects];

	for (int i = 0; i < Objects; i++) {
		objects[i] = malloc(size);
		if (in_use_bytes && overlap(objects[i], size, in_use, in_use_bytes))
			return true;
		for (int j = 0; j < i; j++)
			if (overlap(objects[i], size, objects[j], size))
				return true;
	}
	return false;
}

int main(void)
{
	const char *name = program_invocation_short_name;
	int status = 0;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (strcmp(cases[i].name, name) != 0)
			continue;
		pid_t child = fork();
		if (child == 0) {
			cases[i].fault();
			_exit(has_effect(Small) || has_effect(512) || has_effect(Large));
		}
		if (child < 0 || waitpid(child, &status, 0) != child)
			return 2;
		return WIFEXITED(status) && WEXITSTATUS(status) != 0;
	}
	return 2;
}
