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
	struct bpf_link *link;
	int map;
};

/* The programs see a process by its number in its own PID namespace. */
static int choose(int map, int pid)
{
	struct event_forks watched = {0};
	uint64_t device, inode;
	uint32_t key = 0;

	if (procfs_pid_namespace(pid, &device, &inode, &watched.pid))
		return -1;
	watched.pid_namespace_device = device;
	watched.pid_namespace_inode = inode;
	return bpf_map_update_elem(map, &key, &watched, BPF_ANY);
}

struct fork_count *fork_count_start(struct programs *programs, int pid)
{
	static const char *const name = "process_forked";
	struct fork_count *forks;
	struct bpf_program *program;
	struct bpf_link *link;
	int map = bpf_map__fd(programs_maps(programs)->maps.forks), status;

	if (choose(map, pid))
		return NULL;
	status = programs_load(programs, &name, 1);
	program = status ? NULL : programs_find(programs, name);
	if (!program) {
		errno = status ? -status : EOPNOTSUPP; /* the verifier refuses it */
		return NULL;
	}
	link = bpf_program__attach(program);
	if (!link)
		return NULL;
	forks = memory_zeroed(1, sizeof(*forks));
	*forks = (struct fork_count){link, map};
	return forks;
}

void fork_count_read(const struct fork_count *forks, int64_t *copies, int64_t *sharers)
{
	struct event_forks watched;
	uint32_t key = 0;
	bool known = bpf_map_lookup_elem(forks->map, &key, &watched) == 0;

	*copies = known ? (int64_t)watched.copies : VALUE_UNMEASURED;
	*sharers = known ? (int64_t)watched.sharers : VALUE_UNMEASURED;
}

void fork_count_stop(struct fork_count *forks)
{
	if (!forks)
		return;
	bpf_link__destroy(forks->link);
	free(forks);
}
