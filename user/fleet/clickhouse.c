/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/clickhouse.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "fleet/fleet_rows.h"
#include "fleet/http.h"
#include "fleet/spooled.h"

const char *const clickhouse_layout_names[] = {"clickhouse", "clickhouse-distributed", "clickhouse-replicated", NULL};

/* --- schema --- */

static const char *const types[FLEET_KINDS] = {
	[FLEET_NUMBER] = "UInt64",   [FLEET_TIME] = "DateTime",		 [FLEET_TEXT] = "String",
	[FLEET_SECONDS] = "Float64", [FLEET_COUNT] = "Nullable(UInt64)", [FLEET_SIGNED] = "Nullable(Int64)",
};

struct columns {
	FILE *stream;
	const char *separator;
};

static void put_column(void *context, enum fleet_kind kind, const char *name, const char *meaning)
{
	struct columns *columns = context;

	(void)meaning;
	fprintf(columns->stream, "%s    %s %s", columns->separator, name, types[kind]);
	columns->separator = ",\n";
}

static void put_table(FILE *stream, enum clickhouse_layout layout, const char *database, const char *cluster,
		      const struct fleet_table *table)
{
	struct columns columns = {stream, ""};
	const char *local = layout == CLICKHOUSE_ALONE ? "" : "_local";

	fprintf(stream, "\nCREATE TABLE IF NOT EXISTS %s.%s%s\n(\n", database, table->name, local);
	fleet_columns(table, put_column, &columns);
	if (table->place)
		fprintf(stream, ",\n    " FLEET_PLACE " UInt64 DEFAULT %s", table->place);
	fputs("\n)\n", stream);
	if (layout == CLICKHOUSE_REPLICATED)
		fprintf(stream,
			"ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/%s/%s', '{replica}')\n",
			database, table->name);
	else
		fputs("ENGINE = ReplacingMergeTree()\n", stream);
	fputs("PARTITION BY toYYYYMMDD(time)\nORDER BY (host, window, row);\n", stream);
	if (layout == CLICKHOUSE_ALONE)
		return;
	/* rows of a host stay on one shard, where those that come again meet */
	fprintf(stream,
		"\nCREATE TABLE IF NOT EXISTS %s.%s AS %s.%s_local\n"
		"ENGINE = Distributed(%s, %s, %s_local, cityHash64(host));\n",
		database, table->name, database, table->name, cluster, database, table->name);
}

void clickhouse_schema(FILE *stream, enum clickhouse_layout layout, const char *database, const char *cluster)
{
	fprintf(stream, "CREATE DATABASE IF NOT EXISTS %s;\n", database);
	for (int i = 0; i < FLEET_TABLES; i++)
		put_table(stream, layout, database, cluster, &fleet_tables[i]);
}

/* --- inserting --- */

/* The URL of an insertion into these columns. The caller frees it. */
static char *insertion(const struct agent_store *store, const struct fleet_table *table, const char *columns,
		       int columns_length)
{
	char *text, *escaped, *url;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	if (!stream)
		memory_out();
	fprintf(stream, "INSERT INTO %s.%s (%.*s) FORMAT TabSeparated", store->database, table->name, columns_length,
		columns);
	if (fclose(stream))
		memory_out();
	escaped = http_escape(text);
	/* a Distributed table answers when the shards have the rows, not before */
	url = memory_format("%.*s/?insert_distributed_sync=1&query=%s", http_base_length(store->url), store->url,
			    escaped);
	free(escaped);
	free(text);
	return url;
}

/* Posts a body. -1 with an error unless the server did what was asked for, without a word. */
static int post(const struct agent_store *store, const char *password, const char *url, const char *body, size_t size,
		struct error *error)
{
	struct http_request request = credentials_request(store, password, NULL);
	struct http_answer answer;
	int result;

	request.url = url;
	request.body = body;
	request.size = size;
	result = http_post(&request, &answer, error);
	if (result == 0 && (answer.status != 200 || answer.length))
		result = http_refusal(&answer, error);
	free(answer.text);
	return result;
}

char *clickhouse_select(const struct agent_store *store, const char *password, const char *query, struct error *error)
{
	/* otherwise it answers 200 first, and fails in the middle of the rows */
	char *url = memory_format("%s?wait_end_of_query=1", store->url);
	struct http_request request = credentials_request(store, password, NULL);
	struct http_answer answer;
	int result;

	request.url = url;
	request.body = query;
	request.size = strlen(query);
	result = http_post(&request, &answer, error);
	if (result == 0 && answer.status != 200)
		result = http_refusal(&answer, error);
	else if (result == 0 && answer.cut)
		result = error_set(error, STATUS_CANNOT_MEASURE, "its answer is longer than %d bytes: ask for less",
				   HTTP_ANSWER_MAX);
	free(url);
	if (result == 0)
		return answer.text;
	free(answer.text);
	return NULL;
}

void clickhouse_put_text(FILE *stream, const char *text)
{
	fputc('\'', stream);
	for (; *text; text++) {
		if (isascii((unsigned char)*text) && (isalnum((unsigned char)*text) || strchr("._-/ ", *text)))
			fputc(*text, stream);
		else
			fprintf(stream, "\\x%02X", (unsigned char)*text);
	}
	fputc('\'', stream);
}

int clickhouse_execute(const struct agent_store *store, const char *password, const char *statements,
		       struct error *error)
{
	char *copy = memory_text(statements), *rest = copy, *statement;
	int result = 0;

	while (!result && (statement = strsep(&rest, ";"))) {
		statement += strspn(statement, "\n");
		if (*statement)
			result = post(store, password, store->url, statement, strlen(statement), error);
	}
	free(copy);
	return result;
}

static int insert_table(const struct agent_store *store, const char *password, const struct fleet_table *table,
			const struct spooled_part *part, struct error *error)
{
	char *url = insertion(store, table, part->columns, part->columns_length);
	int failed = post(store, password, url, part->bytes, part->size, error);

	free(url);
	return failed;
}

static const struct fleet_table *table_of(const struct spooled_part *part)
{
	for (int i = 0; i < FLEET_TABLES; i++) {
		if (spooled_is(part, fleet_tables[i].name))
			return &fleet_tables[i];
	}
	return NULL;
}

enum delivery clickhouse_insert(const struct agent_store *store, const struct credentials *credentials,
				const char *window, size_t size, struct delivery_answer *answer)
{
	const char *at = window, *limit = window + size;
	struct spooled_part part;
	int more;

	while ((more = spooled_next(&at, limit, &part)) > 0) {
		const struct fleet_table *table = table_of(&part);

		/* profiles are for other stores */
		if (!table || !part.rows)
			continue;
		if (insert_table(store, credentials->password, table, &part, &answer->error))
			return DELIVERY_FAILED;
		answer->asked = true;
	}
	return more ? DELIVERY_MALFORMED : DELIVERY_DONE;
}
