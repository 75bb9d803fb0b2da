/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_EXIT_STATUS_H
#define ESCAPEMENT_EXIT_STATUS_H

/* The exit statuses of all commands, which are also the classes of failure. A row: name in C, number, meaning. */
#define EXIT_STATUSES(ROW)                                                                              \
	ROW(STATUS_OK, 0, "done; a gate: nothing got worse")                                            \
	ROW(STATUS_FOUND, 1, "a gate or an audit threshold found something")                            \
	ROW(STATUS_USAGE, 2, "wrong usage, unreadable or malformed input")                              \
	ROW(STATUS_CANNOT_MEASURE, 3,                                                                   \
	    "could not measure: no permission, kernel support or probes; or the program itself failed") \
	ROW(STATUS_LOST, 4, "measured, but events were lost: the numbers are a lower bound")

#define EXIT_STATUS_NAME(name, number, meaning) name = number,
enum exit_status { EXIT_STATUSES(EXIT_STATUS_NAME) };
#undef EXIT_STATUS_NAME

#endif
