/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_FUZZ_ESCAPE_OUTPUT_H
#define ESCAPEMENT_FUZZ_ESCAPE_OUTPUT_H

/* What holds for compiler output whatever it was read from. */

#include <string.h>

#include "base/printable.h"
#include "escape/escape.h"
#include "require.h"

static inline void require_printable(const char *text)
{
	REQUIRE(!text || printable_is(text, strlen(text)));
}

static inline void check_flows(const struct escape_annotation *a)
{
	for (uint32_t f = 0; f < a->flow_count; f++) {
		REQUIRE(a->flows[f].to && a->flows[f].from && a->flows[f].derefs >= -1);
		require_printable(a->flows[f].to);
		require_printable(a->flows[f].from);
		for (uint32_t s = 0; s < a->flows[f].step_count; s++) {
			require_printable(a->flows[f].steps[s].expression);
			require_printable(a->flows[f].steps[s].reason);
			require_printable(a->flows[f].steps[s].file);
		}
	}
}

static inline void check_output(const struct escape_output *output)
{
	uint64_t counts[ESCAPE_KIND_COUNT] = {0}, sum = 0;

	for (size_t i = 0; i < output->annotation_count; i++) {
		const struct escape_annotation *a = &output->annotations[i];

		counts[a->kind]++;
		REQUIRE(a->file && a->subject && *a->subject && a->text);
		require_printable(a->package);
		require_printable(a->file);
		require_printable(a->subject);
		require_printable(a->detail);
		require_printable(a->function);
		require_printable(a->text);
		check_flows(a);
	}
	for (int kind = 0; kind < ESCAPE_KIND_COUNT; kind++) {
		REQUIRE(counts[kind] == output->counts[kind]);
		sum += counts[kind];
	}
	REQUIRE(sum == output->annotation_count);
	for (size_t i = 0; i < output->unrecognized_count; i++)
		require_printable(output->unrecognized[i].text);
	for (size_t i = 0; i < output->package_count; i++)
		require_printable(output->packages[i]);
	for (size_t i = 0; i < output->failure_count; i++) {
		REQUIRE(output->failures[i].package);
		require_printable(output->failures[i].package);
		require_printable(output->failures[i].text);
	}
	require_printable(output->cut);
}

#endif
