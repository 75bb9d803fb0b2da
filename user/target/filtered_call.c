/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/filtered_call.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target/procfs.h"

static const struct {
	const char *name;
	long number;
} calls[FILTERED_CALLS] = {
	[FILTERED_BPF] = {"bpf", SYS_bpf},
	[FILTERED_MEMFD_CREATE] = {"memfd_create", SYS_memfd_create},
	[FILTERED_DUP3] = {"dup3", SYS_dup3},
	[FILTERED_PIDFD_OPEN] = {"pidfd_open", SYS_pidfd_open},
	[FILTERED_PROCESS_VM_READV] = {"process_vm_readv", SYS_process_vm_readv},
	[FILTERED_PTRACE] = {"ptrace", SYS_ptrace},
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool filtered, kills[FILTERED_CALLS];

/* Each of these calls refuses -1 in the place of a size, flags, a descriptor or a process. */
static long try(int call)
{
	return syscall(calls[call].number, -1L, -1L, -1L, -1L, -1L, -1L);
}

/* In a child: says each call before it is made. */
_Noreturn static void try_from(int first, int report)
{
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* no core file */
	signal(SIGSYS, SIG_DFL);
	for (int call = first; call < FILTERED_CALLS; call++) {
		char number = (char)call;

		if (write(report, &number, 1) != 1)
			break;
		try(call);
	}
	_exit(0);
}

/* Returns the first call of these that ends a process; FILTERED_CALLS: none does. */
static int find_from(int first)
{
	int ends[2], status = 0;
	char last = FILTERED_CALLS;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC))
		return FILTERED_CALLS;
	child = fork();
	if (child == 0)
		try_from(first, ends[1]);
	close(ends[1]);
	while (child > 0 && read(ends[0], &last, 1) == 1)
		continue;
	close(ends[0]);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	return child > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? last : FILTERED_CALLS;
}

static void find(void)
{
	int call = -1;

	filtered = procfs_status_number((int)getpid(), "Seccomp") == SECCOMP_MODE_FILTER;
	while (filtered && (call = find_from(call + 1)) < FILTERED_CALLS)
		kills[call] = true;
}

bool filtered_call_kills(enum filtered_call call)
{
	pthread_once(&once, find);
	if (kills[call])
		errno = EPERM;
	return kills[call];
}

const char *filtered_call_of_loading(int code)
{
	pthread_once(&once, find);
	for (int call = 0; filtered && call < FILTERED_LOADING_END; call++) {
		if (filtered_call_kills(call) || (try(call) < 0 && errno == code))
			return calls[call].name;
	}
	return NULL;
}

int filtered_pidfd_open(int pid)
{
	return filtered_call_kills(FILTERED_PIDFD_OPEN) ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
}
