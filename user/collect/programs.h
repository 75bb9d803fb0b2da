/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PROGRAMS_H
#define ESCAPEMENT_PROGRAMS_H

/*
 * The BPF programs. Most of what a recording costs before it begins is the kernel's verifier looking at programs, so each
 * program is loaded when a process first needs it, and then serves every process. All share the maps of the first
 * skeleton. A program that the verifier refuses is remembered with the reason; the others go on.
 * Part of the collector: nobody else includes this. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct programs;
struct bpf_program;
struct escapement_bpf;

/* Creates the maps. `stacks`: as in collector_open(). `multi`: programs will be attached by uprobe.multi. NULL if the
 * kernel refused; `status` is -errno then. */
struct programs *programs_open(bool stacks, bool multi, int *status);
void programs_close(struct programs *programs); /* NULL is allowed; no program may be attached any more */

/* The skeleton whose maps all programs use. */
struct escapement_bpf *programs_maps(const struct programs *programs);

/* Loads those of the named programs that are not loaded yet. 0, also if the verifier refuses some; -errno if the kernel
 * did not even look at them. */
int programs_load(struct programs *programs, const char *const *names, size_t count);

/* NULL if it has not been loaded, or was refused. */
struct bpf_program *programs_find(const struct programs *programs, const char *name);

/* What the verifier had to say of a program that it refused, "" if it said nothing; NULL if it has not been refused. */
const char *programs_refusal(const struct programs *programs, const char *name);

/* Probe hits for which the kernel did not run a program. */
uint64_t programs_missed(const struct programs *programs);

#endif
