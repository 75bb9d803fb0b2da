/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/programs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/error.h"
#include "base/memory.h"
#include "bpf/events.h"
/* bpftool's code gives a skeleton back to libbpf that has no programs yet, for lack of memory; libbpf 1.5 reads them all the
 * same. The memory comes from us, therefore: where there is none, we end with a message. */
#define calloc(count, size) memory_zeroed(count, size)
#include "bpf/escapement.skel.h"
#undef calloc
#include "profile/size_class.h"

enum {
	PROGRAMS_MAX = 32,
	LOG_BYTES = 1 << 20, /* verifier log of one program */
	REASON_BYTES = 200,
	FEW_SAMPLES =
		512
		<< 10, /* bytes between samples: at 10 GB/s, 2,000 samples in 100 ms, the interval between looks at the maps */
	/* Rows of a map, which the kernel fills with free entries when it is made: two of EVENT_ROWS_MAX are a third of a
	 * start. At the sampler's rate, and at rate 0, at which a thread has an event in some hundred allocations: */
	ROWS_SAMPLED = 1 << 13,
	ROWS_SLOW_PATH = 1 << 15,
};

struct refusal {
	const char *name;
	char reason[REASON_BYTES];
};

struct programs {
	struct escapement_bpf *skeletons[PROGRAMS_MAX]; /* the first one has no programs: the others share its maps */
	size_t skeleton_count;
	struct refusal refusals[PROGRAMS_MAX];
	size_t refusal_count;
	bool multi;
};

/* Fills in the runtime's tables from size to class: the smallest class that holds the size. */
static void fill_size_classes(struct escapement_bpf *bpf)
{
	size_t eights = sizeof(bpf->rodata->size_class_of_8);
	size_t large = sizeof(bpf->rodata->size_class_of_128);

	for (int class = SIZE_CLASSES - 1; class > 0; class --) {
		int64_t size = size_class_bytes(class);

		bpf->rodata->size_class_sizes[class] = (uint16_t)size;
		for (size_t i = 0; i < eights && (int64_t)i * GO_SMALL_SIZE_DIV <= size; i++)
			bpf->rodata->size_class_of_8[i] = (uint8_t) class;
		for (size_t i = 0; i < large && GO_SMALL_SIZE_MAX + (int64_t)i * GO_LARGE_SIZE_DIV <= size; i++)
			bpf->rodata->size_class_of_128[i] = (uint8_t) class;
	}
}

static int configure(struct escapement_bpf *bpf, bool stacks)
{
	bpf->rodata->stacks_wanted = stacks;
	fill_size_classes(bpf);
	return getrandom((void *)bpf->rodata->stack_seed, sizeof(bpf->rodata->stack_seed), 0) < 0 ? -errno : 0;
}

static bool is_named(const struct bpf_program *program, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(bpf_program__name(program), names[i]) == 0)
			return true;
	}
	return false;
}

/* Opens a skeleton that will load only the named programs. */
static struct escapement_bpf *open_some(const struct programs *programs, const char *const *names, size_t count)
{
	struct escapement_bpf *bpf = escapement_bpf__open();
	struct bpf_program *program;

	if (!bpf)
		return NULL;
	bpf_object__for_each_program(program, bpf->obj)
	{
		bpf_program__set_autoload(program, is_named(program, names, count));
		if (!programs->multi)
			bpf_program__set_expected_attach_type(program, 0);
	}
	return bpf;
}

/* The kernel fills these maps when they are made: an insertion must not fail for lack of memory. */
static int shrink_rows(struct escapement_bpf *bpf, uint32_t rows)
{
	int status = bpf_map__set_max_entries(bpf->maps.rows0, rows);

	return status ? status : bpf_map__set_max_entries(bpf->maps.rows1, rows);
}

struct programs *programs_open(bool stacks, int64_t rate, bool multi, int *status)
{
	struct programs *programs = memory_zeroed(1, sizeof(*programs));
	struct escapement_bpf *bpf;

	programs->multi = multi;
	bpf = open_some(programs, NULL, 0);
	*status = bpf ? 0 : -errno;
	if (!*status)
		*status = configure(bpf, stacks);
	if (!*status && (rate == 0 || rate >= FEW_SAMPLES))
		*status = shrink_rows(bpf, rate ? ROWS_SAMPLED : ROWS_SLOW_PATH);
	if (!*status)
		*status = escapement_bpf__load(bpf);
	if (!*status) {
		programs->skeletons[programs->skeleton_count++] = bpf;
		return programs;
	}
	escapement_bpf__destroy(bpf);
	free(programs);
	return NULL;
}

void programs_close(struct programs *programs)
{
	if (!programs)
		return;
	while (programs->skeleton_count)
		escapement_bpf__destroy(programs->skeletons[--programs->skeleton_count]);
	free(programs);
}

struct escapement_bpf *programs_maps(const struct programs *programs)
{
	return programs->skeletons[0];
}

static int share_maps(const struct escapement_bpf *from, struct escapement_bpf *to)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, to->obj)
	{
		struct bpf_map *shared = bpf_object__find_map_by_name(from->obj, bpf_map__name(map));
		int status = shared ? bpf_map__reuse_fd(map, bpf_map__fd(shared)) : -ENOENT;

		if (status)
			return status;
	}
	return 0;
}

/* ESCAPEMENT_REFUSE=NAME in the environment makes the verifier reject that program, for tests. */
static void spoil_for_test(struct escapement_bpf *bpf)
{
	const char *name = getenv("ESCAPEMENT_REFUSE");
	struct bpf_program *program = name ? bpf_object__find_program_by_name(bpf->obj, name) : NULL;
	struct bpf_insn *copy;
	size_t count;

	if (!program)
		return;
	count = bpf_program__insn_cnt(program); /* as many as before: libbpf will still relocate some of them */
	copy = memory_zeroed(count, sizeof(*copy));
	memcpy(copy, bpf_program__insns(program), count * sizeof(*copy));
	copy[0] = (struct bpf_insn){.code = BPF_JMP | BPF_EXIT}; /* without a result */
	bpf_program__set_insns(program, copy, count);
	free(copy);
}

/* Loads all named programs or none. `log` receives the verifier's log of one of them; it may be NULL. */
static int load_together(struct programs *programs, const char *const *names, size_t count, char *log)
{
	struct escapement_bpf *bpf = open_some(programs, names, count);
	int status;

	if (!bpf)
		return -errno;
	spoil_for_test(bpf);
	if (log)
		bpf_program__set_log_buf(bpf_object__find_program_by_name(bpf->obj, names[0]), log, LOG_BYTES);
	status = share_maps(programs_maps(programs), bpf);
	if (!status)
		status = escapement_bpf__load(bpf);
	if (!status)
		programs->skeletons[programs->skeleton_count++] = bpf;
	else
		escapement_bpf__destroy(bpf);
	return status;
}

/* The verifier's reason is the line before its statistics ("processed N insns …"). */
static void find_reason(char *log, char *reason)
{
	char *state = NULL, *last = NULL;

	for (char *line = strtok_r(log, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
		if (strncmp(line, "processed ", 10) == 0)
			break;
		last = line;
	}
	reason[0] = 0;
	if (last)
		strncat(reason, last, REASON_BYTES - 1);
}

/* Loads a single program of a group that failed, to find the one at fault. */
static int load_alone(struct programs *programs, const char *name)
{
	struct refusal *refusal = &programs->refusals[programs->refusal_count];
	char *log = memory_zeroed(1, LOG_BYTES);
	int status;

	status = load_together(programs, &name, 1, log);
	/* the verifier has examined it; ENOSPC means that its log was too long. What is used up is no verdict: the log of a
	 * program that was accepted is there too when no descriptor is left for it. */
	if (status && !error_is_shortage(-status) && (log[0] || status == -ENOSPC)) {
		refusal->name = name;
		find_reason(log, refusal->reason);
		programs->refusal_count++;
		status = 0;
	}
	free(log);
	return status;
}

int programs_load(struct programs *programs, const char *const *names, size_t count)
{
	const char *wanted[PROGRAMS_MAX];
	size_t wanted_count = 0;
	int status = 0;

	for (size_t i = 0; i < count; i++) {
		bool listed = false;

		for (size_t j = 0; j < wanted_count; j++)
			listed |= strcmp(wanted[j], names[i]) == 0;
		if (!listed && !programs_find(programs, names[i]) && !programs_refusal(programs, names[i]))
			wanted[wanted_count++] = names[i];
	}
	if (!wanted_count || load_together(programs, wanted, wanted_count, NULL) == 0)
		return 0;
	for (size_t i = 0; i < wanted_count && !status; i++)
		status = load_alone(programs, wanted[i]);
	return status;
}

struct bpf_program *programs_find(const struct programs *programs, const char *name)
{
	for (size_t i = 1; i < programs->skeleton_count; i++) {
		struct bpf_program *program = bpf_object__find_program_by_name(programs->skeletons[i]->obj, name);

		if (program && bpf_program__autoload(program))
			return program;
	}
	return NULL;
}

const char *programs_refusal(const struct programs *programs, const char *name)
{
	for (size_t i = 0; i < programs->refusal_count; i++) {
		if (strcmp(programs->refusals[i].name, name) == 0)
			return programs->refusals[i].reason;
	}
	return NULL;
}

uint64_t programs_missed(const struct programs *programs)
{
	struct bpf_program *program;
	uint64_t missed = 0;

	for (size_t i = 1; i < programs->skeleton_count; i++) {
		bpf_object__for_each_program(program, programs->skeletons[i]->obj)
		{
			struct bpf_prog_info info = {0};
			uint32_t size = sizeof(info);

			if (bpf_program__autoload(program) &&
			    bpf_prog_get_info_by_fd(bpf_program__fd(program), &info, &size) == 0)
				missed += info.recursion_misses;
		}
	}
	return missed;
}
