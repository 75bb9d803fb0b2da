/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/baseline_format.h"

const struct baseline_text baseline_texts[BASELINE_TEXTS] = {
	{"function", offsetof(struct gate_site, function), true},
	{"via", offsetof(struct gate_site, via), true},
	{"file", offsetof(struct gate_site, file), true},
	{"runtime_call", offsetof(struct gate_site, runtime_call), true},
	{"type", offsetof(struct gate_site, type), true},
	{"annotation", offsetof(struct gate_site, annotation), true},
	{"benchmark", offsetof(struct gate_site, benchmark), false},
	{"benchmark_package", offsetof(struct gate_site, benchmark_package), false},
	{"accepted", offsetof(struct gate_site, accepted), false},
};

const char **baseline_text(struct gate_site *site, int i)
{
	return (const char **)(void *)((char *)site + baseline_texts[i].offset);
}

int baseline_next(int value)
{
	return profile_value_next(value, VALUE_SHOWN);
}

bool baseline_is_of_sites(enum profile_value value)
{
	return profile_values[value].kinds & VALUE_OF_SITES;
}
