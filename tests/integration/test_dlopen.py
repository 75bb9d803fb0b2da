#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""libgoalloc in a library that a program loads when it runs already (dlopen): from the library's first allocation on,
whichever thread or child loads it, and nothing of it disturbs the program."""
import harness
from harness import same

HOST = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *path;
static void *volatile sink;

static Lmid_t names = LM_ID_BASE;

static void *load(void *argument)
{
	void *library = dlmopen(names, path, RTLD_NOW);
	void *(*allocate)(size_t) = (void *(*)(size_t))dlsym(library, "goalloc_noscan");

	for (int i = 0; i < *(int *)argument; i++)
		sink = allocate(48);
	return library;
}

static void *idle(void *argument)
{
	for (;;)
		pause();
	return argument;
}

static int load_untraced(void *argument)
{
	return dlopen(argument, RTLD_NOW) == NULL; /* ends the thread */
}

int main(int argc, char **argv)
{
	int count = atoi(argv[2]);
	pthread_t thread, other;

	path = argv[1];
	pthread_create(&other, NULL, idle, NULL);
	for (int i = 0; i < 20; i++) /* others, and the same ones again */
		dlclose(dlopen(i % 2 ? "libm.so.6" : "libresolv.so.2", RTLD_NOW));
	if (strcmp(argv[3], "main") == 0) {
		load(&count);
	} else if (strcmp(argv[3], "thread") == 0) {
		pthread_create(&thread, NULL, load, &count);
		pthread_join(thread, NULL);
	} else if (strcmp(argv[3], "fork") == 0) {
		if (fork() == 0) {
			load(&count);
			return 0;
		}
		wait(NULL);
	} else if (strcmp(argv[3], "nested") == 0) { /* while the linker's lock is held */
		setenv("NESTED", argv[1], 1);
		setenv("COUNT", argv[2], 1);
		dlopen("./outer.so", RTLD_NOW);
	} else if (strcmp(argv[3], "both") == 0) { /* one of them waits for the lock of the other */
		count /= 2;
		pthread_create(&thread, NULL, load, &count);
		load(&count);
		pthread_join(thread, NULL);
	} else if (strcmp(argv[3], "namespace") == 0) {
		names = LM_ID_NEWLM;
		load(&count);
	} else if (strcmp(argv[3], "exec") == 0) {
		execl("/proc/self/exe", argv[0], argv[1], argv[2], "main", NULL);
	}
	if (strcmp(argv[3], "untraced") == 0) {
		static char stack[1 << 20] __attribute__((aligned(16)));

		clone(load_untraced, stack + sizeof(stack), CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
		      CLONE_THREAD | CLONE_VFORK | CLONE_UNTRACED, "libm.so.6");
	}
	if (strcmp(argv[3], "trap") == 0) { /* a signal of the program's own that looks alike */
		signal(SIGTRAP, SIG_IGN);
		raise(SIGTRAP);
		load(&count);
	}
	puts("done");
	return 7;
}
"""

# Loads a library, and allocates, while it is being loaded itself.
OUTER = r"""
#include <dlfcn.h>
#include <stdlib.h>

static void *volatile sink;

__attribute__((constructor)) static void load(void)
{
	void *library = dlopen(getenv("NESTED"), RTLD_NOW);
	void *(*allocate)(size_t) = (void *(*)(size_t))dlsym(library, "goalloc_noscan");

	for (int i = 0; i < atoi(getenv("COUNT")); i++)
		sink = allocate(48);
}
"""


def test_a_library_that_is_loaded_on_the_way_is_observed_from_its_first_allocation(t):
    harness.require_root()
    harness.require_library_for_others()
    t.path("host.c").write_text(HOST)
    t.run("gcc", "-g", "-O1", "-pthread", "-o", t.path("host"), t.path("host.c"), "-ldl")
    t.path("outer.c").write_text(OUTER)
    t.run("gcc", "-g", "-O1", "-shared", "-fPIC", "-o", t.path("outer.so"), t.path("outer.c"), "-ldl")
    library = harness.BUILD / "libgoalloc.so"
    for who in ("main", "thread", "fork", "exec", "trap", "nested", "both", "namespace"):
        done = t.escapement("record", "--rate", "1", "-o", "p", "--", "./host", library, "1234", who, status=3)
        assert "exited with status 7" in done.stderr and "done" in done.stdout, done
        report = t.json("report", "p")
        same(sum(row["objects"] for row in report["rows"] if row["function"] == "load"), 1234, f"objects by {who}")
        same((report["check"]["difference"], report["check"]["bound"], report["exact"], report["lost"]),
             (0, 0, {"totals": True, "rows": True}, {"events": 0, "stacks": 0}), who)


def test_a_program_that_stays_without_is_as_before(t):
    harness.require_root()
    t.path("host.c").write_text(HOST)
    t.run("gcc", "-g", "-O1", "-pthread", "-o", t.path("host"), t.path("host.c"), "-ldl")
    done = t.escapement("record", "-o", "p", "--", "./host", "libm.so.6", "0", "none", status=3)
    assert "done" in done.stdout, done
    assert "SIG" not in done.stderr, done
    # A thread that nobody traces would stay stopped for ever.
    done = t.escapement("record", "-o", "p", "--", "./host", "libm.so.6", "0", "untraced", status=3)
    assert "done" in done.stdout, done


if __name__ == "__main__":
    harness.main()
