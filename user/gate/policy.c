/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/policy.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/package_glob.h"
#include "base/memory.h"
#include "base/quantity.h"
#include "profile/frames.h"

enum { RUNS_MAX = 1000 };

const char *const policy_noisy_names[] = {"ignore", "warn", "fail", NULL};
const enum profile_value policy_values[POLICY_VALUES] = {
	[POLICY_OBJECTS] = VALUE_OBJECTS, [POLICY_BYTES] = VALUE_BYTES};

void policy_init(struct policy *policy)
{
	*policy = (struct policy){.noisy = NOISY_WARN, .runs = 3};
}

void policy_clear(struct policy *policy)
{
	for (size_t i = 0; i < policy->rule_count; i++)
		free(policy->rules[i].glob);
	free(policy->rules);
	for (size_t i = 0; i < policy->contract_count; i++)
		free(policy->contracts[i].function);
	free(policy->contracts);
	free(policy->normalize);
	policy_init(policy);
}

/* Parses an amount: "5%", "12"; for bytes also "4k". */
static int parse_amount(const char *text, bool bytes, struct policy_limit *limit)
{
	char *end;
	double number;
	int64_t size;

	errno = 0;
	number = strtod(text, &end);
	if (end == text || errno || !(number >= 0) || number > 1e15 || !strchr("0123456789.", text[0]))
		return -1;
	if (strcmp(end, "%") == 0) {
		limit->percent = number;
		limit->given = true;
		return 0;
	}
	if (bytes && *end) {
		if (quantity_bytes(text, &size))
			return -1;
		number = (double)size;
	} else if (*end) {
		return -1;
	}
	limit->absolute = number;
	limit->given = true;
	return 0;
}

/* Parses a limit: "objects=1%", "bytes=4k", "5%". */
static int parse_limit(const char *text, struct policy_rule *rule, struct error *error)
{
	for (int value = 0; value < POLICY_VALUES; value++) {
		size_t length = strlen(profile_values[policy_values[value]].key);

		if (strncmp(text, profile_values[policy_values[value]].key, length) != 0 || text[length] != '=')
			continue;
		if (parse_amount(text + length + 1, value == POLICY_BYTES, &rule->limits[value]))
			return error_set(
				error, STATUS_USAGE,
				"invalid amount '%s' of %s: expected a percentage, such as 5%%, or a non-negative number",
				text + length + 1, profile_values[policy_values[value]].key);
		return 0;
	}
	if (strchr(text, '='))
		return error_set(error, STATUS_USAGE,
				 "unknown limit '%s': expected objects=AMOUNT, bytes=AMOUNT or a "
				 "percentage of both",
				 text);
	if (!strchr(text, '%'))
		return error_set(error, STATUS_USAGE, "'%s' needs a unit: objects=%s, bytes=%s or %s%%", text, text,
				 text, text);
	for (int value = 0; value < POLICY_VALUES; value++) {
		if (parse_amount(text, false, &rule->limits[value]))
			return error_set(error, STATUS_USAGE, "invalid percentage '%s'", text);
	}
	return 0;
}

/* Adds a rule and takes ownership of `glob`. Modifies `limits`, whose words are separated by any of `separators`. */
static int add_rule(struct policy *policy, char *glob, char *limits, const char *separators, struct error *error)
{
	struct policy_rule rule = {.glob = glob};
	char *word, *rest = limits;
	int count = 0;

	if (package_glob_is_of_directories(glob)) {
		error_set(error, STATUS_USAGE,
			  "'%s' is of directories: give a glob of functions, main.*, or of import paths, "
			  "example.com/shop/...",
			  glob);
		free(glob);
		return -1;
	}
	while ((word = strsep(&rest, separators))) {
		if (!*word)
			continue;
		if (parse_limit(word, &rule, error)) {
			free(glob);
			return -1;
		}
		count++;
	}
	if (!count) {
		error_set(error, STATUS_USAGE, "no limit for '%s': give objects=AMOUNT, bytes=AMOUNT or a percentage",
			  glob);
		free(glob);
		return -1;
	}
	policy->rules = memory_resize(policy->rules, policy->rule_count + 1, sizeof(*policy->rules));
	policy->rules[policy->rule_count++] = rule;
	return 0;
}

int policy_tolerance(struct policy *policy, const char *text, struct error *error)
{
	const char *colon = strrchr(text, ':');
	char *glob = colon ? memory_text_of(text, (size_t)(colon - text)) : memory_text("*");
	char *limits = memory_text(colon ? colon + 1 : text);
	int result;

	result = add_rule(policy, glob, limits, ",", error);
	free(limits);
	return result ? error_prefix(error, "invalid tolerance '%s'", text) : 0;
}

static int take_noisy(struct policy *policy, char *rest, struct error *error)
{
	for (int i = 0; policy_noisy_names[i]; i++) {
		if (strcmp(policy_noisy_names[i], rest) == 0) {
			policy->noisy = (enum policy_noisy)i;
			return 0;
		}
	}
	return error_set(error, STATUS_USAGE, "invalid value '%s' of noisy: expected ignore, warn or fail", rest);
}

static int take_runs(struct policy *policy, char *rest, struct error *error)
{
	char *end;
	long runs = strtol(rest, &end, 10);

	if (end == rest || *end || runs < 1 || runs > RUNS_MAX)
		return error_set(error, STATUS_USAGE, "invalid value '%s' of runs: expected a number from 1 to %d",
				 rest, RUNS_MAX);
	policy->runs = runs;
	return 0;
}

static int take_normalize(struct policy *policy, char *rest, struct error *error)
{
	if (!*rest)
		return error_set(error, STATUS_USAGE, "normalize needs a site or an expression");
	free(policy->normalize);
	policy->normalize = memory_text(rest);
	return 0;
}

/* Parses a contract's limit: "objects=0", "bytes/call=1k". */
static int parse_contract_limit(const char *text, struct policy_contract *contract, struct error *error)
{
	static const char per_call[] = "/call";

	for (int value = 0; value < POLICY_VALUES; value++) {
		const char *key = profile_values[policy_values[value]].key, *rest = text + strlen(key);
		struct policy_limit limit = {0};
		bool each;

		if (strncmp(text, key, strlen(key)) != 0)
			continue;
		each = strncmp(rest, per_call, strlen(per_call)) == 0;
		rest += each ? strlen(per_call) : 0;
		if (*rest != '=')
			continue;
		if (parse_amount(rest + 1, value == POLICY_BYTES, &limit) || limit.percent > 0)
			return error_set(error, STATUS_USAGE, "invalid amount '%s' of %s: expected a number", rest + 1,
					 key);
		if (contract->limits[value].given)
			return error_set(error, STATUS_USAGE, "two limits of %s for '%s': give one, %s=N or %s/call=N",
					 key, contract->function, key, key);
		contract->limits[value].given = true;
		contract->limits[value].per_call = each;
		contract->limits[value].most = limit.absolute;
		return 0;
	}
	return error_set(error, STATUS_USAGE,
			 "unknown limit '%s': expected objects=N, bytes=N, objects/call=N or bytes/call=N", text);
}

/* The index of a function's contract; contract_count if it has none yet. */
static size_t contract_of(const struct policy *policy, const char *function)
{
	size_t i = 0;

	while (i < policy->contract_count && strcmp(policy->contracts[i].function, function) != 0)
		i++;
	return i;
}

/* A function has one contract, however many texts limit it: it is measured once, and what is below it is shown once. */
int policy_under(struct policy *policy, const char *text, struct error *error)
{
	struct policy_contract contract = {0};
	char *words = memory_text(text), *rest = words, *word;
	size_t index = policy->contract_count;
	int limits = 0;

	while ((word = strsep(&rest, " \t\n"))) {
		if (!*word)
			continue;
		if (!contract.function) {
			index = contract_of(policy, word);
			if (index < policy->contract_count)
				contract = policy->contracts[index];
			contract.function = memory_text(word);
			continue;
		}
		if (parse_contract_limit(word, &contract, error))
			goto failed;
		limits++;
	}
	if (!limits) {
		error_set(error, STATUS_USAGE,
			  "under needs a function and a limit, objects=N or bytes=N: 'main.handle objects=0'");
		goto failed;
	}
	if (index < policy->contract_count) {
		free(policy->contracts[index].function);
	} else {
		policy->contracts =
			memory_resize(policy->contracts, policy->contract_count + 1, sizeof(*policy->contracts));
		policy->contract_count++;
	}
	policy->contracts[index] = contract;
	free(words);
	return 0;
failed:
	free(contract.function);
	free(words);
	return -1;
}

static int take_under(struct policy *policy, char *rest, struct error *error)
{
	return policy_under(policy, rest, error);
}

static int take_strict(struct policy *policy, char *rest, struct error *error)
{
	if (*rest)
		return error_set(error, STATUS_USAGE, "strict takes no value, not '%s'", rest);
	policy->strict = true;
	return 0;
}

/* Parses "[GLOB] LIMIT...": the first word is a glob unless it is a limit. */
static int take_tolerance(struct policy *policy, char *rest, struct error *error)
{
	size_t length = strcspn(rest, " \t");
	bool limit = memchr(rest, '=', length) || (length && rest[length - 1] == '%');
	char *glob = limit ? memory_text("*") : memory_text_of(rest, length);

	return add_rule(policy, glob, limit ? rest : rest + length, " \t", error);
}

static const struct {
	const char *word;
	int (*take)(struct policy *policy, char *rest, struct error *error);
} keywords[] = {
	{"noisy", take_noisy}, {"strict", take_strict},	      {"runs", take_runs},
	{"under", take_under}, {"normalize", take_normalize}, {"tolerance", take_tolerance},
};

/* Removes a comment, and white space at both ends of a line. */
static char *trim(char *line)
{
	char *comment = strchr(line, '#');
	size_t length;

	if (comment)
		*comment = 0;
	line += strspn(line, " \t\r\n");
	length = strlen(line);
	while (length && strchr(" \t\r\n", line[length - 1]))
		line[--length] = 0;
	return line;
}

static int take_line(struct policy *policy, char *line, struct error *error)
{
	char *text = trim(line), *rest;
	size_t length = strcspn(text, " \t");

	if (!*text)
		return 0;
	rest = text + length;
	rest += strspn(rest, " \t");
	text[length] = 0;
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
		if (strcmp(keywords[i].word, text) == 0)
			return keywords[i].take(policy, rest, error);
	}
	return error_set(error, STATUS_USAGE,
			 "unknown rule '%s': expected tolerance, under, noisy, strict, runs or normalize", text);
}

int policy_read(struct policy *policy, const char *path, struct error *error)
{
	FILE *stream = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	int number = 0, result = 0;

	if (!stream)
		return error_set(error, STATUS_USAGE, "cannot read policy '%s': %m", path);
	while (!result && (length = getline(&line, &size, stream)) >= 0) {
		number++;
		if (strlen(line) != (size_t)length)
			result = error_set(error, STATUS_USAGE, "not a text file");
		else
			result = take_line(policy, line, error);
		if (result)
			error_prefix(error, "%s:%d", path, number);
	}
	if (!result && !feof(stream) && !ferror(stream)) /* the rest would be left out without a word */
		memory_out();
	if (!result && ferror(stream))
		result = error_set(error, STATUS_USAGE, "cannot read policy '%s': %m", path);
	free(line);
	fclose(stream);
	return result;
}

bool policy_glob(const char *glob, const char *function)
{
	char package[512];

	if (strcmp(glob, "*") == 0)
		return true;
	if (!function)
		return false;
	/* Without FNM_PATHNAME a '*' matches slashes, so "example.com/codec*" also matches everything below it. */
	if (strcmp(glob, function) == 0 || fnmatch(glob, function, FNM_NOESCAPE) == 0)
		return true;
	return frames_package(function, package, sizeof(package)) && package_glob(glob, package);
}

/* Returns the last matching rule that limits the value; NULL if there is none. */
static const struct policy_rule *rule_in_force(const struct policy *policy, const char *function,
					       enum policy_value value)
{
	for (size_t i = policy->rule_count; i-- > 0;) {
		if (policy->rules[i].limits[value].given && policy_glob(policy->rules[i].glob, function))
			return &policy->rules[i];
	}
	return NULL;
}

double policy_allowed(const struct policy *policy, const char *function, enum policy_value value, double before)
{
	const struct policy_rule *rule = rule_in_force(policy, function, value);
	double relative;

	if (!rule)
		return 0;
	relative = before * rule->limits[value].percent / 100;
	return relative > rule->limits[value].absolute ? relative : rule->limits[value].absolute;
}

bool policy_is_specific(const struct policy *policy, const char *function, enum policy_value value)
{
	const struct policy_rule *rule = rule_in_force(policy, function, value);

	return rule && strcmp(rule->glob, "*") != 0;
}
