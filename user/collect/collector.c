/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/collector.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "collect/attachment.h"
#include "bpf/escapement.skel.h"
#include "collect/event_caches.h"
#include "collect/event_rows.h"
#include "collect/program_barrier.h"
#include "profile/size_class.h"

struct collector {
	struct escapement_bpf *bpf;
	struct attachments *attachments;
	struct program_barrier *barrier;
	volatile struct event_process *processes; /* by slot; mapped */
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

/* First line of a file below /proc or /sys; "" where there is none. */
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

/* Says which of the several things that end in EPERM, EINVAL or ENOENT it was. */
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

/* The runtime's tables from sizes to classes: the smallest class that holds the size. */
static void fill_size_classes(struct escapement_bpf *bpf)
{
	size_t eights = sizeof(bpf->rodata->size_class_of_8);
	size_t large = sizeof(bpf->rodata->size_class_of_128);

	for (int class = SIZE_CLASSES - 1; class > 0; class --) {
		int64_t size = size_class_bytes(class);

		bpf->rodata->size_class_sizes[class] = (uint16_t)size;
		for (size_t i = 0; i < eights && (int64_t)i * 8 <= size; i++)
			bpf->rodata->size_class_of_8[i] = (uint8_t) class;
		for (size_t i = 0; i < large && 1024 + (int64_t)i * 128 <= size; i++)
			bpf->rodata->size_class_of_128[i] = (uint8_t) class;
	}
}

static int configure(struct escapement_bpf *bpf, bool stacks)
{
	bpf->rodata->stacks_wanted = stacks;
	fill_size_classes(bpf);
	return getrandom((void *)bpf->rodata->stack_seed, sizeof(bpf->rodata->stack_seed), 0) < 0 ? -errno : 0;
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
	struct collector *collector = calloc(1, sizeof(*collector));
	int status;

	if (!collector)
		abort();
	print_messages = verbose;
	libbpf_set_print(print);
	collector->bpf = escapement_bpf__open();
	if (!collector->bpf) {
		explain(error, "open the BPF programs", errno);
		goto fail;
	}
	collector->attachments = attachments_new(collector->bpf->obj);
	if ((status = configure(collector->bpf, stacks)) || (status = escapement_bpf__load(collector->bpf))) {
		explain(error, "load the BPF programs", -status);
		goto fail;
	}
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
	escapement_bpf__destroy(collector->bpf);
	free(collector);
}

struct attachment *collector_attach(struct collector *collector, int pid, uint32_t slot, const struct probe_set *probes,
				    struct error *error)
{
	struct event_process *process = slot < EVENT_SLOTS ? (struct event_process *)&collector->processes[slot] : NULL;
	int status;
	struct attachment *attachment = attachments_attach(collector->attachments, pid, slot, process, probes, &status);

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
	program_barrier_wait(collector->barrier); /* for those that may still note something */
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

uint64_t collector_missed(struct collector *collector)
{
	struct bpf_program *program;
	uint64_t missed = 0;

	bpf_object__for_each_program(program, collector->bpf->obj)
	{
		struct bpf_prog_info info = {0};
		uint32_t size = sizeof(info);

		if (bpf_prog_get_info_by_fd(bpf_program__fd(program), &info, &size) == 0)
			missed += info.recursion_misses;
	}
	return missed;
}

bool collector_kernel_has_multi(void)
{
	return attachments_kernel_has_multi();
}
