/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_OBSERVED_H
#define ESCAPEMENT_OBSERVED_H

/*
 * One observed process, from its first probe to its part of the profile: attaching, snapshots of the counters at both
 * ends, rows. Owned by a session, which decides when each step happens.
 */

#include <stdbool.h>
#include <stdint.h>

#include "record/bursts.h"
#include "record/observed_state.h"

/* What comes before attaching: says where the probes stand, and loads their programs. What cannot be measured is a warning
 * of the profile. The caller frees the probes, on failure too. */
int observed_prepare(struct collector *collector, struct runtime *runtime, int64_t rate, struct probe_set *probes,
		     struct profile *profile, struct error *error);

/* Reads the runtime's counters as they are at each edge of a recording. Returns -1 if the process's memory is gone, belongs to
 * another program, or was refused. */
int observed_read_counters(struct runtime *runtime, const struct target *target, int64_t rate,
			   struct heap_counters *counters);
/* Whether what a process has in its memory was refused; then the error says so. */
bool observed_runtime_is_refused(const struct runtime *runtime, const struct target *target, struct error *error);

/*
 * Attaches to the process and begins to record. `from_first_instruction`: none of its code has run yet, so its counters
 * start at zero. `before`: the observation of the same process that this one continues, or NULL. Takes ownership of
 * target and runtime, also on failure.
 */
struct observed *observed_new(struct collector *collector, struct profile *profile, struct image_cache *images,
			      struct target *target, struct runtime *runtime, uint32_t slot, int64_t rate,
			      bool from_first_instruction, double max_overhead, struct observed *before,
			      struct error *error);

/* Makes the requested changes in the process as soon as it is ready for them. */
void observed_adjust(struct observed *observed);

/* Call while the process lives: reads what its rows will need, and its counters in case it is killed. */
void observed_tick(struct observed *observed);

/* Adds to the profile's series by how much the heap has grown since the last call, as of now: `at_ns` since the recording
 * began. */
void observed_note_growth(struct observed *observed, int64_t at_ns);

/* Reads the counters at the end of the recording, while it still goes on. */
void observed_read_end(struct observed *observed);

/* Ends the recording of a process whose memory is still there; its counters are read unless that has been done. */
void observed_stop(struct observed *observed);

/* Removes the probes, unless they have been. Call after observed_stop(), or when the process was killed without it. */
void observed_detach(struct observed *observed);

/* Whether its rows will be scaled to its totals, which have all that came until it was stopped. */
bool observed_scales_rows(const struct observed *observed);

/* Adds the detached process and its rows to the profile, and frees it. Returns -errno if rows are left in the slot. */
int observed_finish(struct observed *observed);

/* Whether the process's memory contains what its runtime never writes, so that nothing about it can be trusted. Then
 * sets the error, which names the process and the field. */
bool observed_is_refused(const struct observed *observed, struct error *error);

/* Used instead of observed_finish(): drops the detached process's rows, and frees it. */
int observed_discard(struct observed *observed);

#endif
