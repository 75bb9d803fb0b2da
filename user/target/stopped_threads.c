/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/stopped_threads.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/hash_index.h"
#include "base/memory.h"
#include "machine.h"
#include "target/obstacle.h"
#include "target/procfs.h"

enum {
	THREADS_MAX = 1 << 20,
	VECTOR_BYTES = 12 << 10, /* what the kernel has of a thread's vector registers: AMX needs 11 KiB */
};

struct thread {
	int tid;
	int signal; /* that it was about to take; 0: none */
	bool stopped;
};

struct stopped_threads {
	const struct target *target;
	int64_t begun_ns, deadline_ns;
	struct hash_index known; /* by tid */
	struct thread *threads;
	size_t count, capacity;
	union {
		machine_general_registers general;
		uint64_t words[(sizeof(machine_general_registers) + VECTOR_BYTES) / sizeof(uint64_t)];
	} registers; /* of the thread that was read last */
};

/* Begins to stop a thread. Returns 1 if it is a new one, 0 if it was known or has ended, -1 with a refusal. */
static int seize(struct stopped_threads *stopped, int tid, struct error *refusal)
{
	const struct target *target = stopped->target;

	if (hash_index_has(&stopped->known, (uint64_t)tid))
		return 0;
	if (stopped->count == THREADS_MAX)
		return error_set(refusal, STATUS_CANNOT_MEASURE, "it has more than %d threads", THREADS_MAX);
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL)) {
		int code = errno, tracer = procfs_status_number(tid, "TracerPid");
		char state = procfs_state(tid), name[32];

		/* The first thread's entry stays as long as the process lives. */
		if (code == ESRCH || !state || state == 'Z' || state == 'X')
			return 0;
		if (tracer) {
			procfs_name(tracer, name, sizeof(name));
			return error_set(refusal, STATUS_CANNOT_MEASURE,
					 "process %d (%s) traces it, and no other process may stop it meanwhile",
					 tracer, name);
		}
		return obstacle_refused(refusal, CALL_TRACE, code, "stop process %d (%s)", target->pid, target->comm);
	}
	ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	hash_index_add(&stopped->known, (uint64_t)tid);
	if (stopped->count == stopped->capacity) {
		stopped->capacity = 2 * stopped->capacity + 64;
		stopped->threads = memory_resize(stopped->threads, stopped->capacity, sizeof(*stopped->threads));
	}
	stopped->threads[stopped->count++] = (struct thread){.tid = tid};
	return 1;
}

static void rest(int waits)
{
	const struct timespec pause = {0, 100000};

	if (waits < 100)
		sched_yield();
	else
		nanosleep(&pause, NULL);
}

/* Waits until the thread has stopped, or has ended: then its tid is 0. False if it did neither in time. */
static bool await_stop(struct stopped_threads *stopped, struct thread *thread)
{
	int status = 0, waited;

	for (int waits = 0; (waited = waitpid(thread->tid, &status, __WALL | WNOHANG)) == 0; waits++) {
		if (monotonic_ns() > stopped->deadline_ns)
			return false;
		rest(waits);
	}
	if (waited < 0 || !WIFSTOPPED(status)) {
		thread->tid = 0;
		return true;
	}
	if (status >> 16 == 0)
		thread->signal = WSTOPSIG(status);
	thread->stopped = true;
	return true;
}

/* Stops the threads that the process has now. Returns the number of new ones, -1 with a refusal. */
static int stop_listed(struct stopped_threads *stopped, struct error *refusal)
{
	const struct target *target = stopped->target;
	size_t listed, first = stopped->count;
	int *tids = procfs_threads(target->pid, &listed), found = 0;

	for (size_t i = 0; i < listed && found >= 0; i++) {
		int result = seize(stopped, tids[i], refusal);

		found = result < 0 ? -1 : found + result;
	}
	free(tids);
	for (size_t i = first; i < stopped->count && found >= 0; i++) {
		if (!await_stop(stopped, &stopped->threads[i]))
			found = error_set(
				refusal, STATUS_CANNOT_MEASURE,
				"its thread %d could not be stopped in time (--max-stop): it is in state '%c'",
				stopped->threads[i].tid, procfs_state(stopped->threads[i].tid));
	}
	return found;
}

/* A thread that has not stopped yet may start others, so the list is read until it has no new one. */
static int stop_all(struct stopped_threads *stopped, struct error *refusal)
{
	int found;

	do
		found = stop_listed(stopped, refusal);
	while (found > 0);
	return found;
}

struct stopped_threads *stopped_threads_stop(const struct target *target, int64_t deadline_ns, struct error *refusal)
{
	struct stopped_threads *stopped = memory_zeroed(1, sizeof(*stopped));
	size_t kept = 0;

	stopped->target = target;
	stopped->begun_ns = monotonic_ns();
	stopped->deadline_ns = deadline_ns;
	if (stop_all(stopped, refusal)) {
		stopped_threads_resume(stopped);
		return NULL;
	}
	for (size_t i = 0; i < stopped->count; i++) {
		if (stopped->threads[i].tid)
			stopped->threads[kept++] = stopped->threads[i];
	}
	stopped->count = kept;
	if (kept)
		return stopped;
	error_set(refusal, STATUS_CANNOT_MEASURE, "it has ended");
	stopped_threads_resume(stopped);
	return NULL;
}

int64_t stopped_threads_resume(struct stopped_threads *stopped)
{
	int64_t duration;

	if (!stopped)
		return 0;
	for (size_t i = 0; i < stopped->count; i++) {
		struct thread *thread = &stopped->threads[i];

		/* Only a thread that has stopped can be let go; after a failure, some have only been told to. */
		if (thread->tid && !thread->stopped) {
			stopped->deadline_ns = monotonic_ns() + 1000000000;
			await_stop(stopped, thread);
		}
		if (thread->tid)
			ptrace(PTRACE_DETACH, thread->tid, NULL, (void *)(uintptr_t)thread->signal);
	}
	duration = monotonic_ns() - stopped->begun_ns;
	hash_index_free(&stopped->known);
	free(stopped->threads);
	free(stopped);
	return duration;
}

size_t stopped_threads_count(const struct stopped_threads *stopped)
{
	return stopped->count;
}

static size_t read_set(int tid, unsigned long set, void *to, size_t size)
{
	struct iovec buffer = {to, size};

	return ptrace(PTRACE_GETREGSET, tid, (void *)(uintptr_t)set, &buffer) == 0 ? buffer.iov_len : 0;
}

struct stopped_thread stopped_threads_at(struct stopped_threads *stopped, size_t index)
{
	machine_general_registers *general = &stopped->registers.general;
	int tid = stopped->threads[index].tid;
	struct stopped_thread thread = {.tid = tid, .words = stopped->registers.words};
	size_t bytes = sizeof(*general);

	memset(&stopped->registers, 0, sizeof(stopped->registers));
	read_set(tid, NT_PRSTATUS, general, sizeof(*general));
	bytes += read_set(tid, MACHINE_VECTORS, (char *)&stopped->registers + bytes, VECTOR_BYTES);
	thread.word_count = bytes / sizeof(uint64_t);
	thread.pc = machine_pc(general);
	thread.sp = machine_sp(general);
	thread.thread = machine_thread(general);
	if (!thread.thread)
		read_set(tid, MACHINE_THREAD_SET, &thread.thread, sizeof(thread.thread));
	return thread;
}
