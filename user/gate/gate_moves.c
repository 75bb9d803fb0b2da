/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/gate_moves.h"

#include <stdlib.h>
#include <string.h>

#include "profile/frames.h"
#include "base/text_compare.h"

/* The growth of a row's site per iteration; negative if it shrank. */
struct growth {
	double objects, bytes;
};

static const struct gate_site *site_of(const struct gate_row *row)
{
	return row->after ? row->after : row->before;
}

static struct growth growth_of(const struct gate *gate, const struct gate_row *row)
{
	return (struct growth){
		gate_value(gate->after, row->after, VALUE_OBJECTS) -
			gate_value(gate->before, row->before, VALUE_OBJECTS),
		gate_value(gate->after, row->after, VALUE_BYTES) - gate_value(gate->before, row->before, VALUE_BYTES),
	};
}

static bool nearly(double a, double b)
{
	double difference = a > b ? a - b : b - a, size = (a > 0 ? a : -a) + (b > 0 ? b : -b);

	return difference <= 1e-9 * size;
}

static bool cancels(struct growth more, struct growth less)
{
	return nearly(more.objects, -less.objects) && nearly(more.bytes, -less.bytes);
}

static bool same_kind(const struct gate_row *a, const struct gate_row *b)
{
	const struct gate_site *x = site_of(a), *y = site_of(b);

	return text_same(x->runtime_call, y->runtime_call) && text_same(x->type, y->type) &&
	       text_same(x->benchmark, y->benchmark) && text_same(x->benchmark_package, y->benchmark_package);
}

static bool same_package(const struct gate_row *a, const struct gate_row *b)
{
	const struct gate_site *x = site_of(a), *y = site_of(b);
	char package_a[512], package_b[512];

	if (!frames_package(x->function, package_a, sizeof(package_a)) ||
	    !frames_package(y->function, package_b, sizeof(package_b)))
		return text_same(x->file, y->file);
	return strcmp(package_a, package_b) == 0;
}

static const char *function_name(const char *function)
{
	const char *slash = function ? strrchr(function, '/') : NULL;
	const char *dot = function ? strchr(slash ? slash : function, '.') : NULL;

	return dot ? dot + 1 : function;
}

/* How similar two sites with the same counts are. */
static int likeness(const struct gate_site *before, const struct gate_site *after)
{
	return 8 * text_same(function_name(before->function), function_name(after->function)) +
	       4 * (before->annotation && text_same(before->annotation, after->annotation)) +
	       2 * text_same(text_base_name(before->file), text_base_name(after->file)) +
	       text_same(before->file, after->file);
}

static void drop(struct gate_row *row)
{
	row->change = GATE_CHANGE_COUNT;
}

static void mark(struct gate_row *row, const char *how)
{
	row->change = GATE_MOVED;
	row->fails = false;
	row->how = how;
}

static const char *how_moved(const struct gate_site *before, const struct gate_site *after)
{
	if (!text_same(text_base_name(before->file), text_base_name(after->file)))
		return "moved";
	return text_same(before->function, after->function) && text_same(before->via, after->via) ? "reworded"
												  : "renamed";
}

/* Pairs a new site with one that is gone and has the same counts. */
static void pair_new_with_gone(struct gate *gate)
{
	for (size_t i = 0; i < gate->row_count; i++) {
		struct gate_row *new = &gate->rows[i], *best = NULL;
		struct growth more;
		int best_likeness = -1;

		if (new->change != GATE_NEW)
			continue;
		more = growth_of(gate, new);
		for (size_t j = 0; j < gate->row_count; j++) {
			struct gate_row *gone = &gate->rows[j];
			int like;

			if (gone->change != GATE_GONE || !same_kind(new, gone) || !cancels(more, growth_of(gate, gone)))
				continue;
			like = likeness(gone->before, new->after);
			if (like > best_likeness) {
				best = gone;
				best_likeness = like;
			}
		}
		if (!best)
			continue;
		new->before = best->before;
		mark(new, how_moved(new->before, new->after));
		drop(best);
	}
}

/* Pairs a callee with the caller that it was inlined into, or vice versa: the growth of one equals the loss of the
 * other. */
static void pair_within_package(struct gate *gate, enum gate_change more, enum gate_change less, const char *how)
{
	for (size_t i = 0; i < gate->row_count; i++) {
		struct gate_row *grown = &gate->rows[i];

		for (size_t j = 0; j < gate->row_count && grown->change == more; j++) {
			struct gate_row *shrunk = &gate->rows[j];

			if (shrunk->change != less || !same_kind(grown, shrunk) || !same_package(grown, shrunk) ||
			    !cancels(growth_of(gate, grown), growth_of(gate, shrunk)))
				continue;
			mark(grown, how);
			mark(shrunk, how);
		}
	}
}

/* Pairs one site that became several, or several that became one: the counts of all remaining sites of a kind add up to
 * those of the one. */
static void pair_one_with_all(struct gate *gate, enum gate_change single, enum gate_change several, const char *how)
{
	for (size_t i = 0; i < gate->row_count; i++) {
		struct gate_row *one = &gate->rows[i];
		struct growth sum = {0, 0};
		size_t count = 0;

		if (one->change != single)
			continue;
		for (size_t j = 0; j < gate->row_count; j++) {
			const struct gate_row *other = &gate->rows[j];
			struct growth growth;

			if (other->change != several || !same_kind(one, other))
				continue;
			growth = growth_of(gate, other);
			sum.objects += growth.objects;
			sum.bytes += growth.bytes;
			count++;
		}
		if (!count || !cancels(growth_of(gate, one), sum))
			continue;
		for (size_t j = 0; j < gate->row_count; j++) {
			if (gate->rows[j].change == several && same_kind(one, &gate->rows[j]))
				mark(&gate->rows[j], how);
		}
		mark(one, how);
	}
}

/* Finds sites that are now in another file. If a site has several places in several files, a change of the one shown
 * means nothing. A site without objects may be on one side only and still not be a change. */
static void find_new_files(struct gate *gate)
{
	for (size_t i = 0; i < gate->row_count; i++) {
		struct gate_row *row = &gate->rows[i];

		if (row->change == GATE_SAME && row->before && row->after && row->after->places <= 1 &&
		    row->before->file && row->after->file &&
		    !text_same(text_base_name(row->before->file), text_base_name(row->after->file)))
			mark(row, "moved");
	}
}

void gate_find_moves(struct gate *gate)
{
	size_t kept = 0;

	pair_new_with_gone(gate);
	pair_within_package(gate, GATE_WORSE, GATE_GONE, "merged");
	pair_within_package(gate, GATE_NEW, GATE_BETTER, "split");
	pair_one_with_all(gate, GATE_GONE, GATE_NEW, "split");
	pair_one_with_all(gate, GATE_NEW, GATE_GONE, "merged");
	find_new_files(gate);
	for (size_t i = 0; i < gate->row_count; i++) {
		if (gate->rows[i].change != GATE_CHANGE_COUNT)
			gate->rows[kept++] = gate->rows[i];
	}
	gate->row_count = kept;
}
