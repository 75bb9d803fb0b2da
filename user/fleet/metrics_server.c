/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/metrics_server.h"

#include <microhttpd.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "fleet/metrics_address.h"
#include "target/privilege.h"

enum { CONNECTIONS = 16, PER_ADDRESS = 8, LONGEST_MS = 10000, BACKLOG = 16 };

/* The connections. Each has one request, and a time by which that is answered, however busy the client seems. */
static struct visit {
	int socket; /* valid until libmicrohttpd says that the connection is closed */
	int64_t until_ns;
	bool open;
} visits[CONNECTIONS];

static const char type_text[] = "text/plain; version=0.0.4; charset=utf-8";

int metrics_listen(const char *address, struct error *error)
{
	struct addrinfo *where = metrics_address(address, error);
	int file, yes = 1;

	if (!where)
		return -1;
	file = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (file < 0 || setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    bind(file, where->ai_addr, where->ai_addrlen) || listen(file, BACKLOG)) {
		error_set(error, STATUS_CANNOT_MEASURE, "cannot listen for Prometheus at %s: %m", address);
		if (file >= 0)
			close(file);
		file = -1;
	}
	freeaddrinfo(where);
	return file;
}

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned status, char *text, size_t length)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type_text);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url, const char *method,
			      const char *version, const char *upload, size_t *upload_size, void **state)
{
	static int seen;
	char not_here[] = "the metrics are at /metrics\n", only_get[] = "only GET and HEAD\n", busy[] = "try again\n";
	enum MHD_Result result;
	size_t length;
	char *text;

	(void)version;
	(void)upload;
	/* The first call has the headers, further ones pieces of a body, which nobody reads; the last has neither. */
	if (!*state || *upload_size) {
		*state = &seen;
		*upload_size = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return respond(connection, MHD_HTTP_METHOD_NOT_ALLOWED, only_get, strlen(only_get));
	if (strcmp(url, "/metrics") != 0)
		return respond(connection, MHD_HTTP_NOT_FOUND, not_here, strlen(not_here));
	text = metrics_text(context, &length);
	if (!text)
		return respond(connection, MHD_HTTP_SERVICE_UNAVAILABLE, busy, strlen(busy));
	result = respond(connection, MHD_HTTP_OK, text, length);
	free(text);
	return result;
}

static void begin_visit(struct MHD_Connection *connection, void **context)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	for (int i = 0; i < CONNECTIONS; i++) {
		if (visits[i].open)
			continue;
		visits[i] = (struct visit){info->connect_fd, monotonic_ns() + LONGEST_MS * 1000000LL, true};
		*context = &visits[i];
		return;
	}
}

static void note_visit(void *context, struct MHD_Connection *connection, void **visit,
		       enum MHD_ConnectionNotificationCode what)
{
	(void)context;
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		begin_visit(connection, visit);
	else if (*visit)
		((struct visit *)*visit)->open = false;
}

/* Sends away whoever's time is up; returns in how many milliseconds the next one's is, -1: nobody is there. */
static int32_t end_late_visits(void)
{
	int64_t now = monotonic_ns(), next = INT64_MAX;

	for (int i = 0; i < CONNECTIONS; i++) {
		if (visits[i].open && visits[i].until_ns <= now) {
			shutdown(visits[i].socket, SHUT_RDWR); /* libmicrohttpd sees that, and closes it */
			visits[i].until_ns = INT64_MAX;
		}
		if (visits[i].open && visits[i].until_ns < next)
			next = visits[i].until_ns;
	}
	return next == INT64_MAX ? -1 : (int32_t)((next - now + 999999) / 1000000);
}

_Noreturn void metrics_serve(int socket, const struct metrics *metrics, agent_say_function *say)
{
	struct MHD_Daemon *daemon;

	if (metrics_only_read(metrics) || privilege_keep(0) || privilege_no_files()) {
		say("the process that serves metrics could not give up its privileges: %m");
		_exit(1);
	}
	daemon =
		MHD_start_daemon(0, 0, NULL, NULL, answer, (void *)metrics, MHD_OPTION_LISTEN_SOCKET, socket,
				 MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
				 (unsigned)PER_ADDRESS, MHD_OPTION_NOTIFY_CONNECTION, note_visit, NULL, MHD_OPTION_END);
	if (!daemon) {
		say("cannot serve metrics: libmicrohttpd does not start");
		_exit(1);
	}
	while (MHD_run_wait(daemon, end_late_visits()) == MHD_YES)
		;
	say("cannot serve metrics any more: libmicrohttpd does not go on");
	_exit(1);
}
