/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/obstacle.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/printable.h"
#include "target/filtered_call.h"
#include "target/procfs.h"

static const struct obstacle_row {
	const char *name;
	enum exit_status status;
	const char *words, *advice;
	bool of_program;
} rows[OBSTACLE_COUNT] = {
	[OBSTACLE_CAPABILITY] = {"capability", STATUS_CANNOT_MEASURE, "not permitted: escapement lacks",
				 "run as root, or with CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE", false},
	[OBSTACLE_USER_NAMESPACE] =
		{"user-namespace", STATUS_CANNOT_MEASURE,
		 "not permitted: escapement runs in a user namespace (a rootless container, unshare "
		 "-U), whose capabilities end at its border",
		 "run it outside, as root; processes in there are seen from outside too", false},
	[OBSTACLE_SECCOMP] = {"seccomp", STATUS_CANNOT_MEASURE, "a seccomp filter forbids the system call",
			      "allow it in the filter of the container or service that escapement runs in", false},
	[OBSTACLE_LOCKDOWN] = {"lockdown", STATUS_CANNOT_MEASURE,
			       "the kernel is locked down (confidentiality), which forbids it",
			       "boot without lockdown=confidentiality", false},
	[OBSTACLE_POLICY] = {"policy", STATUS_CANNOT_MEASURE,
			     "not permitted, although no capability is missing: a security module forbids",
			     "look for its message in the kernel's log (dmesg), and allow it", false},
	[OBSTACLE_NO_BPF] = {"no-bpf", STATUS_CANNOT_MEASURE, "this kernel has no BPF (CONFIG_BPF_SYSCALL)",
			     "use a kernel that has it", false},
	[OBSTACLE_NO_UPROBES] = {"no-uprobes", STATUS_CANNOT_MEASURE,
				 "this kernel has no uprobes (CONFIG_UPROBE_EVENTS)", "use a kernel that has them",
				 false},
	[OBSTACLE_VERIFIER] =
		{"verifier", STATUS_CANNOT_MEASURE,
		 "nothing can be measured at this rate: the verifier of this kernel refuses the BPF program",
		 "try another --rate, and please report this with the kernel's version", false},
	[OBSTACLE_TRACER] = {"tracer", STATUS_CANNOT_MEASURE, "is traced by",
			     "record it with -p, or put escapement inside", false},
	[OBSTACLE_GO_LIBRARY] = {"go-library", STATUS_CANNOT_MEASURE,
				 "has a Go runtime that cannot be read in a library,",
				 "build that with Go 1.19 or newer", true},
	[OBSTACLE_GO_TABLES] =
		{"go-tables", STATUS_CANNOT_MEASURE,
		 "is a Go program whose tables of functions cannot be read: it is older than Go 1.19, or "
		 "was changed after linking",
		 "build it with Go 1.19 or newer", true},
	[OBSTACLE_GCCGO] = {"gccgo", STATUS_CANNOT_MEASURE,
			    "was built by gccgo, whose allocator is not the one of Go's own compiler",
			    "build it with go build", true},
	[OBSTACLE_32_BIT] = {"32-bit", STATUS_CANNOT_MEASURE,
			     "is a 32-bit program, and only 64-bit ones can be measured",
			     "build it for 64 bits (of Go programs: GOARCH=amd64 or arm64)", true},
	[OBSTACLE_NO_RUNTIME] = {"no-runtime", STATUS_CANNOT_MEASURE,
				 "has no probes: it is not a Go program and has no libgoalloc loaded",
				 "observe a Go program, or load libgoalloc into this one", true},
	[OBSTACLE_FILE] = {"file", STATUS_CANNOT_MEASURE,
			   "has no probes that could be found, and it maps code that may not be read,",
			   "run as root, or with CAP_DAC_READ_SEARCH too", true},
	[OBSTACLE_NO_PROC] = {"no-proc", STATUS_CANNOT_MEASURE,
			      "/proc is not mounted, or is that of another PID namespace",
			      "mount it (mount -t proc proc /proc), or run escapement where it is", false},
	[OBSTACLE_IDENTITY] = {"identity", STATUS_CANNOT_MEASURE, "not permitted: escapement lacks",
			       "give it that, or have the program run as root (--user root)", false},
	[OBSTACLE_UNREADABLE] = {"unreadable", STATUS_LOST, "is measured without its memory, which cannot be read:",
				 "until that is allowed there is no check, and what no event reported is missing",
				 false},
};

enum { BPF = 1, PERFMON = 2, PTRACE = 4, ADMIN = 8, SETUID = 16, SETGID = 32 };

static const struct capability_row {
	unsigned bit;
	int number;
	bool with_admin; /* CAP_SYS_ADMIN has it too */
	const char *name;
} capability_rows[] = {
	{BPF, CAP_BPF, true, "CAP_BPF"},
	{PERFMON, CAP_PERFMON, true, "CAP_PERFMON"},
	{PTRACE, CAP_SYS_PTRACE, false, "CAP_SYS_PTRACE"},
	{ADMIN, CAP_SYS_ADMIN, false, "CAP_SYS_ADMIN"},
	{SETUID, CAP_SETUID, false, "CAP_SETUID"},
	{SETGID, CAP_SETGID, false, "CAP_SETGID"},
};

static const struct call_row {
	const char *name;
	unsigned capabilities;
} call_rows[] = {
	[CALL_INSPECT] = {"ptrace access to its files", PTRACE},
	[CALL_READ] = {"process_vm_readv", PTRACE},
	[CALL_WATCH] = {"pidfd_open", 0},
	[CALL_TRACE] = {"ptrace", PTRACE},
	[CALL_MAPS] = {"bpf", BPF},
	[CALL_LOAD] = {"bpf", BPF | PERFMON},
	[CALL_LINK] = {"bpf", BPF | PERFMON},
	[CALL_PERF_UPROBE] = {"perf_event_open", ADMIN},
	[CALL_FILTER] = {"seccomp", 0},
	[CALL_CAPSET] = {"capset", 0},
	[CALL_SETGROUPS] = {"setgroups", SETGID},
	[CALL_SETGID] = {"setgid", SETGID},
	[CALL_SETUID] = {"setuid", SETUID},
	[CALL_FORK] = {"clone", 0},
};

const char *obstacle_name(enum obstacle obstacle)
{
	return rows[obstacle].name;
}

bool obstacle_is_of_program(const struct error *error)
{
	return rows[error->cause].of_program;
}

const char *obstacle_advice(const struct error *error)
{
	return rows[error->cause].advice;
}

static int vset(struct error *error, enum obstacle obstacle, const char *detail, const char *subject, va_list arguments)
{
	char text[sizeof(error->text)];

	printable_format(text, sizeof(text), subject, arguments);
	error_set(error, rows[obstacle].status, "%s %s%s%s; %s", text, rows[obstacle].words, detail ? " " : "",
		  detail ? detail : "", rows[obstacle].advice);
	if (error)
		error->cause = (int)obstacle;
	return -1;
}

int obstacle_set(struct error *error, enum obstacle obstacle, const char *detail, const char *subject, ...)
{
	va_list arguments;

	va_start(arguments, subject);
	vset(error, obstacle, detail, subject, arguments);
	va_end(arguments);
	return -1;
}

/* Returns the first line of a file below /proc or /sys; "" if there is none. */
static void read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");

	if (!file || !fgets(line, (int)size, file))
		line[0] = 0;
	if (file)
		fclose(file);
	line[strcspn(line, "\n")] = 0;
}

static bool is_locked_down(void)
{
	char line[128];

	read_line("/sys/kernel/security/lockdown", line, sizeof(line));
	return strstr(line, "[confidentiality]") != NULL;
}

/* Whether this is not the initial user namespace, which has this number in every kernel (PROC_USER_INIT_INO). */
static bool in_user_namespace(void)
{
	char link[64];
	ssize_t length = readlink("/proc/self/ns/user", link, sizeof(link) - 1);

	if (length < 0)
		return false;
	link[length] = 0;
	return strcmp(link, "user:[4026531837]") != 0;
}

struct status {
	uint64_t capabilities; /* effective */
	bool filtered;	       /* by seccomp */
};

static bool take_status(void *context, const char *line)
{
	struct status *status = context;

	if (strncmp(line, "CapEff:", 7) == 0)
		status->capabilities = strtoull(line + 7, NULL, 16);
	else if (strncmp(line, "Seccomp:", 8) == 0)
		status->filtered = strtol(line + 8, NULL, 10) == 2;
	return true;
}

/* Names the wanted capabilities that we lack; "" if there are none. */
static void name_missing(uint64_t effective, unsigned wanted, char *names, size_t size)
{
	bool admin = effective >> CAP_SYS_ADMIN & 1;

	names[0] = 0;
	for (size_t i = 0; i < sizeof(capability_rows) / sizeof(capability_rows[0]); i++) {
		const struct capability_row *row = &capability_rows[i];
		size_t length = strlen(names);

		if ((wanted & row->bit) && !(effective >> row->number & 1) && !(admin && row->with_admin))
			snprintf(names + length, size - length, "%s%s", length ? " and " : "", row->name);
	}
}

/* The kernel has the system call bpf if it has its setting. */
static bool has_bpf(void)
{
	return access("/proc/sys/kernel/unprivileged_bpf_disabled", F_OK) == 0;
}

/* Loading BPF programs takes other calls than bpf(), too: names the one that a filter has refused. */
static void name_filtered(enum obstacle_call call, int code, char *name, size_t size)
{
	const char *refused =
		call == CALL_MAPS || call == CALL_LOAD || call == CALL_LINK ? filtered_call_of_loading(code) : NULL;

	if (refused)
		snprintf(name, size, "%s", refused);
}

/* Returns the cause, OBSTACLE_NONE if the errno says everything. `detail` receives what the cause's words end with. */
static enum obstacle diagnose(enum obstacle_call call, int code, char *detail, size_t size)
{
	const struct call_row *row = &call_rows[call];
	bool refused = code == EPERM || code == EACCES, absent = code == ENOSYS;
	struct status status = {0};

	procfs_lines((int)getpid(), "status", take_status, &status);
	snprintf(detail, size, "%s", row->name);
	if (!refused && !absent) {
		detail[0] = 0;
		if ((call == CALL_LINK || call == CALL_PERF_UPROBE) &&
		    access("/sys/bus/event_source/devices/uprobe", F_OK))
			return OBSTACLE_NO_UPROBES;
		return OBSTACLE_NONE;
	}
	if (absent && !status.filtered && (call == CALL_MAPS || call == CALL_LOAD) && !has_bpf()) {
		detail[0] = 0;
		return OBSTACLE_NO_BPF;
	}
	if (absent && status.filtered)
		name_filtered(call, code, detail, size);
	if (absent)
		return status.filtered ? OBSTACLE_SECCOMP : OBSTACLE_NONE;
	if (row->capabilities) {
		char missing[sizeof("CAP_BPF and CAP_PERFMON and CAP_SYS_PTRACE")];

		if (in_user_namespace()) {
			detail[0] = 0;
			return OBSTACLE_USER_NAMESPACE;
		}
		name_missing(status.capabilities, row->capabilities, missing, sizeof(missing));
		if (missing[0]) {
			snprintf(detail, size, "%s", missing);
			return OBSTACLE_CAPABILITY;
		}
	}
	if (is_locked_down() && (row->capabilities & (BPF | ADMIN))) {
		detail[0] = 0;
		return OBSTACLE_LOCKDOWN;
	}
	if (!status.filtered || call == CALL_INSPECT)
		return OBSTACLE_POLICY;
	name_filtered(call, code, detail, size);
	return OBSTACLE_SECCOMP;
}

int obstacle_refused(struct error *error, enum obstacle_call call, int code, const char *what, ...)
{
	char detail[128], subject[512];
	enum obstacle obstacle = diagnose(call, code, detail, sizeof(detail));
	va_list arguments;

	va_start(arguments, what);
	printable_format(subject, sizeof(subject), what, arguments);
	va_end(arguments);
	if (obstacle)
		return obstacle_set(error, obstacle, detail[0] ? detail : NULL, "cannot %s:", subject);
	return error_set(error, STATUS_CANNOT_MEASURE, "cannot %s: %s", subject, strerror(code));
}

/* `again`: what EAGAIN may mean besides too many processes. */
static int not_started(struct error *error, int code, const char *again, const char *what, va_list arguments)
{
	char subject[512];

	printable_format(subject, sizeof(subject), what, arguments);
	if (code == EAGAIN)
		return error_set(
			error, STATUS_CANNOT_MEASURE,
			"cannot start %s: there are as many processes as may be (ulimit -u, or pids.max of a control "
			"group)%s",
			subject, again);
	return obstacle_refused(error, CALL_FORK, code, "start %s", subject);
}

int obstacle_no_process(struct error *error, int code, const char *what, ...)
{
	va_list arguments;

	va_start(arguments, what);
	not_started(error, code, "", what, arguments);
	va_end(arguments);
	return -1;
}

int obstacle_no_thread(struct error *error, int code, const char *what, ...)
{
	va_list arguments;

	/* pthread_create() returns it also where the stack cannot be mapped. */
	va_start(arguments, what);
	not_started(error, code, ", or there is no memory for its stack (ulimit -v, ulimit -s)", what, arguments);
	va_end(arguments);
	return -1;
}

void obstacle_why_unreadable(int code, char *why, size_t size)
{
	char detail[128];
	enum obstacle obstacle = diagnose(CALL_READ, code, detail, sizeof(detail));

	snprintf(why, size, "%s%s%s", obstacle ? rows[obstacle].words : strerror(code), detail[0] ? " " : "", detail);
}

int obstacle_unreadable(struct error *error, int code, int pid, const char *comm)
{
	char why[512];

	obstacle_why_unreadable(code, why, sizeof(why));
	return obstacle_set(error, OBSTACLE_UNREADABLE, why, "process %d (%s)", pid, comm);
}

int obstacle_check_proc(struct error *error)
{
	return procfs_is_ours() ? 0 : obstacle_set(error, OBSTACLE_NO_PROC, NULL, "cannot look at processes:");
}

int obstacle_check_identity(struct error *error)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	char missing[sizeof("CAP_SETUID and CAP_SETGID")];

	if (syscall(SYS_capget, &header, data)) /* not by /proc, which may be that of others */
		return 0;
	name_missing(data[0].effective, SETUID | SETGID, missing, sizeof(missing));
	return missing[0] ? obstacle_set(error, OBSTACLE_IDENTITY, missing, "cannot run programs as another user:") : 0;
}

int obstacle_unloadable(struct error *error, const char *program, const char *reason)
{
	static const char subject[] = "cannot load the BPF programs:";
	char detail[512];

	if (is_locked_down() && strstr(reason, "cannot use helper"))
		return obstacle_set(error, OBSTACLE_LOCKDOWN, NULL, subject);
	snprintf(detail, sizeof(detail), "%s (%s)", program, reason);
	return obstacle_set(error, OBSTACLE_VERIFIER, detail, subject);
}
