/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_CONTRACT_H
#define ESCAPEMENT_GATE_CONTRACT_H

/*
 * Contracts: what may be allocated below a function, through any callee, on the goroutine that called it. What other
 * goroutines do meanwhile does not count, even if they were started below the function: the go statements there are listed,
 * with what they started. Calls are counted by a probe on the function. Of several runs, the one with the fewest objects
 * decides.
 */

#include "base/error.h"
#include "gate/gate.h"
#include "gate/policy.h"
#include "profile/profile.h"

struct gate_contracts;

/* Creates the contracts of a policy; their functions are to be counted while recording (session_options.functions). */
struct gate_contracts *gate_contracts_new(const struct policy *policy); /* never NULL; the policy must outlive it */
void gate_contracts_free(struct gate_contracts *contracts);		/* NULL is allowed */
const char *const *gate_contracts_functions(const struct gate_contracts *contracts);

/*
 * Call before the first run with the program's first word. Returns STATUS_CANNOT_MEASURE if it is a Go program that has
 * not each contract's function, and that cannot start or load another one that has; else, or if it cannot be read,
 * STATUS_OK.
 */
enum exit_status gate_contracts_check_program(const struct gate_contracts *contracts, const char *word,
					      struct error *error);

/* Adds a run. */
void gate_contracts_add(struct gate_contracts *contracts, const struct profile *profile);

/*
 * Call after the last run. Returns STATUS_OK if each function was called and can be judged. Otherwise the error says
 * why not: STATUS_CANNOT_MEASURE if a function does not exist, was never called or is inlined everywhere (the message
 * names the callers); STATUS_LOST if stacks that were cut may contain it.
 */
enum exit_status gate_contracts_check(const struct gate_contracts *contracts, struct error *error);

/* Whether the runs so far have not called what is to be tested, so that more of them are of no use. */
bool gate_contracts_idle(const struct gate_contracts *contracts);

/* Whether the runs so far show that all contracts hold; then so do more runs. */
bool gate_contracts_hold(const struct gate_contracts *contracts);

/* A go statement below the function of a contract. */
struct gate_contract_start {
	const char *in, *file; /* where it is: function and file; NULL if unknown */
	uint32_t line;
	const char *function; /* that it started; NULL if unknown */
	int64_t count;	      /* goroutines that it started */
	/* What goroutines that began with that function allocated, all of them: if other go statements, or this one from
	 * elsewhere, started some as well (`shared`), those of this go statement allocated no more than that. */
	int64_t objects, bytes;
	bool shared;
};

/* The result of policy->contracts[index]. */
struct gate_contract_result {
	const struct policy_contract *contract;
	int64_t calls, objects, bytes;
	bool broken;
	const struct gate_counts *sites;	  /* sites below the function in the decisive run */
	const struct gate_contract_start *starts; /* in the decisive run; most bytes first */
	size_t start_count;
};
size_t gate_contracts_count(const struct gate_contracts *contracts);
struct gate_contract_result gate_contracts_result(const struct gate_contracts *contracts, size_t index);

/*
 * Adds the contracts to two sides that will be compared, one site each: `limits` gets what the contract allows,
 * `measured` gets what was counted and the sites of broken contracts. Totals are unchanged.
 */
void gate_contracts_append(const struct gate_contracts *contracts, struct gate_counts *limits,
			   struct gate_counts *measured);

#endif
