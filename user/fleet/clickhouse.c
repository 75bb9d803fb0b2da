/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/clickhouse.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "fleet/fleet_rows.h"
#include "fleet/http.h"

enum { PASSWORD_MAX = 1024, WHY_MAX = 300, COLUMNS_MAX = 4096 };

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

/* --- password --- */

static int read_password(const char *path, char **password, struct error *error)
{
	FILE *stream = fopen(path, "re");
	char line[PASSWORD_MAX] = "";

	if (!stream)
		return error_set(error, STATUS_USAGE, "cannot read the password file '%s': %m", path);
	setbuf(stream, NULL); /* or a copy would stay in what is freed */
	if (!fgets(line, sizeof(line), stream))
		line[0] = 0;
	fclose(stream);
	line[strcspn(line, "\r\n")] = 0;
	if (!*line)
		return error_set(error, STATUS_USAGE, "the first line of the password file '%s' is empty", path);
	*password = memory_text(line);
	explicit_bzero(line, sizeof(line));
	return 0;
}

int clickhouse_password(const struct agent_clickhouse *store, char **password, struct error *error)
{
	const char *variable = getenv(AGENT_PASSWORD_VARIABLE);

	*password = NULL;
	if (store->password_file)
		return read_password(store->password_file, password, error);
	if (variable && *variable)
		*password = memory_text(variable);
	return 0;
}

/* --- inserting --- */

/* The URL of an insertion into these columns. The caller frees it. */
static char *insertion(const struct agent_clickhouse *store, const struct fleet_table *table, const char *columns,
		       int columns_length)
{
	char *text, *escaped, *url;
	size_t length, end = strlen(store->url);
	FILE *stream = open_memstream(&text, &length);

	if (!stream)
		memory_out();
	fprintf(stream, "INSERT INTO %s.%s (%.*s) FORMAT TabSeparated", store->database, table->name, columns_length,
		columns);
	if (fclose(stream))
		memory_out();
	escaped = http_escape(text);
	while (end && store->url[end - 1] == '/')
		end--;
	/* a Distributed table answers when the shards have the rows, not before */
	url = memory_format("%.*s/?insert_distributed_sync=1&query=%s", (int)end, store->url, escaped);
	free(escaped);
	free(text);
	return url;
}

/* The server's first line, without what follows its own version and stack. */
static int say_refusal(const struct http_answer *answer, struct error *error)
{
	int length = (int)strcspn(answer->text, "\r\n");

	return error_set(error, STATUS_CANNOT_MEASURE, "it answers %ld: %.*s", answer->status,
			 length < WHY_MAX ? length : WHY_MAX, answer->text);
}

/* Posts a body. -1 with an error unless the server did what was asked for, without a word. */
static int post(const struct agent_clickhouse *store, const char *password, const char *url, const char *body,
		size_t size, struct error *error)
{
	struct http_request request = {url, store->user, password, store->ca_file, store->timeout, body, size};
	struct http_answer answer;
	int result = http_post(&request, &answer, error);

	if (result == 0 && (answer.status != 200 || answer.length))
		result = say_refusal(&answer, error);
	free(answer.text);
	return result;
}

char *clickhouse_select(const struct agent_clickhouse *store, const char *password, const char *query,
			struct error *error)
{
	/* otherwise it answers 200 first, and fails in the middle of the rows */
	char *url = memory_format("%s?wait_end_of_query=1", store->url);
	struct http_request request = {url,   store->user,  password, store->ca_file, store->timeout,
				       query, strlen(query)};
	struct http_answer answer;
	int result = http_post(&request, &answer, error);

	if (result == 0 && answer.status != 200)
		result = say_refusal(&answer, error);
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

int clickhouse_execute(const struct agent_clickhouse *store, const char *password, const char *statements,
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

static enum clickhouse_result insert_table(const struct agent_clickhouse *store, const char *password,
					   const struct fleet_table *table, const char *columns, int columns_length,
					   const char *rows, size_t size, struct error *error)
{
	char *url = insertion(store, table, columns, columns_length);
	int failed = post(store, password, url, rows, size, error);

	free(url);
	return failed ? CLICKHOUSE_FAILED : CLICKHOUSE_STORED;
}

static const struct fleet_table *table_named(const char *name, size_t length)
{
	for (int i = 0; i < FLEET_TABLES; i++) {
		if (strlen(fleet_tables[i].name) == length && strncmp(fleet_tables[i].name, name, length) == 0)
			return &fleet_tables[i];
	}
	return NULL;
}

/* The length of a list of columns that ends where the line does; 0 if it is none. */
static int columns_of(const char *columns, const char *line_end)
{
	size_t length = columns < line_end ? (size_t)(line_end - columns) : 0;

	return length < COLUMNS_MAX && strspn(columns, "abcdefghijklmnopqrstuvwxyz_,") == length ? (int)length : 0;
}

enum clickhouse_result clickhouse_insert(const struct agent_clickhouse *store, const char *password, const char *window,
					 size_t size, struct error *error)
{
	const char *at = window, *limit = window + size;

	while (at < limit) {
		size_t name = strcspn(at, " \n");
		const struct fleet_table *table = table_named(at, name);
		const char *line_end = memchr(at, '\n', (size_t)(limit - at));
		enum clickhouse_result result;
		const char *columns;
		int columns_at = 0, columns_length;
		uint64_t rows;
		size_t bytes;

		if (!table || !line_end || sscanf(at + name, " %" SCNu64 " %zu %n", &rows, &bytes, &columns_at) != 2 ||
		    bytes > (size_t)(limit - line_end - 1) ||
		    !(columns_length = columns_of(columns = at + name + columns_at, line_end))) {
			error_set(error, STATUS_CANNOT_MEASURE, "it is not a window");
			return CLICKHOUSE_MALFORMED;
		}
		at = line_end + 1;
		result = rows ? insert_table(store, password, table, columns, columns_length, at, bytes, error)
			      : CLICKHOUSE_STORED;
		if (result != CLICKHOUSE_STORED)
			return result;
		at += bytes;
	}
	return CLICKHOUSE_STORED;
}
