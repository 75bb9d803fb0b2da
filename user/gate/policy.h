/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_POLICY_H
#define ESCAPEMENT_POLICY_H

/*
 * What a gate tolerates. The same rules apply to measured and to static gates.
 *
 * A policy file is text with one rule per line; '#' begins a comment.
 *
 *     noisy warn                            ignore, warn or fail
 *     strict                                judge each site, not only the sum of its benchmark or program
 *     runs 3
 *     normalize main.handle                 a site, or an expression of numbers
 *     tolerance objects=1% bytes=4k         everywhere
 *     tolerance example.com/codec objects=2 in that package
 *     tolerance fmt.* 5%                    in functions that match
 *
 *     under server.(*Server).handle objects=0    a contract: what may be allocated below that function
 *     under main.parse objects/call=2 bytes/call=1k
 *
 * A function has one limit of objects and one of bytes, on one line or on several.
 *
 * A limit is objects=AMOUNT, bytes=AMOUNT or AMOUNT for both; an amount is a percentage of the baseline, "5%", or a
 * number of objects or bytes (k, M, G: powers of 1024). If a rule has both a percentage and a number, the one that
 * allows more applies. For each value, the last matching rule that limits it is in force.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "profile/profile_values.h"

enum policy_noisy { NOISY_IGNORE, NOISY_WARN, NOISY_FAIL };
extern const char *const policy_noisy_names[]; /* NULL-terminated */

/* The values that a policy limits, and the corresponding values of a profile. */
enum policy_value { POLICY_OBJECTS, POLICY_BYTES, POLICY_VALUES };
extern const enum profile_value policy_values[POLICY_VALUES];

struct policy_limit {
	bool given;
	double percent, absolute;
};

struct policy_rule {
	char *glob; /* glob of functions and packages; "*": everywhere */
	struct policy_limit limits[POLICY_VALUES];
};

/* What may be allocated below a function, on the goroutine that called it. */
struct policy_contract {
	char *function; /* matched by frames_is_named() */
	struct {
		bool given, per_call;
		double most;
	} limits[POLICY_VALUES];
};

struct policy {
	enum policy_noisy noisy;
	bool strict; /* a worse site fails, even if its benchmark or program as a whole is not worse */
	int64_t runs;
	char *normalize; /* NULL if not given */
	struct policy_rule *rules;
	size_t rule_count;
	struct policy_contract *contracts;
	size_t contract_count; /* each of another function */
};

/* Sets the defaults: warn, 3 runs, no tolerance. */
void policy_init(struct policy *policy);
void policy_clear(struct policy *policy);

/* Adds the rules of a file. Errors name the file and the line. */
int policy_read(struct policy *policy, const char *path, struct error *error);

/* Adds a rule in the form of --tolerance: "[GLOB:]LIMIT[,LIMIT...]". */
int policy_tolerance(struct policy *policy, const char *text, struct error *error);

/*
 * Adds a contract in the form of `under` in a policy: "FUNCTION LIMIT...", separated by white space. Limits of a function that has a
 * contract are added to it; STATUS_USAGE if it limits objects, or bytes, already.
 */
int policy_under(struct policy *policy, const char *text, struct error *error);

/*
 * Returns how much more than `before` the policy allows for that value at a site of that function. If `function` is
 * NULL, only rules for everywhere match.
 */
double policy_allowed(const struct policy *policy, const char *function, enum policy_value value, double before);

/* Whether the rule in force for that function is for particular functions or packages. */
bool policy_is_specific(const struct policy *policy, const char *function, enum policy_value value);

/* Whether a glob matches a function, "main.*", or its package, "example.com/codec". */
bool policy_glob(const char *glob, const char *function);

#endif
