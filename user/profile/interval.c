/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each object is seen with a probability p = 1 / w, the inverse of its weight, independently of all others: k of n
 * objects are seen, k ~ Binomial(n, p), and n is estimated by k w. Rows add up samples of several weights. Such a sum
 * is treated as k' events of one weight w', chosen so that the estimate and its variance are unchanged:
 *
 *     variance of one sample    V  = k w (w - 1)
 *     weight of a sum           w' = 1 + sum V / sum k w
 *     events of a sum           k' = sum k w / w'
 */
#include "profile/interval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "profile/frames.h"
#include "profile/size_class.h"
#include "profile/type_name.h"

static struct interval_part *part_of(struct interval *sum, int size_class, bool bursts)
{
	struct interval_part *part;

	for (size_t i = 0; i < sum->part_count; i++) {
		if (sum->parts[i].size_class == size_class && !sum->parts[i].groups == !bursts)
			return &sum->parts[i];
	}
	sum->parts = memory_resize(sum->parts, sum->part_count + 1, sizeof(*sum->parts));
	part = &sum->parts[sum->part_count++];
	*part = (struct interval_part){.size_class = size_class};
	if (bursts)
		part->groups = memory_zeroed(BURST_GROUPS, sizeof(*part->groups));
	return part;
}

void interval_add(struct interval *sum, int64_t events, int64_t objects)
{
	struct interval_part *part = part_of(sum, -1, false);

	part->events += (double)events;
	part->objects += (double)objects;
	part->variance += estimates_variance((double)events, (double)objects);
	sum->maybe_tiny = true;
}

void interval_join(struct interval *sum, const struct interval *other)
{
	for (size_t i = 0; i < other->part_count; i++) {
		const struct interval_part *from = &other->parts[i];
		struct interval_part *part = part_of(sum, from->size_class, from->groups);

		part->events += from->events;
		part->objects += from->objects;
		part->bytes += from->bytes;
		part->variance += from->variance;
		part->byte_variance += from->byte_variance;
		part->counted += from->counted;
		part->counted_bytes += from->counted_bytes;
		for (int group = 0; from->groups && group < BURST_GROUPS; group++)
			part->groups[group] += from->groups[group];
	}
	sum->exact += other->exact;
	sum->exact_bytes += other->exact_bytes;
	sum->told_events += other->told_events;
	sum->told += other->told;
	sum->told_bytes += other->told_bytes;
	profile_ends_join(&sum->told_ends, &other->told_ends);
	sum->tiny_events += other->tiny_events;
	sum->tiny_objects += other->tiny_objects;
	sum->tiny_bytes += other->tiny_bytes;
	sum->varies |= other->varies;
	sum->maybe_tiny |= other->maybe_tiny;
}

void interval_clear(struct interval *interval)
{
	for (size_t i = 0; i < interval->part_count; i++)
		free(interval->parts[i].groups);
	free(interval->parts);
	*interval = (struct interval){0};
}

double interval_events(const struct interval *interval)
{
	double events = interval->told_events + interval->tiny_events;

	for (size_t i = 0; i < interval->part_count; i++)
		events += interval->parts[i].events;
	return events;
}

bool interval_is_known(const struct interval *interval)
{
	return interval_events(interval) > 0 || interval->exact > 0 || interval->tiny_objects > 0;
}

bool interval_has_no_bytes(const struct interval *interval)
{
	return (interval->tiny_objects > 0 && interval_events(interval) <= 0) ||
	       (interval->told > 0 && interval->told_bytes <= 0);
}

/* The bytes that one event stands for, as a function of its weight: w s(w), for w = 1 / (1 - exp(-s / rate)). */
static double bytes_of_event(double weight, double rate)
{
	return -rate * weight * log1p(-1 / weight);
}

/*
 * Large objects of all sizes share a sample, so their mean weight hides how much their weights differ. Their bytes show
 * it: bytes per event are a convex function of the weight, so they exceed the function's value at the mean weight if
 * the weights differ. Of all distributions with this mean and these bytes, the variance is greatest for one with two
 * weights, of which one is the greatest that a large object can have. That one is assumed: the interval may be wider
 * than necessary, but is never too narrow.
 */
static double mixed_variance(double k, double n, double bytes, double rate)
{
	const double greatest = -1 / expm1(-(double)size_class_largest() / rate), mean = n / k;
	double low = 1 + 1e-12, high = mean, share = 0;

	if (mean >= greatest || bytes / k <= bytes_of_event(mean, rate))
		return 0;
	for (int i = 0; i < 60; i++) {
		double middle = (low + high) / 2;

		share = (mean - middle) / (greatest - middle);
		if (share * bytes_of_event(greatest, rate) + (1 - share) * bytes_of_event(middle, rate) > bytes / k)
			low = middle;
		else
			high = middle;
	}
	return k * (share * greatest * greatest + (1 - share) * high * high - mean);
}

/* Whether the call always allocates objects of one size, because the compiler knows their type. */
static bool call_is_of_one_size(const struct profile_stack *stack)
{
	static const char *const calls[] = {"runtime.newobject", "runtime.convT", "runtime.makemap_small"};
	struct frames_site site;

	if (!stack || !frames_site(stack, &site) || !site.runtime_call)
		return false;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strncmp(site.runtime_call, calls[i], strlen(calls[i])) == 0)
			return true;
	}
	return false;
}

/* Whether there may be tiny objects (without pointers, below 16 bytes) that have the type of the sample's objects, or a type
 * of that name. */
static bool type_maybe_tiny(const struct profile_sample *sample, double objects, double bytes)
{
	enum { TINY = 16 };

	if (sample->key.span_class == SPAN_CLASS_UNKNOWN || !type_name_says_layout(sample->key.type))
		return true;
	if (!span_class_noscan(sample->key.span_class))
		return false;
	return objects <= 0 || bytes < TINY * objects || !call_is_of_one_size(sample->key.stack);
}

void interval_add_sample(struct interval *sum, const struct estimates *estimates, const struct profile_sample *sample)
{
	const struct profile *profile = estimates->profile;
	double events = (double)sample->values[VALUE_SAMPLES],
	       objects = (double)sample->values[profile_objects(profile)];
	double bytes = (double)sample->values[profile_bytes(profile)], size;
	int64_t rate = sample->key.rate ? sample->key.rate : profile->rate;
	int size_class = estimates_size_class(sample);
	struct interval_part *part;
	double variance;

	sum->maybe_tiny = sum->maybe_tiny || type_maybe_tiny(sample, objects, bytes);
	if (sample->key.rate == 1 || profile->rows_exact) {
		sum->exact += objects;
		sum->exact_bytes += bytes;
		if (profile->rows_exact || objects <= 0)
			return;
		part = part_of(sum, size_class, estimates_in_bursts(estimates, sample));
		part->counted += objects;
		part->counted_bytes += bytes;
		return;
	}
	if (objects <= 0 && events <= 0)
		return;
	if (sample->ends) {
		sum->told_events += events;
		sum->told += objects;
		sum->told_bytes += bytes;
		profile_ends_join(&sum->told_ends, sample->ends);
		return;
	}
	if (estimates_is_tiny(sample->key.stack)) {
		sum->tiny_events += events;
		sum->tiny_objects += objects;
		sum->tiny_bytes += bytes;
		return;
	}
	part = part_of(sum, size_class, sample->groups);
	if (part->groups) {
		for (int group = 0; group < BURST_GROUPS; group++)
			part->groups[group] += (double)sample->groups[group].objects;
		part->events += events;
		part->objects += objects;
		part->bytes += bytes;
		return;
	}
	variance = estimates_variance(events, objects);
	size = objects > 0 ? bytes / objects : 0;
	part->events += events;
	part->objects += objects;
	part->bytes += bytes;
	part->byte_variance += variance * size * size;
	if (rate > 1 && events >= 2 && objects > events && sample->key.span_class >= 0 && size_class == 0)
		variance = fmax(variance, mixed_variance(events, objects, bytes, (double)rate));
	part->variance += variance;
	sum->varies = sum->varies || !call_is_of_one_size(sample->key.stack);
}

void interval_add_tiny(struct interval *interval, const struct estimates *estimates)
{
	const bool sampled = interval->tiny_events > 0;
	const double shared =
		sampled ? fmin(fmax(0, estimates->tiny_shared), interval->tiny_objects) : interval->tiny_objects;
	const double blocks = fmax(interval->tiny_events, interval->tiny_objects - shared);
	struct interval_part *part = part_of(interval, span_class_size_class(TINY_SPAN_CLASS), false);
	double size = blocks > 0 ? interval->tiny_bytes / blocks : 0, variance;

	interval->exact += shared;
	if (!sampled) {
		part->counted += shared;
		part->counted_bytes += shared * (double)size_class_bytes(part->size_class);
		return;
	}
	variance = estimates_variance(interval->tiny_events, blocks);
	part->events += interval->tiny_events;
	part->objects += blocks;
	part->bytes += interval->tiny_bytes;
	part->variance += variance;
	part->byte_variance += variance * size * size;
}
