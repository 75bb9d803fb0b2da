/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/pusher.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "fleet/delivery.h"
#include "target/privilege.h"

enum { FIRST_PAUSE_MS = 1000, LONGEST_PAUSE_MS = 300 * 1000, IDLE_MS = 60 * 1000 };

struct pusher {
	struct spool *spool;
	enum agent_store_kind kind;
	const struct agent_store *store;
	const struct credentials *credentials;
	agent_say_function *say;
	int64_t pause_ms;  /* the last one; 0: the store works */
	int64_t failed_ns; /* when it began to fail */
	uint64_t failures; /* since then */
	bool refusing;	   /* it has refused the last window */
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

/* `wait_s`: for how long the store has asked to be left alone. */
static void fail(struct pusher *pusher, const struct error *error, double wait_s)
{
	int64_t pause_ms = next_pause_ms(pusher);

	if (!pusher->failures++) {
		pusher->failed_ns = monotonic_ns();
		pusher->say("%s at %s: %s; windows wait in the spool", agent_store_names[pusher->kind],
			    pusher->store->url, error->text);
	}
	if (wait_s * 1000 > (double)pause_ms)
		pause_ms = wait_s * 1000 < LONGEST_PAUSE_MS ? (int64_t)(wait_s * 1000) : LONGEST_PAUSE_MS;
	wait_until(monotonic_ns() + pause_ms * 1000000, false);
}

static void succeed(struct pusher *pusher)
{
	if (pusher->failures)
		pusher->say("%s at %s: works again after %.0f s and %" PRIu64 " failed attempts",
			    agent_store_names[pusher->kind], pusher->store->url,
			    (double)(monotonic_ns() - pusher->failed_ns) / 1e9, pusher->failures);
	pusher->failures = 0;
	pusher->pause_ms = 0;
}

/* Says once that the store refuses windows, or parts of them: --status and the metrics have the count. */
static void say_refused(struct pusher *pusher, enum delivery result, const struct error *error)
{
	static const char *const what[] = {
		[DELIVERY_REFUSED] = "a window was dropped, because the store refuses it",
		[DELIVERY_PARTIAL] = "a part of a window was dropped, because the store refuses it",
		[DELIVERY_MALFORMED] = NULL,
	};

	if (what[result] && !pusher->refusing)
		pusher->say("%s at %s: %s: %s", agent_store_names[pusher->kind], pusher->store->url, what[result],
			    error->text);
	pusher->refusing = what[result] != NULL;
}

static void deliver(struct pusher *pusher, struct spool_window *window)
{
	static const enum spool_end ends[] = {
		[DELIVERY_DONE] = SPOOL_DELIVERED,    [DELIVERY_FAILED] = SPOOL_KEPT,
		[DELIVERY_REFUSED] = SPOOL_REFUSED,   [DELIVERY_PARTIAL] = SPOOL_REFUSED,
		[DELIVERY_MALFORMED] = SPOOL_REFUSED,
	};
	uint64_t number = window->number;
	struct delivery_answer answer = {0};
	enum delivery result = DELIVERY_MALFORMED;

	if (!window->damaged)
		result = delivery_kinds[pusher->kind].push(pusher->store, pusher->credentials, window->bytes,
							   window->size, &answer);
	if (result == DELIVERY_MALFORMED) /* a defect of the disk: it would be in the way for ever */
		pusher->say("window %" PRIu64 " of the spool is damaged, so it was dropped%s%s", number,
			    answer.error.text[0] ? ": " : "", answer.error.text);
	if (result != DELIVERY_FAILED && answer.asked)
		say_refused(pusher, result, &answer.error);
	if (spool_give_back(pusher->spool, agent_store_names[pusher->kind], window, ends[result], &answer.error))
		result = DELIVERY_FAILED;
	if (result == DELIVERY_FAILED)
		fail(pusher, &answer.error, answer.wait);
	else if (answer.asked) /* else nothing is known of the store: the window has nothing for it, or is damaged */
		succeed(pusher);
}

_Noreturn void pusher_run(struct spool *spool, enum agent_store_kind kind, const struct agent_store *store,
			  const struct credentials *credentials, agent_say_function *say)
{
	struct pusher pusher = {.spool = spool, .kind = kind, .store = store, .credentials = credentials, .say = say};

	srandom((unsigned)(getpid() ^ monotonic_ns()));
	if (privilege_keep(0)) {
		say("the process that pushes could not give up its privileges: %m");
		_exit(1);
	}
	for (;;) {
		struct spool_window window;
		struct error error;
		int taken = spool_take(spool, agent_store_names[kind], &window, &error);

		if (taken > 0)
			deliver(&pusher, &window);
		else if (taken < 0)
			fail(&pusher, &error, 0);
		else
			wait_until(monotonic_ns() + IDLE_MS * 1000000LL, true);
	}
}
