/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

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

int identity_find(const char *user, struct identity *identity, struct error *error)
{
	const char *sudo_user = getenv("SUDO_UID"), *sudo_group = getenv("SUDO_GID");
	const struct passwd *found;
	const char *wanted = user ? user : sudo_user;
	long uid;

	*identity = (struct identity){0};
	if (!wanted || (!user && geteuid() != 0))
		return 0;
	uid = number(wanted);
	found = uid >= 0 ? getpwuid((uid_t)uid) : getpwnam(wanted);
	if (!found && uid < 0)
		return error_set(error, STATUS_USAGE, "there is no user '%s'", wanted);
	if (found) {
		fill(identity, found);
	} else {
		identity->uid = (uid_t)uid;
		identity->gid = (gid_t)uid;
		snprintf(identity->home, sizeof(identity->home), "/");
	}
	if (!user && sudo_group && number(sudo_group) >= 0)
		identity->gid = (gid_t)number(sudo_group);
	identity->other = identity->uid != geteuid();
	if (identity->other && geteuid() != 0)
		return error_set(error, STATUS_USAGE, "--user %s: only root can run a program as another user", wanted);
	return 0;
}

int identity_assume(const struct identity *identity)
{
	bool named = identity->name[0];

	if (!identity->other)
		return geteuid() == 0 ? 0 : prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (named ? initgroups(identity->name, identity->gid) : setgroups(0, NULL))
		return -1;
	if (setgid(identity->gid) || setuid(identity->uid)) /* drops all capabilities */
		return -1;
	setenv("HOME", identity->home, 1);
	if (named) {
		setenv("USER", identity->name, 1);
		setenv("LOGNAME", identity->name, 1);
	}
	return 0;
}
