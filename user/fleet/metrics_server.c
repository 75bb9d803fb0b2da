/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/metrics_server.h"

#include <microhttpd.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fleet/metrics_address.h"
#include "target/privilege.h"

enum { CONNECTIONS = 16, PER_ADDRESS = 8, IDLE_S = 10, BACKLOG = 16 };

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

_Noreturn void metrics_serve(int socket, const struct metrics *metrics, agent_say_function *say)
{
	struct MHD_Daemon *daemon;

	if (metrics_only_read(metrics) || privilege_keep(0) || privilege_no_files()) {
		say("the process that serves metrics could not give up its privileges: %m");
		_exit(1);
	}
	daemon = MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD, 0, NULL, NULL, answer, (void *)metrics,
				  MHD_OPTION_LISTEN_SOCKET, socket, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
				  MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)PER_ADDRESS,
				  MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_END);
	if (!daemon) {
		say("cannot serve metrics: libmicrohttpd does not start");
		_exit(1);
	}
	for (;;)
		pause();
}
