/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_FIXTURE_H
#define ESCAPEMENT_ESCAPE_FIXTURE_H

/* The compiler's output of the seed programs, one file a Go release and choice of flags (tests/tools/seed-output); and all that
 * the parser found in one as text, so that two can be compared. */

#include <glob.h>
#include <inttypes.h>
#include <stdio.h>

#include "escape/escape.h"

/* Finds the files of these flags ("m2-l"), oldest release first. The caller calls globfree(). */
static inline void escape_fixtures(const char *flags, glob_t *found)
{
	char pattern[128];

	snprintf(pattern, sizeof(pattern), "tests/fixtures/escape-output/seeds.go*.%s.txt", flags);
	assert_int_equal(glob(pattern, 0, NULL, found), 0);
	assert_true(found->gl_pathc >= 2);
}

static inline const char *escape_shown(const char *text)
{
	return text ? text : "(none)";
}

static inline void escape_print_flows(FILE *stream, const struct escape_annotation *of)
{
	for (uint32_t i = 0; i < of->flow_count; i++) {
		const struct escape_flow *flow = &of->flows[i];

		fprintf(stream, "  flow %s = %s, %d derefs\n", flow->to, flow->from, flow->derefs);
		for (uint32_t j = 0; j < flow->step_count; j++)
			fprintf(stream, "    %s (%s) at %s:%u:%u\n", flow->steps[j].expression, flow->steps[j].reason,
				escape_shown(flow->steps[j].file), flow->steps[j].line, flow->steps[j].column);
	}
}

/* All that an output has, but for whether equal strings have one address. The caller frees it. */
static inline char *escape_printed(const struct escape_output *output)
{
	size_t size;
	char *text = NULL;
	FILE *stream = open_memstream(&text, &size);

	for (size_t i = 0; i < output->annotation_count; i++) {
		const struct escape_annotation *a = &output->annotations[i];

		fprintf(stream, "%s %s:%u:%u in %s: %s, %s (%s)%s%s [%s]\n", escape_shown(a->package), a->file, a->line,
			a->column, escape_shown(a->function), escape_kind_name(a->kind), a->subject,
			escape_shown(a->detail), a->explained_only ? " explained only" : "",
			a->truncated ? " truncated" : "", a->text);
		escape_print_flows(stream, a);
	}
	for (int kind = 0; kind < ESCAPE_KIND_COUNT; kind++)
		fprintf(stream, "%s: %" PRIu64 "\n", escape_kind_name((enum escape_kind)kind), output->counts[kind]);
	for (size_t i = 0; i < output->unrecognized_count; i++)
		fprintf(stream, "unrecognized %" PRIu64 ": %s\n", output->unrecognized[i].line_number,
			output->unrecognized[i].text);
	for (size_t i = 0; i < output->package_count; i++)
		fprintf(stream, "package %s\n", output->packages[i]);
	for (size_t i = 0; i < output->failure_count; i++)
		fprintf(stream, "failed %s: %s\n", output->failures[i].package, escape_shown(output->failures[i].text));
	fprintf(stream, "cut at %s; %" PRIu64 " lines, %" PRIu64 " bytes\n", escape_shown(output->cut),
		output->line_count, output->byte_count);
	fclose(stream);
	return text;
}

#endif
