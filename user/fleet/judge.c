/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/judge.h"

#include <stdlib.h>

#include "audit/audit_join.h"
#include "base/memory.h"
#include "base/text_compare.h"
#include "profile/profile_part.h"

struct judge {
	const struct profile *whole;
	struct kept_outputs *kept;
	struct words {
		const struct agent_watch *watch;
		struct escape_output *output; /* NULL: it could not be read */
		struct error error;
	} * words;
	size_t count;
	struct build {
		const struct agent_watch *watch;
		const char *build_id; /* of a string of `whole` */
		char *stale;	      /* why the output is not of it; then that is all that is kept */
		struct profile *part; /* all of its processes */
		struct audit *audit;  /* of that: what the audits of its processes have in common */
	} * builds;
	size_t build_count;
};

struct judge *judge_new(const struct profile *whole, struct kept_outputs *kept)
{
	struct judge *judge = memory_zeroed(1, sizeof(*judge));

	judge->whole = whole;
	judge->kept = kept;
	return judge;
}

static void build_forget(struct build *build)
{
	audit_free(build->audit);
	profile_part_free(build->part);
	build->audit = NULL;
	build->part = NULL;
}

void judge_free(struct judge *judge)
{
	if (!judge)
		return;
	for (size_t i = 0; i < judge->build_count; i++) {
		build_forget(&judge->builds[i]);
		free(judge->builds[i].stale);
	}
	for (size_t i = 0; i < judge->count; i++)
		escape_free(judge->words[i].output);
	free(judge->builds);
	free(judge->words);
	free(judge);
}

static const struct words *words_of(struct judge *judge, const struct agent_watch *watch)
{
	struct words *words;

	for (size_t i = 0; i < judge->count; i++) {
		if (judge->words[i].watch == watch)
			return &judge->words[i];
	}
	judge->words = memory_resize(judge->words, judge->count + 1, sizeof(*judge->words));
	words = &judge->words[judge->count++];
	*words = (struct words){.watch = watch};
	words->output = kept_outputs_read(judge->kept, watch, &words->error);
	return words;
}

enum { UNREAD = 1U << AUDIT_ESCAPES_UNSEEN | 1U << AUDIT_STACK };

/* Why the output is not that of the audit's program. */
static const char *why_stale(const struct audit *audit)
{
	return audit->warnings[audit->warning_count - 1];
}

/* Whether other processes of the window are of the same build. Without a build id nobody knows. */
static bool build_has_others(const struct judge *judge, const char *build_id)
{
	int processes = 0;

	if (!build_id || !*build_id)
		return false;
	for (size_t i = 0; i < judge->whole->process_count && processes < 2; i++)
		processes += text_same(judge->whole->processes[i].build_id, build_id);
	return processes > 1;
}

/* The build with the audit of all of its processes. Most of what an audit takes depends on the build alone. */
static const struct build *build_of(struct judge *judge, const struct words *words, const char *build_id)
{
	static const struct audit_options options = {.unread = UNREAD, .uncounted = true, .exemplary = true};
	struct build *build;

	for (size_t i = 0; i < judge->build_count; i++) {
		if (judge->builds[i].watch == words->watch && text_same(judge->builds[i].build_id, build_id))
			return &judge->builds[i];
	}
	judge->builds = memory_resize(judge->builds, judge->build_count + 1, sizeof(*judge->builds));
	build = &judge->builds[judge->build_count++];
	*build = (struct build){.watch = words->watch, .build_id = build_id};
	build->part = profile_part_of_build(judge->whole, build_id);
	build->audit = audit_new(build->part, words->output, &options);
	if (build->audit->stale) {
		build->stale = memory_text(why_stale(build->audit));
		build_forget(build);
	}
	return build;
}

static struct audit *refuse(const struct agent_watch *watch, const char *why, struct error *error)
{
	error_set(error, STATUS_USAGE, "%s: %s", watch->escape, why);
	return NULL;
}

struct audit *judge_process(struct judge *judge, const struct agent_watch *watch, const struct profile *part,
			    struct error *error)
{
	struct audit_options options = {.unread = UNREAD, .uncounted = true};
	const char *build_id = part->processes->build_id;
	const struct words *words;
	struct audit *audit;

	error->text[0] = 0;
	if (!watch->escape)
		return NULL;
	words = words_of(judge, watch);
	if (!words->output) {
		*error = words->error;
		return NULL;
	}
	if (build_has_others(judge, build_id)) {
		const struct build *build = build_of(judge, words, build_id);

		if (build->stale)
			return refuse(watch, build->stale, error);
		options.like = build->audit;
	}
	audit = audit_new(part, words->output, &options);
	if (!audit->stale)
		return audit;
	refuse(watch, why_stale(audit), error);
	audit_free(audit);
	return NULL;
}
