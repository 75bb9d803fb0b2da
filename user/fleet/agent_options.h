/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AGENT_OPTIONS_H
#define ESCAPEMENT_AGENT_OPTIONS_H

/* What is asked of an agent, and whom it tells. */

#include <stdbool.h>
#include <stdint.h>

/* Says something to whoever runs the agent; the text needs no newline. */
typedef void agent_say_function(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct agent_options {
	const char *config; /* file; read again upon SIGHUP */
	int64_t windows;    /* end after so many, and when all is delivered; 0: until SIGTERM or SIGINT */
	bool verbose;
	agent_say_function *say;
};

#endif
