/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/fork_count.h"

#include <errno.h>
#include <stdlib.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/memory.h"
#include "bpf/events.h"
#include "bpf/escapement.skel.h"
#include "collect/programs.h"
#include "profile/profile.h"
#include "target/procfs.h"

struct fork_count {
	struct programs *programs;
	struct bpf_link *link; /* NULL: nothing is watched yet */
	int map;
	uint32_t count;
	int pids[EVENT_SLOTS]; /* by place in the map */
};

struct fork_count *fork_count_new(struct programs *programs)
{
	struct fork_count *forks = memory_zeroed(1, sizeof(*forks));

	forks->programs = programs;
	forks->map = bpf_map__fd(programs_maps(programs)->maps.forks);
	return forks;
}

/* The programs see a process by its number in its own PID namespace. */
static int choose(const struct fork_count *forks, int pid)
{
	struct event_forks watched = {0};
	uint64_t device, inode;

	if (procfs_pid_namespace(pid, &device, &inode, &watched.pid))
		return -1;
	watched.pid_namespace_device = device;
	watched.pid_namespace_inode = inode;
	return bpf_map_update_elem(forks->map, &forks->count, &watched, BPF_ANY);
}

static int attach(struct fork_count *forks)
{
	static const char *const name = "process_forked";
	int status = programs_load(forks->programs, &name, 1);
	struct bpf_program *program = status ? NULL : programs_find(forks->programs, name);

	if (!program) {
		errno = status ? -status : EOPNOTSUPP; /* the verifier refuses it */
		return -1;
	}
	forks->link = bpf_program__attach(program);
	return forks->link ? 0 : -1;
}

int fork_count_watch(struct fork_count *forks, int pid)
{
	if (choose(forks, pid) || (!forks->link && attach(forks)))
		return -1;
	forks->pids[forks->count++] = pid;
	return 0;
}

void fork_count_read(const struct fork_count *forks, int pid, int64_t *copies, int64_t *sharers)
{
	struct event_forks watched;

	*copies = *sharers = VALUE_UNMEASURED;
	for (uint32_t i = forks->count; i-- > 0;) { /* the last that had this number */
		if (forks->pids[i] != pid)
			continue;
		if (bpf_map_lookup_elem(forks->map, &i, &watched) == 0) {
			*copies = (int64_t)watched.copies;
			*sharers = (int64_t)watched.sharers;
		}
		return;
	}
}

void fork_count_free(struct fork_count *forks)
{
	if (!forks)
		return;
	bpf_link__destroy(forks->link);
	free(forks);
}
