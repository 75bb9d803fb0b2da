/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * forks PARENT CHILD END: allocates PARENT objects, and forks a child that allocates CHILD objects and ends by "exit",
 * "_exit", "exec" (of true) or "kill". With "stay" the parent ignores SIGTERM and runs for a minute.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "goalloc.h"

static __attribute__((noipa)) void allocate(long count)
{
	for (long i = 0; i < count; i++)
		goalloc_scan(24);
}

static void end(const char *how)
{
	if (strcmp(how, "_exit") == 0)
		_exit(0);
	if (strcmp(how, "exec") == 0)
		execlp("true", "true", NULL);
	if (strcmp(how, "kill") == 0)
		kill(getpid(), SIGKILL);
	exit(0);
}

int main(int argc, char **argv)
{
	pid_t child;

	if (argc != 4) {
		fputs("usage: forks PARENT CHILD END\n", stderr);
		return 2;
	}
	if (strcmp(argv[3], "stay") == 0)
		signal(SIGTERM, SIG_IGN);
	allocate(atol(argv[1]));
	child = fork();
	if (child == 0) {
		allocate(atol(argv[2]));
		end(argv[3]);
	}
	waitpid(child, NULL, 0);
	if (strcmp(argv[3], "stay") == 0)
		sleep(60);
	return 0;
}
