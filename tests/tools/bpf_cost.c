/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loads each BPF program separately, and prints one line of JSON for each. `verified` is the number of instructions
 * that the verifier processed (0 before Linux 5.16), `cpu_ms` the system time of loading. If the verifier rejects a
 * program, the line has `error`, -v prints the verifier's log to standard error, and the exit status is 1.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/events.h"
#include "bpf/escapement.skel.h"
#include "collect/attachment.h"

static int print(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, arguments) : 0;
}

static int print_nothing(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

static double system_ms(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_stime.tv_sec * 1e3 + (double)usage.ru_stime.tv_usec / 1e3;
}

/* Loads only the program with that index. */
static int examine(int wanted)
{
	struct escapement_bpf *bpf = escapement_bpf__open();
	struct bpf_program *program, *chosen = NULL;
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);
	bool multi = attachments_kernel_has_multi();
	double began;
	int index = 0, error;

	if (!bpf)
		return -1;
	bpf_object__for_each_program(program, bpf->obj)
	{
		bpf_program__set_autoload(program, index == wanted);
		if (!multi)
			bpf_program__set_expected_attach_type(program, 0);
		if (index++ == wanted)
			chosen = program;
	}
	if (!chosen) {
		escapement_bpf__destroy(bpf);
		return -1;
	}
	began = system_ms();
	error = escapement_bpf__load(bpf);
	if (error)
		printf("{\"program\":\"%s\",\"error\":\"%s\"}\n", bpf_program__name(chosen), strerror(-error));
	else if (bpf_prog_get_info_by_fd(bpf_program__fd(chosen), &info, &size) == 0)
		printf("{\"program\":\"%s\",\"instructions\":%zu,\"verified\":%u,\"cpu_ms\":%.1f}\n",
		       bpf_program__name(chosen), bpf_program__insn_cnt(chosen), info.verified_insns,
		       system_ms() - began);
	escapement_bpf__destroy(bpf);
	return error ? 1 : 0;
}

int main(int argc, char **argv)
{
	int refused = 0, status;

	libbpf_set_print(argc > 1 && strcmp(argv[1], "-v") == 0 ? print : print_nothing);
	for (int i = 0; (status = examine(i)) >= 0; i++)
		refused |= status;
	return refused;
}
