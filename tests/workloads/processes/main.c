// SPDX-License-Identifier: BSD-2-Clause
/*
 * Processes and threads of which it is hard to record every allocation.
 *
 *   processes children COUNT                COUNT children live at the same time, and allocate 200 objects each
 *   processes orphan                        the main thread ends at once; another thread allocates 1000 objects
 *   processes vfork SECONDS                 waits that long for a vfork child, and ignores SIGTERM
 *   processes again COUNT                   executes itself until it has run COUNT times; each image allocates at least
 * 1000                                           objects, prints "ready", and after a line of input allocates 2000
 * The following print "ready", wait for a line of input, do what their names say and allocate 1000 objects, print
 * "done", and end after another line:
 *   processes mappings COUNT                has at least COUNT mappings
 *   processes user UID                      becomes that user, in the middle of its allocations
 *   processes forking COUNT                 forks COUNT children, one after the other, which allocate 200 objects each
 *   processes heavy MEBIBYTES               holds so much memory that its exit takes long; it ends with its input;
 *                                           prints "ready", and for each line allocates 10 objects and prints "done"
 */
#include <goalloc.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void allocate(int count)
{
	for (int i = 0; i < count; i++)
		goalloc_noscan(64);
}

/* Without stdio, whose buffers would come from the heap. */
static void wait_for_line(const char *word)
{
	ssize_t length = (ssize_t)strlen(word);
	char byte;

	if (write(STDOUT_FILENO, word, (size_t)length) != length || read(STDIN_FILENO, &byte, 1) != 1)
		_exit(1);
}

static int children(char **arguments)
{
	int all_there[2]; /* the children wait for its end of file */
	char byte;

	if (pipe(all_there))
		return 1;
	for (int left = atoi(arguments[0]); left > 0; left--) {
		if (fork() == 0) {
			close(all_there[1]);
			allocate(200);
			_exit(read(all_there[0], &byte, 1) != 0);
		}
	}
	close(all_there[1]);
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
	wait_for_line("ready\n");
	allocate(2000);
	if (left <= 0)
		return 0;
	snprintf(count, sizeof(count), "%d", left);
	execl("/proc/self/exe", "processes", "again", count, (char *)NULL);
	return 1;
}

/* Changes the protection of every other page, so that each page is a mapping. */
static int mappings(char **arguments)
{
	enum { PAGE = 4096 };
	size_t count = (size_t)atol(arguments[0]);
	char *pages = mmap(NULL, count * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < count; i += 2) {
		if (pages == MAP_FAILED || mprotect(pages + i * PAGE, PAGE, PROT_READ))
			return 1;
	}
	wait_for_line("ready\n");
	allocate(1000);
	wait_for_line("done\n");
	return 0;
}

static int user(char **arguments)
{
	wait_for_line("ready\n");
	allocate(500);
	if (setuid((uid_t)atol(arguments[0])))
		return 1;
	allocate(500);
	wait_for_line("done\n");
	return 0;
}

static int forking(char **arguments)
{
	wait_for_line("ready\n");
	for (int left = atoi(arguments[0]); left > 0; left--) {
		pid_t child = fork();
		int status;

		allocate(child == 0 ? 200 : 0);
		if (child == 0)
			_exit(7);
		if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
			return 1;
	}
	allocate(1000);
	wait_for_line("done\n");
	return 0;
}

static int heavy(char **arguments)
{
	size_t size = (size_t)atoi(arguments[0]) << 20;
	char *memory = malloc(size), line[16];

	allocate(1000);
	if (memory)
		memset(memory, 1, size);
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		allocate(10);
		puts("done");
		fflush(stdout);
	}
	return 0;
}

static const struct {
	const char *name;
	int (*run)(char **arguments);
	int arguments;
} modes[] = {{"children", children, 1}, {"orphan", orphan, 0}, {"vfork", deaf, 1},	{"again", again, 1},
	     {"mappings", mappings, 1}, {"user", user, 1},     {"forking", forking, 1}, {"heavy", heavy, 1}};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(argv[1], modes[i].name) == 0 && argc == 2 + modes[i].arguments)
			return modes[i].run(argv + 2);
	}
	fprintf(stderr, "usage: processes children COUNT | orphan | vfork SECONDS | again COUNT | mappings COUNT | "
			"user UID | forking COUNT | heavy MEBIBYTES\n");
	return 2;
}
