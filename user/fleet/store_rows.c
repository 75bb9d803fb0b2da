/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/store_rows.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "fleet/clickhouse.h"

enum { TIMEOUT_S = 60 };

int store_open(struct store *store, const char *url, struct error *error)
{
	struct question *question = &store->question;

	*store = (struct store){.server = {.timeout = TIMEOUT_S}};
	if (question_parse(question, url, error))
		return -1;
	store->server.user = question->user;
	store->server.url = memory_format("http%s://%s:%s/", question->tls ? "s" : "", question->host,
					  question->port  ? question->port
					  : question->tls ? "8443"
							  : "8123");
	return credentials_read(&store->credentials, AGENT_CLICKHOUSE, &store->server, error);
}

void store_close(struct store *store)
{
	credentials_clear(&store->credentials);
	free(store->server.url);
	question_clear(&store->question);
}

int64_t store_count(const char *cell)
{
	int64_t value = cell && isdigit((unsigned char)*cell) ? strtoll(cell, NULL, 10) : VALUE_UNMEASURED;

	return value < 0 ? VALUE_UNMEASURED : value;
}

static double real_of(const char *cell, double greatest)
{
	double value = cell ? strtod(cell, NULL) : 0;

	return value >= 0 ? fmin(value, greatest) : 0;
}

static const double greatest_real = 1e15; /* beyond that nothing is measured, and sums would not fit */

double store_real(const char *cell)
{
	return real_of(cell, greatest_real);
}

/* The square of a distance; INFINITY if there is no end at such a distance. */
static double square(const char *cell)
{
	return cell && strcmp(cell, "inf") == 0 ? INFINITY : real_of(cell, greatest_real * greatest_real);
}

struct profile_ends store_ends(char **row)
{
	struct profile_ends ends;

	ends.objects_low = square(cell_next(row));
	ends.objects_high = square(cell_next(row));
	ends.bytes_low = square(cell_next(row));
	ends.bytes_high = square(cell_next(row));
	return ends;
}

const char *store_text(struct profile *profile, const char *cell)
{
	return cell && *cell ? profile_string(profile, cell) : NULL;
}

void store_values(char **row, int64_t *values)
{
	for (int value = 0; value < VALUE_COUNT; value++)
		values[value] = VALUE_UNMEASURED;
	for (int value = -1; (value = profile_value_next(value, VALUE_SHOWN)) < VALUE_COUNT;)
		values[value] = store_count(cell_next(row));
}

int store_cells(const char *row)
{
	int cells = 1;

	for (; *row; row++)
		cells += *row == '\t';
	return cells;
}

int store_misanswered(const struct store *from, int row, int cells, int wanted, struct error *error)
{
	return error_set(error, STATUS_CANNOT_MEASURE,
			 "clickhouse at %s: row %d of its answer has %d cells, and %d were asked for", from->server.url,
			 row, cells, wanted);
}

char *store_answer(const struct store *from, const char *query, struct error *error)
{
	char *answer = clickhouse_select(&from->server, from->credentials.password, query, error);

	if (!answer)
		error_prefix(error, "clickhouse at %s", from->server.url);
	return answer;
}
