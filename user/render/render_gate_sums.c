/* SPDX-License-Identifier: BSD-2-Clause */
/* Sums in the style of benchstat: one line per benchmark, or for the whole program. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gate/gate_noise.h"
#include "gate/gate_packages.h"
#include "render/render_gate.h"
#include "base/memory.h"
#include "base/text_compare.h"
#include "text/terminal.h"

const char *gate_grouped(char text[40], double number)
{
	char digits[32];
	size_t length, to = 0;

	gate_number(digits, number);
	length = strcspn(digits, ".e");
	for (size_t i = 0; digits[i]; i++) {
		if (i && i < length && (length - i) % 3 == 0 && digits[0] != '-')
			text[to++] = ',';
		text[to++] = digits[i];
	}
	text[to] = 0;
	return text;
}

const char *gate_percent(char text[32], double before, double after)
{
	double change = before > 0 ? 100 * (after - before) / before : 0, size = change < 0 ? -change : change;

	if (before <= 0 || after < 0 || before == after)
		strcpy(text, "");
	else
		snprintf(text, 32, size >= 9.5 ? "%+.0f %%" : "%+.2g %%", change);
	return text;
}

/* "5 -> 3 objects", "5 objects" if nothing changed; "" if neither side measured it. `unknown` stands for a side that has none. */
static const char *pair(char text[96], double before, double after, const char *unit, const char *unknown)
{
	char from[40], to[40];

	if (before < 0 && after < 0)
		strcpy(text, "");
	else if (before == after)
		snprintf(text, 96, "%s %s", gate_grouped(to, after), unit);
	else
		snprintf(text, 96, "%s -> %s %s", before < 0 ? unknown : gate_grouped(from, before),
			 after < 0 ? unknown : gate_grouped(to, after), unit);
	return text;
}

/* --- which lines there are --- */

/* The benchmark of a sum, without the name of a sub-benchmark, as sites have it. */
static bool is_of(const struct gate_sum *sum, const struct gate_group *group)
{
	if (!sum->benchmark || !group->benchmark)
		return !sum->benchmark && !group->benchmark;
	return gate_benchmark_is_of(sum->benchmark, group->benchmark) &&
	       (!sum->package || !group->package || strcmp(sum->package, group->package) == 0);
}

static bool is_worse(const struct gate *gate, const struct gate_sum *sum)
{
	for (size_t i = 0; i < gate->group_count; i++) {
		if (gate->groups[i].worse && is_of(sum, &gate->groups[i]))
			return true;
	}
	return false;
}

static int by_package(const void *a, const void *b)
{
	const struct gate_sum *x = a, *y = b;
	int order = text_compare(x->package, y->package);

	return order ? order : strcmp(x->benchmark, y->benchmark);
}

/* 0 if unknown. */
static int64_t fewest_iterations(const struct gate_benchmark *old, const struct gate_benchmark *new)
{
	int64_t before = old ? old->iterations : 0, after = new ? new->iterations : 0;

	return !before ? after : !after ? before : before < after ? before : after;
}

static void add_benchmark(struct gate_sums *sums, const struct gate_benchmark *old, const struct gate_benchmark *new)
{
	sums->sums[sums->count++] = (struct gate_sum){
		.benchmark = (new ? new : old)->name,
		.package = (new ? new : old)->package,
		.iterations = fewest_iterations(old, new),
		.before = {old ? (double)old->allocs : -1, old ? (double)old->bytes : -1},
		.after = {new ? (double)new->allocs : -1, new ? (double)new->bytes : -1},
	};
}

static void add_benchmarks(struct gate_sums *sums, const struct gate *gate)
{
	const struct gate_counts *before = gate->before, *after = gate->after;

	for (size_t i = 0; i < after->benchmark_count; i++)
		add_benchmark(sums, gate_counts_benchmark_find(before, &after->benchmarks[i]), &after->benchmarks[i]);
	for (size_t i = 0; i < before->benchmark_count; i++) {
		if (!gate_counts_benchmark_find(after, &before->benchmarks[i]))
			add_benchmark(sums, &before->benchmarks[i], NULL);
	}
	if (sums->count)
		qsort(sums->sums, sums->count, sizeof(*sums->sums), by_package);
}

/* Whether a side knows exactly what was allocated: a baseline of a sampled run has its rows only. */
static bool is_exact(const struct gate_counts *side, enum profile_value value)
{
	return side->exact[value] || side->rate == 1;
}

/* Everything that was allocated, exactly, or else the sum of the rows: sites, allocations without owner, and the
 * library's bookkeeping. */
static double everything(const struct gate_counts *side, double total, bool exact, enum profile_value value)
{
	if (exact && side->exact[value])
		return (double)side->exact[value] / side->iterations;
	return total < 0 ? VALUE_UNMEASURED
			 : total + (double)(side->outside[value] + side->bookkeeping[value]) / side->iterations;
}

/* "the sums of sites lack 1 before and 2 after, which no sample hit" */
static char *lacking(const struct gate *gate)
{
	size_t before = gate->without_before[VALUE_OBJECTS], after = gate->without_after[VALUE_OBJECTS];

	return memory_format("the sums of sites lack %zu before and %zu after, which no sample hit", before, after);
}

/* The sum of everything, and below it what is judged of that, if it is not the same. */
static void add_program(struct gate_sums *sums, const struct gate *gate)
{
	struct gate_sum *all = &sums->sums[0], *judged = &sums->sums[1];

	for (int i = VALUE_OBJECTS; i <= VALUE_BYTES; i++) {
		/* an exact total beside a sum of rows would differ without any change */
		bool exact = is_exact(gate->before, i) && is_exact(gate->after, i);

		all->before[i] = everything(gate->before, gate->totals_before[i], exact, i);
		all->after[i] = everything(gate->after, gate->totals_after[i], exact, i);
		judged->before[i] = gate->totals_before[i];
		judged->after[i] = gate->totals_after[i];
	}
	judged->lacks =
		gate->without_before[0] || gate->without_after[0] || gate->without_before[1] || gate->without_after[1];
	all->lacks = judged->lacks && !(gate->before->exact[0] && gate->after->exact[0]);
	sums->count = all->before[0] != judged->before[0] || all->after[0] != judged->after[0] ? 2 : 1;
	if (sums->sums[sums->count - 1].lacks)
		sums->note = lacking(gate);
}

/* Whether the bytes differ by no more than the descriptors of a few threads and their goroutines, which the runtime
 * allocates in one run and not in the other: 5 KB were seen in 100 iterations. */
static bool is_of_the_runtime(const struct gate_sum *sum)
{
	enum { DESCRIPTORS = 16384 };

	return fabs(sum->after[1] - sum->before[1]) * (double)sum->iterations <= DESCRIPTORS &&
	       sum->iterations >= GATE_ITERATIONS_MIN;
}

/* Whether every site of the benchmark is the same, and every one outside of benchmarks: goroutines that a benchmark
 * does not start itself work there for it. */
static bool has_same_sites(const struct gate *gate, const struct gate_sum *sum)
{
	for (size_t i = 0; i < gate->row_count; i++) {
		const struct gate_site *site = gate_row_site(&gate->rows[i]);
		const struct gate_group group = {.benchmark = site->benchmark, .package = site->benchmark_package};

		if (gate->rows[i].change != GATE_SAME && (!site->benchmark || is_of(sum, &group)))
			return false;
	}
	return true;
}

static bool is_unchanged(const struct gate *gate, const struct gate_sum *sum)
{
	return sum->before[0] == sum->after[0] &&
	       (sum->before[1] == sum->after[1] || (is_of_the_runtime(sum) && has_same_sites(gate, sum)));
}

/* More than a few benchmarks: those that did not change, and of others that are not worse those after a few, have no line
 * of their own. */
static void fold(struct gate_sums *sums, const struct gate *gate)
{
	enum { FEW = 8 };
	size_t kept = 0, shown = 0;

	if (sums->count <= FEW)
		return;
	for (size_t i = 0; i < sums->count; i++) {
		const struct gate_sum *sum = &sums->sums[i];
		bool worse = is_worse(gate, sum);

		if (!worse && is_unchanged(gate, sum)) {
			sums->unchanged++;
		} else if (!gate->failed && shown == FEW) {
			sums->left_out++;
		} else {
			shown++;
			sums->sums[kept++] = *sum;
		}
	}
	sums->count = kept;
}

/* --- their text --- */

static void put_name(char *text, size_t size, const struct gate *gate, const struct gate_sums *sums, size_t i,
		     const struct gate_style *style)
{
	const struct gate_sum *sum = &sums->sums[i];

	if (sum->benchmark)
		gate_benchmark_text(text, size, gate->packages, gate->package_count, sum->package, sum->benchmark);
	else
		snprintf(text, size, "%s", i ? "judged" : strcmp(style->what, "objects") == 0 ? "all" : "sum");
}

/* The cells of a line: name, objects, their change, bytes. */
static void put_cells(char cells[4][GATE_NAME_SIZE], const struct gate *gate, const struct gate_sums *sums, size_t i,
		      const struct gate_style *style)
{
	const struct gate_sum *sum = &sums->sums[i];
	const char *unknown = sum->benchmark ? "none" : "-"; /* no such benchmark; no sample */

	put_name(cells[0], GATE_NAME_SIZE, gate, sums, i, style);
	pair(cells[1], sum->before[0], sum->after[0], sum->benchmark ? "allocs/op" : style->what, unknown);
	if (sum->lacks)
		*cells[2] = 0;
	else
		gate_percent(cells[2], sum->before[0], sum->after[0]);
	pair(cells[3], sum->before[1], sum->after[1], sum->benchmark ? "B/op" : "bytes", unknown);
}

/* Writes the lines in columns. A name that leaves no space for the numbers has a line of its own. */
static void put_lines(struct gate_sums *sums, const struct gate *gate, const struct gate_style *style)
{
	enum { NAME_LEAST = 16, GAPS = 6, COLUMNS = 80 };
	int widths[4] = {0}, room;
	char cells[4][GATE_NAME_SIZE];

	for (size_t i = 0; i < sums->count; i++) {
		put_cells(cells, gate, sums, i, style);
		for (int j = 1; j < 4; j++)
			widths[j] = (int)strlen(cells[j]) > widths[j] ? (int)strlen(cells[j]) : widths[j];
	}
	room = (style->width < TERMINAL_UNLIMITED ? style->width : COLUMNS) - widths[1] - widths[2] - widths[3] - GAPS;
	room = room < NAME_LEAST ? NAME_LEAST : room;
	for (size_t i = 0; i < sums->count; i++) {
		put_cells(cells, gate, sums, i, style);
		if ((int)strlen(cells[0]) <= room && (int)strlen(cells[0]) > widths[0])
			widths[0] = (int)strlen(cells[0]);
	}
	for (size_t i = 0; i < sums->count; i++) {
		bool apart;

		put_cells(cells, gate, sums, i, style);
		apart = (int)strlen(cells[0]) > room;
		sums->sums[i].text = memory_format("%s%s%-*s  %-*s  %*s%s%s", apart ? cells[0] : "", apart ? "\n" : "",
						   widths[0], apart ? "" : cells[0], widths[1], cells[1], widths[2],
						   cells[2], widths[2] ? "  " : "", cells[3]);
		for (size_t end = strlen(sums->sums[i].text); end && sums->sums[i].text[end - 1] == ' '; end--)
			sums->sums[i].text[end - 1] = 0; /* of a sum without bytes */
		sums->lines += apart ? 2 : 1;
	}
}

struct gate_sums *gate_sums_new(const struct gate *gate, const struct gate_style *style)
{
	struct gate_sums *sums = memory_zeroed(1, sizeof(*sums));

	sums->sums =
		memory_zeroed(gate->before->benchmark_count + gate->after->benchmark_count + 2, sizeof(*sums->sums));
	add_benchmarks(sums, gate);
	if (!sums->count && gate_has_before(gate))
		add_program(sums, gate);
	if (!style->all)
		fold(sums, gate);
	put_lines(sums, gate, style);
	sums->lines += (sums->unchanged > 0) + (sums->left_out > 0) + (sums->note != NULL);
	return sums;
}

void gate_sums_free(struct gate_sums *sums)
{
	for (size_t i = 0; i < sums->count; i++)
		free(sums->sums[i].text);
	free(sums->sums);
	free(sums->note);
	free(sums);
}

const struct gate_group *gate_sums_group(const struct gate_sums *sums, size_t i, const struct gate *gate)
{
	for (size_t j = 0; j < gate->group_count; j++) {
		const struct gate_group *group = &gate->groups[j];

		if (is_of(&sums->sums[i], group) && (i + 1 == sums->count || !is_of(&sums->sums[i + 1], group)))
			return group;
	}
	return NULL;
}

void gate_sums_print_folded(FILE *stream, const struct gate_sums *sums)
{
	if (sums->unchanged)
		fprintf(stream, "%zu benchmarks are unchanged\n", sums->unchanged);
	if (sums->left_out)
		fprintf(stream, "%zu more benchmarks changed; --all shows them\n", sums->left_out);
	if (sums->note)
		fprintf(stream, "%s\n", sums->note);
}

void render_gate_sums(FILE *stream, const struct gate *gate, const struct gate_style *style)
{
	struct gate_sums *sums = gate_sums_new(gate, style);

	for (size_t i = 0; i < sums->count; i++)
		fprintf(stream, "%s\n", sums->sums[i].text);
	gate_sums_print_folded(stream, sums);
	gate_sums_free(sums);
}
