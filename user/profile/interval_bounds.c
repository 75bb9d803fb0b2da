/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a sum of samples says of the count behind it is the interval of a binomial count (binomial.h). More is known, and more
 * is unknown, than the samples:
 *
 * If the total N of the row's size classes is known, and the row's share of it is not small, the uncertainty is that of
 * the share: k' of K' = k' N / n events are the row's, k' ~ Binomial(K', n / N). The same tails are used for that
 * distribution. Hence a row with all samples of its classes ends at N.
 *
 * All rows of a class share the error of its samples, because their sum is exact: a row with the part p of a class, with the
 * variance V, of a class whose other rows have the variance V', is as uncertain as (1 - p)^2 V + p^2 V'. Of samples of one
 * weight that is (1 - p) V, which the interval of a share takes into account. If the others have greater weights, because
 * they were sampled at a coarser rate, V has to be greater.
 *
 * Unseen classes: a line may allocate objects of many sizes (make([]T, n), append, strings), and its larger objects are
 * sampled first. It may have allocated many times the estimate with the others. Samples that do not exist cannot tell
 * how much that is. What is known is N of each class, and how much of it remains after the sites with samples are
 * subtracted (estimates.h, `unseen`). A line with k samples is assumed to have as many further ones, in its unseen
 * classes, as lines with k samples had in real programs (tests/bench/intervals.py). Each of these counts as the average
 * number of objects in the rest of these classes, and all together at most as the whole rest. That is too little in a
 * program of few lines, where one makes most of what is of some sizes: in make([]byte, 20+i%40) the objects of 32 bytes may
 * have no sample though those of 24 and 48 bytes, all of this line, have. So the upper end includes at least, of each unseen
 * class, the line's share of the samples of the classes beside it. In programs of many lines that share says little, and is
 * small in the classes around: it is multiplied by the line's part of these. Calls that always allocate objects of one size
 * add nothing.
 *
 * Bursts: in these every allocation is counted, so that neither single objects are chosen by chance nor their sizes matter,
 * but times. What a burst has of a row and what it has of others go together. A row has the share R of its size class, if
 * that is what bursts have of it on average; the estimate's error is that of sum(x - R y), for x of the row and y of the
 * class. Bursts are independent of each other, so that error follows from how much its parts of BURST_GROUPS groups of bursts
 * differ (the method of random groups), with Student's distribution for so few. Phases of the program that no burst was in
 * may have more or less of the row: of n bursts at random instants none is in a 3.7 / n part of the time once in 40 times.
 */
#include "profile/interval_bounds.h"

#include <math.h>

#include "profile/binomial.h"
#include "profile/size_class.h"

/* From this share of the total on, a row's uncertainty is that of its share. */
static const double notable_share = 1.0 / 16;

/* Assumed further samples in unseen classes: for k samples of a line, sqrt(k) times as many. More for counts of objects than
 * for bytes: the unseen objects of a line are mostly small, so they are many and of few bytes. And as if there were half a
 * sample more, which matters where there is one: that says least about the sizes that a line allocates. */
static const double unseen_samples = 0.65, unseen_byte_samples = 0.5, one_more = 0.5;

/* The input of an interval, in objects or in units of the row's mean object (for bytes). */
struct sum {
	double events, estimate, variance;
	double least;		 /* lower limit: what was seen, or follows from single classes */
	double total;		 /* total of the classes that were seen; 0: unknown */
	double unseen;		 /* upper limit for other classes */
	double elsewhere;	 /* upper limit for processes without a sample of the classes that were seen */
	double effective_bursts; /* so many bursts of equal weight would say as much; 0: not of bursts */
	double stretch; /* of bursts: what the classes have over what their rows have, where a part is in none */
};

/*
 * Phases that no burst was in may have more or less of a row. Where much of what is known comes from few bursts, how these
 * differ says little: from one alone nothing follows but what was counted, and the class's total.
 */
static void allow_for_gaps(const struct sum *sum, struct ends *ends)
{
	double factor = exp(fmin(-log(0.025) / fmax(sum->effective_bursts - 1, 1e-3), 50));

	ends->low = sum->estimate - hypot(sum->estimate - ends->low, sum->estimate * (1 - 1 / factor));
	ends->high = sum->estimate + hypot(ends->high - sum->estimate, sum->estimate * (factor - 1));
	ends->high *= fmax(1, sum->stretch);
	if (sum->total > 0)
		ends->high = fmin(ends->high, fmax(sum->total, sum->estimate));
}

static struct ends ends_of(const struct sum *sum)
{
	struct ends ends = {sum->estimate, sum->estimate};

	if (sum->variance > 0 && sum->estimate > 0) {
		bool share = sum->total > 0 && sum->estimate > notable_share * sum->total;

		ends = share ? binomial_share_ends(sum->estimate, sum->variance, sum->total)
			     : binomial_count_ends(sum->estimate, sum->variance, sum->least);
		ends.high = sum->estimate + hypot(fmax(0, ends.high - sum->estimate), sum->elsewhere);
		if (sum->total > 0)
			ends.high = fmin(ends.high, fmax(sum->total, sum->estimate));
	}
	if (sum->effective_bursts > 0)
		allow_for_gaps(sum, &ends);
	ends.low = fmin(fmax(ends.low, sum->least), sum->estimate);
	ends.high = sum->estimate + hypot(fmax(0, ends.high - sum->estimate), sum->unseen);
	return ends;
}

/*
 * The row's share of the samples of the next class that has any: of smaller objects (`step` is -1) or of larger ones (1).
 * Large objects, whose class is 0, come after all others.
 */
static double share_of_next(const double events[SIZE_CLASSES], const struct estimates *estimates, int class, int step)
{
	for (int rank = (class ? class : SIZE_CLASSES) + step; rank >= 1 && rank <= SIZE_CLASSES; rank += step) {
		int next = rank % SIZE_CLASSES;

		if (estimates->classes[next].events > 0)
			return events[next] / estimates->classes[next].events;
	}
	return 0;
}

static double least_size(int class)
{
	return class ? (double)size_class_bytes(class) : (double)size_class_largest();
}

/* An upper end of the row's share of the samples of objects that are at most four times as large or as small. */
static double most_of_like(const double events[SIZE_CLASSES], const struct estimates *estimates, int class)
{
	enum { LIKE = 4, MARGIN = 2 };
	const double size = least_size(class);
	double row = 0, all = 0;

	for (int like = 0; like < SIZE_CLASSES; like++) {
		if (least_size(like) > LIKE * size || size > LIKE * least_size(like))
			continue;
		row += events[like];
		all += estimates->classes[like].events;
	}
	return fmin(1, MARGIN * (row + 1) / (all + 1));
}

/* What part of a class without a sample of the row may be the row's, by its share of the classes around it. */
static double most_by_neighbours(const double events[SIZE_CLASSES], const struct estimates *estimates, int class)
{
	const struct estimates_class *sum = &estimates->classes[class];
	double share = fmax(share_of_next(events, estimates, class, -1), share_of_next(events, estimates, class, 1));

	if (share <= 0)
		return 0;
	/* of so many samples none is of more than that part, but once in 20 times */
	if (sum->events > 0)
		share *= fmax(sum->unseen, -expm1(log(0.05) / sum->events));
	return share * most_of_like(events, estimates, class);
}

/* Adds what may be in the classes without a sample, in objects and bytes. */
static void add_unseen(const struct interval *interval, const struct estimates *estimates, double events,
		       struct sum *objects, struct sum *bytes)
{
	double seen[SIZE_CLASSES] = {0};
	double left = 0, left_bytes = 0, samples = 0, near = 0, near_bytes = 0;

	for (size_t i = 0; i < interval->part_count; i++) {
		if (interval->parts[i].size_class >= 0)
			seen[interval->parts[i].size_class] += interval->parts[i].events;
	}
	for (int class = 0; class < SIZE_CLASSES; class ++) {
		const struct estimates_class *sum = &estimates->classes[class];
		double part;

		if (seen[class] > 0 || sum->objects <= 0)
			continue;
		left += sum->objects * sum->unseen;
		left_bytes += sum->bytes * sum->unseen;
		samples += sum->objects * sum->unseen * sum->chance;
		part = most_by_neighbours(seen, estimates, class);
		near += sum->objects * part;
		near_bytes += sum->bytes * part;
	}
	if (samples <= 0)
		return;
	objects->unseen = fmax(near, fmin(left, unseen_samples * sqrt(events + one_more) * left / samples));
	bytes->unseen = fmax(near_bytes, fmin(left_bytes, unseen_byte_samples * sqrt(events) * left_bytes / samples));
}

/* Converts bytes to units of the row's mean object, so that what was seen of them corresponds to as many events. */
static void scale_bytes(struct sum *bytes, double size)
{
	bytes->estimate /= size;
	bytes->variance /= size * size;
	bytes->least /= size;
	bytes->total /= size;
	bytes->elsewhere /= size;
	bytes->unseen /= size;
}

/* What the variance of a part lacks of the errors of its class. Large objects are of many weights at one rate, too. */
static double shared_variance(const struct interval_part *part, const struct estimates *estimates)
{
	const struct estimates_class *class;
	double share, others;

	if (!estimates || !estimates->has_totals || part->size_class <= 0 || part->groups)
		return 0;
	class = &estimates->classes[part->size_class];
	share = part->objects / class->objects;
	others = class->variance - part->variance;
	return share < 1 ? fmax(0, share * share / (1 - share) * others - share * part->variance) : 0;
}

/* The bytes of the objects that were themselves sampled. */
static double least_bytes(const struct interval_part *part)
{
	if (part->size_class == 0)
		return fmin(part->bytes, part->events * (double)size_class_largest());
	return part->objects > 0 ? part->events * part->bytes / part->objects : 0;
}

/*
 * The sum of a class with many samples and a class with few is as uncertain as the latter, and yet at least as large as
 * the former. Computed from the lower ends of the classes (Zou and Donner's method of variance estimates recovery).
 */
static double least_of_classes(const struct interval *interval, const struct estimates *estimates, double estimate)
{
	double squares = 0;

	if (interval->part_count < 2)
		return 0;
	for (size_t i = 0; i < interval->part_count; i++) {
		const struct interval_part *part = &interval->parts[i];
		struct sum sum = {.events = part->events,
				  .estimate = part->objects,
				  .variance = part->variance + shared_variance(part, estimates),
				  .least = part->events};

		if (part->events <= 0)
			continue;
		if (part->groups)
			return 0;
		if (estimates && estimates->has_totals && part->size_class >= 0)
			sum.total = fmax(estimates->classes[part->size_class].objects, part->objects);
		squares += pow(part->objects - ends_of(&sum).low, 2);
	}
	return estimate - sqrt(squares);
}

static double seen_of_class(const struct estimates_bursts *bursts, int class)
{
	double seen = 0;

	for (int group = 0; group < BURST_GROUPS; group++)
		seen += bursts->groups[class][group];
	return seen;
}

/* As many bursts of equal weight would say as much as those of these groups: Kish's effective size. */
static double effective_bursts(const struct estimates_bursts *bursts, double sum, double squares)
{
	return squares > 0 ? sum * sum / squares * fmax(1, (double)bursts->count / BURST_GROUPS) : 0;
}

/* The part of a class that no burst may have seen; all of it, if none has seen any. */
static double unseen_part(const struct estimates_bursts *bursts, int class)
{
	double squares = 0, effective;

	for (int group = 0; group < BURST_GROUPS; group++)
		squares += bursts->groups[class][group] * bursts->groups[class][group];
	effective = effective_bursts(bursts, seen_of_class(bursts, class), squares);
	return effective > 0 ? -expm1(log(0.025) / effective) : 1;
}

/* Adds the variance of what was counted in bursts, and what their totals are. */
static void add_bursts(const struct interval *interval, const struct estimates *estimates, struct sum *objects,
		       struct sum *bytes)
{
	const struct estimates_bursts *bursts = &estimates->bursts;
	double squares = 0, byte_squares = 0, all = 0, all_squares = 0, groups, factor;
	double estimate = 0, stretched = 0;

	groups = fmin((double)bursts->count, BURST_GROUPS);
	for (int group = 0; group < BURST_GROUPS; group++) {
		double residual = 0, byte_residual = 0, expected = 0;

		for (size_t i = 0; i < interval->part_count; i++) {
			const struct interval_part *part = &interval->parts[i];
			double share, of_class;

			if (!part->groups || part->objects <= 0 || part->size_class < 0)
				continue;
			share = part->objects / seen_of_class(bursts, part->size_class) *
				bursts->groups[part->size_class][group];
			of_class = part->groups[group] - share;
			expected += share;
			residual += of_class;
			byte_residual += of_class * part->bytes / part->objects;
		}
		squares += residual * residual;
		byte_squares += byte_residual * byte_residual;
		all += expected;
		all_squares += expected * expected;
	}
	for (size_t i = 0; i < interval->part_count; i++) {
		const struct interval_part *part = &interval->parts[i];

		if (!part->groups || part->objects <= 0 || part->size_class < 0)
			continue;
		estimate += part->objects;
		stretched +=
			part->objects * bursts->objects[part->size_class] / seen_of_class(bursts, part->size_class);
	}
	if (all <= 0)
		return;
	if (groups >= 2) {
		factor = groups / (groups - 1) * pow(student_factor(groups - 1), 2);
		objects->variance += squares * factor;
		bytes->variance += byte_squares * factor;
	}
	objects->stretch = bytes->stretch = stretched / estimate;
	objects->effective_bursts = effective_bursts(bursts, all, all_squares);
	bytes->effective_bursts = objects->effective_bursts;
}

/* What the class of a part has in total; 0: unknown. */
static double class_total(const struct estimates *estimates, const struct interval_part *part, bool of_bytes)
{
	const struct estimates_class *class = &estimates->classes[part->size_class];

	if (part->groups)
		return of_bytes ? fmax(estimates->bursts.bytes[part->size_class], part->bytes)
				: fmax(estimates->bursts.objects[part->size_class], part->objects);
	return of_bytes ? fmax(class->bytes, part->bytes) : fmax(class->objects, part->objects);
}

/*
 * A row that was counted for some time, and had no sample in the rest: how many objects of its sizes may have gone by
 * then. As many are missed once in 40 times.
 */
static struct ends missed_later(const struct interval *interval, const struct estimates *estimates)
{
	const double missed_events = 3.688879454113936; /* -ln 0.025 */
	struct ends missed = {0, 0};			/* of objects, and of their bytes */

	for (size_t i = 0; estimates && i < interval->part_count; i++) {
		const struct interval_part *part = &interval->parts[i];
		double size, objects;

		if (part->counted <= 0 || part->size_class < 0 || estimates->profile->rate <= 1)
			continue;
		size = part->counted_bytes / part->counted; /* tiny objects have a class that is not their size */
		objects = missed_events / -expm1(-size / (double)estimates->profile->rate);
		if (estimates->has_totals)
			objects = fmin(objects, estimates->classes[part->size_class].objects);
		if (part->groups)
			objects = estimates->bursts.objects[part->size_class] *
				  unseen_part(&estimates->bursts, part->size_class);
		missed.low = fmax(missed.low, objects);
		missed.high = fmax(missed.high, objects * size);
	}
	return missed;
}

/* Rounded outwards, around what is estimated. */
static void set_ends(double exact, double estimate, struct ends ends, int64_t *low, int64_t *high)
{
	*low = count_from(fmin(exact + floor(ends.low), round(exact + estimate)));
	*high = count_from(fmax(exact + ceil(ends.high), round(exact + estimate)));
}

/* The interval of an estimate and of what was told with the squares of the distances to its ends: errors of independent
 * estimates add up by their squares. */
static struct ends with_told(double estimate, struct ends ends, double told, double below, double above)
{
	return (struct ends){estimate + told - hypot(estimate - ends.low, sqrt(below)),
			     estimate + told + hypot(ends.high - estimate, sqrt(above))};
}

static void add_told(const struct interval *interval, double estimate, double bytes, struct interval_bounds *bounds)
{
	const struct profile_ends *told = &interval->told_ends;
	struct ends ends = {(double)bounds->objects_low - interval->exact,
			    (double)bounds->objects_high - interval->exact};

	if (interval->told_events <= 0)
		return;
	ends = with_told(estimate, ends, interval->told, told->objects_low, told->objects_high);
	set_ends(interval->exact, estimate + interval->told, ends, &bounds->objects_low, &bounds->objects_high);
	ends = (struct ends){(double)bounds->bytes_low - interval->exact_bytes,
			     (double)bounds->bytes_high - interval->exact_bytes};
	ends = with_told(bytes, ends, interval->told_bytes, told->bytes_low, told->bytes_high);
	set_ends(interval->exact_bytes, bytes + interval->told_bytes, ends, &bounds->bytes_low, &bounds->bytes_high);
	if (isinf(told->objects_high))
		bounds->objects_high = VALUE_UNMEASURED;
	if (isinf(told->bytes_high))
		bounds->bytes_high = VALUE_UNMEASURED;
}

static struct interval_bounds bounds_of_parts(const struct interval *interval, const struct estimates *estimates)
{
	struct sum objects = {0}, bytes = {0};
	const struct ends missed = missed_later(interval, estimates);
	bool totals = estimates && estimates->has_totals;
	bool nothing = interval->tiny_events <= 0 && interval->tiny_objects > 0; /* was sampled, of some part */
	struct interval_bounds bounds;
	struct ends ends;
	double size;

	for (size_t i = 0; i < interval->part_count; i++) {
		const struct interval_part *part = &interval->parts[i];
		const double shared = shared_variance(part, estimates);
		const double mean = part->objects > 0 ? part->bytes / part->objects : 0;

		objects.events += part->events;
		objects.estimate += part->objects;
		objects.variance += part->variance + shared;
		bytes.estimate += part->bytes;
		bytes.variance += part->byte_variance + shared * mean * mean;
		bytes.least += least_bytes(part);
		if (part->events <= 0)
			continue;
		totals &= part->size_class >= 0;
		if (totals) {
			objects.total += class_total(estimates, part, false);
			bytes.total += class_total(estimates, part, true);
		}
	}
	objects.least = fmax(objects.events, least_of_classes(interval, estimates, objects.estimate));
	if (!totals)
		objects.total = bytes.total = 0;
	if (totals && interval->varies && objects.events > 0)
		add_unseen(interval, estimates, objects.events, &objects, &bytes);
	if (interval->tiny_events > 0) {
		objects.elsewhere = estimates->tiny_elsewhere;
		bytes.elsewhere =
			estimates->tiny_elsewhere * (double)size_class_bytes(span_class_size_class(TINY_SPAN_CLASS));
	}
	if (estimates)
		add_bursts(interval, estimates, &objects, &bytes);
	ends = ends_of(&objects);
	nothing |= objects.events <= 0;
	if (nothing)
		ends.high += missed.low;
	set_ends(interval->exact, objects.estimate, ends, &bounds.objects_low, &bounds.objects_high);
	size = objects.estimate > 0 && bytes.estimate > 0 ? bytes.estimate / objects.estimate : 1;
	scale_bytes(&bytes, size);
	ends = ends_of(&bytes);
	if (nothing)
		ends.high += missed.high / size;
	set_ends(interval->exact_bytes, bytes.estimate * size, (struct ends){ends.low * size, ends.high * size},
		 &bounds.bytes_low, &bounds.bytes_high);
	add_told(interval, objects.estimate, bytes.estimate * size, &bounds);
	if (estimates && estimates->profile->rows_least)
		bounds.objects_high = bounds.bytes_high = VALUE_UNMEASURED;
	return bounds;
}

struct interval_bounds interval_bounds(const struct interval *interval, const struct estimates *estimates)
{
	struct interval whole = {0};
	struct interval_bounds bounds;

	if (interval->tiny_objects <= 0)
		return bounds_of_parts(interval, estimates);
	interval_join(&whole, interval);
	interval_add_tiny(&whole, estimates);
	bounds = bounds_of_parts(&whole, estimates);
	interval_clear(&whole);
	return bounds;
}

bool interval_allow_tiny(struct interval_bounds *bounds, const struct estimates *estimates)
{
	enum { FEW = 50 /* the row has this many times as many */, LARGEST = 16 };
	int64_t most = count_from(ceil(estimates->tiny_most));

	if (estimates->tiny_shared < 0)
		return true;
	if (most > bounds->objects_high / FEW)
		return false;
	bounds->objects_high = add_saturated(bounds->objects_high, most);
	bounds->bytes_high = add_saturated(bounds->bytes_high, LARGEST * most);
	return true;
}
