/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/gate_modules.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "gate/baseline_program.h"
#include "profile/frames.h"
#include "profile/owner.h"

void gate_modules_add(struct gate_counts *counts, const struct profile *profile)
{
	bool *matched = owner_matched_globs(profile);

	if (!counts->modules) {
		counts->module_count = profile->module_count;
		counts->modules = memory_zeroed(counts->module_count + 1, sizeof(*counts->modules));
	}
	for (size_t i = 0; i < counts->module_count; i++) {
		counts->modules[i].glob = gate_counts_string(counts, profile->modules[i]);
		counts->modules[i].matched |= matched[i];
	}
	free(matched);
}

const char *gate_module_warning(char *text, size_t size, const struct gate_module *module)
{
	snprintf(text, size, "--module '%s' matches no package on a stack: nothing of it was judged", module->glob);
	return text;
}

int gate_modules_check_sides(const struct gate_counts *before, const struct gate_counts *after, struct error *error)
{
	const struct gate_counts *some = before->module_count ? before : after;

	for (size_t i = 0; i < some->module_count; i++) {
		if (!(i < before->module_count && before->modules[i].matched) &&
		    !(i < after->module_count && after->modules[i].matched))
			return error_set(error, STATUS_USAGE,
					 "--module '%s' matches no package on a stack of either side",
					 some->modules[i].glob);
	}
	return 0;
}

struct search {
	const char *glob;
	struct profile_process process;
	bool found;
};

static bool note(const char *name, void *context)
{
	struct search *search = context;
	char package[1024];

	search->found = search->found || (frames_package(name, package, sizeof(package)) &&
					  owner_glob_chooses(search->glob, &search->process, package));
	return true;
}

static bool any_matched(const struct gate_counts *counts)
{
	for (size_t i = 0; i < counts->module_count; i++) {
		if (counts->modules[i].matched)
			return true;
	}
	return false;
}

int gate_modules_check_program(const struct gate_counts *counts, size_t number, const char *word, bool writes,
			       char *warning, size_t size, struct error *error)
{
	const struct gate_module *module = &counts->modules[number];
	struct search search = {.glob = module->glob, .process = {.package = counts->package}};
	bool known;

	*warning = 0;
	if (module->matched)
		return 0;
	known = baseline_program_functions(word, note, &search);
	if (known && !search.found)
		return error_set(error, STATUS_USAGE, "--module '%s' matches no package of '%s'", module->glob, word);
	if (!known && (writes || !any_matched(counts)))
		return error_set(error, STATUS_USAGE, "--module '%s' matches no package on a stack of what '%s' ran",
				 module->glob, word);
	gate_module_warning(warning, size, module);
	return 0;
}
