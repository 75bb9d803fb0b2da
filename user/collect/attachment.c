/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/attachment.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/memory.h"
#include "base/regular_file.h"
#include "collect/programs.h"
#include "target/procfs.h"

enum {
	LEAVING_MAX = 16,
};

/* BPF_TRACE_UPROBE_MULTI: kernel headers older than 6.6 lack the name. */
#define TRACE_UPROBE_MULTI ((enum bpf_attach_type)48)

struct attachments {
	struct programs *programs;
	bool multi;
	struct attachment *leaving, **leaving_end; /* oldest first */
	size_t leaving_count;
};

struct attachment {
	struct bpf_link **links;
	pthread_t *threads; /* one thread per link while it is being detached */
	size_t count;
	struct attachment *next; /* in the list of attachments that are being detached */
};

bool attachments_kernel_has_multi(void)
{
	/* Links an empty program to a path that is not a file: a kernel that has this link type fails with EBADF, one
	 * that does not with EINVAL. */
	struct bpf_insn instructions[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, load, .expected_attach_type = TRACE_UPROBE_MULTI);
	LIBBPF_OPTS(bpf_link_create_opts, link);
	unsigned long offset = 0;
	int program, attached, status;

	program = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "probe", "GPL", instructions, 2, &load);
	if (program < 0)
		return false;
	link.uprobe_multi.path = "/";
	link.uprobe_multi.offsets = &offset;
	link.uprobe_multi.cnt = 1;
	attached = bpf_link_create(program, -1, TRACE_UPROBE_MULTI, &link);
	status = -errno;
	if (attached >= 0)
		close(attached);
	close(program);
	return attached < 0 && status == -EBADF;
}

bool attachments_use_multi(void)
{
	const char *attach = getenv("ESCAPEMENT_ATTACH");

	return !(attach && strcmp(attach, "perf") == 0) && attachments_kernel_has_multi();
}

struct attachments *attachments_new(struct programs *programs, bool multi)
{
	struct attachments *attachments = memory_zeroed(1, sizeof(*attachments));

	attachments->programs = programs;
	attachments->leaving_end = &attachments->leaving;
	attachments->multi = multi;
	return attachments;
}

static void *destroy_link(void *link)
{
	bpf_link__destroy(link);
	return NULL;
}

/* For each link, the kernel waits until no CPU can run its program any more, about 50 ms. Detaching them in threads
 * makes them wait at the same time. */
static void detach_start(struct attachment *attachment)
{
	attachment->threads = memory_zeroed(attachment->count + 1, sizeof(*attachment->threads));
	for (size_t i = 0; i < attachment->count; i++) {
		if (pthread_create(&attachment->threads[i], NULL, destroy_link, attachment->links[i])) {
			destroy_link(attachment->links[i]);
			attachment->threads[i] = pthread_self();
		}
	}
}

static void detach_wait(struct attachment *attachment)
{
	for (size_t i = 0; i < attachment->count; i++) {
		if (!pthread_equal(attachment->threads[i], pthread_self()))
			pthread_join(attachment->threads[i], NULL);
	}
	free(attachment->threads);
	free(attachment->links);
	free(attachment);
}

void attachment_detach_begin(struct attachment *attachment)
{
	if (attachment && !attachment->threads)
		detach_start(attachment);
}

void attachment_detach(struct attachment *attachment)
{
	if (!attachment)
		return;
	attachment_detach_begin(attachment);
	detach_wait(attachment);
}

static void wait_for_oldest(struct attachments *attachments)
{
	struct attachment *oldest = attachments->leaving;

	attachments->leaving = oldest->next;
	if (!attachments->leaving)
		attachments->leaving_end = &attachments->leaving;
	attachments->leaving_count--;
	detach_wait(oldest);
}

void attachments_detach_later(struct attachments *attachments, struct attachment *attachment)
{
	if (!attachments->multi) { /* perf uprobes still fire in other processes, and would add to the slot */
		attachment_detach(attachment);
		return;
	}
	detach_start(attachment);
	*attachments->leaving_end = attachment;
	attachments->leaving_end = &attachment->next;
	if (++attachments->leaving_count > LEAVING_MAX)
		wait_for_oldest(attachments);
}

void attachments_wait(struct attachments *attachments)
{
	while (attachments->leaving)
		wait_for_oldest(attachments);
}

void attachments_free(struct attachments *attachments)
{
	if (!attachments)
		return;
	attachments_wait(attachments);
	free(attachments);
}

/* Attaches all probes of one program in one file with one link. */
static struct bpf_link *attach_multi(struct bpf_program *program, int pid, uint32_t slot,
				     const struct probe *const *probes, size_t count)
{
	char name[REGULAR_FILE_NAME];
	unsigned long *offsets = memory_zeroed(count, sizeof(*offsets)),
		      *semaphores = memory_zeroed(count, sizeof(*semaphores));
	uint64_t *cookies = memory_zeroed(count, sizeof(*cookies));
	LIBBPF_OPTS(bpf_uprobe_multi_opts, options, .offsets = offsets, .ref_ctr_offsets = semaphores,
		    .cookies = (const __u64 *)cookies, .cnt = count);
	struct bpf_link *link;

	for (size_t i = 0; i < count; i++) {
		offsets[i] = probes[i]->offset;
		semaphores[i] = probes[i]->semaphore_offset;
		cookies[i] = EVENT_COOKIE(slot, probes[i]->flags);
	}
	link = bpf_program__attach_uprobe_multi(program, pid, regular_file_name(probes[0]->file, name), NULL, &options);
	free(offsets);
	free(semaphores);
	free(cookies);
	return link;
}

/* A perf uprobe bound to a PID would miss the process's other threads. Therefore it is attached to all processes, and
 * the program selects by PID. */
static struct bpf_link *attach_perf(struct bpf_program *program, uint32_t slot, const struct probe *probe)
{
	LIBBPF_OPTS(bpf_uprobe_opts, options, .ref_ctr_offset = probe->semaphore_offset,
		    .bpf_cookie = EVENT_COOKIE(slot, probe->flags));
	char name[REGULAR_FILE_NAME];

	return bpf_program__attach_uprobe_opts(program, -1, regular_file_name(probe->file, name), probe->offset,
					       &options);
}

static void attachment_add(struct attachment *attachment, struct bpf_link *link)
{
	attachment->links = memory_resize(attachment->links, attachment->count + 1, sizeof(struct bpf_link *));
	attachment->links[attachment->count++] = link;
}

/* Attaches probes->items[first] and all later probes of the same program and file. */
static int attach_group(struct attachments *attachments, struct attachment *attachment, int pid, uint32_t slot,
			const struct probe_set *probes, bool *done, size_t first)
{
	const struct probe *leader = &probes->items[first];
	struct bpf_program *program = programs_find(attachments->programs, leader->program);
	const struct probe **group = memory_zeroed(probes->count, sizeof(*group));
	struct bpf_link *link = NULL;
	size_t count = 0;

	if (!program) {
		free(group);
		return 0;
	}
	for (size_t i = first; i < probes->count; i++) {
		if (!done[i] && strcmp(probes->items[i].program, leader->program) == 0 &&
		    probes->items[i].file == leader->file) {
			done[i] = true;
			group[count++] = &probes->items[i];
		}
	}
	if (attachments->multi) {
		link = attach_multi(program, pid, slot, group, count);
		if (link)
			attachment_add(attachment, link);
	}
	for (size_t i = 0; i < count && !attachments->multi; i++) {
		link = attach_perf(program, slot, group[i]);
		if (!link)
			break;
		attachment_add(attachment, link);
	}
	free(group);
	return link ? 0 : -errno;
}

/* Makes the programs check which process an event is from, because perf uprobes are attached to all. */
static int select_process(struct event_process *process, int pid)
{
	uint64_t device, inode;
	uint32_t number;

	if (procfs_pid_namespace(pid, &device, &inode, &number))
		return -errno;
	process->pid_namespace_device = device;
	process->pid_namespace_inode = inode;
	process->only_pid = number;
	return 0;
}

struct attachment *attachments_attach(struct attachments *attachments, int pid, uint32_t slot,
				      struct event_process *process, const struct probe_set *probes, int *status)
{
	struct attachment *attachment = memory_zeroed(1, sizeof(*attachment));
	bool *done = memory_zeroed(probes->count + 1, sizeof(*done));

	*status = 0;
	if (!attachments->multi && process)
		*status = select_process(process, pid);
	for (size_t i = 0; i < probes->count && !*status; i++) {
		if (!done[i])
			*status = attach_group(attachments, attachment, pid, slot, probes, done, i);
	}
	free(done);
	if (!*status)
		return attachment;
	attachment_detach(attachment);
	return NULL;
}
