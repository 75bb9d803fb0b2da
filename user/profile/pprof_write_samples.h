/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PPROF_WRITE_SAMPLES_H
#define ESCAPEMENT_PPROF_WRITE_SAMPLES_H

/* Samples, encoded by hand: they outnumber all else by far. Private to pprof*.c. */

#include "profile/pprof_strings.h"
#include "profile/profile.h"

/* What the sample labels say, by its index in the file's table of strings. */
struct pprof_label_strings {
	int64_t span_class, size_class, type, pid, comm, rate, stack; /* keys */
	int64_t bytes, truncated;
	int64_t span_classes[SPAN_CLASSES]; /* 0: not seen yet */
};

void pprof_label_strings_init(struct pprof_label_strings *labels, struct pprof_strings *strings);

/* How many bytes pprof_sample_put() needs at most. */
size_t pprof_sample_bytes_max(const struct profile_sample *sample);
/* Encodes a Profile that holds this sample and nothing else. Returns how many bytes it is. */
size_t pprof_sample_put(uint8_t *to, const struct profile_sample *sample, struct pprof_label_strings *labels,
			struct pprof_strings *strings);

#endif
