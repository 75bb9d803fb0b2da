/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Attaches a program that does nothing to one instruction of a process, until its standard input ends: what the
 * kernel asks for a hit. `bare_probe PID FILE OFFSET`.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#define TRACE_UPROBE_MULTI ((enum bpf_attach_type)48) /* kernel headers older than 6.6 lack the name */

int main(int argc, char **argv)
{
	struct bpf_insn instructions[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, load, .expected_attach_type = TRACE_UPROBE_MULTI);
	LIBBPF_OPTS(bpf_link_create_opts, link);
	unsigned long offset;
	int program;
	char byte;

	if (argc != 4)
		return 2;
	offset = strtoul(argv[3], NULL, 10);
	program = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "bare", "GPL", instructions, 2, &load);
	link.uprobe_multi.path = argv[2];
	link.uprobe_multi.offsets = &offset;
	link.uprobe_multi.cnt = 1;
	link.uprobe_multi.pid = (uint32_t)atoi(argv[1]);
	if (program < 0 || bpf_link_create(program, -1, TRACE_UPROBE_MULTI, &link) < 0) {
		fprintf(stderr, "bare_probe: cannot attach at %lu: %s\n", offset, strerror(errno));
		return 1;
	}
	puts("attached");
	fflush(stdout);
	return read(STDIN_FILENO, &byte, 1) < 0;
}
