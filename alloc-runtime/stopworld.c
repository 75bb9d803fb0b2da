/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See stopworld.h.
 *
 * The helper shares the caller's thread-local storage, and other threads may be stopped anywhere in the C library.
 * Therefore both sides make system calls by syscall(2) only, which is no cancellation point and takes no lock. The
 * caller saves errno.
 */
#include "stopworld.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sys.h"

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

enum {
	HelperStack = 256 * 1024,
	ThreadsAtFirst = 64,
	Ended = -1,
	VectorBytes = 12 * 1024, /* what the kernel has of a thread's vector registers: AMX needs 11 KiB */
	WordsOfThread = (sizeof(machine_user_registers) + VectorBytes) / sizeof(uintptr_t),
	Patience = 10000, /* milliseconds */
};

struct thread {
	int tid, signal; /* the signal that it was about to take, to be delivered later; 0: none */
	bool stopped;
};

struct stop {
	void (*run)(const struct stopped_world *world, void *argument);
	void *argument;
	struct stopped_world world;
	_Atomic uint32_t go; /* the caller has allowed the helper to trace it */
	int error;
	bool ran;
	size_t seized; /* threads, ended ones too */
	size_t capacity;
	struct thread *threads;
	/* A hash table of the tids of `threads`; 0: free, Ended: of a thread that has ended, whose number another may have now */
	int *known;
	size_t known_capacity; /* a power of two, at least twice `seized` */
};

static long trace(long request, int tid, uintptr_t address, uintptr_t data)
{
	return syscall(SYS_ptrace, request, (long)tid, address, data);
}

/* ---- the list of threads ---- */

static int open_task(const struct stop *stop, const char *rest, int flags)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/task%s", stop->world.pid, rest);
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0);
}

struct directory_entry {
	uint64_t inode, offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

/* Calls `visit` for each thread but the caller's, while it returns true. Returns 0, or an errno if the list cannot be read. */
static int each_task(struct stop *stop, bool (*visit)(struct stop *stop, int tid))
{
	int directory = open_task(stop, "", O_RDONLY | O_DIRECTORY);
	_Alignas(8) char buffer[4096];
	bool going = true;
	long length = 0;

	if (directory < 0)
		return errno;
	while (going && (length = syscall(SYS_getdents64, directory, buffer, sizeof buffer)) > 0) {
		for (long at = 0; going && at < length;) {
			const struct directory_entry *entry = (const void *)(buffer + at);
			int tid = 0;
			at += entry->length;
			for (const char *p = entry->name; *p >= '0' && *p <= '9'; p++)
				tid = tid * 10 + (*p - '0');
			if (tid != 0 && tid != stop->world.caller)
				going = visit(stop, tid);
		}
	}
	int error = length < 0 ? errno : 0;
	syscall(SYS_close, directory);
	return error;
}

/* Returns the place of the tid, or the free one where it belongs. */
static int *known_at(const struct stop *stop, int tid)
{
	size_t mask = stop->known_capacity - 1, at = (size_t)tid & mask; /* tids follow each other */

	while (stop->known[at] != 0 && stop->known[at] != tid)
		at = (at + 1) & mask;
	return &stop->known[at];
}

static bool make_room_known(struct stop *stop)
{
	int *old = stop->known;
	size_t former = stop->known_capacity, capacity = former ? 2 * former : 2 * ThreadsAtFirst;

	if (2 * (stop->seized + 1) <= former)
		return true;
	int *known = sysAlloc(capacity * sizeof *known);
	if (!known)
		return false;
	stop->known = known;
	stop->known_capacity = capacity;
	for (size_t i = 0; i < former; i++)
		if (old[i] > 0)
			*known_at(stop, old[i]) = old[i];
	if (old)
		sysFree(old, former * sizeof *old);
	return true;
}

static bool make_room(struct stop *stop)
{
	struct thread *threads;

	if (!make_room_known(stop))
		return false;
	if (stop->world.nthreads < stop->capacity)
		return true;
	threads = sysGrow(stop->threads, &stop->capacity, ThreadsAtFirst, sizeof *threads);
	if (!threads)
		return false;
	stop->threads = threads;
	return true;
}

/* ---- stopping ---- */

/* Whether the thread has ended; its entry may stay as long as the process lives, if it was the first. False if nobody knows, for
 * example because all file descriptors are in use. */
static bool has_ended(const struct stop *stop, int tid)
{
	char text[512], path[32];
	snprintf(path, sizeof path, "/%d/stat", tid);
	int file = open_task(stop, path, O_RDONLY);
	if (file < 0)
		return errno == ENOENT || errno == ESRCH;
	long length = syscall(SYS_read, file, text, sizeof text - 1);
	bool gone = length < 0 && errno == ESRCH;
	syscall(SYS_close, file);
	text[length > 0 ? length : 0] = 0;
	const char *name_ends = strrchr(text, ')');
	return gone || (name_ends && name_ends[1] != 0 && (name_ends[2] == 'Z' || name_ends[2] == 'X'));
}

static bool seize(struct stop *stop, int tid)
{
	if (!make_room(stop)) {
		stop->error = ENOMEM;
	} else if (*known_at(stop, tid) == tid) {
		return true;
	} else if (trace(PTRACE_SEIZE, tid, 0, 0) == 0) {
		trace(PTRACE_INTERRUPT, tid, 0, 0);
		stop->threads[stop->world.nthreads++] = (struct thread){.tid = tid};
		*known_at(stop, tid) = tid;
		stop->seized++;
	} else if (errno != ESRCH && !has_ended(stop, tid)) {
		stop->error = EPERM;
	}
	return stop->error == 0;
}

static void rest(void)
{
	const struct timespec millisecond = {0, 1000000};

	syscall(SYS_nanosleep, &millisecond, NULL);
}

static void forget(struct stop *stop, struct thread *t)
{
	*known_at(stop, t->tid) = Ended;
	*t = stop->threads[--stop->world.nthreads];
}

/* Waits until the thread has stopped. Sets `ended` if it has ended instead. A thread that the kernel does not let stop
 * is in the middle of something that ends by itself, such as vfork(2). */
static void await_stop(struct stop *stop, struct thread *t, int *patience, bool *ended)
{
	int status = 0;
	long waited;

	*ended = false;
	while ((waited = syscall(SYS_wait4, t->tid, &status, __WALL | WNOHANG, NULL)) == 0 && (*patience)-- > 0) {
		if (*patience > Patience - 100)
			sched_yield();
		else
			rest();
	}
	if (waited == 0)
		stop->error = ETIMEDOUT;
	else if (waited < 0 || !WIFSTOPPED(status))
		*ended = true;
	else if (status >> 16 == 0)
		t->signal = WSTOPSIG(status);
	t->stopped = waited > 0 && !*ended;
}

static size_t read_registers(int tid, unsigned long set, void *to, size_t size)
{
	struct iovec registers = {to, size};

	return trace(PTRACE_GETREGSET, tid, set, (uintptr_t)&registers) == 0 ? registers.iov_len : 0;
}

static void stop_all(struct stop *stop)
{
	int patience = Patience;
	size_t done;

	/* A thread that has not been stopped yet may start others, so the list is read until it holds no new one. */
	do {
		done = stop->seized;
		int error = each_task(stop, seize);
		if (error != 0)
			stop->error = error;
		for (size_t i = 0; i < stop->world.nthreads && stop->error == 0; i++) {
			bool ended = false;
			if (!stop->threads[i].stopped)
				await_stop(stop, &stop->threads[i], &patience, &ended);
			if (ended)
				forget(stop, &stop->threads[i--]);
		}
	} while (stop->error == 0 && stop->seized != done);
}

static void resume_all(struct stop *stop)
{
	for (size_t i = 0; i < stop->world.nthreads; i++) {
		struct thread *t = &stop->threads[i];
		bool ended;
		int patience = Patience;

		/* Only a thread that has stopped can be let go. One that has not is let go when the helper ends. */
		if (!t->stopped && stop->error != ETIMEDOUT)
			await_stop(stop, t, &patience, &ended);
		if (t->stopped)
			trace(PTRACE_DETACH, t->tid, 0, (uintptr_t)t->signal);
	}
}

static void read_thread(const struct thread *t, struct stopped_thread *to, uintptr_t *words)
{
	machine_user_registers *general = (void *)words;
	size_t bytes = sizeof *general;

	read_registers(t->tid, NT_PRSTATUS, general, sizeof *general);
	bytes += read_registers(t->tid, MachineVectors, (char *)words + bytes, VectorBytes);
	*to = (struct stopped_thread){.tid = t->tid,
				      .registers = machine_stopped(general),
				      .thread = machine_stopped_thread(general),
				      .words = words,
				      .nwords = bytes / sizeof *words};
	if (to->thread == 0)
		read_registers(t->tid, MachineThreadSet, &to->thread, sizeof to->thread);
}

static void run_stopped(struct stop *stop)
{
	size_t n = stop->world.nthreads, bytes = n * (sizeof *stop->world.threads + WordsOfThread * sizeof(uintptr_t));

	if (n != 0 && !(stop->world.threads = sysAlloc(bytes))) {
		stop->error = ENOMEM;
		return;
	}
	uintptr_t *words = (uintptr_t *)(stop->world.threads + n);
	for (size_t i = 0; i < n; i++)
		read_thread(&stop->threads[i], &stop->world.threads[i], words + i * WordsOfThread);
	stop->run(&stop->world, stop->argument);
	stop->ran = true;
	if (n != 0)
		sysFree(stop->world.threads, bytes);
}

static int helper(void *argument)
{
	struct stop *stop = argument;

	/* If the process is killed, nobody is left to wait for the helper. */
	syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (syscall(SYS_getppid) != stop->world.pid)
		syscall(SYS_exit, 0);
	while (atomic_load_explicit(&stop->go, memory_order_acquire) == 0)
		syscall(SYS_sched_yield);
	stop_all(stop);
	if (stop->error == 0)
		run_stopped(stop);
	resume_all(stop);
	syscall(SYS_exit, 0);
	return 0;
}

/* ---- the caller ---- */

#ifndef PR_SET_PTRACER
#define PR_SET_PTRACER 0x59616d61
#endif

/* With `allow`, the process names the helper as the one that may trace it, which Yama asks for. */
static int run_helper(struct stop *stop, bool allow)
{
	char *stack = sysAlloc(HelperStack);
	bool allowed = false;
	int status = 0;

	if (!stack)
		return ENOMEM;
	stop->error = 0;
	stop->seized = stop->world.nthreads = 0;
	if (stop->known)
		memset(stop->known, 0, stop->known_capacity * sizeof *stop->known);
	atomic_store_explicit(&stop->go, 0, memory_order_relaxed);
	int pid = clone(helper, stack + HelperStack, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_UNTRACED, stop);
	if (pid > 0) {
		allowed = allow && prctl(PR_SET_PTRACER, pid, 0, 0, 0) == 0;
		atomic_store_explicit(&stop->go, 1, memory_order_release);
		while (syscall(SYS_wait4, pid, &status, __WALL, NULL) < 0 && errno == EINTR)
			;
		if (allowed)
			prctl(PR_SET_PTRACER, 0, 0, 0, 0);
	}
	sysFree(stack, HelperStack);
	if (pid < 0)
		return errno == ENOMEM ? ENOMEM : EPERM;
	if (stop->error == 0 && !stop->ran)
		return EFAULT;
	return stop->error;
}

/* Whether /proc is that of this process's pid namespace: in another one, the number is that of another process. */
static bool is_own_proc(const struct stop *stop)
{
	char own[16], link[16] = "";

	snprintf(own, sizeof own, "%d", stop->world.pid);
	syscall(SYS_readlinkat, AT_FDCWD, "/proc/self", link, sizeof link - 1);
	return strcmp(own, link) == 0;
}

static bool another_thread(struct stop *stop, int tid)
{
	if (!has_ended(stop, tid))
		stop->capacity = 1;
	return stop->capacity == 0;
}

int stopTheWorld(void (*run)(const struct stopped_world *world, void *argument), void *argument)
{
	struct stop stop = {
		.run = run, .argument = argument, .world.pid = getpid(), .world.caller = (int)syscall(SYS_gettid)};
	int error = is_own_proc(&stop) ? each_task(&stop, another_thread) : ENOENT;
	bool alone = stop.capacity == 0;

	stop.capacity = 0;
	if (error == 0 && alone)
		run_stopped(&stop);
	else if (error == 0)
		error = run_helper(&stop, false);
	/* A tracer that the program has named for itself cannot be read back, so it is replaced only if nothing else helps. */
	if (error == EPERM)
		error = run_helper(&stop, true);
	if (stop.threads)
		sysFree(stop.threads, stop.capacity * sizeof *stop.threads);
	if (stop.known)
		sysFree(stop.known, stop.known_capacity * sizeof *stop.known);
	return error ? error : stop.error;
}
