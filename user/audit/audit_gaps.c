/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/audit_gaps.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "profile/frames.h"
#include "profile/owner.h"

enum { NAMED = 3, PACKAGE_MAX = 4096 };

/* A set of package names. */
struct names {
	char **list;
	size_t count;
};

static void add_name(struct names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++) {
		if (strcmp(names->list[i], name) == 0)
			return;
	}
	names->list = memory_resize(names->list, names->count + 1, sizeof(*names->list));
	names->list[names->count] = memory_text(name);
	if (!names->list[names->count++])
		memory_out();
}

static bool knows_module(const struct profile *profile)
{
	for (size_t i = 0; i < profile->process_count; i++) {
		if (profile->processes[i].module)
			return true;
	}
	return profile->module_count > 0;
}

static void collect(struct names *names, const struct groups *groups, struct audit_index *index)
{
	const char *last = NULL;

	for (size_t i = 0; i < groups->count; i++) {
		const struct profile_frame *owner = groups->list[i].uncovered ? groups->list[i].owner : NULL;
		char package[PACKAGE_MAX];

		if (!owner || !owner->function || owner->function == last)
			continue;
		last = owner->function;
		if (!audit_index_covers(index, owner, true) &&
		    frames_package(owner->function, package, sizeof(package)))
			add_name(names, package);
	}
}

char *audit_uncovered(const struct groups *groups, struct audit_index *index, const struct profile *profile,
		      bool *beyond)
{
	struct names names = {0};
	char *sentence = NULL;
	size_t size;
	FILE *text;

	*beyond = false;
	if (!knows_module(profile))
		return NULL;
	collect(&names, groups, index);
	if (names.count) {
		text = open_memstream(&sentence, &size);
		if (!text)
			memory_out();
		fputs("nothing about ", text);
		for (size_t i = 0; i < names.count && i < NAMED; i++)
			fprintf(text, "%s%s", i ? ", " : "", names.list[i]);
		if (names.count > NAMED)
			fprintf(text, " and %zu more", names.count - NAMED);
		if (fclose(text))
			memory_out();
	}
	for (size_t i = 0; i < names.count; i++) {
		*beyond |= !owner_in_main_module(profile, names.list[i]);
		free(names.list[i]);
	}
	free(names.list);
	return sentence;
}

char *audit_partial(const char *uncovered, bool beyond, const struct audit_program *program)
{
	return memory_format("the compiler output covers only some packages of the program: %s; cover %s%s with: %s",
			     uncovered, beyond ? "all modules" : "the whole module",
			     program->tagged ? ", built with the program's tags," : "",
			     beyond ? program->command_all : program->command);
}

char *audit_incomplete(const struct escape_output *output)
{
	const struct escape_failure *failure = output->failures;

	if (output->failure_count)
		return memory_format(
			"the compiler output is from a build that failed: %s did not compile%s%s%s, so nothing is "
			"known about it",
			failure->package, failure->text ? " (" : "", failure->text ? failure->text : "",
			failure->text ? ")" : "");
	if (output->cut)
		return memory_format("the compiler output is cut off (\"%.80s\"): a part of it is missing",
				     output->cut);
	if (output->hollow)
		return memory_format(
			"the compiler output has the header of %s without a message: if it was filtered, give the whole output; "
			"if two commands wrote into it at once, words may be of the other package's files: give each command an "
			"output of its own",
			output->hollow);
	return NULL;
}
