/* SPDX-License-Identifier: BSD-2-Clause */
/* The agent's spool: order, limit, numbers, and what a process leaves that is killed in the middle of writing. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/memory.h"
#include "fleet/delivery.h"
#include "fleet/spool.h"

enum { NO_LIMIT = 1 << 30 };
static const char *const stores[] = {"store", "other"};

struct fixture {
	char path[64];
	struct spool *spool;
};

static struct spool *opened(const char *path, int64_t limit)
{
	struct error error;
	struct spool *spool = spool_open(path, limit, &error);

	if (!spool)
		fail_msg("%s", error.text);
	spool_set_stores(spool, stores, 1);
	return spool;
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	strcpy(fixture->path, "/tmp/test-spool.XXXXXX");
	assert_non_null(mkdtemp(fixture->path));
	fixture->spool = opened(fixture->path, NO_LIMIT);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	char command[128];

	spool_close(fixture->spool);
	snprintf(command, sizeof(command), "rm -rf %s", fixture->path);
	assert_int_equal(system(command), 0);
	free(fixture);
	return 0;
}

static uint64_t add(struct spool *spool, const char *text)
{
	uint64_t number = spool_next(spool);
	struct error error;

	if (spool_add(spool, number, text, strlen(text), &error))
		fail_msg("%s", error.text);
	return number;
}

/* Takes the oldest window, which must have this text, and gives it back. */
static void take(struct spool *spool, const char *text, bool delivered)
{
	struct spool_window window;
	struct error error;

	assert_int_equal(spool_take(spool, stores[0], &window, &error), 1);
	assert_string_equal(window.bytes, text);
	assert_int_equal(window.size, strlen(text));
	assert_int_equal(spool_give_back(spool, stores[0], &window, delivered ? SPOOL_DELIVERED : SPOOL_KEPT, &error),
			 0);
}

static bool is_empty(struct spool *spool)
{
	struct spool_window window;
	struct error error;

	return spool_take(spool, stores[0], &window, &error) == 0;
}

static void windows_come_out_in_order_and_stay_until_they_are_delivered(void **state)
{
	struct spool *spool = ((struct fixture *)*state)->spool;

	assert_true(is_empty(spool));
	add(spool, "first");
	add(spool, "second");
	take(spool, "first", false);
	take(spool, "first", true);
	take(spool, "second", true);
	assert_true(is_empty(spool));
	assert_int_equal(spool_state(spool).dropped, 0);
}

static void numbers_only_grow_also_in_an_empty_directory_whose_clock_went_back(void **state)
{
	struct fixture *fixture = *state;
	uint64_t future = (uint64_t)wall_ns() + 1000000000000000ULL, next;
	char path[128];
	FILE *file;

	spool_close(fixture->spool);
	snprintf(path, sizeof(path), "%s/state", fixture->path);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "last %llu\ndropped 7\n", (unsigned long long)future);
	fclose(file);
	fixture->spool = opened(fixture->path, NO_LIMIT);
	next = add(fixture->spool, "window");
	assert_true(next > future);
	take(fixture->spool, "window", true);
	spool_close(fixture->spool);
	fixture->spool = opened(fixture->path, NO_LIMIT);
	assert_true(spool_next(fixture->spool) > next);
	assert_int_equal(spool_state(fixture->spool).dropped, 7);
}

static void the_oldest_are_dropped_and_counted_when_the_limit_is_reached(void **state)
{
	struct fixture *fixture = *state;
	struct spool_state now;
	char text[101];

	spool_set_limit(fixture->spool, 350); /* three windows of 100 bytes */
	for (int i = 0; i < 10; i++) {
		snprintf(text, sizeof(text), "%0100d", i);
		add(fixture->spool, text);
		now = spool_state(fixture->spool);
		assert_true(now.bytes <= 350);
		assert_int_equal(now.dropped + now.windows, i + 1);
	}
	assert_int_equal(now.windows, 3);
	spool_close(fixture->spool); /* the count is on disk */
	fixture->spool = opened(fixture->path, 350);
	assert_int_equal(spool_state(fixture->spool).dropped, 7);
	snprintf(text, sizeof(text), "%0100d", 7);
	take(fixture->spool, text, true);
}

static void a_window_above_the_limit_is_refused_and_counted_and_drops_no_other(void **state)
{
	struct spool *spool = ((struct fixture *)*state)->spool;
	char text[101];
	struct error error;

	spool_set_limit(spool, 50);
	add(spool, "small");
	snprintf(text, sizeof(text), "%0100d", 1);
	assert_int_equal(spool_add(spool, spool_next(spool), text, strlen(text), &error), -1);
	assert_int_equal(spool_state(spool).dropped, 1);
	take(spool, "small", true);
}

static void a_window_that_is_being_delivered_is_not_dropped(void **state)
{
	struct spool *spool = ((struct fixture *)*state)->spool;
	struct spool_window window;
	struct error error;

	spool_set_limit(spool, 10);
	add(spool, "delivered");
	assert_int_equal(spool_take(spool, stores[0], &window, &error), 1);
	add(spool, "next");
	assert_int_equal(spool_state(spool).dropped, 0);
	assert_int_equal(spool_give_back(spool, stores[0], &window, SPOOL_DELIVERED, &error), 0);
	take(spool, "next", true);
}

/* A process that writes windows until it is killed leaves only whole ones, and the lock is free. */
static void a_writer_that_is_killed_leaves_whole_windows(void **state)
{
	struct fixture *fixture = *state;
	char *text = memory_zeroed(1, 200001);
	struct spool_window window;
	struct error error;
	size_t count = 0;

	memset(text, 'x', 200000);
	spool_close(fixture->spool);
	for (int round = 0; round < 5; round++) {
		pid_t child = fork();

		if (child == 0) {
			struct spool *spool = opened(fixture->path, NO_LIMIT);

			for (;;)
				add(spool, text);
		}
		while (spool_state(fixture->spool = spool_look(fixture->path, &error)).windows <= count)
			spool_close(fixture->spool);
		spool_close(fixture->spool);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		fixture->spool = opened(fixture->path, NO_LIMIT);
		count = spool_state(fixture->spool).windows;
		spool_close(fixture->spool);
	}
	fixture->spool = opened(fixture->path, NO_LIMIT);
	while (spool_take(fixture->spool, stores[0], &window, &error) == 1) {
		assert_int_equal(window.size, 200000);
		assert_memory_equal(window.bytes, text, 200000);
		assert_int_equal(spool_give_back(fixture->spool, stores[0], &window, SPOOL_DELIVERED, &error), 0);
		count--;
	}
	assert_int_equal(count, 0);
	free(text);
}

static void one_agent_uses_a_directory_and_nobody_else_may_write_there(void **state)
{
	struct fixture *fixture = *state;
	struct error error;

	assert_null(spool_open(fixture->path, NO_LIMIT, &error));
	assert_non_null(strstr(error.text, "another agent"));
	spool_close(fixture->spool);
	assert_int_equal(chmod(fixture->path, 0777), 0);
	fixture->spool = spool_open(fixture->path, NO_LIMIT, &error);
	assert_null(fixture->spool);
	assert_non_null(strstr(error.text, "nobody else may write"));
}

static void other_files_are_no_windows(void **state)
{
	struct fixture *fixture = *state;
	static const char *const names[] = {"1.window", "00000000000000000001.windows", "0000000000000000000x.window",
					    ".window", "partial"};
	static const char *const great[] = {"18446744073709551615.window", "18446744073709551616.window",
					    "99999999999999999999.window"};
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", fixture->path, names[i]);
		fclose(fopen(path, "w"));
	}
	for (size_t i = 0; i < sizeof(great) / sizeof(great[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", fixture->path, great[i]);
		fclose(fopen(path, "w"));
	}
	snprintf(path, sizeof(path), "%s/00000000000000000002.window", fixture->path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_true(is_empty(fixture->spool));
}

/* One that cannot be read is not in the way of those after it. */
static void a_window_that_cannot_be_read_is_given_as_damaged(void **state)
{
	struct fixture *fixture = *state;
	struct spool_window window;
	struct error error;
	char path[128];

	snprintf(path, sizeof(path), "%s/00000000000000000001.window", fixture->path);
	fclose(fopen(path, "w"));
	assert_int_equal(truncate(path, (256 << 20) + 1), 0);
	add(fixture->spool, "next");
	assert_int_equal(spool_take(fixture->spool, stores[0], &window, &error), 1);
	assert_true(window.damaged);
	assert_int_equal(window.number, 1);
	assert_int_equal(spool_give_back(fixture->spool, stores[0], &window, SPOOL_DELIVERED, &error), 0);
	take(fixture->spool, "next", true);
	assert_true(is_empty(fixture->spool));
}

static void a_window_that_could_not_be_read_again_is_not_written(void **state)
{
	struct spool *spool = ((struct fixture *)*state)->spool;
	size_t size = (256 << 20) + 1;
	char *bytes = calloc(1, size);
	struct error error;

	assert_non_null(bytes);
	spool_set_limit(spool, INT64_MAX);
	assert_int_equal(spool_add(spool, spool_next(spool), bytes, size, &error), -1);
	assert_int_equal(spool_state(spool).dropped, 1);
	assert_true(is_empty(spool));
	free(bytes);
}

/* Takes the store's oldest window, which must have this text. */
static void take_for(struct spool *spool, const char *store, const char *text, enum spool_end end)
{
	struct spool_window window;
	struct error error;

	assert_int_equal(spool_take(spool, store, &window, &error), 1);
	assert_string_equal(window.bytes, text);
	assert_int_equal(spool_give_back(spool, store, &window, end, &error), 0);
}

static void each_store_is_given_each_window_and_the_last_one_removes_it(void **state)
{
	struct fixture *fixture = *state;
	struct spool_window window;
	struct error error;

	spool_set_stores(fixture->spool, stores, 2);
	add(fixture->spool, "first");
	add(fixture->spool, "second");
	take_for(fixture->spool, stores[0], "first", SPOOL_DELIVERED);
	take_for(fixture->spool, stores[0], "second", SPOOL_DELIVERED);
	assert_int_equal(spool_take(fixture->spool, stores[0], &window, &error), 0);
	assert_int_equal(spool_state(fixture->spool).windows, 2);
	assert_int_equal(spool_store_state(fixture->spool, stores[0]).waiting, 0);
	assert_int_equal(spool_store_state(fixture->spool, stores[1]).waiting, 2);
	spool_close(fixture->spool); /* it is on disk */
	fixture->spool = opened(fixture->path, NO_LIMIT);
	assert_int_equal(spool_state(fixture->spool).windows, 0); /* only the first store is left, and has them */
	add(fixture->spool, "third");
	spool_set_stores(fixture->spool, stores, 2);
	take_for(fixture->spool, stores[1], "third", SPOOL_KEPT);
	take_for(fixture->spool, stores[1], "third", SPOOL_DELIVERED);
	assert_int_equal(spool_state(fixture->spool).windows, 1);
	take_for(fixture->spool, stores[0], "third", SPOOL_DELIVERED);
	assert_int_equal(spool_state(fixture->spool).windows, 0);
	assert_int_equal(spool_state(fixture->spool).dropped, 0);
}

static void what_one_store_refuses_is_counted_and_the_others_get_it(void **state)
{
	struct spool *spool = ((struct fixture *)*state)->spool;

	spool_set_stores(spool, stores, 2);
	add(spool, "window");
	take_for(spool, stores[1], "window", SPOOL_REFUSED);
	assert_int_equal(spool_store_state(spool, stores[1]).refused, 1);
	assert_int_equal(spool_state(spool).dropped, 1);
	take_for(spool, stores[0], "window", SPOOL_DELIVERED);
	assert_int_equal(spool_state(spool).windows, 0);
	assert_int_equal(spool_state(spool).dropped, 1);
}

static void write_note(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void a_damaged_note_of_what_was_delivered_has_it_delivered_again(void **state)
{
	struct fixture *fixture = *state;
	static const char *const damaged[] = {
		"nonsense",
		"10000000000000000000 00000000000000000000\n", /* one bit of it, and it is above all windows */
		"99999999999999999999 00000000000000000000\n",
		"-0000000000000000001 00000000000000000000\n",
	};
	char path[128];

	spool_set_stores(fixture->spool, stores, 2);
	add(fixture->spool, "window");
	take_for(fixture->spool, stores[0], "window", SPOOL_DELIVERED);
	snprintf(path, sizeof(path), "%s/store.delivered", fixture->path);
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		write_note(path, damaged[i]);
		spool_set_stores(fixture->spool, stores, 1);
		assert_int_equal(spool_store_state(fixture->spool, stores[0]).waiting, 1);
		spool_set_stores(fixture->spool, stores, 2);
		take_for(fixture->spool, stores[0], "window", SPOOL_DELIVERED);
	}
}

/* Nothing would come after the greatest number: a window that had it could not be told from none. */
static void a_damaged_state_does_not_use_up_the_numbers(void **state)
{
	struct fixture *fixture = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/state", fixture->path);
	write_note(path, "last 99999999999999999999\ndropped 0\n");
	add(fixture->spool, "window");
	take(fixture->spool, "window", true);
}

/* Of a release to come, or of a flipped bit: no store may take the window for delivered. */
static void a_window_with_a_part_of_no_known_name_is_malformed_to_every_store(void **state)
{
	static const char *const windows[] = {"sites 0 0 window\nsitez 1 2 window\n7\n", "profilf 1 2 window\n7\n",
					      "\x01 1 2 window\n7\n"};
	const struct agent_store store = {.url = (char *)"http://127.0.0.1:1", .timeout = 1};
	const struct credentials credentials = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		for (int kind = 0; kind < AGENT_STORES; kind++) {
			struct delivery_answer answer = {0};

			assert_int_equal(delivery_kinds[kind].push(&store, &credentials, windows[i], strlen(windows[i]),
								   &answer),
					 DELIVERY_MALFORMED);
		}
	}
}

int main(void)
{
#define SPOOL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		SPOOL_TEST(windows_come_out_in_order_and_stay_until_they_are_delivered),
		SPOOL_TEST(numbers_only_grow_also_in_an_empty_directory_whose_clock_went_back),
		SPOOL_TEST(the_oldest_are_dropped_and_counted_when_the_limit_is_reached),
		SPOOL_TEST(a_window_above_the_limit_is_refused_and_counted_and_drops_no_other),
		SPOOL_TEST(a_window_that_is_being_delivered_is_not_dropped),
		SPOOL_TEST(a_writer_that_is_killed_leaves_whole_windows),
		SPOOL_TEST(one_agent_uses_a_directory_and_nobody_else_may_write_there),
		SPOOL_TEST(other_files_are_no_windows),
		SPOOL_TEST(a_window_that_cannot_be_read_is_given_as_damaged),
		SPOOL_TEST(a_window_that_could_not_be_read_again_is_not_written),
		SPOOL_TEST(each_store_is_given_each_window_and_the_last_one_removes_it),
		SPOOL_TEST(what_one_store_refuses_is_counted_and_the_others_get_it),
		SPOOL_TEST(a_damaged_note_of_what_was_delivered_has_it_delivered_again),
		SPOOL_TEST(a_damaged_state_does_not_use_up_the_numbers),
		SPOOL_TEST(a_window_with_a_part_of_no_known_name_is_malformed_to_every_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
