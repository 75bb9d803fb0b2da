/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/pusher.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "fleet/clickhouse.h"
#include "target/privilege.h"

enum { FIRST_PAUSE_MS = 1000, LONGEST_PAUSE_MS = 300 * 1000, IDLE_MS = 60 * 1000 };

struct pusher {
	struct spool *spool;
	const struct agent_clickhouse *store;
	const char *password;
	agent_say_function *say;
	int64_t pause_ms;  /* the last one; 0: the store works */
	int64_t failed_ns; /* when it began to fail */
	uint64_t failures; /* since then */
};

static void wait_until(int64_t time_ns, bool wakes)
{
	sigset_t wake;

	sigemptyset(&wake);
	sigaddset(&wake, PUSHER_WAKE);
	for (;;) {
		int64_t left = time_ns - monotonic_ns();
		struct timespec timeout = {left / 1000000000, left % 1000000000};

		if (left <= 0 || (sigtimedwait(&wake, NULL, &timeout) == PUSHER_WAKE && wakes))
			return;
	}
}

/* Pauses of many agents that lost the same store differ by up to a half, so that they do not come back at one time. */
static int64_t next_pause_ms(struct pusher *pusher)
{
	int64_t pause = pusher->pause_ms ? 2 * pusher->pause_ms : FIRST_PAUSE_MS;

	pusher->pause_ms = pause < LONGEST_PAUSE_MS ? pause : LONGEST_PAUSE_MS;
	return pusher->pause_ms * 3 / 4 + random() % (pusher->pause_ms / 2);
}

static void fail(struct pusher *pusher, const struct error *error)
{
	if (!pusher->failures++) {
		pusher->failed_ns = monotonic_ns();
		pusher->say("clickhouse at %s: %s; windows wait in the spool", pusher->store->url, error->text);
	}
	wait_until(monotonic_ns() + next_pause_ms(pusher) * 1000000, false);
}

static void succeed(struct pusher *pusher)
{
	if (pusher->failures)
		pusher->say("clickhouse at %s: works again after %.0f s and %" PRIu64 " failed attempts",
			    pusher->store->url, (double)(monotonic_ns() - pusher->failed_ns) / 1e9, pusher->failures);
	pusher->failures = 0;
	pusher->pause_ms = 0;
}

static void deliver(struct pusher *pusher, struct spool_window *window)
{
	uint64_t number = window->number;
	struct error error;
	enum clickhouse_result result = window->damaged ? CLICKHOUSE_MALFORMED
							: clickhouse_insert(pusher->store, pusher->password,
									    window->bytes, window->size, &error);

	if (result == CLICKHOUSE_MALFORMED) /* a defect of the disk: it would be in the way for ever */
		pusher->say("window %" PRIu64 " of the spool is damaged, so it was dropped", number);
	if (spool_give_back(pusher->spool, window, result != CLICKHOUSE_FAILED, &error))
		result = CLICKHOUSE_FAILED;
	if (result == CLICKHOUSE_FAILED)
		fail(pusher, &error);
	else
		succeed(pusher);
}

_Noreturn void pusher_run(struct spool *spool, const struct agent_config *config, const char *password,
			  agent_say_function *say)
{
	struct pusher pusher = {.spool = spool, .store = &config->clickhouse, .password = password, .say = say};

	srandom((unsigned)(getpid() ^ monotonic_ns()));
	if (privilege_keep(0)) {
		say("the process that pushes could not give up its privileges: %m");
		_exit(1);
	}
	for (;;) {
		struct spool_window window;
		struct error error;
		int taken = spool_take(spool, &window, &error);

		if (taken > 0)
			deliver(&pusher, &window);
		else if (taken < 0)
			fail(&pusher, &error);
		else
			wait_until(monotonic_ns() + IDLE_MS * 1000000LL, true);
	}
}
