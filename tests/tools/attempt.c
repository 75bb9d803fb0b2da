// SPDX-License-Identifier: BSD-2-Clause
/*
 * attempt: tries what needs a privilege, and prints in one line as whom it runs, its capabilities, the descriptors above
 * standard error that it has inherited, and which of the attempts succeeded. Harms nothing if they do.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { INIT = 1 };

static int load_program(void)
{
	const struct bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K}, {.code = BPF_JMP | BPF_EXIT}};
	union bpf_attr attributes = {.prog_type = BPF_PROG_TYPE_KPROBE,
				     .insns = (uintptr_t)code,
				     .insn_cnt = 2,
				     .license = (uintptr_t) "GPL"};

	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes));
}

static int trace(void)
{
	int status = ptrace(PTRACE_SEIZE, INIT, NULL, NULL) ? -1 : 0;

	if (!status)
		ptrace(PTRACE_DETACH, INIT, NULL, NULL);
	return status;
}

static int read_memory(void)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {(void *)0x400000, 1};

	return process_vm_readv(INIT, &here, 1, &there, 1, 0) < 0 && errno == EPERM ? -1 : 0;
}

static int open_memory(void)
{
	return open("/proc/1/mem", O_RDONLY);
}

static int read_secret(void)
{
	return open("/etc/shadow", O_RDONLY);
}

static int send_signal(void)
{
	return kill(INIT, 0);
}

static int become_root(void)
{
	return geteuid() == 0 ? 0 : setuid(0);
}

static int enter_groups(void)
{
	const gid_t root = 0;

	return (int)syscall(SYS_setgroups, 1, &root);
}

static int raise_capability(void)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {{1U << CAP_SYS_ADMIN, 1U << CAP_SYS_ADMIN, 0}};

	return (int)syscall(SYS_capset, &header, data);
}

static int raise_priority(void)
{
	return setpriority(PRIO_PROCESS, 0, -1);
}

static int unshare_mounts(void)
{
	return unshare(CLONE_NEWNS);
}

static const struct {
	const char *name;
	int (*try)(void);
} attempts[] = {
	{"load a BPF program", load_program},
	{"trace init", trace},
	{"read init's memory", read_memory},
	{"open init's memory", open_memory},
	{"read a secret", read_secret},
	{"signal init", send_signal},
	{"be root", become_root},
	{"enter root's group", enter_groups},
	{"raise a capability", raise_capability},
	{"raise the priority", raise_priority},
	{"unshare mounts", unshare_mounts},
};

static void print_capabilities(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[256];

	while (status && fgets(line, sizeof(line), status)) {
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, "CapPrm:", 7) == 0 || strncmp(line, "CapEff:", 7) == 0 ||
		    strncmp(line, "CapInh:", 7) == 0 || strncmp(line, "CapAmb:", 7) == 0)
			printf(" %llx", strtoull(line + 7, NULL, 16));
	}
	if (status)
		fclose(status);
}

static void print_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		int number = atoi(entry->d_name);

		if (number > STDERR_FILENO && number != dirfd(directory))
			printf(" %d", number);
	}
	if (directory)
		closedir(directory);
}

int main(void)
{
	printf("uid %d gid %d capabilities", (int)getuid(), (int)getgid());
	print_capabilities();
	printf(" descriptors");
	print_descriptors();
	printf(" succeeded");
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		if (attempts[i].try() >= 0)
			printf(" '%s'", attempts[i].name);
	}
	puts("");
	return 0;
}
