/* SPDX-License-Identifier: BSD-2-Clause */
#include "launch.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uthash.h>

#include "target.h"

/* One thread under ptrace. */
struct tracee {
	int tid, pid;
	bool loading; /* stopped at every system call, until the dynamic linker is done */
	bool exiting; /* past its exit stop */
	UT_hash_handle hh;
};

struct launch {
	struct launch_handler handler;
	struct tracee *tracees;
	bool follow;
	int pid;
	int status;
	bool ended;
};

#define TRACE_OPTIONS                                                                                               \
	(PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | \
	 PTRACE_O_TRACESYSGOOD)

static struct tracee *tracee_find(struct launch *launch, int tid)
{
	struct tracee *tracee;

	HASH_FIND_INT(launch->tracees, &tid, tracee);
	return tracee;
}

static struct tracee *tracee_add(struct launch *launch, int tid, int pid)
{
	struct tracee *tracee = calloc(1, sizeof(*tracee));

	if (!tracee)
		abort();
	tracee->tid = tid;
	tracee->pid = pid;
	HASH_ADD_INT(launch->tracees, tid, tracee);
	return tracee;
}

static void tracee_remove(struct launch *launch, struct tracee *tracee)
{
	HASH_DEL(launch->tracees, tracee);
	free(tracee);
}

static void resume(struct tracee *tracee, int signal)
{
	ptrace(tracee->loading ? PTRACE_SYSCALL : PTRACE_CONT, tracee->tid, NULL, (void *)(intptr_t)signal);
}

/* A number from /proc/TID/status; 0 where there is none. */
static int status_number(int tid, const char *field)
{
	char path[64], line[256];
	int value = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, field, strlen(field)) == 0 && line[strlen(field)] == ':') {
			value = atoi(line + strlen(field) + 1);
			break;
		}
	}
	fclose(file);
	return value;
}

static bool threads_left(struct launch *launch, int pid)
{
	struct tracee *tracee, *next;

	HASH_ITER(hh, launch->tracees, tracee, next) {
		if (tracee->pid == pid && !tracee->exiting)
			return true;
	}
	return false;
}

/* Whether the dynamic linker of `tid` is in charge at this address: nothing of the program has run so far. */
static bool in_dynamic_linker(int pid, uint64_t address)
{
	struct target *target = target_open(pid, NULL);
	uint64_t entry[2], base = 0;
	char path[64];
	FILE *file;
	const struct target_mapping *here, *linker;
	bool inside = false;

	if (!target)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	file = fopen(path, "re");
	while (file && fread(entry, sizeof(entry), 1, file) == 1) {
		if (entry[0] == AT_BASE)
			base = entry[1];
	}
	if (file)
		fclose(file);
	here = target_mapping_at(target, address);
	linker = base ? target_mapping_at(target, base) : NULL;
	if (here && linker)
		inside = here->inode == linker->inode && here->device == linker->device;
	target_close(target);
	return inside;
}

static bool has_dynamic_linker(int pid)
{
	char path[64];
	uint64_t entry[2];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	file = fopen(path, "re");
	while (file && fread(entry, sizeof(entry), 1, file) == 1)
		found |= entry[0] == AT_BASE && entry[1] != 0;
	if (file)
		fclose(file);
	return found;
}

static void handle_exec(struct launch *launch, struct tracee *tracee)
{
	bool dynamic = has_dynamic_linker(tracee->pid);

	launch->handler.ended(launch->handler.context, tracee->pid, -1);
	tracee->loading = !launch->handler.image(launch->handler.context, tracee->pid) && dynamic;
	resume(tracee, 0);
}

/* A system call of a process whose libraries are being mapped. */
static void handle_loading(struct launch *launch, struct tracee *tracee)
{
	struct __ptrace_syscall_info info = {0};

	ptrace(PTRACE_GET_SYSCALL_INFO, tracee->tid, (void *)sizeof(info), &info);
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		if (!in_dynamic_linker(tracee->pid, info.instruction_pointer)) {
			launch->handler.image(launch->handler.context, tracee->pid);
			tracee->loading = false;
		} else if (info.entry.nr == SYS_mprotect) {
			/* mappings of a library are complete when its relocated part is made read-only */
			tracee->loading = !launch->handler.image(launch->handler.context, tracee->pid);
		}
	}
	resume(tracee, 0);
}

static void handle_thread_exit(struct launch *launch, struct tracee *tracee)
{
	tracee->exiting = true;
	if (!threads_left(launch, tracee->pid))
		launch->handler.exiting(launch->handler.context, tracee->pid, tracee->tid);
	resume(tracee, 0);
}

static bool shares_memory(int pid)
{
	int parent = status_number(pid, "PPid");

	return parent && syscall(SYS_kcmp, parent, pid, KCMP_VM, 0, 0) == 0;
}

/* First stop of a thread or process that a tracee made. */
static void handle_new(struct launch *launch, int tid)
{
	int pid = status_number(tid, "Tgid");
	struct tracee *tracee;

	if (pid != tid) {
		tracee = tracee_add(launch, tid, pid);
		resume(tracee, 0);
		return;
	}
	if (!launch->follow) {
		ptrace(PTRACE_DETACH, tid, NULL, NULL);
		return;
	}
	tracee = tracee_add(launch, tid, pid);
	if (!shares_memory(pid)) /* vfork: the memory is the parent's until the exec */
		launch->handler.forked(launch->handler.context, pid);
	resume(tracee, 0);
}

static void handle_end(struct launch *launch, int tid, int status)
{
	struct tracee *tracee = tracee_find(launch, tid);
	int pid = tracee ? tracee->pid : tid;

	if (tracee)
		tracee_remove(launch, tracee);
	if (tid == pid)
		launch->handler.ended(launch->handler.context, pid, status);
	if (tid == launch->pid) {
		launch->ended = true;
		launch->status = status;
	}
}

/* An exec by another thread than the leader takes the leader's number: the thread that was is gone. */
static struct tracee *exec_tracee(struct launch *launch, int tid)
{
	struct tracee *tracee, *next, *leader = tracee_find(launch, tid);

	HASH_ITER(hh, launch->tracees, tracee, next) {
		if (tracee->pid == tid && tracee->tid != tid)
			tracee_remove(launch, tracee);
	}
	if (!leader)
		leader = tracee_add(launch, tid, tid);
	leader->exiting = false;
	return leader;
}

static void handle_stop(struct launch *launch, int tid, int status)
{
	struct tracee *tracee = tracee_find(launch, tid);
	int signal = WSTOPSIG(status), event = status >> 16;

	if (!tracee) {
		handle_new(launch, tid);
		return;
	}
	switch (event) {
	case PTRACE_EVENT_EXEC:
		handle_exec(launch, exec_tracee(launch, tid));
		return;
	case PTRACE_EVENT_EXIT:
		handle_thread_exit(launch, tracee);
		return;
	case PTRACE_EVENT_STOP:
		if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU)
			ptrace(PTRACE_LISTEN, tid, NULL, NULL); /* a real stop: leave it stopped until SIGCONT */
		else
			resume(tracee, 0);
		return;
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		resume(tracee, 0);
		return;
	}
	if (signal == (SIGTRAP | 0x80)) {
		if (tracee->loading)
			handle_loading(launch, tracee);
		else
			resume(tracee, 0);
		return;
	}
	resume(tracee, signal);
}

bool launch_step(struct launch *launch)
{
	int status, tid;

	while (!launch->ended && (tid = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
		if (WIFSTOPPED(status))
			handle_stop(launch, tid, status);
		else
			handle_end(launch, tid, status);
	}
	return !launch->ended;
}

/* In the child: waits until it is traced, then becomes the program. Reports a failed exec through `report`. */
__attribute__((noreturn)) static void run_child(char *const *argv, int go, int report)
{
	sigset_t none;
	char byte;
	int failure;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (read(go, &byte, 1) == 1)
		execvp(argv[0], argv);
	failure = errno;
	if (write(report, &failure, sizeof(failure)) < 0)
		_exit(126);
	_exit(127);
}

struct launch *launch_start(char *const *argv, bool follow, const struct launch_handler *handler,
			    struct error *error)
{
	struct launch *launch = calloc(1, sizeof(*launch));
	int go[2], report[2], failure = 0, status;
	pid_t pid;

	if (!launch)
		abort();
	if (pipe2(go, O_CLOEXEC) || pipe2(report, O_CLOEXEC) || (pid = fork()) < 0) {
		error_set(error, STATUS_CANNOT_MEASURE, "cannot start '%s': %m", argv[0]);
		free(launch);
		return NULL;
	}
	if (pid == 0)
		run_child(argv, go[0], report[1]);
	close(go[0]);
	close(report[1]);
	launch->handler = *handler;
	launch->follow = follow;
	launch->pid = pid;
	launch->status = -1;
	if (ptrace(PTRACE_SEIZE, pid, NULL, TRACE_OPTIONS)) {
		error_set(error, STATUS_CANNOT_MEASURE, "cannot trace '%s': %m: another debugger or a security policy "
			  "forbids it; record -p PID needs no tracing", argv[0]);
		goto fail;
	}
	tracee_add(launch, pid, pid);
	if (write(go[1], "g", 1) != 1)
		abort();
	/* Ends with the exec, which stops the child, or with the reason why there was none. */
	if (read(report[0], &failure, sizeof(failure)) == sizeof(failure)) {
		error_set(error, failure == ENOENT ? STATUS_USAGE : STATUS_CANNOT_MEASURE, "cannot run '%s': %s", argv[0],
			  strerror(failure));
		goto fail;
	}
	close(go[1]);
	close(report[0]);
	return launch;
fail:
	close(go[1]);
	close(report[0]);
	kill(pid, SIGKILL);
	while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status))
		ptrace(PTRACE_CONT, pid, NULL, NULL);
	launch->ended = true;
	launch_free(launch);
	return NULL;
}

int launch_pid(const struct launch *launch)
{
	return launch->pid;
}

int launch_status(const struct launch *launch)
{
	return launch->status;
}

void launch_free(struct launch *launch)
{
	struct tracee *tracee, *next;
	int status;

	if (!launch)
		return;
	HASH_ITER(hh, launch->tracees, tracee, next) {
		/* only a stopped thread can be let go */
		if (!launch->ended || tracee->pid != launch->pid) {
			ptrace(PTRACE_INTERRUPT, tracee->tid, NULL, NULL);
			if (waitpid(tracee->tid, &status, __WALL) == tracee->tid && WIFSTOPPED(status)) {
				bool signalled = !(status >> 16) && WSTOPSIG(status) != (SIGTRAP | 0x80);

				ptrace(PTRACE_DETACH, tracee->tid, NULL,
				       (void *)(intptr_t)(signalled ? WSTOPSIG(status) : 0));
			}
		}
		tracee_remove(launch, tracee);
	}
	free(launch);
}
