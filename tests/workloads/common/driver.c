/* SPDX-License-Identifier: BSD-2-Clause */
#include "driver.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_THREADS = 1024, MAX_PROGRAMS = 32 };
enum {
	OPTION_COUNTS = 256,
	OPTION_WAIT,
	OPTION_THREADS,
	OPTION_ROUNDS,
	OPTION_PROGRAM,
	OPTION_SLEEP,
	OPTION_STATS,
	OPTION_HELP
};

#ifdef __SANITIZE_ADDRESS__
/* LeakSanitizer ends traced programs with a failure, and recordings trace. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

static const struct option own_options[] = {
	{"threads", required_argument, NULL, OPTION_THREADS},
	{"rounds", required_argument, NULL, OPTION_ROUNDS},
	{"program", required_argument, NULL, OPTION_PROGRAM},
	{"print-counts", optional_argument, NULL, OPTION_COUNTS},
	{"print-stats", required_argument, NULL, OPTION_STATS},
	{"wait-start", no_argument, NULL, OPTION_WAIT},
	{"sleep-us", required_argument, NULL, OPTION_SLEEP},
	{"help", no_argument, NULL, OPTION_HELP},
	{0},
};

static struct {
	const struct workload *workload;
	const struct workload_program *programs[MAX_PROGRAMS];
	size_t program_count;
	long threads, rounds, sleep_us;
	bool wait, print_counts;
	const char *counts_path; /* NULL: standard output */
	int stats_file;		 /* -1: not wanted */
	pthread_barrier_t begin, end, leave;
} driver = {.threads = 1, .rounds = 1, .stats_file = -1};

static volatile sig_atomic_t stopped, released;

static void on_signal(int number)
{
	if (number == SIGUSR1)
		released = 1;
	else
		stopped = 1;
}

static void print_help(const struct workload *workload)
{
	printf("usage: %s [OPTIONS]\n\n"
	       "  --threads N            number of threads, each of which runs all rounds (1)\n"
	       "  --rounds N             rounds; 0: until SIGINT or SIGTERM, which take effect after a round (1)\n"
	       "  --program NAME         run only this program; may be repeated\n"
	       "  --print-counts[=FILE]  print at the end one JSON line per site with its allocations\n"
	       "  --print-stats FILE     print libgoalloc's counters as JSON before the first and after the last one\n"
	       "  --wait-start           print 'ready' and wait for a line or SIGUSR1 before the first round;\n"
	       "                         print 'done' and wait again after the last, with all threads alive\n"
	       "  --sleep-us N           sleep N microseconds after each round\n%s",
	       workload->name, workload->options_help ? workload->options_help : "");
}

/* Writes to standard output without stdio, whose buffers would be allocated from the heap. */
static void say(int file, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(int file, const char *format, ...)
{
	char text[1024];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= sizeof(text) || write(file, text, (size_t)length) != length) {
		fprintf(stderr, "workload: cannot write: %m\n");
		exit(1);
	}
}

/* Waits for a line (or the end of input), SIGUSR1, or the signals that end the program. These signals are blocked
 * except in ppoll(), so none is missed. */
static void wait_for_release(const char *word)
{
	sigset_t none;

	say(STDOUT_FILENO, "%s\n", word);
	sigemptyset(&none);
	while (!released && !stopped) {
		struct pollfd input = {STDIN_FILENO, POLLIN, 0};
		char byte;

		if (ppoll(&input, 1, NULL, &none) < 1)
			continue;
		if (read(STDIN_FILENO, &byte, 1) != 1 || byte == '\n')
			break;
	}
	released = 0;
}

static void sleep_a_little(void)
{
	struct timespec time = {driver.sleep_us / 1000000, driver.sleep_us % 1000000 * 1000};

	while (driver.sleep_us && !stopped && nanosleep(&time, &time) && errno == EINTR)
		continue;
}

static void print_stats(void)
{
	struct goalloc_stats stats;

	if (driver.stats_file < 0)
		return;
	goalloc_read_stats(&stats);
	say(driver.stats_file,
	    "{\"objects\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"refills\":%" PRIu64 ",\"central_grows\":%" PRIu64
	    ",\"heap_grows\":%" PRIu64 ",\"heap_grow_bytes\":%" PRIu64 "}\n",
	    stats.total.objects, stats.total.bytes, stats.total.refills, stats.total.central_grows, stats.heap_grows,
	    stats.heap_grow_bytes);
}

static void do_rounds(void)
{
	for (long round = 0; !stopped && (driver.rounds == 0 || round < driver.rounds); round++) {
		for (size_t i = 0; i < driver.program_count; i++)
			driver.programs[i]->run();
		sleep_a_little();
	}
}

static void *thread_main(void *unused)
{
	pthread_barrier_wait(&driver.begin);
	do_rounds();
	pthread_barrier_wait(&driver.end);
	pthread_barrier_wait(&driver.leave);
	return unused;
}

static void run(void)
{
	static pthread_t threads[MAX_THREADS];
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t watched;

	sigemptyset(&watched);
	sigaddset(&watched, SIGUSR1);
	sigaddset(&watched, SIGINT);
	sigaddset(&watched, SIGTERM);
	sigprocmask(SIG_BLOCK, &watched, NULL);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	pthread_barrier_init(&driver.begin, NULL, (unsigned)driver.threads);
	pthread_barrier_init(&driver.end, NULL, (unsigned)driver.threads);
	pthread_barrier_init(&driver.leave, NULL, (unsigned)driver.threads);
	for (long i = 1; i < driver.threads; i++) {
		if (pthread_create(&threads[i], NULL, thread_main, NULL)) {
			fprintf(stderr, "workload: cannot start thread %ld\n", i);
			exit(1);
		}
	}
	print_stats();
	if (driver.wait)
		wait_for_release("ready");
	sigdelset(&watched, SIGUSR1);
	sigprocmask(SIG_UNBLOCK, &watched, NULL); /* only this thread receives these signals */
	pthread_barrier_wait(&driver.begin);
	do_rounds();
	pthread_barrier_wait(&driver.end);
	sigprocmask(SIG_BLOCK, &watched, NULL);
	print_stats();
	if (driver.wait && !stopped)
		wait_for_release("done");
	pthread_barrier_wait(&driver.leave);
	for (long i = 1; i < driver.threads; i++)
		pthread_join(threads[i], NULL);
}

static void print_counts(void)
{
	int file = STDOUT_FILENO;

	if (driver.counts_path) {
		file = open(driver.counts_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
		if (file < 0) {
			fprintf(stderr, "workload: cannot create '%s': %m\n", driver.counts_path);
			exit(1);
		}
	}
	for (size_t i = 0; i < driver.program_count; i++) {
		const struct workload_program *program = driver.programs[i];

		for (size_t j = 0; j < program->site_count; j++) {
			struct go_site *site = &program->sites[j];

			say(file,
			    "{\"program\":\"%s\",\"file\":\"%s\",\"line\":%u,\"column\":%u,\"function\":\"%s\","
			    "\"runtime_call\":\"%s\",\"objects\":%" PRIuFAST64 ",\"bytes\":%" PRIuFAST64 "}\n",
			    program->name, site->at.file, site->at.line, site->at.column, site->at.function,
			    site->runtime_call, atomic_load(&site->objects), atomic_load(&site->bytes));
		}
	}
}

static int add_program(const char *name)
{
	for (size_t i = 0; i < driver.workload->program_count; i++) {
		if (strcmp(driver.workload->programs[i].name, name) == 0 && driver.program_count < MAX_PROGRAMS) {
			driver.programs[driver.program_count++] = &driver.workload->programs[i];
			return 0;
		}
	}
	return -1;
}

static int number(const char *text, long least, long most, long *value)
{
	char *end;

	*value = strtol(text, &end, 10);
	return end == text || *end || *value < least || *value > most ? -1 : 0;
}

/* Returns -1 for a bad value. */
static int take_option(int option)
{
	switch (option) {
	case OPTION_THREADS:
		return number(optarg, 1, MAX_THREADS, &driver.threads);
	case OPTION_ROUNDS:
		return number(optarg, 0, INT32_MAX, &driver.rounds);
	case OPTION_SLEEP:
		return number(optarg, 0, INT32_MAX, &driver.sleep_us);
	case OPTION_PROGRAM:
		return add_program(optarg);
	case OPTION_COUNTS:
		driver.print_counts = true;
		driver.counts_path = optarg;
		return 0;
	case OPTION_STATS:
		driver.stats_file = open(optarg, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
		return driver.stats_file < 0 ? -1 : 0;
	case OPTION_WAIT:
		driver.wait = true;
		return 0;
	case OPTION_HELP:
		print_help(driver.workload);
		exit(0);
	default:
		return driver.workload->option ? driver.workload->option(option, optarg) : -1;
	}
}

int workload_main(const struct workload *workload, int argc, char **argv)
{
	struct option options[32];
	size_t count = sizeof(own_options) / sizeof(own_options[0]) - 1;
	bool chosen;
	int option;

	driver.workload = workload;
	memcpy(options, own_options, sizeof(own_options));
	for (const struct option *extra = workload->options; extra && extra->name; extra++)
		options[count++] = *extra;
	options[count] = (struct option){0};
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == '?')
			return 2;
		if (take_option(option)) {
			fprintf(stderr, "%s: invalid value '%s'\n", workload->name, optarg ? optarg : "");
			return 2;
		}
	}
	chosen = driver.program_count > 0;
	for (size_t i = 0; !chosen && i < workload->program_count; i++)
		add_program(workload->programs[i].name);
	run();
	if (driver.print_counts)
		print_counts();
	return 0;
}
