/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/go_sampler.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "profile/estimates.h"
#include "profile/size_class.h"
#include "runtime/go_code.h"

enum { DEFAULT_RATE = 512 * 1024, PROCESSORS_MAX = 1 << 16 };

const char *go_sampler_unsampled(const struct runtime *runtime)
{
	const struct go *go = (const struct go *)runtime;

	if (!go->binary->memory_profiling)
		return "Go's memory profiler is not linked into this program";
	return go->sampler_rate == 0 ? "Go's memory profiler is turned off in this process" : NULL;
}

int64_t go_sampler_rate(const struct go *go)
{
	return go->sampler_rate > 1 ? go->sampler_rate : DEFAULT_RATE;
}

static int64_t last_rate(const struct go *go)
{
	return go->sampler_rate > 0 ? go->sampler_rate : go->runtime.rate;
}

/* The mean rate, weighted by what samples stand for, if they were taken at several rates; 0 if all were taken at the last one. */
static int64_t mean_of_several(const struct go *go)
{
	int64_t last = last_rate(go);

	return go->mean_rate == (last < (int64_t)EVENT_RATE_MAX ? last : (int64_t)EVENT_RATE_MAX) ? 0 : go->mean_rate;
}

static int64_t processors(const struct go *go, const struct target *target)
{
	uint64_t slice[2] = {0};

	return target_read(target, go->heap.processors, slice, sizeof(slice)) ? 0 : (int64_t)slice[1];
}

void go_sampler_note_rate(struct go *go, const struct target *target)
{
	const volatile struct event_process *events = go->runtime.events;
	int64_t rate = go_heap_profile_rate(&go->heap, target);

	if (events && events->rates)
		go->mean_rate = (int64_t)(events->rate_squares / events->rates);
	if (rate < 0)
		return;
	/* before we have turned the sampler on, or afterwards */
	if (rate == 0 && go->rate_wanted && !go->rate_written)
		return;
	if (rate > go->coarsest && rate < (int64_t)EVENT_RATE_MAX) /* coarser ones are as good as off */
		go->coarsest = rate;
	go->processors = processors(go, target);
	go->turned_off |= rate == 0 && (go->sampler_rate > 0 || go->mean_rate > 0);
	go->sampler_rate = rate;
	rate = mean_of_several(go) ? mean_of_several(go) : rate;
	if (rate > 1 && go->beside)
		go->runtime.beside_rate = rate;
	else if (rate > 1)
		go->runtime.rate = rate;
}

void go_sampler_begin(struct go *go, enum go_depth depth, int64_t rate)
{
	struct runtime *runtime = &go->runtime;
	uint32_t objects = 1u << VALUE_OBJECTS | 1u << VALUE_BYTES | 1u << VALUE_SAMPLES;

	runtime->unmeasured = 1u << VALUE_CENTRAL_GROWS;
	runtime->rows_unmeasured = 1u << VALUE_CENTRAL_GROWS;
	if (depth == GO_AT_UNSAMPLED) {
		runtime->rows_unmeasured |= objects;
		runtime->unsampled = go_sampler_unsampled(runtime);
		return;
	}
	runtime->unmeasured |= 1u << VALUE_REFILLS;
	runtime->rows_unmeasured |= 1u << VALUE_REFILLS;
	go->sampled = depth == GO_AT_SAMPLED;
	runtime->in_bursts = go->sampled ? NULL : go_sampler_unsampled(runtime);
	if (go->rate_wanted || !go->sampled)
		return;
	go->rate_asked = rate;
	runtime->rate = go_sampler_rate(go);
}

static int64_t objects_so_far(const struct go *go, const struct target *target)
{
	struct go_heap_state state;
	struct error refusal; /* ignored: the next read() reports it too */
	int64_t objects;

	if (go_heap_read(&go->heap, target, NULL, &state, &refusal))
		return 0;
	objects = state.tiny_count + state.tiny_tail + state.large_count;
	for (int class = 0; class < SIZE_CLASSES; class ++)
		objects += state.small_count[class] + state.tail[2 * class] + state.tail[2 * class + 1];
	return objects;
}

/*
 * A program without a memory profiler sets its rate to 0 itself when it starts, so the sampler can be turned on only
 * after it has created its Ps. It has them when it creates its second thread, the monitor, before any of its own code
 * runs. Up to Go 1.20 it sets the rate after that; then the sampler is turned on once more when the runtime creates
 * another thread for its collector, which is also before the program's own code.
 */
static bool is_to_be_turned_on(const struct go *go, const struct target *target)
{
	if (!go->rate_written)
		return processors(go, target) > 0;
	return go->runtime.counters_start_at_zero && go->rate_writes == 1 &&
	       go_heap_profile_rate(&go->heap, target) == 0;
}

/* Draws a distance as the runtime does. */
static uint64_t sample_distance(int64_t rate)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), 0) < 0)
		return (uint64_t)rate;
	return (uint64_t)(-log((random + 1.0) / 4294967296.0) * (double)rate);
}

/*
 * Up to Go 1.23 the distance to the next sample is the one that was drawn for the old rate. If that was 0 the distance
 * is 0, so each P's next object would be sampled. Nothing reads the distance while the rate is 0. We therefore draw new
 * distances, but only in a process that has just started: later a P may be freed between our read and our write.
 */
static void draw_distances(struct go *go, const struct target *target)
{
	uint64_t *addresses, distance;
	size_t count = go_heap_next_samples(&go->heap, target, &addresses);

	go->forced = 0;
	for (size_t i = 0; i < count; i++) {
		if (go->runtime.counters_start_at_zero)
			target_write_word(target, addresses[i], sample_distance(go->rate_wanted));
		else if (target_read(target, addresses[i], &distance, sizeof(distance)) == 0)
			go->forced += distance == 0;
	}
	free(addresses);
}

void go_sampler_adjust(struct runtime *runtime, const struct target *target, bool on)
{
	struct go *go = (struct go *)runtime;

	if (!on && go->rate_written)
		go_sampler_note_rate(go, target);
	if (!go->rate_wanted || !(on ? is_to_be_turned_on(go, target) : go->rate_written))
		return;
	if (on)
		draw_distances(go, target);
	if (target_write_word(target, go->heap.profile_rate, on ? (uint64_t)go->rate_wanted : 0))
		return;
	go->rate_written = on;
	go->sampler_rate = go->rate_wanted;
	go->rate_writes += on;
	if (on && runtime->counters_start_at_zero)
		go->objects_before = objects_so_far(go, target);
}

const struct profile_stack *go_sampler_tiny_stack(struct profile *profile)
{
	const struct profile_frame frame = {.function = estimates_tiny_site};
	const struct profile_location *location = profile_location(profile, 0, NULL, &frame, 1);

	return profile_stack(profile, &location, 1, false);
}

/* Determines the class of a sample whose arguments could not be read: in Go 1.27 it is in the name of the copy of
 * mallocgc. */
static void class_from_caller(const struct go *go, struct event_key *key, const struct event_stack *stack)
{
	struct go_function function;
	const char *kind, *number;

	if (!stack || stack->depth < 2 ||
	    !gopclntab_function_at(go->binary->symbols, stack->pcs[1] - 1 - go->bias, &function) ||
	    !go_code_is_specialised_malloc(function.name))
		return;
	kind = function.name + strlen("runtime.mallocgc");
	number = strstr(kind, "SC");
	if (strncmp(kind, "Tiny", 4) == 0)
		key->site = 0;
	else if (number)
		key->span_class = (uint16_t)(2 * atoi(number + 2) + (strncmp(kind, "SmallNoScan", 11) == 0));
}

/*
 * Samples of weights w tell as much as (sum of w)^2 / (sum of w^2) samples of one weight (Kish's effective size), here for
 * w = rate / size + 1/2.
 */
static double effective_samples(const struct event_sums *sums, double size)
{
	double count = (double)sums->events, rates = (double)sums->weight, squares = (double)sums->objects_q20;

	return pow(rates / size + count / 2, 2) / (squares / (size * size) + rates / size + count / 4);
}

/*
 * The bytes for which the process may have lacked a sampler of these rates although it was never off. The distance to a P's next
 * sample may have been drawn at the coarsest of them; the sum of n such distances is more than n + sqrt(2 n x) + x times that with a
 * probability of exp(-x) (Laurent and Massart 2000, lemma 1).
 */
static double late_bytes(const struct go *go, double coarsest, double x)
{
	double count = fmin(fmax((double)go->processors, 1), PROCESSORS_MAX);

	return coarsest > (double)(go->mean_rate ? go->mean_rate : last_rate(go))
		       ? coarsest * (count + sqrt(2 * count * x) + x)
		       : 0;
}

/*
 * Whether a part of the time had no sampler, or a much coarser one. A sampler of any rate r takes an object of s bytes with the
 * probability p = 1 - exp(-s / r), and (r + s) p >= s. So the sum of r + s over all samples, `reach`, is expected to be the bytes that were
 * allocated, or more, however the rate changes. A sum of independent values of at most A each that is expected to be e A is k A
 * or less with a probability of at most exp(-(e - k + k ln(k / e))) (Chernoff). Without large objects, whose A may be anything.
 */
void go_sampler_judge(struct runtime *runtime, const struct profile_process *process)
{
	const double x = 18.4; /* exp(-x) is 1e-8: nobody is warned without a cause */
	struct go *go = (struct go *)runtime;
	const volatile struct event_process *events = runtime->events;
	double bytes = 0, coarsest, most, expected, reached;

	if (!go->sampled || go->rate_wanted || !events || !events->layout.profile_rate || events->over ||
	    process->lost_events)
		return;
	for (int class = 2; class < SPAN_CLASSES; class ++) {
		int64_t of_class = process->class_totals[class][VALUE_BYTES];

		if (class != TINY_SPAN_CLASS && of_class > 0) /* tiny objects in blocks of others are no samples */
			bytes += (double)of_class;
	}
	coarsest = fmax(fmax((double)events->coarsest, (double)go->coarsest), DEFAULT_RATE);
	if (coarsest >= (double)EVENT_RATE_MAX)
		return;
	most = coarsest + GO_MAX_SMALL_SIZE;
	expected = (bytes - late_bytes(go, coarsest, x)) / most;
	reached = (double)events->reach / most;
	if (reached < expected && expected - reached + (reached > 0 ? reached * log(reached / expected) : 0) > x)
		go->share = fmax((double)events->reach / bytes, DBL_MIN);
}

/*
 * A sampler of that rate takes an object of n bytes with the probability 1 - exp(-n / rate). Tiny objects are the
 * exception: the block that they share is sampled, with the stack of the object that opened it. So the sum of all of
 * them is known, but their split between sites is not: they make one row together, here that of the blocks.
 *
 * If the program changes its rate, each sample stands for what it did at the rate of its time: for about rate / n + 1/2
 * objects, so that those of a row stand for what as many at the mean of their rates would.
 */
void go_sampler_estimate(struct runtime *runtime, struct event_key *key, struct event_sums *sums,
			 const struct event_stack *stack)
{
	struct go *go = (struct go *)runtime;
	double rate = (double)last_rate(go), size, objects, samples = (double)sums->events;

	if (key->span_class == EVENT_NO_SPAN_CLASS)
		class_from_caller(go, key, stack);
	size = (double)(key->site ? key->site : GO_TINY_BLOCK);
	if (mean_of_several(go) && sums->weight && sums->events) {
		rate = (double)sums->weight / (double)sums->events;
		samples = effective_samples(sums, size);
	}
	objects = (double)sums->events / -expm1(-size / rate);
	if (key->site == 0) {
		key->type = 0;
		key->span_class = TINY_SPAN_CLASS;
	}
	sums->objects_q20 = (uint64_t)fmin(objects * (1 << 20), HEAP_COUNT_MAX);
	sums->weight = (uint64_t)fmin(objects * size, HEAP_COUNT_MAX);
	if (go->turned_off || go->share > 0) {
		key->kind = EVENT_ALLOC;
		sums->count = sums->events;
		sums->bytes = (uint64_t)fmin((double)sums->events * size, HEAP_COUNT_MAX);
	} else {
		sums->events = (uint64_t)round(fmin(samples, (double)sums->events));
	}
}

/* Tiny objects that share a block: the blocks are samples. */
bool go_sampler_rest(struct runtime *runtime, struct profile *profile, const struct profile_process *process,
		     struct profile_key *key, int64_t values[VALUE_COUNT])
{
	const struct go *go = (struct go *)runtime;

	if (!(go->sampled || go->beside) || process->class_totals[TINY_SPAN_CLASS][VALUE_OBJECTS] <= 0)
		return false;
	key->stack = go_sampler_tiny_stack(profile);
	key->span_class = TINY_SPAN_CLASS;
	memset(values, 0, VALUE_COUNT * sizeof(*values));
	values[VALUE_OBJECTS] = process->class_totals[TINY_SPAN_CLASS][VALUE_OBJECTS];
	return true;
}

void go_sampler_finish(struct runtime *runtime, struct profile *profile, const struct profile_process *process)
{
	const struct go *go = (struct go *)runtime;

	if (go->turned_off) {
		profile->rows_least = true;
		profile_warn(
			profile,
			"Go's memory profiler was turned off in process %d while it was recorded: rows have only the objects "
			"that were samples before, and are lower bounds; record with --rate 1 --max-overhead 0",
			process->pid);
	} else if (go->share > 0) {
		profile->rows_least = true;
		profile_warn(
			profile,
			"the samples of process %d stand for %.3g %% of what it allocated: Go's memory profiler was turned off, or "
			"its MemProfileRate much coarser, for a part of the time. Rows have only the objects that were samples, "
			"and are lower bounds; record with --rate 1 --max-overhead 0",
			process->pid, 100 * go->share);
	} else if (mean_of_several(go)) {
		profile_warn(
			profile,
			"process %d changed its MemProfileRate while it was recorded: each sample stands for what it did "
			"at the rate of its time",
			process->pid);
	} else if (go->rate_asked && go->runtime.rate != go->rate_asked)
		profile_warn(profile, "this Go program samples one object per %lld bytes: using that rate",
			     (long long)go->runtime.rate);
	if (go->rate_wanted && !go->rate_writes)
		profile_warn(profile, "the sampler of process %d could not be turned on: it has no rows of objects",
			     process->pid);
	else if (go->objects_before && go->objects_before * 100 > process->totals[VALUE_OBJECTS])
		profile_warn(profile,
			     "process %d had allocated %lld objects before its sampler was turned on: they are in no "
			     "row",
			     process->pid, (long long)go->objects_before);
	if (go->forced && (double)go->forced * (double)go->sampler_rate * 100 > (double)process->totals[VALUE_BYTES])
		profile_warn(
			profile,
			"up to %lld samples of process %d were forced by turning its sampler on: estimates may be too high "
			"by up to %lld times %lldk",
			(long long)go->forced, process->pid, (long long)go->forced, (long long)go->sampler_rate >> 10);
}
