/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PPROF_FORMAT_H
#define ESCAPEMENT_PPROF_FORMAT_H

/* Definitions shared by the reader and the writer of pprof files, above the wire format (pprof_wire.h). Private to
 * pprof*.c. */

#include <stdbool.h>

#include "profile/profile.h"

/* Keys of sample labels. */
#define PPROF_LABEL_SPAN_CLASS "span_class"
#define PPROF_LABEL_SIZE_CLASS "size_class"
#define PPROF_LABEL_TYPE       "type"
#define PPROF_LABEL_PID	       "pid"
#define PPROF_LABEL_COMM       "comm"
#define PPROF_LABEL_RATE       "rate"  /* bytes; only if it differs from the recording's */
#define PPROF_LABEL_BURST      "burst" /* number of its group of bursts */
#define PPROF_LABEL_STACK      "stack" /* "truncated" if the stack had more frames */

/* Field numbers of profile.proto, for what there is too much of for a general protobuf library. */
enum {
	PPROF_SAMPLE = 2, /* in Profile */
	PPROF_LOCATION = 4,
	PPROF_FUNCTION = 5,
	PPROF_STRING = 6,
	PPROF_SAMPLE_LOCATION = 1,
	PPROF_SAMPLE_VALUE = 2,
	PPROF_SAMPLE_LABEL = 3,
	PPROF_LABEL_KEY = 1,
	PPROF_LABEL_STR = 2,
	PPROF_LABEL_NUM = 3,
	PPROF_LABEL_NUM_UNIT = 4,
	PPROF_LOCATION_ID = 1,
	PPROF_LOCATION_MAPPING = 2,
	PPROF_LOCATION_ADDRESS = 3,
	PPROF_LOCATION_LINE = 4,
	PPROF_LINE_FUNCTION = 1,
	PPROF_LINE_LINE = 2,
	PPROF_LINE_COLUMN = 3,
	PPROF_FUNCTION_ID = 1,
	PPROF_FUNCTION_NAME = 2,
	PPROF_FUNCTION_SYSTEM_NAME = 3,
	PPROF_FUNCTION_FILE = 4,
	PPROF_FUNCTION_START_LINE = 5,
};

/* The limit for each of three parts of a file that is read: its samples; everything else, unpacked; and the copy of
 * what comes through a pipe. 0: half of the machine's memory. */
extern size_t pprof_memory_max;

/* Calls `emit` with each comment of `profile`, whose samples in the file add up to `sums`, in the order in which they are to be
 * written. */
void pprof_comments_write(const struct profile *profile, const int64_t *sums,
			  void (*emit)(void *context, const char *comment), void *context);

/* Whether this is the comment that identifies a file written by Escapement, whose comments have our form. */
bool pprof_comment_is_signature(const char *comment);

/* Stores the content of one of our comments in `profile`. Unknown keys are ignored; malformed values are errors. */
int pprof_comment_read(struct profile *profile, const char *comment, struct error *error);

#endif
