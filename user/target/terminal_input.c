/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/terminal_input.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	X32 = 0x40000000, /* set in the numbers of x86's third ABI, in which ioctl has its own */
	X32_IOCTL = 514,
	COMPAT_IOCTL = 54, /* 32-bit x86 and ARM */
};

#define LOAD(offset)		   BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define IF(value, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, then, otherwise)
#define RETURN(value)		   BPF_STMT(BPF_RET | BPF_K, value)

/* Of other calls it looks at the number only, so the kernel knows in advance that they are allowed, and does not run it. The
 * error is that of a kernel whose dev.tty.legacy_tiocsti is 0. */
static struct sock_filter filter[] = {
	LOAD(offsetof(struct seccomp_data, arch)),
	IF(AUDIT_ARCH_I386, 6, 0),
	IF(AUDIT_ARCH_ARM, 5, 0),
	LOAD(offsetof(struct seccomp_data, nr)),
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~(uint32_t)X32),
	IF(SYS_ioctl, 4, 0),
	IF(X32_IOCTL, 3, 0),
	RETURN(SECCOMP_RET_ALLOW),
	LOAD(offsetof(struct seccomp_data, nr)),
	IF(COMPAT_IOCTL, 0, 3),
	LOAD(offsetof(struct seccomp_data, args[1])), /* its lower half: what the kernel takes */
	IF(TIOCSTI, 2, 0),
	IF(TIOCLINUX, 1, 0),
	RETURN(SECCOMP_RET_ALLOW),
	RETURN(SECCOMP_RET_ERRNO | EIO),
};

/* Of a call that has no terminal, the kernel says that, but the filter something else. */
static bool is_refused(unsigned long request)
{
	errno = 0;
	return ioctl(-1, request, "") == 0 || errno != EBADF;
}

/* A sandbox may answer with success and install nothing. */
static int install(void)
{
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	/* without the flag, older kernels make the program slower than it is */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program))
		return -1;
	if (is_refused(TIOCSTI) && is_refused(TIOCLINUX))
		return 0;
	errno = EPERM;
	return -1;
}

static bool has_terminal(void)
{
	int file = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);

	if (file >= 0)
		close(file);
	return file >= 0 || errno != ENXIO;
}

int terminal_input_refuse(void)
{
	if (!has_terminal() || install() == 0)
		return 0;
	if (errno == EACCES && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && install() == 0)
		return 0;
	/* a kernel without filters; a filter that is there may say the same */
	return (errno == ENOSYS || errno == EINVAL) && prctl(PR_GET_SECCOMP) != SECCOMP_MODE_FILTER ? 0 : -1;
}
