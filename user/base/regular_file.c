/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/regular_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int regular_file_open(const char *path, struct stat *status, struct error *error)
{
	/* O_PATH finds the file without opening it. */
	int found = open(path, O_PATH | O_CLOEXEC), file = -1;
	struct stat known;
	char again[64];

	if (found < 0 || fstat(found, &known)) {
		error_set(error, STATUS_USAGE, "cannot open '%s': %s", path, strerror(errno));
	} else if (!S_ISREG(known.st_mode)) {
		error_set(error, STATUS_USAGE, "'%s' is not a regular file", path);
	} else if (known.st_size > REGULAR_FILE_MAX) {
		error_set(error, STATUS_USAGE, "'%s' is larger than %lld GiB", path,
			  (long long)(REGULAR_FILE_MAX >> 30));
	} else {
		snprintf(again, sizeof(again), "/proc/self/fd/%d", found);
		file = open(again, O_RDONLY | O_CLOEXEC);
		if (file < 0)
			error_set(error, STATUS_USAGE, "cannot open '%s': %s", path, strerror(errno));
	}
	if (found >= 0)
		close(found);
	if (file >= 0 && status)
		*status = known;
	return file;
}

bool regular_file_or_none(const char *path)
{
	struct stat status;

	return stat(path, &status) || S_ISREG(status.st_mode);
}
