/* SPDX-License-Identifier: BSD-2-Clause */
#include "when.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/printable.h"
#include "cli.h"

enum { SHOW_NS = 1000 * 1000 * 1000 };

int when_parse(const char *expression, struct trigger *trigger)
{
	struct error error, shown;
	size_t position;
	char *line;

	if (trigger_parse(expression, trigger, &position, &error) == 0)
		return 0;
	error_set(&shown, STATUS_USAGE, "--when: %s, at byte %zu of the expression", error.text, position + 1);
	cli_fail(&shown);
	line = printable_string(expression);
	fprintf(stderr, "  %s\n  %*s^\n", line, (int)position, "");
	free(line);
	return -1;
}

struct memory_watch *when_open(int pid, const struct trigger *trigger, bool early, struct error *error)
{
	struct memory_watch *watch = memory_watch_open(pid, trigger, early, error);

	if (watch && memory_watch_is_inside(watch))
		cli_warn(
			"escapement runs in the memory cgroup of process %d: what it uses counts there, and the kernel "
			"may kill it instead; start it outside",
			pid);
	return watch;
}

void when_announce(struct memory_watch *watch, int pid, const char *expression)
{
	if (cli_verbosity >= 0)
		cli_say("process %d: waiting for %s; now %s", pid, expression, memory_watch_state(watch));
}

enum memory_event when_next(struct memory_watch *watch, int64_t due, const volatile sig_atomic_t *stop)
{
	bool shows = cli_verbosity >= 0 && isatty(STDERR_FILENO);
	enum memory_event event;
	int64_t next;

	do {
		int64_t now = monotonic_ns();

		if (shows)
			fprintf(stderr, "\rwaiting: %s\033[K", memory_watch_state(watch));
		next = shows && due - now > SHOW_NS ? now + SHOW_NS : due;
		event = memory_watch_next(watch, next, stop);
	} while (event == MEMORY_DUE && next < due);
	if (shows)
		fputs("\r\033[K", stderr);
	return event;
}

int when_wait(int pid, const char *expression, const struct trigger *trigger, const volatile sig_atomic_t *stop,
	      struct error *error)
{
	struct memory_watch *watch = when_open(pid, trigger, true, error);
	enum memory_event event = MEMORY_ENDED;

	if (!watch)
		return -1;
	when_announce(watch, pid, expression);
	do
		event = when_next(watch, INT64_MAX, stop);
	while (event == MEMORY_STEP);
	if (event == MEMORY_REACHED && cli_verbosity >= 0)
		cli_say("%s: %s", memory_watch_reason(watch), memory_watch_state(watch));
	if (event == MEMORY_ENDED || memory_watch_has_ended(watch))
		error_set(error, STATUS_CANNOT_MEASURE, "process %d ended before %s", pid, expression);
	else
		event = MEMORY_REACHED;
	memory_watch_close(watch);
	return event == MEMORY_ENDED ? -1 : 0;
}
