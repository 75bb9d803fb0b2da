/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/agent_helpers.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/subprocess.h"
#include "fleet/credentials.h"
#include "fleet/metrics_server.h"
#include "fleet/pusher.h"
#include "target/obstacle.h"

enum { RESTART_MS = 5000, LISTEN_WAIT_MS = 2000, LISTEN_POLL_MS = 20 };

pid_t agent_fork(agent_say_function *say)
{
	pid_t parent = getpid(), child = fork();
	struct error refused;

	if (child < 0) {
		obstacle_no_process(&refused, errno, "a process");
		say("%s", refused.text);
	}
	if (child)
		return child;
	subprocess_end_with(parent, SIGKILL);
	return 0;
}

/* --- pushing --- */

_Noreturn static void push(const struct agent_helpers *helpers, enum agent_store_kind kind,
			   const struct agent_config *config, const struct credentials *credentials)
{
	sigset_t signals = *helpers->signals;

	credentials_forget(); /* it has read its own; a server that it listens to must not get those of the others */
	agent_helpers_close(helpers);
	kept_outputs_close(helpers->kept);
	sigaddset(&signals, PUSHER_WAKE);
	sigprocmask(SIG_SETMASK, &signals, NULL);
	pusher_run(helpers->spool, kind, &config->stores[kind], credentials, helpers->say);
}

static void start_pusher(struct agent_helpers *helpers, enum agent_store_kind kind, const struct agent_config *config)
{
	struct credentials credentials;
	struct error error;
	sigset_t wake, before;
	pid_t child;

	helpers->push_ns[kind] = monotonic_ns() + RESTART_MS * 1000000LL;
	if (credentials_read(&credentials, kind, &config->stores[kind], &error)) {
		helpers->say("%s", error.text);
		return;
	}
	sigemptyset(&wake);
	sigaddset(&wake, PUSHER_WAKE);
	sigprocmask(SIG_BLOCK, &wake, &before); /* it would end a process that has just begun */
	child = agent_fork(helpers->say);
	if (child == 0)
		push(helpers, kind, config, &credentials);
	sigprocmask(SIG_SETMASK, &before, NULL);
	helpers->pushers[kind] = child > 0 ? child : 0;
	credentials_clear(&credentials);
}

void agent_helpers_wake(const struct agent_helpers *helpers)
{
	for (int i = 0; i < AGENT_STORES; i++) {
		if (helpers->pushers[i])
			kill(helpers->pushers[i], PUSHER_WAKE);
	}
}

void agent_helpers_restart(struct agent_helpers *helpers)
{
	for (int i = 0; i < AGENT_STORES; i++) {
		helpers->push_ns[i] = 0;
		if (helpers->pushers[i])
			kill(helpers->pushers[i], SIGTERM);
	}
}

/* --- serving --- */

static void start_server(struct agent_helpers *helpers)
{
	pid_t child;

	helpers->serve_ns = monotonic_ns() + RESTART_MS * 1000000LL;
	child = agent_fork(helpers->say);
	if (child == 0) {
		credentials_forget(); /* it reads what anybody sends, and has no use for them */
		spool_close(helpers->spool);
		kept_outputs_close(helpers->kept);
		sigprocmask(SIG_SETMASK, helpers->signals, NULL);
		metrics_serve(helpers->listener, helpers->metrics, helpers->say);
	}
	helpers->server = child > 0 ? child : 0;
}

static void close_listener(struct agent_helpers *helpers)
{
	if (helpers->server) {
		kill(helpers->server, SIGKILL);
		waitpid(helpers->server, NULL, 0);
		helpers->server = 0;
	}
	if (helpers->listener >= 0)
		close(helpers->listener);
	helpers->listener = -1;
}

void agent_helpers_close(const struct agent_helpers *helpers)
{
	if (helpers->listener >= 0)
		close(helpers->listener);
}

static const char *port_of(const char *address)
{
	const char *colon = strrchr(address, ':');

	return colon ? colon : address;
}

/* Listens where a socket of ours was until now: a process that has just begun may not have closed its copy yet. */
static int listen_again(const char *address, struct error *error)
{
	int listener;

	for (int waited = 0; (listener = metrics_listen(address, error)) < 0 && waited < LISTEN_WAIT_MS;
	     waited += LISTEN_POLL_MS)
		usleep(LISTEN_POLL_MS * 1000);
	return listener;
}

/* Where the port stays and the address changes, the old socket is in the way of the new one. */
int agent_helpers_listen(struct agent_helpers *helpers, const struct agent_config *before,
			 const struct agent_config *config, struct error *error)
{
	const char *old = before && helpers->listener >= 0 ? before->prometheus.listen : NULL;
	const char *wanted = config->prometheus.listen;
	struct error again;
	int listener = -1;

	if (old && wanted && strcmp(old, wanted) == 0)
		return 0;
	if (old && wanted && strcmp(port_of(old), port_of(wanted)) == 0) {
		close_listener(helpers);
		listener = listen_again(wanted, error);
	} else if (wanted) {
		listener = metrics_listen(wanted, error);
	}
	if (wanted && listener < 0) {
		if (old && helpers->listener < 0 && (helpers->listener = listen_again(old, &again)) < 0)
			helpers->say("%s", again.text);
		helpers->serve_ns = 0;
		return -1;
	}
	close_listener(helpers);
	helpers->listener = listener;
	helpers->serve_ns = 0;
	return 0;
}

/* --- both --- */

void agent_helpers_start(struct agent_helpers *helpers, const struct agent_config *config)
{
	int64_t now = monotonic_ns();

	for (int i = 0; i < AGENT_STORES; i++) {
		if (config->stores[i].url && !helpers->pushers[i] && now >= helpers->push_ns[i])
			start_pusher(helpers, (enum agent_store_kind)i, config);
	}
	if (helpers->listener >= 0 && !helpers->server && now >= helpers->serve_ns)
		start_server(helpers);
}

int64_t agent_helpers_due(const struct agent_helpers *helpers, const struct agent_config *config)
{
	int64_t due = helpers->listener >= 0 && !helpers->server ? helpers->serve_ns : INT64_MAX;

	for (int i = 0; i < AGENT_STORES; i++) {
		if (config->stores[i].url && !helpers->pushers[i] && helpers->push_ns[i] < due)
			due = helpers->push_ns[i];
	}
	return due;
}

/* Of one that should run for ever, and that we did not end. */
static void say_ended(const struct agent_helpers *helpers, const char *what, const char *whereto, int status)
{
	if (!WIFSIGNALED(status))
		helpers->say("the process that %s%s ended with status %d; it starts again", what, whereto,
			     WEXITSTATUS(status));
	else if (WTERMSIG(status) != SIGTERM)
		helpers->say("the process that %s%s was killed by SIG%s; it starts again", what, whereto,
			     sigabbrev_np(WTERMSIG(status)));
}

void agent_helpers_ended(struct agent_helpers *helpers, pid_t child, int status, bool expected)
{
	for (int i = 0; i < AGENT_STORES; i++) {
		if (child != helpers->pushers[i])
			continue;
		helpers->pushers[i] = 0;
		if (!expected)
			say_ended(helpers, "pushes to ", agent_store_names[i], status);
	}
	if (child == helpers->server) {
		helpers->server = 0;
		if (!expected)
			say_ended(helpers, "serves metrics", "", status);
	}
}

void agent_helpers_end(struct agent_helpers *helpers)
{
	for (int i = 0; i < AGENT_STORES; i++) {
		if (helpers->pushers[i])
			kill(helpers->pushers[i], SIGTERM);
	}
	for (int i = 0; i < AGENT_STORES; i++) {
		if (helpers->pushers[i])
			waitpid(helpers->pushers[i], NULL, 0);
	}
	close_listener(helpers);
}
