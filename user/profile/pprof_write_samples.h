/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PPROF_WRITE_SAMPLES_H
#define ESCAPEMENT_PPROF_WRITE_SAMPLES_H

/* Encodes samples without the protobuf library, because there are far more of them than of anything else. Private to
 * pprof*.c. */

#include "profile/pprof_strings.h"
#include "profile/profile.h"

/* Texts of sample labels, as indices in the file's table of strings. */
struct pprof_label_strings {
	int64_t span_class, size_class, type, pid, comm, rate, burst, stack; /* keys */
	int64_t bytes, truncated;
	int64_t span_classes[SPAN_CLASSES]; /* 0: not seen yet */
};

void pprof_label_strings_init(struct pprof_label_strings *labels, struct pprof_strings *strings);

/* Returns an upper bound for the bytes that pprof_sample_put() writes. */
size_t pprof_sample_bytes_max(const struct profile_sample *sample);
/* Encodes a Profile that contains only this sample, or, if `group` is not 0, what that group of bursts, from 1, has of it.
 * Returns the number of bytes. */
size_t pprof_sample_put(uint8_t *to, const struct profile_sample *sample, int group, const struct profile *profile,
			struct pprof_label_strings *labels, struct pprof_strings *strings);

#endif
