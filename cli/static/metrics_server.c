/* SPDX-License-Identifier: BSD-2-Clause */
/* In place of user/fleet/metrics_server.c in the static binary, which has no HTTP. */
#include "fleet/metrics_server.h"

#include <unistd.h>

int metrics_listen(const char *address, struct error *error)
{
	(void)address;
	return error_set(
		error, STATUS_CANNOT_MEASURE,
		"the static binary of escapement has no HTTP: [prometheus] needs the build with shared libraries "
		"(docs/install.md)");
}

_Noreturn void metrics_serve(int socket, const struct metrics *metrics, agent_say_function *say)
{
	(void)socket;
	(void)metrics;
	say("cannot serve metrics: this is the static binary");
	_exit(1);
}
