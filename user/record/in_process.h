/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_IN_PROCESS_H
#define ESCAPEMENT_IN_PROCESS_H

/* Recordings without BPF and without privileges, of programs that use libgoalloc, which records itself. */

#include "record/session.h"

/* Like session_record() for options->argv; of the other options it uses duration and stop. Counts every allocation,
 * whatever the rate. */
struct profile *in_process_record(const struct session_options *options, struct session_result *result,
				  struct error *error);

/* Makes a profile of the file that a program wrote because GOALLOC_PROFILE was set by somebody else. */
struct profile *in_process_import(const char *path, struct error *error);

#endif
