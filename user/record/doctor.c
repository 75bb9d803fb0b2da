/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/priority.h"
#include "base/quantity.h"
#include "collect/collector.h"
#include "machine.h"
#include "profile/profile.h"
#include "record/observed.h"
#include "record/processes.h"
#include "runtime/runtime.h"
#include "symbols/address_space.h"
#include "target/launch.h"
#include "target/obstacle.h"
#include "target/privilege.h"
#include "target/target.h"

/* What one check leaves for the next, as a recording does. */
struct examination {
	int pid; /* 0: none */
	int64_t rate;
	struct target *target;
	struct collector *collector;
	int watch; /* held as by a recording; -1: none */
	struct runtime *runtime;
	struct probe_set probes;
	/* held until the end, because a recording has no more descriptors left for what comes after them */
	struct attachment *trial;
	struct address_space *space;
	struct profile *profile; /* its warnings */
};

/* Each check fills a finding whose subject is set and whose state is DOCTOR_OK. */
typedef void check_function(struct examination *examination, struct doctor_finding *finding);

static void set(struct doctor_finding *finding, enum doctor_state state, const char *detail, const char *advice)
{
	finding->state = state;
	snprintf(finding->detail, sizeof(finding->detail), "%s", detail);
	snprintf(finding->advice, sizeof(finding->advice), "%s", advice);
}

/* Fills the finding from the error of a recording's step. The advice at the end of its text goes to a field of its
 * own. */
static void set_error(struct doctor_finding *finding, const struct error *error)
{
	const char *advice = obstacle_advice(error);
	size_t length = strlen(error->text), tail = advice ? strlen(advice) + 2 : 0;

	set(finding, error->status == STATUS_LOST ? DOCTOR_DEGRADED : DOCTOR_MISSING, error->text,
	    advice ? advice : "");
	finding->status = error->status;
	finding->cause = obstacle_name((enum obstacle)error->cause);
	if (tail && length > tail && strcmp(error->text + length - tail + 2, advice) == 0)
		finding->detail[length - tail] = 0;
}

static void check_kernel(struct examination *examination, struct doctor_finding *finding)
{
	struct utsname kernel;

	(void)examination;
	uname(&kernel);
	snprintf(finding->detail, sizeof(finding->detail), "%s %s %s", kernel.sysname, kernel.release, kernel.machine);
	if (strcmp(kernel.machine, MACHINE_NAME) != 0) {
		finding->state = DOCTOR_MISSING;
		finding->status = STATUS_CANNOT_MEASURE;
		snprintf(finding->advice, sizeof(finding->advice),
			 "use an escapement that is built for %s, if there is one: this one is for " MACHINE_NAME,
			 kernel.machine);
	}
}

static void check_process(struct examination *examination, struct doctor_finding *finding)
{
	struct error error;

	examination->target = target_open(examination->pid, &error);
	if (examination->target)
		snprintf(finding->detail, sizeof(finding->detail), "%d (%s)", examination->pid,
			 examination->target->comm);
	else
		set_error(finding, &error);
}

/* PID 1 stands for the processes of other users: who may inspect it may inspect them all. */
static void check_others(struct examination *examination, struct doctor_finding *finding)
{
	struct error error;
	struct target *target = target_open(1, &error);

	(void)examination;
	if (target) {
		set(finding, DOCTOR_OK, "can be observed", "");
	} else {
		set_error(finding, &error);
		finding->state = DOCTOR_DEGRADED; /* those of this user can */
		finding->status = STATUS_OK;
	}
	target_close(target);
}

static void check_maps(struct examination *examination, struct doctor_finding *finding)
{
	struct error error;

	examination->collector = collector_open(true, examination->rate, false, &error);
	if (examination->collector)
		set(finding, DOCTOR_OK, "maps can be created", "");
	else
		set_error(finding, &error);
}

static void check_watch(struct examination *examination, struct doctor_finding *finding)
{
	struct error error;

	examination->watch = target_watch(examination->pid, &error);
	if (examination->watch < 0) {
		set_error(finding, &error);
		return;
	}
	processes_count_forks(examination->collector, examination->profile, examination->pid);
	set(finding, DOCTOR_OK, "its end will be noticed", "");
}

static void describe_runtime(const struct runtime *runtime, const struct target *target, struct doctor_finding *finding)
{
	struct runtime_others others;

	runtime_find_others(runtime, target, &others);
	snprintf(finding->detail, sizeof(finding->detail), "%s%s%s", runtime->version, runtime->library ? " in " : "",
		 runtime->library ? runtime->library : "");
	if (!others.count)
		return;
	finding->state = DOCTOR_DEGRADED;
	snprintf(finding->advice, sizeof(finding->advice),
		 "%s, %s, is not observed: what its code allocates is in no row%s%s", others.file, others.kind,
		 others.uncounted ? " and no total" : "", others.count > 1 ? "; there are more such files" : "");
}

static void check_runtime(struct examination *examination, struct doctor_finding *finding)
{
	struct error error;
	bool absent;

	examination->runtime = runtime_detect(examination->target, &absent, &error);
	if (!examination->runtime) {
		set_error(finding, &error);
		return;
	}
	examination->runtime->stacks = true;
	examination->space = address_space_new(examination->target, examination->profile, NULL);
	describe_runtime(examination->runtime, examination->target, finding);
}

static void check_programs(struct examination *examination, struct doctor_finding *finding)
{
	struct error error;
	char text[64], size[QUANTITY_SIZE];
	int failed;

	if (!examination->pid) {
		if (collector_prepare_all(examination->collector, &error) == 0) {
			set(finding, DOCTOR_OK, "all of them load", "");
			return;
		}
		set_error(finding, &error);
		if (error.cause == OBSTACLE_VERIFIER) { /* the rates that do without it work */
			finding->state = DOCTOR_DEGRADED;
			finding->status = STATUS_OK;
		}
		return;
	}
	failed = observed_prepare(examination->collector, examination->runtime, examination->rate, &examination->probes,
				  examination->profile, &error);
	if (failed) {
		set_error(finding, &error);
		return;
	}
	snprintf(text, sizeof(text), "those for --rate %s load", quantity_bytes_text(size, examination->rate));
	set(finding, DOCTOR_OK, text, "");
}

static void check_attaching(struct examination *examination, struct doctor_finding *finding)
{
	struct error error;

	examination->trial =
		collector_try_attach(examination->collector, examination->pid ? &examination->probes : NULL, &error);
	if (!examination->trial)
		set_error(finding, &error);
	else if (collector_kernel_has_multi())
		set(finding, DOCTOR_OK, "probes attach, by uprobe.multi", "");
	else
		set(finding, DOCTOR_DEGRADED, "probes attach, by perf: this kernel has no uprobe.multi",
		    "slower, and felt by every process that runs the same file: kernel 6.6 has uprobe.multi");
}

static void check_memory(struct examination *examination, struct doctor_finding *finding)
{
	struct target *target = examination->target;
	struct heap_counters counters;
	struct error error;
	char byte;

	if (target_read(target, target->mappings[0].start, &byte, sizeof(byte)) && target->denied) {
		obstacle_unreadable(&error, target->denied, target->pid, target->comm);
		set_error(finding, &error);
	} else if (observed_read_counters(examination->runtime, target, examination->rate, &counters) &&
		   observed_runtime_is_refused(examination->runtime, target, &error)) {
		set_error(finding, &error);
	} else {
		set(finding, DOCTOR_OK, "its counters can be read", "");
	}
}

/* What the rows of a recording at that rate will be. */
static void check_rows(struct examination *examination, struct doctor_finding *finding)
{
	const struct runtime *runtime = examination->runtime;
	char text[256], size[QUANTITY_SIZE];

	quantity_bytes_text(size, runtime->rate);
	if (runtime->unsampled) {
		snprintf(text, sizeof(text), "--rate %s shows refills, not objects: %s", size, runtime->unsampled);
		set(finding, DOCTOR_DEGRADED, text, runtime_unsampled_advice);
		return;
	}
	if (runtime->in_bursts) {
		snprintf(text, sizeof(text),
			 "%s: --rate %s counts every allocation in bursts, as often as --max-overhead allows",
			 runtime->in_bursts, size);
		set(finding, DOCTOR_OK, text, runtime_unsampled_advice);
		return;
	}
	if (runtime->rate == 1)
		snprintf(text, sizeof(text), "--rate 1 reports every object, with its stack");
	else if (runtime->rate == 0)
		snprintf(text, sizeof(text), "--rate 0 reports every refill with its stack, and exact totals");
	else
		snprintf(text, sizeof(text), "--rate %s estimates objects by stack from samples, one in %s bytes", size,
			 size);
	set(finding, DOCTOR_OK, text, "");
}

/* What a recording would warn of. */
static void check_limits(struct examination *examination, struct doctor_finding *finding)
{
	const struct profile *profile = examination->profile;

	set(finding, DOCTOR_OK, "none known", "");
	if (!profile->warning_count)
		return;
	finding->state = DOCTOR_DEGRADED;
	finding->detail[0] = 0;
	for (size_t i = 0; i < profile->warning_count; i++) {
		size_t length = strlen(finding->detail);

		snprintf(finding->detail + length, sizeof(finding->detail) - length, "%s%s", length ? "; " : "",
			 profile->warnings[i]);
	}
}

static void check_priority(struct examination *examination, struct doctor_finding *finding)
{
	(void)examination;
	if (priority_raise())
		set(finding, DOCTOR_OK, "recordings run before the target's threads", "");
	else
		set(finding, DOCTOR_DEGRADED,
		    "CAP_SYS_NICE is missing: a recording waits for its turn among the target's threads, and its probes "
		    "stay until then",
		    "run as root, or with CAP_SYS_NICE");
	priority_restore();
}

static void check_starting(struct examination *examination, struct doctor_finding *finding)
{
	struct identity identity;
	struct error error;

	(void)examination;
	if (launch_try(&error) || identity_find(NULL, &identity, &error)) {
		set_error(finding, &error);
	} else if (geteuid() == 0 && identity_try(NULL, &error)) {
		set_error(finding, &error);
		finding->state = DOCTOR_DEGRADED; /* without --user they run */
		finding->status = STATUS_OK;
	} else {
		set(finding, DOCTOR_OK, "can be started and followed", "");
	}
}

enum { OF_MACHINE = 1, OF_TARGET = 2 };

/* In the order of a recording. */
static const struct {
	const char *subject;
	check_function *check;
	unsigned of;
} checks[] = {
	{"kernel", check_kernel, OF_MACHINE | OF_TARGET},
	{"process", check_process, OF_TARGET},
	{"BPF", check_maps, OF_MACHINE | OF_TARGET},
	{"starting", check_starting, OF_MACHINE},
	{"watching", check_watch, OF_TARGET},
	{"runtime", check_runtime, OF_TARGET},
	{"programs", check_programs, OF_MACHINE | OF_TARGET},
	{"attaching", check_attaching, OF_MACHINE | OF_TARGET},
	{"memory", check_memory, OF_TARGET},
	{"rows", check_rows, OF_TARGET},
	{"limits", check_limits, OF_TARGET},
	{"priority", check_priority, OF_MACHINE | OF_TARGET},
	{"others", check_others, OF_MACHINE},
};

size_t doctor_examine(int pid, int64_t rate, struct doctor_finding *findings)
{
	struct examination examination = {.pid = pid, .rate = rate, .watch = -1, .profile = profile_new()};
	struct rlimit descriptors;
	size_t count = 0;

	_Static_assert(sizeof(checks) / sizeof(checks[0]) <= DOCTOR_FINDINGS_MAX, "room for all");
	processes_raise_descriptors(&descriptors);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		if (!(checks[i].of & (pid ? OF_TARGET : OF_MACHINE)))
			continue;
		findings[count] = (struct doctor_finding){.subject = checks[i].subject, .state = DOCTOR_OK};
		checks[i].check(&examination, &findings[count]);
		if (findings[count++].state == DOCTOR_MISSING && checks[i].check != check_starting)
			break; /* but what cannot be started may be attached to */
	}
	if (descriptors.rlim_max)
		setrlimit(RLIMIT_NOFILE, &descriptors);
	if (examination.watch >= 0)
		close(examination.watch);
	probe_set_free(&examination.probes);
	address_space_free(examination.space);
	collector_detach(examination.trial);
	collector_close(examination.collector);
	runtime_free(examination.runtime);
	target_close(examination.target);
	profile_free(examination.profile);
	return count;
}

enum exit_status doctor_status(const struct doctor_finding *findings, size_t count)
{
	enum exit_status status = STATUS_OK;

	for (size_t i = 0; i < count && status != STATUS_CANNOT_MEASURE; i++) {
		if (findings[i].status)
			status = findings[i].status;
	}
	return status;
}
