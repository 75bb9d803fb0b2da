/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PPROF_FORMAT_H
#define ESCAPEMENT_PPROF_FORMAT_H

/* What pprof's writer and its reader agree on above the wire (pprof_wire.h). Private to pprof*.c. */

#include <stdbool.h>

#include "profile/profile.h"

/* Keys of sample labels. */
#define PPROF_LABEL_SPAN_CLASS "span_class"
#define PPROF_LABEL_SIZE_CLASS "size_class"
#define PPROF_LABEL_TYPE       "type"
#define PPROF_LABEL_PID	       "pid"
#define PPROF_LABEL_COMM       "comm"
#define PPROF_LABEL_RATE       "rate"  /* bytes; where it is not the one of the recording as a whole */
#define PPROF_LABEL_STACK      "stack" /* "truncated" where the stack had more frames */

/* Numbers of profile.proto's fields, for the samples, which are too many for a library that knows any message. */
enum {
	PPROF_SAMPLE = 2, /* in Profile */
	PPROF_SAMPLE_LOCATION = 1,
	PPROF_SAMPLE_VALUE = 2,
	PPROF_SAMPLE_LABEL = 3,
	PPROF_LABEL_KEY = 1,
	PPROF_LABEL_STR = 2,
	PPROF_LABEL_NUM = 3,
	PPROF_LABEL_NUM_UNIT = 4,
};

/* How much memory of its own each of these may take of a file that is read: its samples, all else unpacked, and the
 * copy of what comes through a pipe; 0: half of the machine's. */
extern size_t pprof_memory_max;

/* Calls `emit` with each comment that `profile` needs, in the order they are to be written. */
void pprof_comments_write(const struct profile *profile, void (*emit)(void *context, const char *comment),
			  void *context);

/* Whether this is the comment that says that Escapement wrote the file, and so that its comments are ours. */
bool pprof_comment_is_signature(const char *comment);

/* Takes over into `profile` what a comment of ours says. Unknown keys are passed over, malformed values fail. */
int pprof_comment_read(struct profile *profile, const char *comment, struct error *error);

#endif
