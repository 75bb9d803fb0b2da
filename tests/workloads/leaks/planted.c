/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs with planted leaks, one a case: `leaks CASE PLUGIN` runs it and ends by a return from main(); `leaks all PLUGIN` runs all of
 * them; with a third argument it says when it is ready, and waits for the end of its input before. What a case loses is for
 * LeakSanitizer, memcheck and libgoalloc to say; test_leaks.py sets their words side by side. Functions that allocate are
 * global and not inlined, so that each of the three can name them.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PLANT __attribute__((noinline)) void

struct node {
	struct node *next, *other;
	char text[24];
};

static const char *plugin; /* the path of a library that has `void *keep` and `void use(void)` */
static void *volatile kept;
static void *volatile more[1000];
static __thread void *volatile local;
static uintptr_t hidden;

__attribute__((noinline)) struct node *new_node(struct node *next)
{
	struct node *n = malloc(sizeof *n);

	n->next = next;
	n->other = NULL;
	return n;
}

PLANT single(void)
{
	*(char *)malloc(100) = 1;
}
PLANT many_sizes(void)
{
	for (size_t size = 1; size < 100000; size += size / 2 + 1)
		*(char *)malloc(size) = 1;
}
PLANT none(void)
{
	free(malloc(100));
}
PLANT list(void)
{
	new_node(new_node(new_node(NULL)));
}
PLANT long_list(void)
{
	struct node *n = NULL;
	for (int i = 0; i < 20000; i++)
		n = new_node(n);
}
PLANT cycle(void)
{
	struct node *last = new_node(NULL);
	last->next = new_node(new_node(last));
}
PLANT cycle_with_tail(void)
{
	struct node *n = new_node(NULL);
	n->next = new_node(n);
	n->other = new_node(new_node(NULL));
}
PLANT to_itself(void)
{
	struct node *n = new_node(NULL);
	n->next = n;
}
PLANT shared(void)
{
	struct node *n = new_node(NULL);
	new_node(n);
	new_node(n);
}
PLANT tree_kept(void)
{
	struct node *n = new_node(new_node(NULL));
	n->other = new_node(new_node(NULL));
	kept = n;
}
PLANT tree_lost(void)
{
	struct node *n = new_node(new_node(NULL));
	n->other = new_node(new_node(NULL));
	kept = n;
	kept = NULL;
}
PLANT overwritten(void)
{
	kept = malloc(10);
	kept = malloc(20);
}
PLANT half_of_many(void)
{
	for (int i = 0; i < 1000; i++) {
		more[i] = malloc(40);
		if (i % 2)
			more[i] = NULL;
	}
}
PLANT interior(void)
{
	kept = (char *)malloc(1000) + 500;
}
PLANT past_the_end(void)
{
	kept = (char *)malloc(4096) + 4096 + 3000;
}
PLANT large(void)
{
	*(char *)malloc(5 << 20) = 1;
}
PLANT large_kept(void)
{
	void **p = malloc(5 << 20);
	p[600000] = malloc(30);
	kept = p;
}
PLANT array(void)
{
	*(char *)calloc(30, 30) = 1;
}
PLANT grown(void)
{
	void *volatile p = malloc(10);
	p = realloc(p, 1000);
	p = realloc(p, 100000);
	p = realloc(p, 500);
	p = NULL;
}
PLANT grown_kept(void)
{
	void *volatile p = malloc(10);
	kept = realloc(p, 100000);
	p = NULL;
}
PLANT aligned(void)
{
	void *volatile p;
	void *q = NULL;
	if (posix_memalign(&q, 4096, 100) == 0)
		p = q;
	p = aligned_alloc(64, 640);
	p = NULL;
	(void)p;
}
PLANT copied(void)
{
	char *volatile p = strdup("a string that is lost");
	p = NULL;
	(void)p;
}
PLANT unaligned(void)
{
	static char bytes[32];
	void *p = malloc(77);
	memcpy(bytes + 3, &p, sizeof p);
	__asm__ volatile("" : : "r"(bytes) : "memory");
}
PLANT inverted(void)
{
	hidden = ~(uintptr_t)malloc(88);
}
PLANT in_mapping(void)
{
	void **p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p[5] = malloc(66);
}
PLANT in_freed(void)
{
	void **p = malloc(64);
	p[3] = malloc(55);
	free(p);
}
PLANT in_environment(void)
{
	setenv("LEAKS_OF_A_TEST", "some value of the environment", 1);
}
PLANT open_file(void)
{
	kept = fopen("/dev/null", "r");
	kept = NULL;
}
PLANT open_directory(void)
{
	DIR *volatile d = opendir("/");
	d = NULL;
	(void)d;
}
PLANT a_line(void)
{
	char *line = NULL;
	size_t size = 0;
	FILE *f = fopen("/proc/version", "r");
	if (getline(&line, &size, f) > 0)
		fclose(f);
}

/* ---- threads ---- */

static pthread_barrier_t ready;
static pthread_key_t key;

static void ends(void *(*body)(void *), void *argument)
{
	pthread_t thread;

	pthread_create(&thread, NULL, body, argument);
	pthread_join(thread, NULL);
}

static void lives(void *(*body)(void *))
{
	pthread_t thread;

	pthread_barrier_init(&ready, NULL, 2);
	pthread_create(&thread, NULL, body, NULL);
	pthread_barrier_wait(&ready);
}

__attribute__((noinline)) void *on_stack(void *argument)
{
	void *volatile p = malloc(45);
	p = argument ? p : NULL;
	return NULL;
}
__attribute__((noinline)) void *in_local(void *argument)
{
	local = malloc(46);
	return argument;
}
__attribute__((noinline)) void *in_specific(void *argument)
{
	pthread_setspecific(key, malloc(47));
	return argument;
}
__attribute__((noinline)) void *as_result(void *argument)
{
	(void)argument;
	return malloc(48);
}

static void forever(void)
{
	pthread_barrier_wait(&ready);
	for (;;)
		pause();
}

__attribute__((noinline)) void *living_stack(void *argument)
{
	void *volatile p = malloc(49);

	forever();
	return p ? p : argument;
}
__attribute__((noinline)) void *living_local(void *argument)
{
	local = new_node(new_node(NULL));
	forever();
	return argument;
}
__attribute__((noinline)) void *living_specific(void *argument)
{
	pthread_setspecific(key, malloc(51));
	forever();
	return argument;
}

PLANT ended_stack(void)
{
	ends(on_stack, NULL);
}
PLANT ended_local(void)
{
	ends(in_local, NULL);
}
PLANT ended_specific(void)
{
	pthread_key_create(&key, NULL);
	ends(in_specific, NULL);
}
PLANT ended_with_destructor(void)
{
	pthread_key_create(&key, free);
	ends(in_specific, NULL);
}
PLANT joined_result(void)
{
	ends(as_result, NULL);
}
PLANT alive_stack(void)
{
	lives(living_stack);
}
PLANT alive_local(void)
{
	lives(living_local);
}
PLANT alive_specific(void)
{
	pthread_key_create(&key, NULL);
	lives(living_specific);
}
PLANT main_local(void)
{
	local = malloc(52);
}
PLANT main_specific(void)
{
	pthread_key_create(&key, NULL);
	pthread_setspecific(key, malloc(53));
}
PLANT many_threads(void)
{
	for (int i = 0; i < 20; i++)
		ends(on_stack, NULL);
}

/* ---- libraries ---- */

static void use(bool close)
{
	void *library = dlopen(plugin, RTLD_NOW);
	void (*function)(void) = library ? (void (*)(void))(uintptr_t)dlsym(library, "use") : NULL;

	if (!function)
		abort();
	function();
	if (close)
		dlclose(library);
}

PLANT library_open(void)
{
	use(false);
}
PLANT library_closed(void)
{
	use(true);
}

#define CASE(name)          \
	{                   \
#name, name \
	}

static const struct {
	const char *name;
	void (*plant)(void);
} cases[] = {
	CASE(single),
	CASE(many_sizes),
	CASE(none),
	CASE(list),
	CASE(long_list),
	CASE(cycle),
	CASE(cycle_with_tail),
	CASE(to_itself),
	CASE(shared),
	CASE(tree_kept),
	CASE(tree_lost),
	CASE(overwritten),
	CASE(half_of_many),
	CASE(interior),
	CASE(past_the_end),
	CASE(large),
	CASE(large_kept),
	CASE(array),
	CASE(grown),
	CASE(grown_kept),
	CASE(aligned),
	CASE(copied),
	CASE(unaligned),
	CASE(inverted),
	CASE(in_mapping),
	CASE(in_freed),
	CASE(in_environment),
	CASE(open_file),
	CASE(open_directory),
	CASE(a_line),
	CASE(ended_stack),
	CASE(ended_local),
	CASE(ended_specific),
	CASE(ended_with_destructor),
	CASE(joined_result),
	CASE(alive_stack),
	CASE(alive_local),
	CASE(alive_specific),
	CASE(main_local),
	CASE(main_specific),
	CASE(many_threads),
	CASE(library_open),
	CASE(library_closed),
};

/* Overwrites what functions that have returned left on the stack. */
static __attribute__((noinline)) void clear_stack(void)
{
	volatile char stack[64 * 1024];

	for (size_t i = 0; i < sizeof stack; i++)
		stack[i] = 0;
}

int main(int count, char **arguments)
{
	plugin = count > 2 ? arguments[2] : NULL;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (count == 1)
			puts(cases[i].name);
		else if (strcmp(cases[i].name, arguments[1]) == 0 || strcmp("all", arguments[1]) == 0)
			cases[i].plant();
	clear_stack();
	if (count > 3) {
		char byte;

		if (write(1, "ready\n", 6) != 6)
			return 1;
		while (read(0, &byte, 1) > 0)
			;
	}
	return 0;
}
