/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/stopped_threads.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash_index.h"
#include "base/memory.h"
#include "base/priority.h"
#include "machine.h"
#include "target/filtered_call.h"
#include "target/obstacle.h"
#include "target/procfs.h"

enum {
	THREADS_MAX = 1 << 20,
	FIRST_WAIT_NS = 10000000, /* from which on a stop is looked after */
	LAST_WAIT_NS = 500000000,
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
	/* Again, because who executes another program takes the number of the first thread, which the kernel refuses at its end. */
	if (filtered_call_kills(FILTERED_PTRACE) ||
	    (ptrace(PTRACE_SEIZE, tid, NULL, NULL) && ptrace(PTRACE_SEIZE, tid, NULL, NULL))) {
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
		int result =
			monotonic_ns() > stopped->deadline_ns
				? error_set(refusal, STATUS_CANNOT_MEASURE,
					    "its %zu threads could not all be stopped in time (--max-stop)", listed)
				: seize(stopped, tids[i], refusal);

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

/* Stops all of them, and forgets those that have ended. */
static int stop(struct stopped_threads *stopped, struct error *refusal)
{
	size_t kept = 0;
	int status;

	priority_urgent(true);
	status = stop_all(stopped, refusal);
	priority_urgent(false);
	if (status)
		return -1;
	for (size_t i = 0; i < stopped->count; i++) {
		if (stopped->threads[i].tid)
			stopped->threads[kept++] = stopped->threads[i];
	}
	stopped->count = kept;
	return kept ? 0 : error_set(refusal, STATUS_CANNOT_MEASURE, "it has ended, or executes another program");
}

/* Lets go what has stopped. What could not be stopped, was killed meanwhile, or has become another program is let go by the end
 * of the thread that traces, without a wait. */
static void detach(struct stopped_threads *stopped)
{
	for (size_t i = 0; i < stopped->count; i++) {
		const struct thread *thread = &stopped->threads[i];

		if (thread->tid && thread->stopped)
			ptrace(PTRACE_DETACH, thread->tid, NULL, (void *)(uintptr_t)thread->signal);
	}
}

struct look {
	struct stopped_threads stopped;
	atomic_bool stopping;
	int64_t limit_ns, duration_ns;
	stopped_threads_look *look;
	void *context;
	struct error *refusal;
	int tracer, result;
};

static void *trace(void *argument)
{
	struct look *look = argument;
	struct stopped_threads *stopped = &look->stopped;

	look->tracer = gettid();
	stopped->begun_ns = monotonic_ns();
	stopped->deadline_ns = stopped->begun_ns + look->limit_ns;
	look->result = stop(stopped, look->refusal);
	look->stopping = false;
	if (!look->result)
		look->result = look->look(look->context, stopped);
	detach(stopped);
	look->duration_ns = monotonic_ns() - stopped->begun_ns;
	return NULL;
}

/* Waits for the end of a thread that has been joined: the kernel lets go what it traces a moment later. */
static void await_end(int tid)
{
	int64_t deadline_ns = monotonic_ns() + 1000000000;

	for (int waits = 0; syscall(SYS_tgkill, getpid(), tid, 0) == 0 && monotonic_ns() < deadline_ns; waits++)
		rest(waits);
}

/*
 * A thread that executes another program waits for the ends of the others, and PTRACE_SEIZE waits for that program: none goes on
 * while one of the others has ended and its end has not been waited for, which any thread of ours may do. The kernel itself does
 * that for the first thread.
 */
static void reap_ended(int pid)
{
	size_t count;
	int *tids = procfs_threads(pid, &count);

	for (size_t i = 0; i < count; i++) {
		siginfo_t end = {0};

		/* Without WNOWAIT this would take stops, too, which the thread that traces waits for. */
		if (tids[i] != pid && waitid(P_PID, (id_t)tids[i], &end, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 &&
		    (end.si_code == CLD_EXITED || end.si_code == CLD_KILLED || end.si_code == CLD_DUMPED))
			waitpid(tids[i], NULL, WNOHANG | __WALL);
	}
	free(tids);
}

static int run(struct look *look)
{
	pthread_t thread;
	int64_t wait_ns = FIRST_WAIT_NS, time_ns = monotonic_ns() + wait_ns;
	int code = pthread_create(&thread, NULL, trace, look);

	if (code)
		return obstacle_no_thread(look->refusal, code, "the thread that is to stop it");
	while (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC,
				    &(struct timespec){time_ns / 1000000000, time_ns % 1000000000}) == ETIMEDOUT) {
		if (look->stopping)
			reap_ended(look->stopped.target->pid);
		wait_ns *= 2;
		time_ns = monotonic_ns() + (wait_ns > LAST_WAIT_NS ? LAST_WAIT_NS : wait_ns);
	}
	await_end(look->tracer);
	return look->result;
}

int stopped_threads_with(const struct target *target, int64_t limit_ns, stopped_threads_look *function, void *context,
			 int64_t *duration_ns, struct error *refusal)
{
	struct look look = {.stopped = {.target = target},
			    .stopping = true,
			    .limit_ns = limit_ns,
			    .look = function,
			    .context = context,
			    .refusal = refusal};
	bool raised = !priority_is_raised() && priority_raise();
	sigset_t terminal, before;
	int status;

	/* If a terminal suspended us, the process would stay stopped with us. */
	sigemptyset(&terminal);
	sigaddset(&terminal, SIGTSTP);
	sigaddset(&terminal, SIGTTIN);
	sigaddset(&terminal, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &terminal, &before);
	status = run(&look);
	if (raised)
		priority_restore();
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	*duration_ns = look.duration_ns;
	hash_index_free(&look.stopped.known);
	free(look.stopped.threads);
	return status;
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
