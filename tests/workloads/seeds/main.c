/* SPDX-License-Identifier: BSD-2-Clause */
#include "seeds.h"

__attribute__((noipa)) void fmt_call(const struct go_interface *values, int count)
{
	for (int i = 0; i < count; i++)
		go_use(values[i].data);
}

int main(int argc, char **argv)
{
	const struct workload_program programs[] = {seed_escape,   seed_add,	seed_fmtptr, seed_fmtval,
						    seed_noescape, seed_simple, seed_slice};
	const struct workload workload = {"seeds", programs, sizeof(programs) / sizeof(programs[0]), NULL, NULL, NULL};

	return workload_main(&workload, argc, argv);
}
