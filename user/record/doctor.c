/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/doctor.h"

#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "collect/collector.h"
#include "runtime/runtime.h"
#include "target/target.h"

/* Each check fills in a finding, of which the subject is set and the state is DOCTOR_OK. */
typedef void check_function(int pid, struct doctor_finding *finding);

static void set(struct doctor_finding *finding, enum doctor_state state, const char *detail, const char *advice)
{
	finding->state = state;
	snprintf(finding->detail, sizeof(finding->detail), "%s", detail);
	snprintf(finding->advice, sizeof(finding->advice), "%s", advice);
}

static void check_kernel(int pid, struct doctor_finding *finding)
{
	struct utsname kernel;

	(void)pid;
	uname(&kernel);
	snprintf(finding->detail, sizeof(finding->detail), "%s %s %s", kernel.sysname, kernel.release, kernel.machine);
	if (strcmp(kernel.machine, "x86_64") != 0) {
		finding->state = DOCTOR_MISSING;
		snprintf(finding->advice, sizeof(finding->advice),
			 "use an x86_64 machine: probes are read by its registers");
	}
}

static uint64_t effective_capabilities(void)
{
	unsigned long long value = 0;
	char line[256];
	FILE *file = fopen("/proc/self/status", "re");

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "CapEff: %llx", &value) == 1)
			break;
	}
	if (file)
		fclose(file);
	return value;
}

static bool capable(int capability)
{
	return effective_capabilities() >> capability & 1;
}

static void check_permission(int pid, struct doctor_finding *finding)
{
	bool administrator = capable(CAP_SYS_ADMIN);

	(void)pid;
	if (administrator || (capable(CAP_BPF) && capable(CAP_PERFMON)))
		set(finding, DOCTOR_OK, administrator ? "CAP_SYS_ADMIN" : "CAP_BPF and CAP_PERFMON", "");
	else
		set(finding, DOCTOR_MISSING, "neither CAP_SYS_ADMIN nor CAP_BPF with CAP_PERFMON",
		    "run as root, or give these capabilities");
	if (finding->state == DOCTOR_OK && !capable(CAP_SYS_PTRACE))
		set(finding, DOCTOR_DEGRADED, "CAP_SYS_PTRACE is missing",
		    "only processes of this user can be observed: add CAP_SYS_PTRACE");
}

static void check_lockdown(int pid, struct doctor_finding *finding)
{
	char line[128] = "";
	FILE *file = fopen("/sys/kernel/security/lockdown", "re");

	(void)pid;
	if (file && !fgets(line, sizeof(line), file))
		line[0] = 0;
	if (file)
		fclose(file);
	line[strcspn(line, "\n")] = 0;
	if (strstr(line, "[confidentiality]"))
		set(finding, DOCTOR_MISSING, line,
		    "boot without lockdown=confidentiality: it forbids BPF to read memory");
	else
		set(finding, DOCTOR_OK, line[0] ? line : "none", "");
}

static void check_bpf(int pid, struct doctor_finding *finding)
{
	struct error error;
	struct collector *collector = collector_open(true, false, &error);

	(void)pid;
	if (!collector) {
		set(finding, DOCTOR_MISSING, error.text, "");
		return;
	}
	set(finding, DOCTOR_OK, "the programs load", "");
	collector_close(collector);
}

static void check_multi(int pid, struct doctor_finding *finding)
{
	(void)pid;
	if (collector_kernel_has_multi())
		set(finding, DOCTOR_OK, "attaches", "");
	else if (capable(CAP_SYS_ADMIN))
		set(finding, DOCTOR_DEGRADED, "not in this kernel: perf uprobes are used",
		    "slower, and slows down every process that runs the same file: kernel 6.6 has uprobe.multi");
	else
		set(finding, DOCTOR_MISSING, "not in this kernel, or not permitted",
		    "without it attaching needs CAP_SYS_ADMIN: run as root");
}

static void describe_runtime(const struct runtime *runtime, const struct target *target, struct doctor_finding *finding)
{
	const char *elsewhere = runtime->ops->elsewhere ? runtime->ops->elsewhere(runtime, target) : NULL;

	snprintf(finding->detail, sizeof(finding->detail), "process %d (%s): %s%s%s", target->pid, target->comm,
		 runtime->version, runtime->library ? " in " : "", runtime->library ? runtime->library : "");
	if (!elsewhere)
		return;
	finding->state = DOCTOR_DEGRADED;
	snprintf(finding->advice, sizeof(finding->advice),
		 "what %s allocates is in no row: its copy of the allocator is not observed", elsewhere);
}

/* Whether there are rows at the default rate. */
static void check_sampling(int pid, struct doctor_finding *finding)
{
	struct target *target = target_open(pid, NULL);
	struct error error;
	bool absent;
	struct runtime *runtime = target ? runtime_detect(target, &absent, &error) : NULL;
	const char *unsampled = runtime && runtime->ops->unsampled ? runtime->ops->unsampled(runtime) : NULL;

	if (unsampled)
		set(finding, DOCTOR_DEGRADED, unsampled, runtime_unsampled_advice);
	else
		set(finding, DOCTOR_OK, "its objects are sampled", "");
	runtime_free(runtime);
	target_close(target);
}

static void check_target(int pid, struct doctor_finding *finding)
{
	struct error error;
	struct target *target = target_open(pid, &error);
	struct runtime *runtime;
	bool absent;

	if (!target) {
		set(finding, DOCTOR_MISSING, error.text, "");
		return;
	}
	runtime = runtime_detect(target, &absent, &error);
	if (runtime)
		describe_runtime(runtime, target, finding);
	else
		set(finding, DOCTOR_MISSING, error.text,
		    absent ? "observe a Go program, or load libgoalloc into this one" : "");
	runtime_free(runtime);
	target_close(target);
}

static const struct {
	const char *subject;
	check_function *check;
	bool of_target;
} checks[] = {
	{"kernel", check_kernel, false},      {"permission", check_permission, false},
	{"lockdown", check_lockdown, false},  {"BPF", check_bpf, false},
	{"uprobe.multi", check_multi, false}, {"target", check_target, true},
	{"sampling", check_sampling, true},
};

size_t doctor_examine(int pid, struct doctor_finding *findings)
{
	bool target_missing = !pid;
	size_t count = 0;

	_Static_assert(sizeof(checks) / sizeof(checks[0]) <= DOCTOR_FINDINGS_MAX, "room for all");
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		if (checks[i].of_target && target_missing)
			continue;
		findings[count] = (struct doctor_finding){.subject = checks[i].subject, .state = DOCTOR_OK};
		checks[i].check(pid, &findings[count++]);
		target_missing |= checks[i].of_target && findings[count - 1].state == DOCTOR_MISSING;
	}
	return count;
}
