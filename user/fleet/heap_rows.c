/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/heap_rows.h"

#include "heap/snapshot.h"
#include "target/procfs.h"
#include "target/target.h"

struct profile *heap_rows_snapshot(const struct window_target *target, struct error *error)
{
	struct target *opened = target_open(target->pid, error);
	struct heap_process *process = opened ? heap_process_open(opened, error) : NULL;
	struct profile *snapshot = process ? heap_snapshot(process, error) : NULL;

	heap_process_close(process);
	target_close(opened);
	/* asked last: the number may have changed hands at any time until now */
	if (!snapshot || procfs_start_time(target->pid) == target->started)
		return snapshot;
	profile_free(snapshot);
	error_set(error, STATUS_CANNOT_MEASURE, "it has ended");
	return NULL;
}
