/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/gate_enough.h"

#include "gate/baseline.h"
#include "gate/gate_compare.h"
#include "gate/gate_measure.h"

struct gate_counts *gate_enough_count(const char *directory, const struct profile *profile, const struct audit *audit,
				      const struct gate_counts *printed)
{
	struct gate_measurement *measurement = gate_measurement_new(directory);

	for (size_t i = 0; i < printed->benchmark_count; i++)
		gate_counts_benchmark(gate_measurement_counts(measurement), &printed->benchmarks[i]);
	gate_measurement_add(measurement, profile, audit);
	return gate_measurement_finish(measurement, NULL, NULL);
}

bool gate_enough(const struct gate_counts *before, const struct gate_counts *run, const struct policy *policy)
{
	struct gate *gate;
	bool passes;

	/* with `noisy fail`, it is the differences between runs that are judged */
	if (policy->noisy == NOISY_FAIL || before->estimated || run->estimated || before->rate != 1 || run->rate != 1 ||
	    before->normalize || profile_loss_any(&run->loss) || !baseline_covers_counts(before, run))
		return false;
	gate = gate_compare(before, run, policy);
	passes = !gate->failed;
	gate_free(gate);
	return passes;
}
