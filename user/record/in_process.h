/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_IN_PROCESS_H
#define ESCAPEMENT_IN_PROCESS_H

/* Recordings without BPF and without privileges: the program is on libgoalloc, which counts for us. */

#include "record/session.h"

/* As session_record(), of options->argv: argv, duration, stop. Every allocation is counted, whatever the rate. */
struct profile *in_process_record(const struct session_options *options, struct session_result *result,
				  struct error *error);

/* A profile of what a program left where GOALLOC_PROFILE pointed when somebody else ran it. */
struct profile *in_process_import(const char *path, struct error *error);

#endif
