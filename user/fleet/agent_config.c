/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/agent_config.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/quantity.h"
#include "base/suggest.h"
#include "fleet/metrics_address.h"
#include "target/privilege.h"

enum { LINES_MAX = 10000, WATCHES_MAX = 1000, NAME_MAX_BYTES = 200 };

enum kind { AGENT_TEXT, AGENT_BYTES, AGENT_SECONDS, AGENT_PERCENT, AGENT_YES };

static const struct key {
	const char *section, *name;
	enum kind kind;
	size_t offset;
	const char *by_default;
} keys[] = {
#define KEY_ROW(section, structure, member, name, kind, by_default, help) \
	{section, name, kind, offsetof(struct structure, member), by_default},
	AGENT_KEYS(KEY_ROW)
#undef KEY_ROW
};
enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]) };

const char *const agent_store_names[AGENT_STORES] = {
	[AGENT_CLICKHOUSE] = "clickhouse",
	[AGENT_PYROSCOPE] = "pyroscope",
	[AGENT_OTLP] = "otlp",
};

/* The reading of one file. */
struct reader {
	struct agent_config *config;
	const char *section; /* of the table; "" before the first */
	void *target;	     /* the structure that the section's keys are members of */
	bool given[KEY_COUNT];
	bool stores[AGENT_STORES], prometheus; /* there was such a section */
};

/* Removes white space at both ends of a line. */
static char *trim(char *line)
{
	size_t length;

	line += strspn(line, " \t\r\n");
	length = strlen(line);
	while (length && strchr(" \t\r\n", line[length - 1]))
		line[--length] = 0;
	return line;
}

static int take_number(const struct key *key, const char *value, void *member, struct error *error)
{
	char *end;
	double number;

	switch (key->kind) {
	case AGENT_BYTES:
		if (quantity_bytes(value, member) == 0)
			return 0;
		return error_set(error, STATUS_USAGE, "'%s' of %s is not a size, such as 64M", value, key->name);
	case AGENT_SECONDS:
		if (quantity_seconds(value, member) == 0)
			return 0;
		return error_set(error, STATUS_USAGE, "'%s' of %s is not a time, such as 10s", value, key->name);
	default:
		number = strtod(value, &end);
		if (end == value || *end || !(number >= 0 && number <= 100))
			return error_set(error, STATUS_USAGE, "'%s' of %s is not a percentage from 0 to 100", value,
					 key->name);
		*(double *)member = number;
		return 0;
	}
}

static int take_value(const struct key *key, const char *value, void *target, struct error *error)
{
	void *member = (char *)target + key->offset;

	if (!*value)
		return error_set(error, STATUS_USAGE, "%s has no value", key->name);
	if (key->kind == AGENT_TEXT) {
		free(*(char **)member);
		*(char **)member = memory_text(value);
		return 0;
	}
	if (key->kind != AGENT_YES)
		return take_number(key, value, member, error);
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return error_set(error, STATUS_USAGE, "'%s' of %s is neither yes nor no", value, key->name);
	*(bool *)member = strcmp(value, "yes") == 0;
	return 0;
}

/* Sets the keys of a section to their defaults. */
static void set_defaults(const char *section, void *target)
{
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (strcmp(keys[i].section, section) == 0 && keys[i].by_default)
			take_value(&keys[i], keys[i].by_default, target, NULL);
	}
}

static int check_watch(const struct reader *reader, struct error *error)
{
	struct agent_watch *watch = reader->target;

	if (strcmp(reader->section, "watch") != 0)
		return 0;
	if (!watch->name && !watch->cgroup && !watch->user && !watch->go)
		return error_set(error, STATUS_USAGE, "[watch %s] needs name, cgroup, user or go = yes",
				 watch->service);
	return watch->user ? user_find(watch->user, &watch->uid, error) : 0;
}

static int begin_watch(struct reader *reader, const char *service, struct error *error)
{
	struct agent_config *config = reader->config;

	if (!*service || strlen(service) > NAME_MAX_BYTES)
		return error_set(error, STATUS_USAGE, "[watch SERVICE] needs a name of at most %d bytes",
				 NAME_MAX_BYTES);
	for (size_t i = 0; i < config->watch_count; i++) {
		if (strcmp(config->watches[i].service, service) == 0)
			return error_set(error, STATUS_USAGE, "[watch %s] is there twice", service);
	}
	if (config->watch_count == WATCHES_MAX)
		return error_set(error, STATUS_USAGE, "more than %d sections", WATCHES_MAX);
	config->watches = memory_resize(config->watches, config->watch_count + 1, sizeof(*config->watches));
	reader->target = &config->watches[config->watch_count++];
	memset(reader->target, 0, sizeof(struct agent_watch));
	((struct agent_watch *)reader->target)->service = memory_text(service);
	reader->section = "watch";
	return 0;
}

/* A section that there is once at most, without a name of its own. Its keys have their defaults only if it is there. */
static int begin_single(struct reader *reader, const char *section, bool *there, void *target, struct error *error)
{
	if (*there)
		return error_set(error, STATUS_USAGE, "[%s] is there twice", section);
	*there = true;
	reader->section = section;
	reader->target = target;
	set_defaults(section, target);
	return 0;
}

static int begin_section(struct reader *reader, char *text, struct error *error)
{
	size_t length = strlen(text);
	char *name, *argument;

	if (check_watch(reader, error))
		return -1;
	if (text[length - 1] != ']')
		return error_set(error, STATUS_USAGE, "'%s' lacks a ']' at its end", text);
	text[length - 1] = 0;
	name = trim(text + 1);
	argument = name + strcspn(name, " \t");
	if (*argument)
		*argument++ = 0;
	argument = trim(argument);
	memset(reader->given, 0, sizeof(reader->given));
	if (strcmp(name, "watch") == 0)
		return begin_watch(reader, argument, error);
	for (int i = 0; i < AGENT_STORES; i++) {
		if (strcmp(name, agent_store_names[i]) == 0 && !*argument)
			return begin_single(reader, agent_store_names[i], &reader->stores[i],
					    &reader->config->stores[i], error);
	}
	if (strcmp(name, "prometheus") == 0 && !*argument)
		return begin_single(reader, "prometheus", &reader->prometheus, &reader->config->prometheus, error);
	return error_set(
		error, STATUS_USAGE,
		"unknown section [%s%s%s]: expected [watch SERVICE], [prometheus], [clickhouse], [pyroscope] or "
		"[otlp]",
		name, *argument ? " " : "", argument);
}

static int take_key(struct reader *reader, char *text, struct error *error)
{
	struct suggestion meant = {0};
	char *equals = strchr(text, '='), *name;

	if (!equals)
		return error_set(error, STATUS_USAGE, "'%s' is neither 'key = value' nor a [section]", text);
	*equals = 0;
	name = trim(text);
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (strcmp(keys[i].section, reader->section) != 0)
			continue;
		suggest(&meant, name, keys[i].name);
		if (strcmp(keys[i].name, name) != 0)
			continue;
		if (reader->given[i])
			return error_set(error, STATUS_USAGE, "%s is there twice", name);
		reader->given[i] = true;
		return take_value(&keys[i], trim(equals + 1), reader->target, error);
	}
	return error_set(error, STATUS_USAGE, "unknown key '%s'%s%s%s%s%s%s", name, *reader->section ? " of [" : "",
			 reader->section, *reader->section ? "]" : "", meant.name ? "; did you mean '" : "",
			 meant.name ? meant.name : "", meant.name ? "'?" : "");
}

static int take_line(struct reader *reader, char *line, struct error *error)
{
	char *text = trim(line);

	if (!*text || *text == '#')
		return 0;
	return *text == '[' ? begin_section(reader, text, error) : take_key(reader, text, error);
}

bool agent_config_is_name(const char *text)
{
	if (!*text || isdigit((unsigned char)*text))
		return false;
	for (; *text; text++) {
		if (!isascii((unsigned char)*text) || (!isalnum((unsigned char)*text) && *text != '_'))
			return false;
	}
	return true;
}

static int check_prometheus(const struct agent_prometheus *prometheus, struct error *error)
{
	struct addrinfo *address = prometheus->listen ? metrics_address(prometheus->listen, error) : NULL;

	if (!address)
		return prometheus->listen ? -1 : 0;
	freeaddrinfo(address);
	return 0;
}

static bool is_printable(const char *text)
{
	for (; *text; text++) {
		if (!isascii((unsigned char)*text) || !isprint((unsigned char)*text))
			return false;
	}
	return true;
}

static int check_store(const char *name, bool there, const struct agent_store *store, struct error *error)
{
	if (there && !store->url)
		return error_set(error, STATUS_USAGE, "[%s] needs a url", name);
	if (store->timeout < 1)
		return error_set(error, STATUS_USAGE, "timeout is at least 1s");
	if (store->database && !agent_config_is_name(store->database))
		return error_set(
			error, STATUS_USAGE,
			"database '%s' is not a name of letters, digits and _, which does not begin with a digit",
			store->database);
	if (store->url && strncmp(store->url, "http://", 7) != 0 && strncmp(store->url, "https://", 8) != 0)
		return error_set(error, STATUS_USAGE, "the url of [%s] begins with http:// or https://", name);
	if (store->url && strpbrk(store->url, "@?#"))
		return error_set(error, STATUS_USAGE,
				 "the url of [%s] has no user, password or parameters: use user and password-file",
				 name);
	if (store->token_file && (store->password_file || store->user))
		return error_set(error, STATUS_USAGE, "[%s] has either a token or user and password", name);
	if (store->tenant && !is_printable(store->tenant))
		return error_set(error, STATUS_USAGE, "the tenant of [%s] is not printable ASCII text", name);
	return 0;
}

/* What only the whole file shows. */
static int check(const struct reader *reader, struct error *error)
{
	const struct agent_config *config = reader->config;

	if (check_watch(reader, error))
		return -1;
	if (check_prometheus(&config->prometheus, error))
		return -1;
	if (!config->watch_count)
		return error_set(error, STATUS_USAGE, "it watches nothing: add a section [watch SERVICE]");
	if (config->window < 1)
		return error_set(error, STATUS_USAGE, "window is at least 1s");
	if (config->every < config->window)
		return error_set(error, STATUS_USAGE, "every is at least as long as window");
	if (config->heap_every > 0 && config->heap_every < config->every)
		return error_set(error, STATUS_USAGE, "heap-every is 0 or at least as long as every");
	if (config->spool_limit < 1 << 20)
		return error_set(error, STATUS_USAGE, "spool-limit is at least 1M");
	for (int i = 0; i < AGENT_STORES; i++) {
		if (check_store(agent_store_names[i], reader->stores[i], &config->stores[i], error))
			return -1;
	}
	return 0;
}

static char *host_name(void)
{
	char name[256] = "";

	if (gethostname(name, sizeof(name) - 1) || !*name)
		snprintf(name, sizeof(name), "localhost");
	return memory_text(name);
}

struct agent_config *agent_config_read(const char *path, struct error *error)
{
	struct agent_config *config = memory_zeroed(1, sizeof(*config));
	struct reader reader = {.config = config, .section = "", .target = config};
	FILE *stream = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	int number = 0, result = 0;

	if (!stream) {
		error_set(error, STATUS_USAGE, "cannot read the configuration '%s': %m", path);
		agent_config_free(config);
		return NULL;
	}
	set_defaults("", config);
	for (int i = 0; i < AGENT_STORES; i++)
		set_defaults(agent_store_names[i], &config->stores[i]);
	while (!result && (length = getline(&line, &size, stream)) >= 0) {
		number++;
		if (strlen(line) != (size_t)length || number > LINES_MAX)
			result = error_set(error, STATUS_USAGE, "not a configuration file");
		else
			result = take_line(&reader, line, error);
	}
	if (!result && !feof(stream) && !ferror(stream)) /* the rest would be left out without a word */
		memory_out();
	if (!result && ferror(stream))
		result = error_set(error, STATUS_USAGE, "cannot read it: %m");
	free(line);
	fclose(stream);
	if (!result)
		result = check(&reader, error);
	if (result) {
		error_prefix(error, "%s:%d", path, number);
		agent_config_free(config);
		return NULL;
	}
	if (!config->host)
		config->host = host_name();
	return config;
}

/* Frees the texts among the keys of a section. */
static void free_texts(const char *section, void *target)
{
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (strcmp(keys[i].section, section) == 0 && keys[i].kind == AGENT_TEXT)
			free(*(char **)((char *)target + keys[i].offset));
	}
}

void agent_config_free(struct agent_config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->watch_count; i++) {
		free(config->watches[i].service);
		free_texts("watch", &config->watches[i]);
	}
	free(config->watches);
	for (int i = 0; i < AGENT_STORES; i++)
		free_texts(agent_store_names[i], &config->stores[i]);
	free_texts("prometheus", &config->prometheus);
	free_texts("", config);
	free(config);
}
