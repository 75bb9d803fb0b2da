// SPDX-License-Identifier: BSD-2-Clause
/*
 * deny CALL[:FIRST][,CALL...] ERRNO PROGRAM [ARG...]: runs the program under a seccomp filter that fails these system calls,
 * or those with that first argument, with that error number, like the filters of container runtimes; ERRNO "kill": that ends the
 * process at them.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *name;
	unsigned number;
} calls[] = {{"bpf", SYS_bpf},
	     {"ptrace", SYS_ptrace},
	     {"pidfd_open", SYS_pidfd_open},
	     {"process_vm_readv", SYS_process_vm_readv},
	     {"perf_event_open", SYS_perf_event_open},
	     {"openat2", SYS_openat2},
	     {"capset", SYS_capset},
	     {"fallocate", SYS_fallocate},
	     {"seccomp", SYS_seccomp},
	     {"setgroups", SYS_setgroups},
	     {"setgid", SYS_setgid},
	     {"setuid", SYS_setuid},
	     {"prctl", SYS_prctl},
	     {"pipe2", SYS_pipe2},
	     {"memfd_create", SYS_memfd_create},
	     {"dup3", SYS_dup3},
	     {"signalfd4", SYS_signalfd4},
	     {"clone", SYS_clone},
	     {"clone3", SYS_clone3}};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

int main(int argc, char **argv)
{
	const struct sock_filter number = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	const struct sock_filter first = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args));
	struct sock_filter filter[5 * CALLS + 2] = {number};
	struct sock_fprog program = {.len = 1, .filter = filter};
	unsigned answer;

	if (argc < 4) {
		fprintf(stderr, "usage: deny CALL[:FIRST][,CALL...] ERRNO PROGRAM [ARG...]\n");
		return 2;
	}
	answer = strcmp(argv[2], "kill") == 0 ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | (unsigned)atoi(argv[2]);
	for (char *name = strtok(argv[1], ","); name; name = strtok(NULL, ",")) {
		char *colon = strchr(name, ':');
		size_t call = 0;

		if (colon)
			*colon = 0;
		while (call < CALLS && strcmp(calls[call].name, name) != 0)
			call++;
		if (call == CALLS) {
			fprintf(stderr, "deny: unknown system call '%s'\n", name);
			return 2;
		}
		filter[program.len++] =
			(struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[call].number, 0, colon ? 4 : 1);
		if (colon) {
			filter[program.len++] = first;
			filter[program.len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
									     (unsigned)atoi(colon + 1), 0, 1);
		}
		filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, answer);
		if (colon)
			filter[program.len++] = number;
	}
	filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		perror("deny: seccomp");
		return 2;
	}
	execvp(argv[3], argv + 3);
	perror(argv[3]);
	return 2;
}
