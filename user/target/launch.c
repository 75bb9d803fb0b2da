/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/launch.h"

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
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/hash_table.h"
#include "base/memory.h"
#include "base/priority.h"
#include "base/program_path.h"
#include "base/subprocess.h"
#include "machine.h"
#include "target/filtered_call.h"
#include "target/obstacle.h"
#include "target/procfs.h"
#include "target/target.h"

enum {
	LET_GO_MS = 1000,
	LET_GO_AGAIN_MS = 100,
	KILLED_MS = 5000, /* a killed process has ended by then, or hangs in the kernel */
	STEP_MS = 10,
};

/* One thread under ptrace. */
struct tracee {
	int tid, pid;
	bool loading; /* stopped at every system call until the dynamic linker is done */
	bool exiting; /* has reached its exit stop */
	bool held;    /* kept in its exit stop until the other threads of the process have reached theirs */
	UT_hash_handle hh;
};

struct launch {
	struct launch_handler handler;
	struct tracee *tracees;
	sigset_t mask; /* the caller's, before SIGCHLD was blocked */
	int children;  /* signalfd for SIGCHLD */
	int held;      /* tracees */
	bool follow;
	int pid;
	int status;
	bool ended;
};

/* EXITKILL: the kernel kills what we started when we end, even if we are killed. Processes that ran before are never
 * traced. */
#define TRACE_OPTIONS                                                                                             \
	(PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | \
	 PTRACE_O_TRACEVFORK | PTRACE_O_TRACESYSGOOD)

/* Whether the handler is called for this process. */
static bool is_followed(const struct launch *launch, int pid)
{
	return launch->follow || pid == launch->pid;
}

static struct tracee *tracee_find(struct launch *launch, int tid)
{
	struct tracee *tracee;

	HASH_FIND_INT(launch->tracees, &tid, tracee);
	return tracee;
}

static struct tracee *tracee_add(struct launch *launch, int tid, int pid)
{
	struct tracee *tracee = memory_zeroed(1, sizeof(*tracee));

	tracee->tid = tid;
	tracee->pid = pid;
	HASH_ADD_INT(launch->tracees, tid, tracee);
	return tracee;
}

static void tracee_remove(struct launch *launch, struct tracee *tracee)
{
	launch->held -= tracee->held;
	HASH_DEL(launch->tracees, tracee);
	free(tracee);
}

static void resume(struct tracee *tracee, int signal)
{
	ptrace(tracee->loading ? PTRACE_SYSCALL : PTRACE_CONT, tracee->tid, NULL, (void *)(intptr_t)signal);
}

/* Whether a thread of the process has not reached its end yet. */
static bool threads_left(struct launch *launch, int pid)
{
	struct tracee *tracee, *next, *leader = NULL;
	char state;

	HASH_ITER (hh, launch->tracees, tracee, next) {
		if (tracee->pid != pid || tracee->exiting)
			continue;
		if (tracee->tid != pid)
			return true;
		leader = tracee;
	}
	/* the first thread's end is reported only after that of all others */
	state = leader ? procfs_state(pid) : 0;
	return state && state != 'Z';
}

/* Whether the address is in the dynamic linker: then no code of the program has run yet. */
static bool in_dynamic_linker(int pid, uint64_t address)
{
	struct target *target = target_open(pid, NULL);
	uint64_t base = procfs_auxiliary(pid, AT_BASE);
	const struct target_mapping *here, *linker;
	bool inside = false;

	if (!target)
		return false;
	here = target_mapping_at(target, address);
	linker = base ? target_mapping_at(target, base) : NULL;
	if (here && linker)
		inside = here->inode == linker->inode && here->device == linker->device;
	target_close(target);
	return inside;
}

static void handle_exec(struct launch *launch, struct tracee *tracee)
{
	bool dynamic = procfs_auxiliary(tracee->pid, AT_BASE) != 0;

	if (!is_followed(launch, tracee->pid)) {
		resume(tracee, 0);
		return;
	}
	launch->handler.ended(launch->handler.context, tracee->pid, -1);
	tracee->loading = !launch->handler.image(launch->handler.context, tracee->pid) && dynamic;
	resume(tracee, 0);
}

/* Handles a system call of a process whose libraries are being mapped. */
static void handle_loading(struct launch *launch, struct tracee *tracee)
{
	struct __ptrace_syscall_info info = {0};

	ptrace(PTRACE_GET_SYSCALL_INFO, tracee->tid, (void *)sizeof(info), &info);
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		if (!in_dynamic_linker(tracee->pid, info.instruction_pointer)) {
			tracee->loading = false;
			if (!launch->handler.image(launch->handler.context, tracee->pid))
				launch->handler.unsettled(launch->handler.context, tracee->pid);
		} else if (info.entry.nr == SYS_mprotect) {
			/* a library is completely mapped when its relocated part is made read-only */
			tracee->loading = !launch->handler.image(launch->handler.context, tracee->pid);
		}
	}
	resume(tracee, 0);
}

static bool ends_by_signal(int tid)
{
	unsigned long status = 0;

	ptrace(PTRACE_GETEVENTMSG, tid, NULL, &status);
	return WIFSIGNALED((int)status);
}

/* Whether the exit that stopped this thread ends the whole process: exit_group(), or a signal. */
static bool ends_process(const struct tracee *tracee)
{
	return ends_by_signal(tracee->tid) || machine_system_call(tracee->tid) == SYS_exit_group;
}

/* Called when all threads of the process have reached their end, and this one, which still exists, is the last. */
static void end_process(struct launch *launch, int pid, int tid)
{
	struct tracee *tracee, *next;

	launch->handler.exiting(launch->handler.context, pid, tid, ends_by_signal(tid));
	HASH_ITER (hh, launch->tracees, tracee, next) {
		if (tracee->pid == pid && tracee->held) {
			tracee->held = false;
			launch->held--;
			resume(tracee, 0);
		}
	}
}

/*
 * A thread that is already exiting when the process ends does not stop any more. Therefore the thread that ends the
 * process is held here until the others are gone, which keeps the memory. A thread that exits alone must continue,
 * because others wait for it.
 */
static void handle_thread_exit(struct launch *launch, struct tracee *tracee)
{
	bool last;

	if (!is_followed(launch, tracee->pid)) {
		resume(tracee, 0);
		return;
	}
	tracee->exiting = true;
	last = !threads_left(launch, tracee->pid);
	tracee->held = last || ends_process(tracee);
	launch->held += tracee->held;
	if (last)
		end_process(launch, tracee->pid, tracee->tid);
	else if (!tracee->held)
		resume(tracee, 0);
}

/* Checks the held threads again, because the threads that they wait for may have ended without a stop. */
static void handle_held(struct launch *launch)
{
	struct tracee *tracee, *next;

	if (!launch->held)
		return;
	HASH_ITER (hh, launch->tracees, tracee, next) {
		if (tracee->held && !threads_left(launch, tracee->pid))
			end_process(launch, tracee->pid, tracee->tid);
	}
}

static bool shares_memory(int pid)
{
	int parent = procfs_status_number(pid, "PPid");

	return parent && syscall(SYS_kcmp, parent, pid, KCMP_VM, 0, 0) == 0;
}

/* A thread has created a process, otherwise than by vfork(). */
static void note_sharer(struct launch *launch, const struct tracee *tracee, int child)
{
	if (is_followed(launch, tracee->pid) && syscall(SYS_kcmp, tracee->tid, child, KCMP_VM, 0, 0) == 0)
		launch->handler.shared(launch->handler.context, tracee->pid);
}

static int created(const struct tracee *tracee)
{
	unsigned long tid = 0;

	return ptrace(PTRACE_GETEVENTMSG, tracee->tid, NULL, &tid) == 0 ? (int)tid : 0;
}

/*
 * A tracee has created a thread, which may not have had its first stop. Counts it among the threads that are left from
 * now on; otherwise the end of all others would be taken for the end of the process.
 */
static void handle_clone(struct launch *launch, struct tracee *tracee)
{
	int tid = created(tracee), pid = tid ? procfs_status_number(tid, "Tgid") : 0;

	if (pid && pid != tracee->pid)
		note_sharer(launch, tracee, pid);
	else if (pid && !tracee_find(launch, tid))
		tracee_add(launch, tid, pid);
	if (is_followed(launch, tracee->pid))
		launch->handler.thread(launch->handler.context, tracee->pid);
	resume(tracee, 0);
}

/* Handles the first stop of a thread or process that no event has announced. */
static void handle_new(struct launch *launch, int tid)
{
	int pid = procfs_status_number(tid, "Tgid");
	struct tracee *tracee;

	if (!pid) /* unreadable, for example for lack of descriptors; a later read reports it */
		pid = tid;
	if (pid != tid) {
		tracee = tracee_add(launch, tid, pid);
		resume(tracee, 0);
		return;
	}
	tracee = tracee_add(launch, tid, pid);
	/* not after vfork, when the memory is the parent's until the exec */
	if (is_followed(launch, pid) && !shares_memory(pid))
		launch->handler.forked(launch->handler.context, pid);
	resume(tracee, 0);
}

static void handle_end(struct launch *launch, int tid, int status)
{
	struct tracee *tracee = tracee_find(launch, tid);
	int pid = tracee ? tracee->pid : tid;

	if (tracee)
		tracee_remove(launch, tracee);
	if (tid == pid && is_followed(launch, pid))
		launch->handler.ended(launch->handler.context, pid, status);
	if (tid == launch->pid) {
		launch->ended = true;
		launch->status = status;
	}
}

/* When a thread other than the leader calls exec, it takes over the leader's number: the old thread is gone. */
static struct tracee *exec_tracee(struct launch *launch, int tid)
{
	struct tracee *tracee, *next, *leader = tracee_find(launch, tid);

	HASH_ITER (hh, launch->tracees, tracee, next) {
		if (tracee->pid == tid && tracee->tid != tid)
			tracee_remove(launch, tracee);
	}
	if (!leader)
		leader = tracee_add(launch, tid, tid);
	launch->held -= leader->held;
	leader->exiting = leader->held = false;
	return leader;
}

/* Whether a thread is stopped by the signal that the handler has asked for: see launch_handler.unsettled. */
static bool met_notice(int tid)
{
	siginfo_t information = {0};

	return ptrace(PTRACE_GETSIGINFO, tid, NULL, &information) == 0 && information.si_signo == SIGSTOP &&
	       information.si_code == SI_KERNEL;
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
			ptrace(PTRACE_LISTEN, tid, NULL, NULL); /* a group stop: leave it stopped until SIGCONT */
		else
			resume(tracee, 0);
		return;
	case PTRACE_EVENT_CLONE:
		handle_clone(launch, tracee);
		return;
	case PTRACE_EVENT_FORK:
		note_sharer(launch, tracee, created(tracee));
		resume(tracee, 0);
		return;
	case PTRACE_EVENT_VFORK:
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
	if (signal == SIGSTOP && met_notice(tid)) {
		tracee->loading = true;
		signal = 0;
	}
	resume(tracee, signal);
}

bool launch_step(struct launch *launch)
{
	struct signalfd_siginfo information;
	int status, tid;

	while (read(launch->children, &information, sizeof(information)) > 0)
		;
	while ((tid = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
		if (WIFSTOPPED(status))
			handle_stop(launch, tid, status);
		else
			handle_end(launch, tid, status);
	}
	handle_held(launch);
	return !launch->ended;
}

static bool is_elf(const char *path)
{
	char magic[SELFMAG] = "";
	int file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (file >= 0) {
		if (read(file, magic, sizeof(magic)) < 0)
			magic[0] = 0;
		close(file);
	}
	return memcmp(magic, ELFMAG, SELFMAG) == 0;
}

/* execvp() has a shell run as a script what the kernel cannot execute, such as a program of another machine. */
static void execute(char *const *argv)
{
	char *path = program_path(argv[0]);

	if (path && is_elf(path))
		execv(path, argv);
	else
		execvp(argv[0], argv);
	free(path);
}

void launch_become(char *const *argv, const sigset_t *ignored, const struct identity *user,
		   const struct start_place *place, int report)
{
	int failure;

	for (int number = 1; number < NSIG; number++) {
		if (sigismember(ignored, number) == 1)
			signal(number, SIG_IGN);
	}
	if (identity_assume(user) == 0 && start_place_enter(place) == 0)
		execute(argv);
	failure = errno;
	if (write(report, &failure, sizeof(failure)) < 0)
		_exit(126);
	_exit(127);
}

/* Two pipes, by their ends: those of the parent are beside each other. */
enum { GO_CHILD, GO, REPORT, REPORT_CHILD, PIPE_ENDS };

static void close_all(const int *files, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (files[i] >= 0)
			close(files[i]);
	}
}

/* In the child: waits until it is traced, then becomes the program. */
__attribute__((noreturn)) static void run_child(char *const *argv, const sigset_t *ignored, const struct identity *user,
						const struct start_place *place, const sigset_t *mask, const int *files)
{
	char byte;

	close_all(files + GO, 2); /* so that the end of our parent is that of its pipe */

	priority_restore();
	sigprocmask(SIG_SETMASK, mask, NULL);
	if (read(files[GO_CHILD], &byte, 1) != 1)
		_exit(126);
	launch_become(argv, ignored, user, place, files[REPORT_CHILD]);
}

int launch_refused(struct error *error, const char *name, int failure)
{
	return error_set(error, failure == ENOENT ? STATUS_USAGE : STATUS_CANNOT_MEASURE, "cannot run '%s': %s", name,
			 strerror(failure));
}

static int watch_children(struct launch *launch)
{
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &launch->mask);
	launch->children = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	return launch->children < 0 ? -1 : 0;
}

/* A process has one tracer: whoever traces this one follows its children too. */
static int explain_untraceable(int pid, const char *name, int code, struct error *error)
{
	int tracer = procfs_status_number(pid, "TracerPid");
	char comm[32];

	if (!tracer)
		return obstacle_refused(error, CALL_TRACE, code, "trace '%s'", name);
	procfs_name(tracer, comm, sizeof(comm));
	return obstacle_set(error, OBSTACLE_TRACER, comm, "'%s'", name);
}

static int seize(int pid)
{
	return filtered_call_kills(FILTERED_PTRACE) || ptrace(PTRACE_SEIZE, pid, NULL, TRACE_OPTIONS) ? -1 : 0;
}

/* A killed tracee may stop once more at its end. */
static void end_child(int pid)
{
	int status;

	kill(pid, SIGKILL);
	while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status))
		ptrace(PTRACE_CONT, pid, NULL, NULL);
}

int launch_try(struct error *error)
{
	pid_t parent = getpid(), child;
	int failed;

	if (obstacle_check_proc(error))
		return -1;
	child = fork();
	if (child < 0)
		return obstacle_no_process(error, errno, "a process");
	if (child == 0) {
		subprocess_end_with(parent, SIGKILL);
		for (;;)
			pause();
	}
	failed = seize(child) ? explain_untraceable(child, "a program that is started", errno, error) : 0;
	end_child(child);
	return failed;
}

/* Seizes the child and lets it continue. Returns when its exec has stopped it, or has failed. */
static int trace(struct launch *launch, const char *name, int go, int report, struct error *error)
{
	int failure = 0;
	ssize_t got;

	if (seize(launch->pid))
		return explain_untraceable(launch->pid, name, errno, error);
	tracee_add(launch, launch->pid, launch->pid);
	if (write(go, "g", 1) != 1)
		return error_set(error, STATUS_CANNOT_MEASURE, "cannot start '%s': %m", name);
	do
		got = read(report, &failure, sizeof(failure)); /* returns 0 at the exec, which closes the other end */
	while (got < 0 && errno == EINTR);
	if (got == sizeof(failure))
		return launch_refused(error, name, failure);
	return 0;
}

struct launch *launch_start(char *const *argv, const sigset_t *ignored, const struct identity *user,
			    const struct start_place *place, bool follow, const struct launch_handler *handler,
			    struct error *error)
{
	int files[PIPE_ENDS] = {-1, -1, -1, -1}, failed;
	struct launch *launch;

	if (obstacle_check_proc(error))
		return NULL;
	launch = memory_zeroed(1, sizeof(*launch));
	launch->handler = *handler;
	launch->follow = follow;
	launch->status = -1;
	launch->pid = -1;
	if (watch_children(launch) || pipe2(files + GO_CHILD, O_CLOEXEC) || pipe2(files + REPORT, O_CLOEXEC)) {
		failed = error_set(error, STATUS_CANNOT_MEASURE, "cannot start '%s': %m", argv[0]);
	} else if ((launch->pid = fork()) < 0) {
		failed = obstacle_no_process(error, errno, "'%s'", argv[0]);
	} else {
		if (launch->pid == 0)
			run_child(argv, ignored, user, place, &launch->mask, files);
		close_all(&files[GO_CHILD], 1);
		close_all(&files[REPORT_CHILD], 1);
		files[GO_CHILD] = files[REPORT_CHILD] = -1;
		failed = trace(launch, argv[0], files[GO], files[REPORT], error);
	}
	close_all(files, PIPE_ENDS);
	if (!failed)
		return launch;
	if (launch->pid > 0)
		end_child(launch->pid);
	launch->ended = true;
	launch_free(launch);
	return NULL;
}

int launch_file(const struct launch *launch)
{
	return launch->children;
}

int launch_pid(const struct launch *launch)
{
	return launch->pid;
}

int launch_status(const struct launch *launch)
{
	return launch->status;
}

size_t launch_processes(const struct launch *launch, int *pids, size_t count)
{
	size_t found = 0;

	for (const struct tracee *tracee = launch->tracees; tracee; tracee = tracee->hh.next) {
		if (tracee->tid != tracee->pid)
			continue;
		if (found < count)
			pids[found] = tracee->pid;
		found++;
	}
	return found;
}

/* Signals every process once. If the first thread of a process is gone, the process is ending. */
static void signal_all(const struct launch *launch, int number)
{
	for (const struct tracee *tracee = launch->tracees; tracee; tracee = tracee->hh.next) {
		if (tracee->tid == tracee->pid || number == SIGKILL)
			kill(tracee->pid, number);
	}
}

/* Handles events until all processes have ended or the time is over. `number`: a signal for each process that appears;
 * 0: none. */
static void step_until(struct launch *launch, int milliseconds, int number)
{
	const struct timespec moment = {0, STEP_MS * 1000 * 1000};

	for (int waited = 0; launch->tracees && waited < milliseconds; waited += STEP_MS) {
		launch_step(launch);
		if (number)
			signal_all(launch, number);
		if (launch->tracees)
			nanosleep(&moment, NULL);
	}
}

void launch_end(struct launch *launch, int grace_ms)
{
	signal_all(launch, SIGTERM);
	step_until(launch, grace_ms, 0);
	step_until(launch, KILLED_MS, SIGKILL);
}

/* Detaches a stopped thread and delivers the signal that it stopped for. Returns false if that has to wait: it would be
 * stopped for ever by a signal that was meant for us. */
static bool let_go(int tid, int status)
{
	bool signalled = !(status >> 16) && WSTOPSIG(status) != (SIGTRAP | 0x80) && !met_notice(tid);
	/* A signal that waits stops the thread by itself. An interruption would stop it before it has taken that signal. */
	bool waits = procfs_signal_waits(tid, SIGSTOP);

	ptrace(waits ? PTRACE_CONT : PTRACE_DETACH, tid, NULL, (void *)(intptr_t)(signalled ? WSTOPSIG(status) : 0));
	return !waits;
}

static void interrupt_all(struct launch *launch)
{
	struct tracee *tracee, *next;

	HASH_ITER (hh, launch->tracees, tracee, next) {
		if (ptrace(PTRACE_INTERRUPT, tracee->tid, NULL, NULL))
			tracee_remove(launch, tracee); /* already ended */
	}
}

void launch_free(struct launch *launch)
{
	const struct timespec moment = {0, 1000 * 1000};
	struct tracee *tracee, *next;
	int status, tid = 0;

	if (!launch)
		return;
	interrupt_all(launch);
	/* Threads that stop meanwhile for another reason, including new children, are detached too. */
	for (int tries = 0; launch->tracees && tries < LET_GO_MS && tid >= 0; tries += tid == 0) {
		tid = waitpid(-1, &status, WNOHANG | __WALL);
		if (tid == 0) {
			if (tries % LET_GO_AGAIN_MS == LET_GO_AGAIN_MS - 1)
				interrupt_all(launch); /* SIGCONT may have taken away the SIGSTOP that was to stop it */
			nanosleep(&moment, NULL);
			continue;
		}
		if (tid > 0 && WIFSTOPPED(status) && !let_go(tid, status))
			continue;
		tracee = tracee_find(launch, tid);
		if (tracee)
			tracee_remove(launch, tracee);
	}
	HASH_ITER (hh, launch->tracees, tracee, next)
		tracee_remove(launch, tracee);
	if (launch->children >= 0)
		close(launch->children);
	sigprocmask(SIG_SETMASK, &launch->mask, NULL);
	free(launch);
}
