/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_POLICY_H
#define ESCAPEMENT_POLICY_H

/*
 * What a gate lets pass. The same rules hold for measured and for static gates.
 *
 * A policy file is text, one rule a line; '#' begins a comment.
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
 * A limit is objects=AMOUNT, bytes=AMOUNT or AMOUNT for both; an amount is a percentage of the baseline, "5%", or a
 * number of objects or bytes (k, M, G: powers of 1024). Where a rule has both a percentage and a number, the one that
 * allows more counts. For each value the last rule that matches and speaks of it is in force.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "profile/profile_values.h"

enum policy_noisy { NOISY_IGNORE, NOISY_WARN, NOISY_FAIL };
extern const char *const policy_noisy_names[]; /* NULL-terminated */

/* The values that a policy limits, and which values of a profile they are. */
enum policy_value { POLICY_OBJECTS, POLICY_BYTES, POLICY_VALUES };
extern const enum profile_value policy_values[POLICY_VALUES];

struct policy_limit {
	bool given;
	double percent, absolute;
};

struct policy_rule {
	char *glob; /* of functions and packages; "*" everywhere */
	struct policy_limit limits[POLICY_VALUES];
};

/* What may be allocated below a function, on the goroutine that called it. */
struct policy_contract {
	char *function; /* as in frames_is_named() */
	struct {
		bool given, per_call;
		double most;
	} limits[POLICY_VALUES];
};

struct policy {
	enum policy_noisy noisy;
	bool strict; /* a site that got worse fails, even if its benchmark or program as a whole did not */
	int64_t runs;
	char *normalize; /* NULL where not given */
	struct policy_rule *rules;
	size_t rule_count;
	struct policy_contract *contracts;
	size_t contract_count;
};

/* warn, 3 runs, no tolerance. */
void policy_init(struct policy *policy);
void policy_clear(struct policy *policy);

/* Adds what a file says. Errors name the file and the line. */
int policy_read(struct policy *policy, const char *path, struct error *error);

/* Adds a rule as --tolerance takes it: "[GLOB:]LIMIT[,LIMIT...]". */
int policy_tolerance(struct policy *policy, const char *text, struct error *error);

/* Adds a contract as `under` takes it in a policy: "FUNCTION LIMIT...", parted by white space. */
int policy_under(struct policy *policy, const char *text, struct error *error);

/*
 * How much more than `before` the policy allows, at a site of that function, for that value. `function` NULL: only
 * rules for everywhere match.
 */
double policy_allowed(const struct policy *policy, const char *function, enum policy_value value, double before);

/* Whether the rule in force for that function names functions or packages, rather than everything. */
bool policy_is_specific(const struct policy *policy, const char *function, enum policy_value value);

/* Whether a glob matches a function, "main.*", or the package of it, "example.com/codec". */
bool policy_glob(const char *glob, const char *function);

#endif
