/* SPDX-License-Identifier: BSD-2-Clause */
/* The verdicts that agents gave, summed by the store. */
#include "fleet/store.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit_join.h"
#include "base/arena.h"
#include "base/count.h"
#include "base/memory.h"
#include "base/text_compare.h"
#include "fleet/store_query.h"
#include "profile/report.h"

struct answer {
	struct profile *profile;
	struct audit_row *rows;
	size_t count;
	struct arena values;	  /* of the rows */
	int64_t judged, unjudged; /* objects of rows with and without a verdict */
};

/* The place of a row is the line that owns it: where below it the allocation was made is not in the store. */
static const struct profile_frame *take_place(struct profile *profile, char **row)
{
	struct profile_frame frame = {.function = store_text(profile, cell_next(row))};
	int64_t line;

	frame.file = store_text(profile, cell_next(row));
	line = store_count(cell_next(row));
	frame.line = line > 0 && line <= INT32_MAX ? (uint32_t)line : 0;
	return profile_location(profile, 0, NULL, &frame, 1)->frames;
}

static int64_t low_end(int64_t sum, double square)
{
	return sum == VALUE_UNMEASURED ? sum : count_from(fmax(0, floor((double)sum - sqrt(square))));
}

static int64_t high_end(int64_t sum, double square)
{
	return isinf(square) || sum == VALUE_UNMEASURED ? VALUE_UNMEASURED
							: count_from(ceil((double)sum + sqrt(square)));
}

static void set_ends(struct audit_row *row, const struct profile_ends *ends)
{
	row->objects_low = low_end(row->values[VALUE_OBJECTS], ends->objects_low);
	row->objects_high = high_end(row->values[VALUE_OBJECTS], ends->objects_high);
	row->bytes_low = low_end(row->values[VALUE_BYTES], ends->bytes_low);
	row->bytes_high = high_end(row->values[VALUE_BYTES], ends->bytes_high);
}

static void take_row(void *context, char *cells)
{
	struct answer *answer = context;
	struct profile *profile = answer->profile;
	const char *verdict = cell_next(&cells);
	int which = verdict ? audit_verdict_parse(verdict) : -1;
	const struct profile_frame *place = take_place(profile, &cells);
	struct audit_row row = {
		.verdict = (enum audit_verdict)which,
		.site = *place,
		.values = arena_allocate(&answer->values, VALUE_COUNT * sizeof(*row.values)),
	};
	const char *least, *greatest;
	struct profile_ends ends;

	row.via = store_text(profile, cell_next(&cells));
	row.words = store_text(profile, cell_next(&cells));
	least = cell_next(&cells);
	greatest = cell_next(&cells);
	row.type = text_same(least, greatest) ? store_text(profile, least) : NULL;
	ends = store_ends(&cells);
	profile->rows_exact &= ends.objects_low <= 0 && ends.objects_high <= 0;
	store_values(&cells, row.values);
	for (int value = 0; value < VALUE_COUNT; value++) {
		if (row.values[value] != VALUE_UNMEASURED)
			profile->row_measured |= 1u << value;
	}
	if (which < 0 || which == AUDIT_OUTSIDE) {
		answer->unjudged = profile_add_measured(answer->unjudged, row.values[VALUE_OBJECTS]);
		return;
	}
	answer->judged = profile_add_measured(answer->judged, row.values[VALUE_OBJECTS]);
	set_ends(&row, &ends);
	row.file = place->file;
	if (text_same(place->function, report_outside)) {
		row.site.function = row.via;
	} else if (place->file) {
		row.owner = place;
		row.owner_file = place->file;
	}
	answer->rows = memory_resize(answer->rows, answer->count + 1, sizeof(*answer->rows));
	answer->rows[answer->count++] = row;
}

static int ask(const struct store *store, struct answer *answer, struct error *error)
{
	static const struct store_column columns[] = {{"min", "type", true}, {"max", "type", true}, STORE_ENDS, {0}};
	static const char *const keys[] = {"verdict", "function", "file", "line", "via", "words", NULL};
	static const struct store_query query = {
		.table = FLEET_TABLE_SITES,
		.keys = keys,
		.columns = columns,
		.order = "sum(of_bytes) DESC, function, line, words",
		.limit = STORE_ROWS_MAX,
		.take = take_row,
	};
	struct profile *profile = answer->profile;
	int rows;

	if (store_builds(store, profile, error) || (rows = store_ask(store, &query, answer, error)) < 0)
		return -1;
	if (!answer->count)
		return error_set(
			error, STATUS_USAGE,
			"no row in the store has a verdict: give --escape FILE here, or 'escape = FILE' in the "
			"configuration of the agents (docs/fleet.md)");
	if (answer->unjudged)
		profile_warn(profile,
			     "%" PRId64 " of %" PRId64 " objects have no verdict, and are left out: where they were "
			     "allocated no agent has the compiler output of the build",
			     answer->unjudged, add_saturated(answer->judged, answer->unjudged));
	if (rows == STORE_ROWS_MAX)
		profile_warn(profile, "only the greatest %d rows were taken: ask for one service or build",
			     STORE_ROWS_MAX);
	return 0;
}

struct audit *store_audit(const char *url, struct profile *profile, const struct escape_output *output,
			  struct error *error)
{
	struct answer answer = {.profile = profile};
	struct audit *audit = NULL;
	struct store store;

	profile->target = profile_string(profile, url);
	if (store_open(&store, url, error) == 0 && ask(&store, &answer, error) == 0)
		audit = audit_of_rows(profile, output, answer.rows, answer.count);
	free(answer.rows);
	arena_free(&answer.values);
	store_close(&store);
	return audit;
}
