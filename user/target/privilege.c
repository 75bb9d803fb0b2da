/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/privilege.h"

#include <errno.h>
#include <elf.h>
#include <grp.h>
#include <link.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <nss.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/caller.h"
#include "base/memory.h"
#include "base/subprocess.h"
#include "target/obstacle.h"
#include "target/terminal_input.h"

/* Parses a user or group number; -1 if the text is anything else. */
static long number(const char *text)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	return errno || end == text || *end || value < 0 || value > INT32_MAX ? -1 : value;
}

static void fill(struct identity *identity, const struct passwd *user)
{
	identity->uid = user->pw_uid;
	identity->gid = user->pw_gid;
	snprintf(identity->name, sizeof(identity->name), "%s", user->pw_name);
	snprintf(identity->home, sizeof(identity->home), "%s", user->pw_dir);
}

/*
 * In a program that is linked statically, users are looked up in /etc/passwd and /etc/group alone: other sources are libraries
 * of the machine, and of a C library that need not be this one.
 */
static void use_files_alone(void)
{
	const ElfW(Phdr) *segments = (const ElfW(Phdr) *)getauxval(AT_PHDR);

	for (unsigned long i = 0; segments && i < getauxval(AT_PHNUM); i++) {
		if (segments[i].p_type == PT_INTERP)
			return;
	}
	__nss_configure_lookup("passwd", "files");
	__nss_configure_lookup("group", "files");
	__nss_configure_lookup("initgroups", "files");
}

/* Looks up a user by number or, if that is negative, by name. Stores what is known of the user, NULL if that is the number alone. */
static int look_up(long given, const char *user, uid_t *uid, const struct passwd **found, struct error *error)
{
	use_files_alone();
	*found = given < 0 ? getpwnam(user) : getpwuid((uid_t)given);
	if (given < 0 && !*found)
		return error_set(error, STATUS_USAGE, "there is no user '%s'", user);
	*uid = *found ? (*found)->pw_uid : (uid_t)given;
	return 0;
}

int user_find(const char *user, uid_t *uid, struct error *error)
{
	const struct passwd *found;

	return look_up(number(user), user, uid, &found, error);
}

int identity_find(const char *user, struct identity *identity, struct error *error)
{
	const struct passwd *found;
	struct caller caller;
	uid_t uid = (uid_t)-1;

	*identity = (struct identity){0};
	if (!user && !caller_find(&caller)) {
		const char *said = geteuid() == 0 ? getenv("SUDO_UID") : NULL;

		if (said && *said)
			return error_set(
				error, STATUS_USAGE,
				"SUDO_UID is '%s', which is no user's number: say with --user as whom programs run",
				said);
		return 0;
	}
	if (look_up(user ? number(user) : (long)caller.user, user, &uid, &found, error))
		return -1;
	if (found) {
		fill(identity, found);
	} else {
		identity->uid = uid;
		identity->gid = uid;
		snprintf(identity->home, sizeof(identity->home), "/");
	}
	if (!user)
		identity->gid = caller.group;
	identity->other = identity->uid != geteuid();
	if (identity->other && geteuid() != 0)
		return error_set(error, STATUS_USAGE, "--user %s: only root can run a program as another user", user);
	return identity->other ? identity_try(identity, error) : 0;
}

/* Sandboxes answer calls that they do not make with success, too: nothing is believed that can be looked at. */
static int confirm(bool taken)
{
	if (!taken)
		errno = EPERM;
	return taken ? 0 : -1;
}

/* The capabilities of this process, as capget() and capset() have them. */
struct capabilities {
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct halves[_LINUX_CAPABILITY_U32S_3];
};

static int get_capabilities(struct capabilities *held)
{
	*held = (struct capabilities){.header.version = _LINUX_CAPABILITY_VERSION_3};
	return (int)syscall(SYS_capget, &held->header, held->halves);
}

static int set_capabilities(struct capabilities *wanted)
{
	struct capabilities held;

	if (syscall(SYS_capset, &wanted->header, wanted->halves) || get_capabilities(&held))
		return -1;
	return confirm(memcmp(held.halves, wanted->halves, sizeof(held.halves)) == 0);
}

/* A file can give a program that it is the capabilities which the one before could inherit. The ambient ones go with them. */
static int clear_inheritable(const struct identity *identity)
{
	struct capabilities held;
	uint32_t any = 0;

	(void)identity;
	if (get_capabilities(&held))
		return -1;
	for (int half = 0; half < _LINUX_CAPABILITY_U32S_3; half++) {
		any |= held.halves[half].inheritable;
		held.halves[half].inheritable = 0;
	}
	return any ? set_capabilities(&held) : 0;
}

static int refuse_terminal_input(const struct identity *identity)
{
	(void)identity;
	return terminal_input_refuse();
}

/* Whether the process is in no other groups than these. */
static bool is_in_these_alone(const gid_t *groups, int count)
{
	int held = getgroups(0, NULL), known = 0;
	gid_t *all = memory_zeroed((size_t)(held > 0 ? held : 0) + 1, sizeof(*all));

	if (held < 0 || getgroups(held, all) != held)
		held = -1;
	for (int i = 0; i < held; i++) {
		for (int j = 0; j < count; j++) {
			if (all[i] == groups[j]) {
				known++;
				break;
			}
		}
	}
	free(all);
	return known == held;
}

static int take_groups(const struct identity *identity)
{
	int count = 0, status;
	gid_t *groups;

	if (identity->name[0])
		getgrouplist(identity->name, identity->gid, NULL, &count); /* how many there are */
	groups = memory_zeroed((size_t)count + 1, sizeof(*groups));
	if (count && getgrouplist(identity->name, identity->gid, groups, &count) < 0)
		status = confirm(false);
	else
		status = setgroups((size_t)count, groups) ? -1 : confirm(is_in_these_alone(groups, count));
	free(groups);
	return status;
}

static int take_group(const struct identity *identity)
{
	gid_t real, effective, saved;

	if (setgid(identity->gid) || getresgid(&real, &effective, &saved))
		return -1;
	return confirm(real == identity->gid && effective == identity->gid && saved == identity->gid);
}

/* Drops all capabilities. */
static int take_user(const struct identity *identity)
{
	uid_t real, effective, saved;

	if (setuid(identity->uid) || getresuid(&real, &effective, &saved))
		return -1;
	return confirm(real == identity->uid && effective == identity->uid && saved == identity->uid);
}

/* How a child of root becomes another user. */
static const struct {
	enum obstacle_call call;
	int (*take)(const struct identity *identity);
	const char *what;
} steps[] = {
	{CALL_CAPSET, clear_inheritable, "run programs as another user"},
	{CALL_FILTER, refuse_terminal_input, "keep programs of other users from typing into this terminal"},
	{CALL_SETGROUPS, take_groups, "run programs as another user"},
	{CALL_SETGID, take_group, "run programs as another user"},
	{CALL_SETUID, take_user, "run programs as another user"},
};

enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

/* Shared with the child that tries. */
struct trial {
	size_t step; /* the one that it takes; STEPS: it has taken all */
	int code;    /* errno, of one that failed */
};

static void take_steps(const struct identity *identity, struct trial *trial)
{
	while (trial->step < STEPS && steps[trial->step].take(identity) == 0)
		trial->step++;
	trial->code = errno;
}

/* In a child of its own. */
static void try_steps(const struct identity *identity, struct trial *trial)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		take_steps(identity, trial);
		_exit(0);
	}
	if (child < 0) { /* nor can a program be started, which says why */
		trial->step = STEPS;
		return;
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status)) /* some sandboxes kill */
		trial->code = EPERM;
}

int identity_try(const struct identity *identity, struct error *error)
{
	static const struct identity any = {.other = true, .uid = 65534, .gid = 65534};
	struct trial *shared, trial = {.step = STEPS};

	if (obstacle_check_identity(error))
		return -1;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared != MAP_FAILED) {
		try_steps(identity ? identity : &any, shared);
		trial = *shared;
		munmap(shared, sizeof(*shared));
	}
	return trial.step == STEPS
		       ? 0
		       : obstacle_refused(error, steps[trial.step].call, trial.code, "%s", steps[trial.step].what);
}

int identity_assume(const struct identity *identity)
{
	pid_t parent = getppid();
	int at_parents_end = 0;
	struct trial trial = {0};

	if (!identity->other)
		return geteuid() == 0 ? 0 : clear_inheritable(identity);
	prctl(PR_GET_PDEATHSIG, &at_parents_end);
	take_steps(identity, &trial);
	if (trial.step < STEPS)
		return -1;
	if (at_parents_end) /* who becomes another user has no such signal any more */
		subprocess_end_with(parent, at_parents_end);
	setenv("HOME", identity->home, 1);
	if (identity->name[0]) {
		setenv("USER", identity->name, 1);
		setenv("LOGNAME", identity->name, 1);
	}
	return 0;
}

int identity_become(const void *identity)
{
	return identity_assume(identity);
}

static const struct {
	unsigned use;
	int capability;
} needed[] = {
	{PRIVILEGE_READ, CAP_SYS_PTRACE}, /* process_vm_readv, /proc/PID/mem, and most of /proc/PID */
	{PRIVILEGE_READ, CAP_DAC_READ_SEARCH},
	{PRIVILEGE_READ, CAP_CHECKPOINT_RESTORE}, /* /proc/PID/map_files, the only way to a deleted library */
	{PRIVILEGE_PRIORITY, CAP_SYS_NICE},
	{PRIVILEGE_ATTACH, CAP_BPF},
	{PRIVILEGE_ATTACH, CAP_PERFMON},
	{PRIVILEGE_ATTACH_PERF, CAP_SYS_ADMIN},
	{PRIVILEGE_SIGNAL, CAP_KILL},
	{PRIVILEGE_WRITE, CAP_DAC_OVERRIDE},
	{PRIVILEGE_WRITE, CAP_CHOWN},
	{PRIVILEGE_WRITE, CAP_FOWNER},
	{PRIVILEGE_CHANGE, CAP_DAC_OVERRIDE}, /* /proc/PID/mem, to write */
};

static uint64_t capabilities_for(unsigned uses)
{
	uint64_t kept = 0;

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (uses & needed[i].use)
			kept |= UINT64_C(1) << needed[i].capability;
	}
	return kept;
}

/* No program gives us what this drops. That takes CAP_SETPCAP; without it no_new_privs is what holds. False: success was no proof. */
static bool drop_bounding(uint64_t kept)
{
	bool dropped = true;

	for (int capability = 0; capability < 32 * _LINUX_CAPABILITY_U32S_3; capability++) {
		if (!(kept >> capability & 1) && prctl(PR_CAPBSET_READ, capability, 0, 0, 0) > 0 &&
		    !prctl(PR_CAPBSET_DROP, capability, 0, 0, 0))
			dropped &= prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 0;
	}
	return dropped;
}

int privilege_keep(unsigned uses)
{
	struct capabilities all;
	uint64_t kept = capabilities_for(uses), held;
	bool dropped;

	if (get_capabilities(&all))
		return -1;
	held = all.halves[0].permitted | (uint64_t)all.halves[1].permitted << 32;
	/* who has CAP_SYS_ADMIN but not CAP_BPF, which is newer, uses it instead */
	if (uses & PRIVILEGE_ATTACH &&
	    (held & capabilities_for(PRIVILEGE_ATTACH)) != capabilities_for(PRIVILEGE_ATTACH))
		kept |= capabilities_for(PRIVILEGE_ATTACH_PERF);
	dropped = drop_bounding(kept);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) ||
	    confirm(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1))
		return -1;
	for (int half = 0; half < _LINUX_CAPABILITY_U32S_3; half++) {
		uint32_t bits = (uint32_t)(kept >> 32 * half);

		all.halves[half].effective &= bits;
		all.halves[half].permitted &= bits;
		all.halves[half].inheritable = 0;
	}
	return set_capabilities(&all) ? -1 : confirm(dropped);
}

int privilege_no_files(void)
{
	/* how many kinds of access each version knows, from the first one on */
	static const int kinds_of[] = {13, 14, 15, 15, 16};
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	long newest = (long)(sizeof(kinds_of) / sizeof(kinds_of[0]));
	struct landlock_ruleset_attr rules = {0};
	int file, result;

	if (version <= 0)
		return 0;
	rules.handled_access_fs = (1ULL << kinds_of[(version < newest ? version : newest) - 1]) - 1;
	file = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules.handled_access_fs), 0);
	if (file < 0)
		return -1;
	result = (int)syscall(SYS_landlock_restrict_self, file, 0); /* there is no rule that allows anything */
	close(file);
	return result;
}
