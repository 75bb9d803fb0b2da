/* SPDX-License-Identifier: BSD-2-Clause */
/* Sums in the style of benchstat: one line per benchmark, or for the whole program. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/render_gate.h"
#include "base/memory.h"

struct sum {
	const char *name;
	double before[2], after[2]; /* objects, bytes; VALUE_UNMEASURED if a side does not have it */
	const char *units[2];
};

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

/* "-98 %", "+0.4 %"; "" if nothing changed or there is nothing to compare with. */
static const char *percent(char text[32], double before, double after)
{
	double change = before > 0 ? 100 * (after - before) / before : 0, size = change < 0 ? -change : change;

	if (before <= 0 || after < 0 || before == after)
		strcpy(text, "");
	else
		snprintf(text, 32, size >= 9.5 ? "%+.0f %%" : "%+.2g %%", change);
	return text;
}

/* "5 -> 3 objects", "5 objects" if nothing changed; "" if neither side measured it. */
static const char *pair(char text[96], double before, double after, const char *unit)
{
	char from[40], to[40];

	if (before < 0 && after < 0)
		strcpy(text, "");
	else if (before == after)
		snprintf(text, 96, "%s %s", gate_grouped(to, after), unit);
	else
		snprintf(text, 96, "%s -> %s %s", before < 0 ? "none" : gate_grouped(from, before),
			 after < 0 ? "none" : gate_grouped(to, after), unit);
	return text;
}

static bool is_unchanged(const struct sum *sum)
{
	return sum->before[0] == sum->after[0] && sum->before[1] == sum->after[1];
}

/* If there are more than a few benchmarks, moves those that changed to the front of `sums`, returns their number,
 * and prints one line about the others. */
static size_t fold(FILE *stream, struct sum *sums, size_t count, bool failed)
{
	enum { FEW = 8 };
	size_t kept = 0, unchanged = 0, better;

	if (count <= FEW)
		return count;
	for (size_t i = 0; i < count; i++) {
		if (is_unchanged(&sums[i]))
			unchanged++;
		else
			sums[kept++] = sums[i];
	}
	better = !failed && kept > FEW ? kept - FEW : 0;
	if (unchanged)
		fprintf(stream, "%zu benchmarks are unchanged\n", unchanged);
	if (better)
		fprintf(stream, "%zu more benchmarks changed; --all shows them\n", better);
	return kept - better;
}

static void print_sums(FILE *stream, const struct sum *sums, size_t count)
{
	int widths[4] = {0};
	char cells[4][96];

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < count; i++) {
			const struct sum *sum = &sums[i];

			snprintf(cells[0], sizeof(cells[0]), "%s", sum->name);
			pair(cells[1], sum->before[0], sum->after[0], sum->units[0]);
			percent(cells[2], sum->before[0], sum->after[0]);
			pair(cells[3], sum->before[1], sum->after[1], sum->units[1]);
			for (int j = 0; j < 3 && pass == 0; j++)
				widths[j] = (int)strlen(cells[j]) > widths[j] ? (int)strlen(cells[j]) : widths[j];
			if (!pass)
				continue;
			fprintf(stream, "%-*s  ", widths[0], cells[0]);
			if (*cells[2] || *cells[3])
				fprintf(stream, "%-*s  %*s%s%s\n", widths[1], cells[1], widths[2], cells[2],
					widths[2] && *cells[3] ? "  " : "", cells[3]);
			else
				fprintf(stream, "%s\n", cells[1]);
		}
	}
}

static size_t benchmark_sums(const struct gate *gate, struct sum *sums)
{
	const struct gate_counts *before = gate->before, *after = gate->after;
	size_t count = 0;

	for (size_t i = 0; i < after->benchmark_count; i++) {
		const struct gate_benchmark *new = &after->benchmarks[i];
		const struct gate_benchmark *old = gate_counts_benchmark_find(before, new->name);

		sums[count++] = (struct sum){new->name,
					     {old ? (double)old->allocs : -1, old ? (double)old->bytes : -1},
					     {(double)new->allocs, (double)new->bytes},
					     {"allocs/op", "B/op"}};
	}
	for (size_t i = 0; i < before->benchmark_count; i++) {
		const struct gate_benchmark *old = &before->benchmarks[i];

		if (!gate_counts_benchmark_find(after, old->name))
			sums[count++] = (struct sum){
				old->name, {(double)old->allocs, (double)old->bytes}, {-1, -1}, {"allocs/op", "B/op"}};
	}
	return count;
}

/* Everything that was allocated: sites, allocations without owner, and the library's bookkeeping. */
static double everything(const struct gate_counts *side, double total, enum profile_value value)
{
	return total < 0 ? VALUE_UNMEASURED
			 : total + (double)(side->outside[value] + side->bookkeeping[value]) / side->iterations;
}

char *gate_sums(const struct gate *gate, const struct gate_style *style)
{
	size_t room = gate->before->benchmark_count + gate->after->benchmark_count + 2, count, size;
	struct sum *sums = memory_zeroed(room, sizeof(*sums));
	char *text = NULL, *rest = NULL;
	FILE *stream = open_memstream(&text, &size), *folded;

	if (!sums || !stream)
		memory_out();
	count = benchmark_sums(gate, sums);
	if (!count && gate->totals_before[VALUE_OBJECTS] != VALUE_UNMEASURED) {
		struct sum *sum = &sums[count++];

		*sum = (struct sum){.name = strcmp(style->what, "objects") == 0 ? "all" : "sum",
				    .units = {style->what, "bytes"}};
		for (int i = VALUE_OBJECTS; i <= VALUE_BYTES; i++) {
			sum->before[i] = everything(gate->before, gate->totals_before[i], i);
			sum->after[i] = everything(gate->after, gate->totals_after[i], i);
		}
		if (sum->before[0] != gate->totals_before[VALUE_OBJECTS] ||
		    sum->after[0] != gate->totals_after[VALUE_OBJECTS]) {
			sum = &sums[count++];
			*sum = (struct sum){.name = "judged", .units = {style->what, "bytes"}};
			for (int i = VALUE_OBJECTS; i <= VALUE_BYTES; i++) {
				sum->before[i] = gate->totals_before[i];
				sum->after[i] = gate->totals_after[i];
			}
		}
	}
	folded = open_memstream(&rest, &size);
	if (!folded)
		memory_out();
	if (!style->all)
		count = fold(folded, sums, count, gate->failed);
	fclose(folded);
	print_sums(stream, sums, count);
	fputs(rest, stream);
	free(rest);
	fclose(stream);
	free(sums);
	return text;
}

int gate_sum_lines(const struct gate *gate, const struct gate_style *style)
{
	char *text = gate_sums(gate, style);
	int lines = 0;

	for (const char *at = text; *at; at++)
		lines += *at == '\n';
	free(text);
	return lines;
}

static void print_limits(FILE *stream, const struct policy_contract *contract)
{
	const char *separator = "";

	for (int i = 0; i < POLICY_VALUES; i++) {
		char number[40];

		if (!contract->limits[i].given)
			continue;
		fprintf(stream, "%s%s%s=%s", separator, profile_values[policy_values[i]].key,
			contract->limits[i].per_call ? "/call" : "", gate_grouped(number, contract->limits[i].most));
		separator = " ";
	}
}

void render_contracts(FILE *stream, const struct gate_contracts *contracts)
{
	for (size_t i = 0; i < gate_contracts_count(contracts); i++) {
		struct gate_contract_result result = gate_contracts_result(contracts, i);
		char numbers[3][40];

		fprintf(stream, "contract %s: %s: %s object%s, %s bytes in %s call%s (allowed: ",
			result.broken ? "broken" : "kept", result.contract->function,
			gate_grouped(numbers[0], (double)result.objects), result.objects == 1 ? "" : "s",
			gate_grouped(numbers[1], (double)result.bytes), gate_grouped(numbers[2], (double)result.calls),
			result.calls == 1 ? "" : "s");
		print_limits(stream, result.contract);
		fputs(")\n", stream);
	}
}
