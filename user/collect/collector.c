/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/collector.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/memory.h"
#include "collect/attachment.h"
#include "bpf/escapement.skel.h"
#include "collect/event_caches.h"
#include "collect/event_rows.h"
#include "collect/fork_count.h"
#include "collect/program_barrier.h"
#include "collect/programs.h"
#include "profile/profile.h"
#include "target/filtered_call.h"
#include "target/obstacle.h"
#include "target/target.h"

struct collector {
	struct programs *programs;
	struct escapement_bpf *bpf; /* owns the maps */
	struct attachments *attachments;
	struct program_barrier *barrier;
	volatile struct event_process *processes; /* mapped from the kernel; by slot */
	struct event_rows *rows;
	struct fork_count *forks;
	bool multi; /* probes are attached by uprobe.multi */
};

enum {
	PROCESSES_SIZE = EVENT_SLOTS * sizeof(struct event_process),
};

static bool print_messages;

static int print(enum libbpf_print_level level, const char *format, va_list arguments)
{
	if (!print_messages || level == LIBBPF_DEBUG)
		return 0;
	return vfprintf(stderr, format, arguments);
}

static int map_processes(struct collector *collector)
{
	void *mapped = mmap(NULL, PROCESSES_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			    bpf_map__fd(collector->bpf->maps.processes), 0);

	if (mapped == MAP_FAILED)
		return -errno;
	collector->processes = mapped;
	return 0;
}

struct collector *collector_open(bool stacks, int64_t rate, bool verbose, struct error *error)
{
	struct collector *collector = memory_zeroed(1, sizeof(*collector));
	int status;

	for (int call = 0; call < FILTERED_LOADING_END; call++) {
		if (filtered_call_kills(call)) {
			obstacle_refused(error, CALL_MAPS, errno, "create the maps of the BPF programs");
			goto fail;
		}
	}
	print_messages = verbose;
	libbpf_set_print(print);
	collector->multi = attachments_use_multi();
	collector->programs = programs_open(stacks, rate, collector->multi, &status);
	if (!collector->programs) {
		obstacle_refused(error, CALL_MAPS, -status, "create the maps of the BPF programs");
		goto fail;
	}
	collector->bpf = programs_maps(collector->programs);
	collector->attachments = attachments_new(collector->programs, collector->multi);
	if ((status = map_processes(collector)) || !(collector->barrier = program_barrier_open(&status))) {
		obstacle_refused(error, CALL_MAPS, -status, "map the BPF programs' counters");
		goto fail;
	}
	collector->forks = fork_count_new(collector->programs);
	collector->rows = event_rows_new(collector->bpf, collector->processes, collector->barrier, stacks);
	return collector;
fail:
	collector_close(collector);
	return NULL;
}

void collector_close(struct collector *collector)
{
	if (!collector)
		return;
	fork_count_free(collector->forks);
	attachments_free(collector->attachments);
	event_rows_free(collector->rows);
	program_barrier_close(collector->barrier);
	if (collector->processes)
		munmap((void *)collector->processes, PROCESSES_SIZE);
	programs_close(collector->programs);
	free(collector);
}

/* Programs without which only some values are missing from a recording. */
static const struct {
	const char *program;
	uint32_t values;
} dispensable[] = {
	{"go_heap_grow", 1u << VALUE_HEAP_GROWS | 1u << VALUE_HEAP_GROW_BYTES},
	{"goalloc_mheap_grow", 1u << VALUE_HEAP_GROWS | 1u << VALUE_HEAP_GROW_BYTES},
	{"go_central_grow", 1u << VALUE_CENTRAL_GROWS},
	{"goalloc_mcentral_grow", 1u << VALUE_CENTRAL_GROWS},
};

/* Returns the values that cannot be measured without that program; 0 if nothing can. */
static uint32_t values_of(const char *program)
{
	for (size_t i = 0; i < sizeof(dispensable) / sizeof(dispensable[0]); i++) {
		if (strcmp(dispensable[i].program, program) == 0)
			return dispensable[i].values;
	}
	return 0;
}

int collector_prepare(struct collector *collector, const struct probe_set *probes, struct collector_lack *lack,
		      struct error *error)
{
	const char **names = memory_zeroed(probes->count + 1, sizeof(*names));
	int status;

	*lack = (struct collector_lack){0};
	for (size_t i = 0; i < probes->count; i++)
		names[i] = probes->items[i].program;
	status = programs_load(collector->programs, names, probes->count);
	free(names);
	if (status)
		return obstacle_refused(error, CALL_LOAD, -status, "load the BPF programs");
	for (size_t i = 0; i < probes->count; i++) {
		const char *program = probes->items[i].program;
		const char *reason = programs_refusal(collector->programs, program);

		if (!reason)
			continue;
		if (!values_of(program))
			return obstacle_unloadable(error, program, reason);
		lack->program = program;
		lack->reason = reason;
		lack->values |= values_of(program);
	}
	return 0;
}

int collector_prepare_all(struct collector *collector, struct error *error)
{
	struct probe_set probes = {0};
	struct collector_lack lack = {0};
	struct bpf_program *program;
	int status;

	bpf_object__for_each_program(program, collector->bpf->obj)
	{
		const char *name = bpf_program__name(program);

		/* without the others it can be measured */
		if (bpf_program__type(program) == BPF_PROG_TYPE_KPROBE && strcmp(name, "libraries_mapped") != 0)
			probe_set_add(&probes, name, -1, 0, 0, 0);
	}
	status = collector_prepare(collector, &probes, &lack, error);
	probe_set_free(&probes);
	if (!status && lack.values)
		return obstacle_unloadable(error, lack.program, lack.reason);
	return status;
}

/* What collector_try_attach() puts its probe on. */
__attribute__((noinline, used)) static int nobody_calls(int number)
{
	return number + 1;
}

struct attachment *collector_try_attach(struct collector *collector, const struct probe_set *like, struct error *error)
{
	struct target *self = target_open(getpid(), error);
	const struct target_mapping *mapping = self ? target_mapping_at(self, (uintptr_t)nobody_calls) : NULL;
	struct probe_set probes = {0};
	struct attachment *attachment = NULL;
	int file = self && mapping ? target_file_open(self, mapping, error) : -1;
	uint64_t offset = mapping ? (uintptr_t)nobody_calls - mapping->start + mapping->offset : 0;

	if (self && !mapping)
		error_set(error, STATUS_CANNOT_MEASURE, "cannot find this program's own code");
	target_close(self); /* a recording has no such descriptors open when it attaches */
	if (file >= 0) {
		for (size_t i = 0; i < (like ? like->count : 1); i++)
			probe_set_add(&probes, like ? like->items[i].program : "goalloc_stack", file, offset, 0, 0);
		attachment = collector_attach(collector, getpid(), EVENT_SLOTS, &probes, error);
		close(file);
	}
	probe_set_free(&probes);
	return attachment;
}

struct attachment *collector_attach(struct collector *collector, int pid, uint32_t slot, const struct probe_set *probes,
				    struct error *error)
{
	struct event_process *process = slot < EVENT_SLOTS ? (struct event_process *)&collector->processes[slot] : NULL;
	struct attachment *attachment;
	struct collector_lack lack;
	int status;

	if (collector_prepare(collector, probes, &lack, error))
		return NULL;
	event_rows_divide(collector->rows);
	attachment = attachments_attach(collector->attachments, pid, slot, process, probes, &status);
	if (!attachment)
		obstacle_refused(error, collector->multi ? CALL_LINK : CALL_PERF_UPROBE, -status,
				 "attach to the probes");
	return attachment;
}

void collector_detach_begin(struct attachment *attachment)
{
	attachment_detach_begin(attachment);
}

void collector_detach(struct attachment *attachment)
{
	attachment_detach(attachment);
}

void collector_detach_later(struct collector *collector, struct attachment *attachment)
{
	attachments_detach_later(collector->attachments, attachment);
}

void collector_detach_wait(struct collector *collector)
{
	attachments_wait(collector->attachments);
}

volatile struct event_process *collector_process(struct collector *collector, uint32_t slot)
{
	return &collector->processes[slot];
}

void collector_rows(struct collector *collector, uint32_t slot, event_row_function *each, void *context)
{
	event_rows_each(collector->rows, slot, each, context);
}

int64_t collector_settle_grows(struct collector *collector, uint32_t slot,
			       int (*came_fresh)(void *context, uint64_t cache, int span_class), void *context)
{
	program_barrier_wait(collector->barrier); /* for programs that may still be adding to the maps */
	return event_caches_settle(bpf_map__fd(collector->bpf->maps.caches), collector->rows,
				   &collector->processes[slot], slot, came_fresh, context);
}

int collector_collect(struct collector *collector, uint32_t slot)
{
	return event_rows_collect(collector->rows, slot);
}

void collector_take(struct collector *collector, uint32_t slot, struct event_store *store)
{
	volatile struct event_maps *maps = &collector->bpf->bss->maps;

	event_rows_take(collector->rows, slot, store);
	maps->taken[0][EVENT_CACHES] =
		event_caches_forget(bpf_map__fd(collector->bpf->maps.caches), slot, maps->room[EVENT_CACHES].share);
	memset((void *)&collector->processes[slot], 0, sizeof(struct event_process));
}

void collector_divide(struct collector *collector)
{
	event_rows_divide(collector->rows);
}

void collector_relieve(struct collector *collector)
{
	event_rows_relieve(collector->rows);
}

void collector_gather(struct collector *collector)
{
	event_rows_gather(collector->rows);
}

void collector_settle_bursts(struct collector *collector, uint32_t slot, event_slice_function *slice_of, void *context)
{
	event_rows_settle(collector->rows, slot, slice_of, context);
}

const struct event_store *collector_store(const struct collector *collector, uint32_t slot)
{
	return event_rows_store(collector->rows, slot);
}

uint64_t collector_missed(struct collector *collector)
{
	return programs_missed(collector->programs);
}

int collector_watch_forks(struct collector *collector, int pid)
{
	return fork_count_watch(collector->forks, pid);
}

void collector_forks(const struct collector *collector, int pid, int64_t *copies, int64_t *sharers)
{
	fork_count_read(collector->forks, pid, copies, sharers);
}

bool collector_uses_perf(const struct collector *collector)
{
	return !collector->multi;
}

bool collector_kernel_has_multi(void)
{
	return attachments_kernel_has_multi();
}
