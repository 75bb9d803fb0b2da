/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/output.h"
#include "cli.h"
#include "fleet/agent.h"
#include "fleet/clickhouse.h"
#include "fleet/delivery.h"
#include "fleet/spool.h"
#include "options.h"

enum { NO_SCHEMA = -1 };

static struct {
	const char *config, *database, *cluster, *output;
	int schema;
	int64_t windows;
	bool check, status, create;
} given = {.output = "-", .schema = NO_SCHEMA};

static const struct option_row rows[] = {
	{0, "config", "FILE", OPTION_STRING, &given.config, "what to watch, and where to push it (docs/fleet.md)",
	 NULL},
	{0, "windows", "N", OPTION_INTEGER, &given.windows,
	 "end after N windows, when they are delivered; 0: until SIGTERM or Ctrl-C", NULL},
	{0, NULL, NULL, NULL, NULL, "instead of running", NULL},
	{0, "check", NULL, OPTION_FLAG, &given.check, "only read the configuration", NULL},
	{0, "status", NULL, OPTION_FLAG, &given.status, "print what waits in the spool, and how much was dropped",
	 NULL},
	{0, "schema", "STORE", OPTION_CHOICE, &given.schema,
	 "print the statements that make the tables of a store: on one machine, on shards, on replicated shards",
	 clickhouse_layout_names},
	{0, "create-tables", NULL, OPTION_FLAG, &given.create,
	 "make the tables in the store of the configuration; with --schema, those of that kind", NULL},
	{0, "database", "NAME", OPTION_STRING, &given.database,
	 "with --schema: the database (default: of the configuration, or escapement)", NULL},
	{0, "cluster", "NAME", OPTION_STRING, &given.cluster,
	 "with --schema: the cluster of the servers' configuration", NULL},
	{'o', "output", "FILE", OPTION_STRING, &given.output, "with --schema: output file", NULL},
	{0},
};

static const struct option_usage usage = {
	.synopsis = "agent --config FILE [OPTIONS]",
	.description =
		"Profiles the processes that a configuration names, all the time or in windows, and pushes what they "
		"allocate to a store that answers for many machines. SIGHUP reads the configuration again; SIGTERM, "
		"Ctrl-C and other signals that end a process end it. What could not be pushed stays on disk for the next time.",
	.examples = "  escapement agent --config /etc/escapement/agent.conf\n"
		    "  escapement agent --config agent.conf --windows 1 -v\n"
		    "  escapement agent --config agent.conf --status\n"
		    "  escapement agent --config agent.conf --create-tables\n"
		    "  escapement agent --schema clickhouse\n"
		    "  escapement agent --schema clickhouse-replicated --cluster main\n",
	.rows = rows,
};

/* Writes the statements for a database that --database may replace. */
static int write_schema(FILE *stream, const char *database, struct error *error)
{
	enum clickhouse_layout layout =
		given.schema == NO_SCHEMA ? CLICKHOUSE_ALONE : (enum clickhouse_layout)given.schema;
	bool needs = layout != CLICKHOUSE_ALONE;

	database = given.database ? given.database : database;
	if (needs != (given.cluster != NULL))
		return error_set(error, STATUS_USAGE,
				 needs ? "--schema %s needs --cluster NAME" : "--schema %s has no cluster",
				 clickhouse_layout_names[layout]);
	if (!agent_config_is_name(database) || (needs && !agent_config_is_name(given.cluster)))
		return error_set(error, STATUS_USAGE,
				 "'%s' is not a name of letters, digits and _, which does not begin with a digit",
				 agent_config_is_name(database) ? given.cluster : database);
	clickhouse_schema(stream, layout, database, given.cluster);
	return 0;
}

static int print_schema(struct error *error)
{
	struct output output;

	if (output_open(&output, given.output, error))
		return -1;
	if (write_schema(output.stream, "escapement", error)) {
		output_abandon(&output);
		return -1;
	}
	return output_commit(&output, error);
}

static int create_tables(const struct agent_config *config, struct error *error)
{
	const struct agent_store *store = &config->stores[AGENT_CLICKHOUSE];
	struct credentials credentials = {0};
	char *statements = NULL;
	size_t length;
	FILE *stream = open_memstream(&statements, &length);
	int result;

	if (!stream)
		memory_out();
	result = write_schema(stream, store->database, error);
	if (fclose(stream))
		memory_out();
	if (!result && !store->url)
		result = error_set(error, STATUS_USAGE, "%s has no store: --create-tables needs [clickhouse]",
				   given.config);
	if (!result)
		result = credentials_read(&credentials, AGENT_CLICKHOUSE, store, error);
	if (!result && clickhouse_execute(store, credentials.password, statements, error))
		result = error_prefix(error, "clickhouse at %s", store->url);
	credentials_clear(&credentials);
	free(statements);
	return result;
}

static int print_status(const struct agent_config *config, struct error *error)
{
	struct spool *spool = spool_look(config->spool, error);
	struct spool_state state;

	if (!spool)
		return -1;
	delivery_set_stores(spool, config);
	state = spool_state(spool);
	printf("%" PRIu64 " window%s wait%s in '%s', %" PRIu64 " bytes of at most %" PRId64 "; %" PRIu64
	       " dropped until now\n",
	       state.windows, state.windows == 1 ? "" : "s", state.windows == 1 ? "s" : "", config->spool, state.bytes,
	       config->spool_limit, state.dropped);
	for (int i = 0; i < AGENT_STORES; i++) {
		struct spool_store_state store = spool_store_state(spool, agent_store_names[i]);

		if (config->stores[i].url)
			printf("%s: %" PRIu64 " to come, %" PRIu64 " refused until now\n", agent_store_names[i],
			       store.waiting, store.refused);
	}
	spool_close(spool);
	return 0;
}

static int look(struct error *error)
{
	struct agent_config *config = agent_config_read(given.config, error);
	int result = 0;

	if (!config)
		return -1;
	if (given.create)
		result = create_tables(config, error);
	else if (given.status)
		result = print_status(config, error);
	agent_config_free(config);
	return result;
}

static int run(int argc, char **argv)
{
	int result, first = options_parse(argc, argv, &usage, NULL);
	struct error error;

	if (first < 0)
		return options_status(first);
	if (first < argc)
		result = error_set(&error, STATUS_USAGE, "unexpected argument '%s'", argv[first]);
	else if (given.schema != NO_SCHEMA && !given.create)
		result = print_schema(&error);
	else if (!given.config)
		result = error_set(&error, STATUS_USAGE, "nothing to do: give --config FILE or --schema STORE");
	else if (given.check || given.status || given.create)
		result = look(&error);
	else
		result = agent_run(&(struct agent_options){given.config, given.windows, cli_verbosity > 0, cli_say},
				   &error);
	return result ? cli_fail(&error) : STATUS_OK;
}

const struct command command_agent = {"agent", "profile many processes all the time, for a store", run, NULL};
