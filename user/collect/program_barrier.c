/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/program_barrier.h"
#include "base/memory.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <bpf/bpf.h>

/* `outer` is a map of maps. The kernel guarantees that an update of such a map returns only when no program can still
 * use the old value. */
struct program_barrier {
	int outer, inner;
};

struct program_barrier *program_barrier_open(int *status)
{
	LIBBPF_OPTS(bpf_map_create_opts, options);
	struct program_barrier *barrier = memory_zeroed(1, sizeof(*barrier));

	barrier->inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, sizeof(uint32_t), sizeof(uint32_t), 1, NULL);
	options.inner_map_fd = (uint32_t)barrier->inner;
	barrier->outer =
		bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, NULL, sizeof(uint32_t), sizeof(uint32_t), 1, &options);
	*status = barrier->outer < 0 ? -errno : 0;
	if (!*status)
		return barrier;
	program_barrier_close(barrier);
	return NULL;
}

void program_barrier_close(struct program_barrier *barrier)
{
	if (!barrier)
		return;
	if (barrier->outer >= 0)
		close(barrier->outer);
	if (barrier->inner >= 0)
		close(barrier->inner);
	free(barrier);
}

bool program_barrier_wait(const struct program_barrier *barrier)
{
	uint32_t index = 0;

	return bpf_map_update_elem(barrier->outer, &index, &barrier->inner, BPF_ANY) == 0;
}
