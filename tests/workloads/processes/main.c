// SPDX-License-Identifier: BSD-2-Clause
/*
 * Processes and threads that are hard to record completely.
 *
 *   processes children COUNT MILLISECONDS   that many live that long at one time, of 200 objects each
 *   processes orphan                        the first thread ends at once, another allocates 1000 objects
 *   processes vfork SECONDS                 waits for a vfork child that long, deaf to SIGTERM
 *   processes again COUNT                   executes itself until it has run that often, of 1000 objects each and more;
 *                                           each image lives two seconds
 */
#include <goalloc.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void allocate(int count)
{
	for (int i = 0; i < count; i++)
		goalloc_noscan(64);
}

static int children(char **arguments)
{
	for (int left = atoi(arguments[0]); left > 0; left--) {
		if (fork() == 0) {
			allocate(200);
			usleep((useconds_t)atoi(arguments[1]) * 1000);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
	return 0;
}

static void *thread(void *none)
{
	allocate(1000);
	return none;
}

static int orphan(char **arguments)
{
	pthread_t other;

	(void)arguments;
	pthread_create(&other, NULL, thread, NULL);
	pthread_exit(NULL);
}

static int deaf(char **arguments)
{
	unsigned seconds = (unsigned)atoi(arguments[0]);

	signal(SIGTERM, SIG_IGN);
	allocate(100);
	if (vfork() == 0) {
		sleep(seconds);
		_exit(0);
	}
	return 0;
}

static int again(char **arguments)
{
	int left = atoi(arguments[0]) - 1;
	char count[16];

	allocate(1000 * (left + 1)); /* each image has lower counters than the one before */
	for (int i = 0; i < 20; i++) {
		allocate(100);
		usleep(100 * 1000);
	}
	if (left <= 0)
		return 0;
	snprintf(count, sizeof(count), "%d", left);
	execl("/proc/self/exe", "processes", "again", count, (char *)NULL);
	return 1;
}

static const struct {
	const char *name;
	int (*run)(char **arguments);
	int arguments;
} modes[] = {{"children", children, 2}, {"orphan", orphan, 0}, {"vfork", deaf, 1}, {"again", again, 1}};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(argv[1], modes[i].name) == 0 && argc == 2 + modes[i].arguments)
			return modes[i].run(argv + 2);
	}
	fprintf(stderr, "usage: processes children COUNT MILLISECONDS | orphan | vfork SECONDS | again COUNT\n");
	return 2;
}
