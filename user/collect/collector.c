/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/collector.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/memory.h"
#include "collect/attachment.h"
#include "bpf/escapement.skel.h"
#include "collect/event_caches.h"
#include "collect/event_rows.h"
#include "collect/program_barrier.h"
#include "collect/programs.h"
#include "profile/profile_values.h"

struct collector {
	struct programs *programs;
	struct escapement_bpf *bpf; /* owns the maps */
	struct attachments *attachments;
	struct program_barrier *barrier;
	volatile struct event_process *processes; /* mapped from the kernel; by slot */
	struct event_rows *rows;
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

/* Reads the first line of a file below /proc or /sys; "" if it cannot be read. */
static void read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");

	line[0] = 0;
	if (!file)
		return;
	if (!fgets(line, (int)size, file))
		line[0] = 0;
	line[strcspn(line, "\n")] = 0;
	fclose(file);
}

/* Explains an EPERM, EINVAL or ENOENT, each of which has several possible reasons. */
static int explain(struct error *error, const char *what, int code)
{
	char lockdown[128];
	struct stat status;

	read_line("/sys/kernel/security/lockdown", lockdown, sizeof(lockdown));
	if ((code == EPERM || code == EACCES) && strstr(lockdown, "[confidentiality]"))
		return error_set(error, STATUS_CANNOT_MEASURE,
				 "cannot %s: the kernel is locked down (confidentiality), which "
				 "forbids BPF programs to read memory; boot without lockdown",
				 what);
	if ((code == EPERM || code == EACCES) && geteuid() != 0)
		return error_set(error, STATUS_CANNOT_MEASURE,
				 "cannot %s: not permitted; run as root, or with CAP_BPF, "
				 "CAP_PERFMON and CAP_SYS_PTRACE",
				 what);
	if (code == EPERM || code == EACCES)
		return error_set(error, STATUS_CANNOT_MEASURE,
				 "cannot %s: not permitted although run as root; a seccomp filter "
				 "or a missing capability forbids it: give the container CAP_BPF, CAP_PERFMON and "
				 "CAP_SYS_ADMIN",
				 what);
	if (code == ENOSYS)
		return error_set(error, STATUS_CANNOT_MEASURE, "cannot %s: the kernel has no BPF (CONFIG_BPF_SYSCALL)",
				 what);
	if (stat("/sys/bus/event_source/devices/uprobe", &status))
		return error_set(error, STATUS_CANNOT_MEASURE,
				 "cannot %s: the kernel has no uprobes "
				 "(CONFIG_UPROBE_EVENTS)",
				 what);
	return error_set(error, STATUS_CANNOT_MEASURE, "cannot %s: %s", what, strerror(code));
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

struct collector *collector_open(bool stacks, bool verbose, struct error *error)
{
	struct collector *collector = memory_zeroed(1, sizeof(*collector));
	bool multi;
	int status;

	print_messages = verbose;
	libbpf_set_print(print);
	multi = attachments_use_multi();
	collector->programs = programs_open(stacks, multi, &status);
	if (!collector->programs) {
		explain(error, "create the maps of the BPF programs", -status);
		goto fail;
	}
	collector->bpf = programs_maps(collector->programs);
	collector->attachments = attachments_new(collector->programs, multi);
	if ((status = map_processes(collector)) || !(collector->barrier = program_barrier_open(&status))) {
		explain(error, "map the BPF programs' counters", -status);
		goto fail;
	}
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
		return explain(error, "load the BPF programs", -status);
	for (size_t i = 0; i < probes->count; i++) {
		const char *program = probes->items[i].program;
		const char *reason = programs_refusal(collector->programs, program);

		if (!reason)
			continue;
		if (!values_of(program))
			return error_set(error, STATUS_CANNOT_MEASURE,
					 "this kernel's verifier rejects the BPF program %s (%s), without which "
					 "nothing can be measured at this rate; try another --rate, and please report "
					 "this with the kernel's version",
					 program, reason);
		lack->program = program;
		lack->reason = reason;
		lack->values |= values_of(program);
	}
	return 0;
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
	attachment = attachments_attach(collector->attachments, pid, slot, process, probes, &status);
	if (!attachment)
		explain(error, "attach to the probes", -status);
	return attachment;
}

void collector_detach(struct attachment *attachment)
{
	attachment_detach(attachment);
}

void collector_detach_dead(struct collector *collector, struct attachment *attachment)
{
	attachments_detach_dead(collector->attachments, attachment);
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
	event_rows_take(collector->rows, slot, store);
	event_caches_forget(bpf_map__fd(collector->bpf->maps.caches), slot);
	memset((void *)&collector->processes[slot], 0, sizeof(struct event_process));
}

void collector_relieve(struct collector *collector)
{
	event_rows_relieve(collector->rows);
}

void collector_gather(struct collector *collector)
{
	event_rows_gather(collector->rows);
}

const struct event_store *collector_store(const struct collector *collector, uint32_t slot)
{
	return event_rows_store(collector->rows, slot);
}

uint64_t collector_missed(struct collector *collector)
{
	return programs_missed(collector->programs);
}

bool collector_kernel_has_multi(void)
{
	return attachments_kernel_has_multi();
}
