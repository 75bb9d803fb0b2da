/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PROGRAMS_H
#define ESCAPEMENT_PROGRAMS_H

/*
 * The BPF programs. The kernel's verification of programs is most of what a recording costs before it begins, so each
 * program is loaded when a process first needs it, and then serves every process. All share the maps of the first
 * skeleton. A program that the verifier rejects is remembered with the reason; the others are still used. Private to
 * the collector. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct programs;
struct bpf_program;
struct escapement_bpf;

/* Creates the maps. `stacks`, `rate`: see collector_open(). `multi`: programs will be attached by uprobe.multi. Returns NULL if
 * the kernel refused, and then sets `status` to -errno. */
struct programs *programs_open(bool stacks, int64_t rate, bool multi, int *status);
void programs_close(struct programs *programs); /* NULL is allowed; all programs must be detached */

/* The skeleton whose maps all programs use. */
struct escapement_bpf *programs_maps(const struct programs *programs);

/* Loads those of the named programs that are not loaded yet. Returns 0, even if the verifier rejects some, or -errno if
 * the kernel did not get as far as verifying them. */
int programs_load(struct programs *programs, const char *const *names, size_t count);

/* Returns NULL if the program has not been loaded, or was rejected. */
struct bpf_program *programs_find(const struct programs *programs, const char *name);

/* Returns the verifier's reason for rejecting a program, "" if it gave none; NULL if the program has not been
 * rejected. */
const char *programs_refusal(const struct programs *programs, const char *name);

/* Probe hits for which the kernel did not run a program. */
uint64_t programs_missed(const struct programs *programs);

#endif
