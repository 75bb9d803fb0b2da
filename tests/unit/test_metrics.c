/* SPDX-License-Identifier: BSD-2-Clause */
/* The agent's metrics: whose they are, and that there is room for as many processes as are watched, whatever their names. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fleet/metrics.h"
#include "target/procfs.h"

static struct metrics_part part_of(int pid, const char *service, const char *build, int64_t objects)
{
	struct metrics_part part = {
		.pid = pid, .started = procfs_start_time(pid), .seconds = 1, .heap_in_use = objects};

	for (int value = 0; value < VALUE_COUNT; value++)
		part.values[value] = objects;
	snprintf(part.service, sizeof(part.service), "%s", service);
	snprintf(part.build, sizeof(part.build), "%s", build);
	snprintf(part.comm, sizeof(part.comm), "\"%030d", 0);
	return part;
}

/* What is published, which the caller frees. */
static char *published(struct metrics *metrics)
{
	const struct metrics_agent agent = {.host = "host"};
	size_t length;
	char *text;

	metrics_publish(metrics, &agent);
	text = metrics_text(metrics, &length);
	assert_non_null(text);
	assert_int_equal(strlen(text), length);
	return text;
}

static int times(const char *text, const char *what)
{
	int count = 0;

	while ((text = strstr(text, what))) {
		count++;
		text += strlen(what);
	}
	return count;
}

static void assert_has(struct metrics *metrics, const char *what, int wanted)
{
	char *text = published(metrics);

	if (times(text, what) != wanted)
		fail_msg("'%s' is there %d times, not %d, in %s", what, times(text, what), wanted, text);
	free(text);
}

/* By exec a process becomes another build and keeps its number and start. */
static void test_a_process_has_the_series_of_one_build(void **state)
{
	struct metrics *metrics = metrics_new();
	struct metrics_part old = part_of(getpid(), "api", "old", 3), new = part_of(getpid(), "api", "new", 5);

	(void)state;
	metrics_add(metrics, &old);
	metrics_add(metrics, &old);
	assert_has(metrics, "escapement_objects_total{service=\"api\",build=\"old\"", 1);
	assert_has(metrics, "escapement_objects_total{service=\"api\",build=\"old\",comm=", 1);
	assert_has(metrics, "} 2.000000\n", 1);
	metrics_add(metrics, &new);
	assert_has(metrics, "build=\"old\"", 0);
	assert_has(metrics, "escapement_heap_in_use_bytes{", 1);
	assert_has(metrics, "escapement_heap_in_use_bytes{service=\"api\",build=\"new\"", 1);
	metrics_free(metrics);
}

static void test_what_is_not_watched_has_no_series(void **state)
{
	struct metrics *metrics = metrics_new();
	struct metrics_part part = part_of(getpid(), "api", "b", 3);
	struct agent_watch watches[] = {{.service = "api"}, {.service = "other"}};
	const struct agent_config config = {.watches = watches, .watch_count = 2};
	struct watched watched[] = {{.pid = 1, .started = 1}, {.pid = getpid(), .started = part.started}};

	(void)state;
	metrics_add(metrics, &part);
	metrics_keep(metrics, &config, watched, 2);
	assert_has(metrics, "escapement_objects_total{service=\"api\"", 1);
	watched[1].watch = 1;
	metrics_keep(metrics, &config, watched, 2);
	assert_has(metrics, "service=\"api\"", 0);
	metrics_add(metrics, &part);
	metrics_keep(metrics, &config, watched, 0);
	assert_has(metrics, "service=\"api\"", 0);
	metrics_free(metrics);
}

/* All lines of as many processes as are watched at most, whose labels are as long as can be and each byte of which has an escape. */
static void test_there_is_room_for_all(void **state)
{
	struct metrics *metrics = metrics_new();
	pid_t children[METRICS_PROCESSES];
	char service[METRICS_NAME], build[METRICS_BUILD];
	int shown = 0;

	(void)state;
	memset(service, '\\', sizeof(service));
	memset(build, '"', sizeof(build));
	service[sizeof(service) - 1] = build[sizeof(build) - 1] = 0;
	for (int i = 0; i < METRICS_PROCESSES; i++) {
		struct metrics_part part;

		children[i] = fork();
		if (children[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
		assert_true(children[i] > 0);
		part = part_of(children[i], service, build, INT64_MAX);
		part.lost_events = part.lost_stacks = INT64_MAX;
		part.seconds = part.cpu_seconds = part.overhead_seconds = 1e15;
		metrics_add(metrics, &part);
	}
	for (int value = -1; (value = profile_value_next(value, VALUE_SHOWN)) < VALUE_COUNT;)
		shown++;
	assert_has(metrics, ",pid=\"", METRICS_PROCESSES * (shown + 6));
	for (int i = 0; i < METRICS_PROCESSES; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	assert_has(metrics, ",pid=\"", 0);
	metrics_free(metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_process_has_the_series_of_one_build),
		cmocka_unit_test(test_what_is_not_watched_has_no_series),
		cmocka_unit_test(test_there_is_room_for_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
