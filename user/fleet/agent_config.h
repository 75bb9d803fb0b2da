/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AGENT_CONFIG_H
#define ESCAPEMENT_AGENT_CONFIG_H

/*
 * The agent's configuration file: lines `key = value`, in sections `[watch SERVICE]`, `[prometheus]` and one for each store,
 * after those of the agent itself. A line that begins with # is a comment. docs/fleet.md describes the keys; AGENT_KEYS is their list.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* Which processes belong to a service: those that all given conditions hold for. Globs as of fnmatch(3). */
struct agent_watch {
	char *service; /* the section's name */
	char *name;    /* glob of the process's name or its executable's base name; NULL: any */
	char *cgroup;  /* glob of the path of its cgroup; NULL: any */
	char *user;    /* name or number of the user that it runs as, really and effectively; NULL: any */
	uid_t uid;     /* of that user */
	bool go;       /* only Go programs */
	char *escape;  /* file with what the compiler said about its build; NULL: none */
};

/* The stores that windows are pushed to (delivery.h), by the names of their sections. */
enum agent_store_kind { AGENT_CLICKHOUSE, AGENT_PYROSCOPE, AGENT_OTLP, AGENT_STORES };
extern const char *const agent_store_names[AGENT_STORES];

struct agent_store {
	char *url;	/* NULL: no such store */
	char *database; /* of ClickHouse */
	char *tenant;	/* of Pyroscope; NULL: none */
	char *user;
	char *password_file, *token_file; /* NULL: the environment's variable, if it is set (credentials.h) */
	char *ca_file;			  /* certificates to trust; NULL: the system's */
	double timeout;			  /* seconds that a request may take */
};
#define AGENT_PASSWORD_VARIABLE "ESCAPEMENT_CLICKHOUSE_PASSWORD"

struct agent_config {
	char *host, *spool;
	int64_t spool_limit;		  /* bytes */
	double window, every, heap_every; /* seconds; heap_every 0: no heap snapshots */
	int64_t rate;
	double max_overhead;
	bool redact;
	struct agent_watch *watches;
	size_t watch_count;
	struct agent_store stores[AGENT_STORES];
	struct agent_prometheus {
		char *listen; /* where to serve metrics; NULL: nowhere */
	} prometheus;
};

/*
 * The keys: section ("" before the first), member of the section's structure, key, kind, default (NULL: none), meaning.
 * Kinds are AGENT_TEXT, AGENT_BYTES, AGENT_SECONDS, AGENT_PERCENT, AGENT_YES.
 */
#define AGENT_STORE_KEYS(ROW, section, example)                                                      \
	ROW(section, agent_store, url, "url", AGENT_TEXT, NULL, example)                             \
	ROW(section, agent_store, user, "user", AGENT_TEXT, NULL, "the user (default: the store's)") \
	ROW(section, agent_store, password_file, "password-file", AGENT_TEXT, NULL,                  \
	    "file whose first line is the password")                                                 \
	ROW(section, agent_store, ca_file, "ca-file", AGENT_TEXT, NULL,                              \
	    "certificates to trust (default: the system's)")                                         \
	ROW(section, agent_store, timeout, "timeout", AGENT_SECONDS, "30s", "longest time of a request")
#define AGENT_TOKEN_KEY(ROW, section) \
	ROW(section, agent_store, token_file, "token-file", AGENT_TEXT, NULL, "file whose first line is a bearer token")
#define AGENT_KEYS(ROW)                                                                                            \
	ROW("", agent_config, host, "host", AGENT_TEXT, NULL, "the name of this machine (default: its host name)") \
	ROW("", agent_config, spool, "spool", AGENT_TEXT, "/var/lib/escapement",                                   \
	    "directory of what was not delivered yet")                                                             \
	ROW("", agent_config, spool_limit, "spool-limit", AGENT_BYTES, "256M",                                     \
	    "most bytes in it; then the oldest windows are dropped")                                               \
	ROW("", agent_config, window, "window", AGENT_SECONDS, "10s", "length of a window")                        \
	ROW("", agent_config, every, "every", AGENT_SECONDS, "60s",                                                \
	    "from the begin of a window to that of the next; the same as window: all the time")                    \
	ROW("", agent_config, heap_every, "heap-every", AGENT_SECONDS, "0",                                        \
	    "from a heap snapshot of each process to the next; 0: none")                                           \
	ROW("", agent_config, rate, "rate", AGENT_BYTES, "512k", "as --rate of record")                            \
	ROW("", agent_config, max_overhead, "max-overhead", AGENT_PERCENT, "1",                                    \
	    "percent of the CPU time of what is watched that probes may cost; 0: no limit")                        \
	ROW("", agent_config, redact, "redact", AGENT_YES, "yes", "of paths, names of files only")                 \
	ROW("watch", agent_watch, name, "name", AGENT_TEXT, NULL, "glob of the name of the process or its file")   \
	ROW("watch", agent_watch, cgroup, "cgroup", AGENT_TEXT, NULL, "glob of the path of its cgroup")            \
	ROW("watch", agent_watch, user, "user", AGENT_TEXT, NULL, "the user that the process runs as")             \
	ROW("watch", agent_watch, go, "go", AGENT_YES, NULL, "Go programs only")                                   \
	ROW("watch", agent_watch, escape, "escape", AGENT_TEXT, NULL,                                              \
	    "compiler output (-m=2) of the build that runs: rows get verdicts")                                    \
	AGENT_STORE_KEYS(ROW, "clickhouse", "http://HOST:8123 or https://HOST:8443")                               \
	ROW("clickhouse", agent_store, database, "database", AGENT_TEXT, "escapement", "the database")             \
	AGENT_STORE_KEYS(ROW, "pyroscope", "http://HOST:4040 or https://HOST")                                     \
	AGENT_TOKEN_KEY(ROW, "pyroscope")                                                                          \
	ROW("pyroscope", agent_store, tenant, "tenant", AGENT_TEXT, NULL, "sent as X-Scope-OrgID (default: none)") \
	AGENT_STORE_KEYS(ROW, "otlp", "http://HOST:4318 or https://HOST:4318")                                     \
	AGENT_TOKEN_KEY(ROW, "otlp")                                                                               \
	ROW("prometheus", agent_prometheus, listen, "listen", AGENT_TEXT, "127.0.0.1:9187",                        \
	    "address and port at which metrics are served")

/* Whether a text is a name of a database that needs no quotes: letters, digits and _, no digit first. */
bool agent_config_is_name(const char *text);

/* Reads the file. NULL with STATUS_USAGE; the error names file and line. */
struct agent_config *agent_config_read(const char *path, struct error *error);
void agent_config_free(struct agent_config *config); /* NULL is allowed */

#endif
