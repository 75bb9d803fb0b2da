/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/enough_stack.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <ucontext.h>
#include <unistd.h>

/* as most systems have it */
enum { ENOUGH = 8 << 20 };

/* makecontext() passes on no pointers. */
static struct {
	int (*work)(int argc, char **argv);
	int argc;
	char **argv;
	int result;
} call;

static void run(void)
{
	call.result = call.work(call.argc, call.argv);
}

/* libc has chosen the size of threads' stacks by the limit that the process began with. */
static void enlarge_threads(void)
{
	pthread_attr_t threads;

	if (pthread_attr_init(&threads))
		return;
	if (pthread_attr_setstacksize(&threads, ENOUGH) == 0)
		pthread_setattr_default_np(&threads);
	pthread_attr_destroy(&threads);
}

int enough_stack_call(int (*work)(int argc, char **argv), int argc, char **argv)
{
	struct rlimit limit;
	ucontext_t inside, outside;
	char *stack;

	if (getrlimit(RLIMIT_STACK, &limit) || limit.rlim_cur >= ENOUGH)
		return work(argc, argv);
	enlarge_threads();
	stack = mmap(NULL, ENOUGH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1,
		     0);
	if (stack == MAP_FAILED || mprotect(stack, (size_t)sysconf(_SC_PAGESIZE), PROT_NONE) || getcontext(&inside))
		return work(argc, argv);
	inside.uc_stack = (stack_t){.ss_sp = stack, .ss_size = ENOUGH};
	inside.uc_link = &outside;
	call.work = work;
	call.argc = argc;
	call.argv = argv;
	makecontext(&inside, run, 0);
	if (swapcontext(&outside, &inside))
		return work(argc, argv);
	return call.result;
}
