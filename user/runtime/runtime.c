/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/runtime.h"

#include <stdlib.h>
#include <string.h>

static struct runtime *(*const detectors[])(const struct target *, bool *, struct error *) = {
	runtime_goalloc_detect,
	runtime_go_detect,
};

const char runtime_unsampled_advice[] = "use --rate 1 --max-overhead 0 for exact rows, or --enable-sampler";

struct runtime *runtime_detect(const struct target *target, bool *absent, struct error *error)
{
	for (size_t i = 0; i < sizeof(detectors) / sizeof(detectors[0]); i++) {
		struct runtime *runtime;

		*absent = true;
		runtime = detectors[i](target, absent, error);
		if (runtime || !*absent)
			return runtime;
	}
	error_set(error, STATUS_CANNOT_MEASURE,
		  "process %d (%s) has no probes: it is no Go program and has no Go library or libgoalloc loaded",
		  target->pid, target->comm);
	return NULL;
}

void runtime_free(struct runtime *runtime)
{
	if (runtime)
		runtime->ops->free(runtime);
}

static bool is_possible(int64_t value)
{
	return value == VALUE_UNMEASURED || (value >= -HEAP_COUNT_MAX && value <= HEAP_COUNT_MAX);
}

int heap_counters_check(const struct heap_counters *counters, struct error *refusal)
{
	for (int class = 0; class < SPAN_CLASSES; class ++) {
		const struct heap_class *sums = &counters->classes[class];

		if (!is_possible(sums->objects) || !is_possible(sums->bytes) || !is_possible(sums->refills) ||
		    !is_possible(sums->central_grows) || !is_possible(sums->unreported_objects) ||
		    !is_possible(sums->unreported_bytes))
			return error_set(refusal, STATUS_CANNOT_MEASURE,
					 "its counters of span class %d are beyond what any process can reach: %lld "
					 "objects, %lld bytes",
					 class, (long long)sums->objects, (long long)sums->bytes);
	}
	return 0;
}
