/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A profile as a pprof file (profile.proto), gzip on disk.
 *
 * - sample types: those of profile_values.h, in that order; a value that was not measured is 0 in every
 *   sample, and its name is missing from the comment `measured`
 * - labels: span_class (text, because pprof drops numeric labels that are 0), size_class (number, bytes; none for large
 * objects), type, pid (number), comm; stack = "truncated" if the stack had more frames; rate (number, bytes) if it
 * differs from the rate of the recording; burst (number) if it was counted in bursts: their group
 * - locations: one for each profile_location, its frames innermost first as lines with columns
 * - mappings: the first process's executable first: pprof takes the first for the main binary
 * - period: bytes of space between samples: the rate
 * - comments: the rest: pprof_comments.c
 *
 * pprof_write.c and pprof_read.c are the two directions. Totals and class totals are comments, never samples,
 * so that no tool adds them to the rows.
 */
#include "profile/pprof.h"
