/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Attaches a BPF program to instructions of a process until its standard input ends, to measure the kernel's cost of a
 * hit. With `bare_probe PID FILE OFFSET[,OFFSET...]` the BPF program does nothing. With a number of frames as fourth
 * argument, it takes the stack by the kernel's helper and discards it. With `count` as fourth argument it counts the
 * hits, except those at which a Go function's stack check is about to fail (the function then starts again), and
 * bare_probe prints their number for each line that it reads. PID 0 means every process.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/ptrace.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#define TRACE_UPROBE_MULTI ((enum bpf_attach_type)48) /* not named in kernel headers before 6.6 */

#define INSN(operation, destination, source, distance, value) \
	((struct bpf_insn){.code = (operation),               \
			   .dst_reg = (destination),          \
			   .src_reg = (source),               \
			   .off = (distance),                 \
			   .imm = (value)})
#define MOVE(destination, source)      INSN(BPF_ALU64 | BPF_MOV | BPF_X, destination, source, 0, 0)
#define MOVE_VALUE(destination, value) INSN(BPF_ALU64 | BPF_MOV | BPF_K, destination, 0, 0, value)
#define CALL(function)		       INSN(BPF_JMP | BPF_CALL, 0, 0, 0, function)

enum { FRAME_BYTES = 8, FRAMES_MAX = 127, OFFSETS_MAX = 256 };

static int load(const struct bpf_insn *instructions, size_t count)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = TRACE_UPROBE_MULTI);

	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, "bare", "GPL", instructions, count, &options);
}

static int load_nothing(void)
{
	const struct bpf_insn instructions[] = {MOVE_VALUE(BPF_REG_0, 0), INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)};

	return load(instructions, sizeof(instructions) / sizeof(instructions[0]));
}

static int load_stack(int frames)
{
	int buffer = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "bare", 4, FRAME_BYTES * FRAMES_MAX, 1, NULL);
	const struct bpf_insn instructions[] = {
		MOVE(BPF_REG_6, BPF_REG_1),
		INSN(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0),
		MOVE(BPF_REG_2, BPF_REG_10),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4),
		INSN(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, buffer),
		INSN(0, 0, 0, 0, 0), /* the second half of the one before */
		CALL(BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 5, 0),
		MOVE(BPF_REG_1, BPF_REG_6),
		MOVE(BPF_REG_2, BPF_REG_0),
		MOVE_VALUE(BPF_REG_3, FRAME_BYTES * frames),
		MOVE_VALUE(BPF_REG_4, BPF_F_USER_STACK),
		CALL(BPF_FUNC_get_stack),
		MOVE_VALUE(BPF_REG_0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};

	return buffer < 0 ? -1 : load(instructions, sizeof(instructions) / sizeof(instructions[0]));
}

/* Increments the only element of the map. */
static int load_count(int *counts)
{
	enum { FAILS = 0x41 /* carry, zero */ };

	*counts = bpf_map_create(BPF_MAP_TYPE_ARRAY, "counts", 4, 8, 1, NULL);

	const struct bpf_insn instructions[] = {
		INSN(BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_6, BPF_REG_1, offsetof(struct pt_regs, eflags), 0),
		INSN(BPF_JMP | BPF_JSET | BPF_K, BPF_REG_6, 0, 9, FAILS),
		INSN(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0),
		MOVE(BPF_REG_2, BPF_REG_10),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4),
		INSN(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, *counts),
		INSN(0, 0, 0, 0, 0), /* the second half of the one before */
		CALL(BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 2, 0),
		MOVE_VALUE(BPF_REG_1, 1),
		INSN(BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_0, BPF_REG_1, 0, BPF_ADD),
		MOVE_VALUE(BPF_REG_0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};

	return *counts < 0 ? -1 : load(instructions, sizeof(instructions) / sizeof(instructions[0]));
}

int main(int argc, char **argv)
{
	LIBBPF_OPTS(bpf_link_create_opts, link);
	bool count_hits = argc > 4 && strcmp(argv[4], "count") == 0;
	int program, counts = -1, frames = argc > 4 ? atoi(argv[4]) : 0;
	uint64_t hits = 0;
	ssize_t status;
	unsigned long offsets[OFFSETS_MAX];
	uint32_t count = 0, first = 0;
	char *word, byte;

	if (argc < 4 || frames < 0 || frames > FRAMES_MAX)
		return 2;
	for (word = strtok(argv[3], ","); word; word = strtok(NULL, ",")) {
		if (count == OFFSETS_MAX)
			return 2;
		offsets[count++] = strtoul(word, NULL, 10);
	}
	program = count_hits ? load_count(&counts) : frames ? load_stack(frames) : load_nothing();
	link.uprobe_multi.path = argv[2];
	link.uprobe_multi.offsets = offsets;
	link.uprobe_multi.cnt = count;
	link.uprobe_multi.pid = (uint32_t)atoi(argv[1]);
	if (program < 0 || bpf_link_create(program, -1, TRACE_UPROBE_MULTI, &link) < 0) {
		fprintf(stderr, "bare_probe: cannot attach to '%s': %s\n", argv[2], strerror(errno));
		return 1;
	}
	puts("attached");
	fflush(stdout);
	while ((status = read(STDIN_FILENO, &byte, 1)) == 1 && count_hits) {
		if (bpf_map_lookup_elem(counts, &first, &hits))
			return 1;
		printf("%" PRIu64 "\n", hits);
		fflush(stdout);
	}
	return status < 0;
}
