/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/judge.h"

#include <stdlib.h>

#include "audit/audit_join.h"
#include "base/memory.h"
#include "escape/escape_parser.h"

enum { JUDGE_FILE_MAX = 256 << 20 }; /* bytes; each window reads it anew */

struct judge {
	struct words {
		const struct agent_watch *watch;
		struct escape_output *output; /* NULL: it could not be read */
		struct error error;
	} * words;
	size_t count;
};

struct judge *judge_new(void)
{
	return memory_zeroed(1, sizeof(struct judge));
}

void judge_free(struct judge *judge)
{
	for (size_t i = 0; judge && i < judge->count; i++)
		escape_free(judge->words[i].output);
	if (judge)
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
	words->output = escape_read_file(watch->escape, JUDGE_FILE_MAX, &words->error);
	return words;
}

struct audit *judge_process(struct judge *judge, const struct agent_watch *watch, const struct profile *part,
			    struct error *error)
{
	static const struct audit_options options = {.unread = 1U << AUDIT_ESCAPES_UNSEEN | 1U << AUDIT_STACK};
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
	audit = audit_new(part, words->output, &options);
	if (!audit->stale)
		return audit;
	error_set(error, STATUS_USAGE, "%s: %s", watch->escape, audit->warnings[audit->warning_count - 1]);
	audit_free(audit);
	return NULL;
}
