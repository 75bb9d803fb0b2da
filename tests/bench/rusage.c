/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rusage FILE COMMAND [ARG...]: runs the command and writes its seconds of CPU, its peak of resident memory in KiB and its
 * minor page faults to FILE, those of its children included. MEASURED_PRELOAD becomes its LD_PRELOAD. This is a small program of its own
 * because the kernel's peak begins with the size of the process that forks. Exits with the status of the command.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct rusage usage;
	int status;

	if (argc < 3) {
		fprintf(stderr, "usage: rusage FILE COMMAND [ARG...]\n");
		return 2;
	}
	const char *library = getenv("MEASURED_PRELOAD");
	pid_t child = fork();
	if (child == 0) {
		if (library && *library)
			setenv("LD_PRELOAD", library, 1);
		execvp(argv[2], argv + 2);
		fprintf(stderr, "rusage: cannot run '%s': %s\n", argv[2], strerror(errno));
		_exit(127);
	}
	if (child < 0 || wait4(child, &status, 0, &usage) != child) {
		fprintf(stderr, "rusage: cannot run '%s': %s\n", argv[2], strerror(errno));
		return 127;
	}
	FILE *file = fopen(argv[1], "w");
	if (!file ||
	    fprintf(file, "%.6f %ld %ld\n",
		    (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6,
		    usage.ru_maxrss, usage.ru_minflt) < 0 ||
	    fclose(file) != 0) {
		fprintf(stderr, "rusage: cannot write '%s': %s\n", argv[1], strerror(errno));
		return 127;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
