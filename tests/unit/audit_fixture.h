/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AUDIT_FIXTURE_H
#define AUDIT_FIXTURE_H

/* Builds profiles and compiler output, for tests of the audit. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "audit/audit_filter.h"
#include "audit/audit_join.h"
#include "audit/audit_threshold.h"

struct said {
	const char *package, *file;
	uint32_t line, column;
	enum escape_kind kind;
	const char *subject;
};

#define MOVED(package, file, line, column, subject)                        \
	{                                                                  \
		package, file, line, column, ESCAPE_MOVED_TO_HEAP, subject \
	}
#define ESCAPES(package, file, line, column, subject)                \
	{                                                            \
		package, file, line, column, ESCAPE_ESCAPES, subject \
	}
#define STAYS(package, file, line, column, subject)                          \
	{                                                                    \
		package, file, line, column, ESCAPE_DOES_NOT_ESCAPE, subject \
	}

/* Interns a string as the parser does: equal strings have the same pointer. */
static const char *interned(const char *text)
{
	static const char *known[256];
	int i;

	if (!text)
		return NULL;
	for (i = 0; i < 255 && known[i]; i++) {
		if (strcmp(known[i], text) == 0)
			return known[i];
	}
	return known[i] = text;
}

static inline struct escape_output *output_of(const struct said *said, size_t count)
{
	struct escape_output *output = calloc(1, sizeof(*output));

	output->annotations = calloc(count + 1, sizeof(*output->annotations));
	output->packages = calloc(count + 1, sizeof(*output->packages));
	for (size_t i = 0; i < count; i++) {
		struct escape_annotation *annotation = &output->annotations[output->annotation_count++];

		*annotation = (struct escape_annotation){.package = interned(said[i].package),
							 .file = interned(said[i].file),
							 .line = said[i].line,
							 .column = said[i].column,
							 .kind = said[i].kind,
							 .subject = interned(said[i].subject),
							 .text = said[i].subject};
		if (said[i].package &&
		    (!output->package_count || output->packages[output->package_count - 1] != annotation->package))
			output->packages[output->package_count++] = annotation->package;
	}
	return output;
}

static inline void output_free(struct escape_output *output)
{
	free(output->annotations);
	free(output->packages);
	free(output);
}

/* Parses a stack such as "runtime.newobject < main.foo a.go:3:5 | main.main a.go:9 < runtime.main": leaf first; '<'
 * means called by, '|' inlined into. Frames are FUNCTION [FILE:LINE[:COLUMN]]; ~ is a space in a name. */
static const struct profile_stack *stack_of(struct profile *profile, const char *text)
{
	static uint64_t address = 0x1000;
	const struct profile_location *locations[16];
	struct profile_frame frames[8];
	uint32_t depth = 0, count = 0;
	char *copy = strdup(text), *word, *rest = copy;

	memset(frames, 0, sizeof(frames));
	while ((word = strsep(&rest, " "))) {
		if (strcmp(word, "<") == 0) {
			locations[depth++] = profile_location(profile, address++, NULL, frames, count);
			count = 0;
			memset(frames, 0, sizeof(frames));
		} else if (strcmp(word, "|") != 0 && strchr(word, ':') && strstr(word, ".go:")) {
			char *line = strstr(word, ".go:") + 3, *end;

			*line = 0;
			frames[count - 1].file = profile_string(profile, word);
			frames[count - 1].line = (uint32_t)strtoul(line + 1, &end, 10);
			if (*end == ':')
				frames[count - 1].column = (uint32_t)strtoul(end + 1, NULL, 10);
		} else if (strcmp(word, "|") != 0) {
			for (char *space = word; (space = strchr(space, '~'));)
				*space = ' ';
			frames[count++].function = profile_string(profile, word);
		}
	}
	locations[depth++] = profile_location(profile, address++, NULL, frames, count);
	free(copy);
	return profile_stack(profile, locations, depth, false);
}

static struct profile *exact_profile(void)
{
	struct profile *profile = profile_new();

	profile->rate = 1;
	profile->rows_exact = profile->totals_exact = true;
	profile->row_measured = (1U << VALUE_COUNT) - 1;
	return profile;
}

static void measure_typed(struct profile *profile, const char *stack, const char *type, int64_t objects, int64_t bytes)
{
	struct profile_key key = {.stack = stack ? stack_of(profile, stack) : NULL,
				  .span_class = SPAN_CLASS_UNKNOWN,
				  .type = profile_string(profile, type)};
	int64_t values[VALUE_COUNT] = {[VALUE_OBJECTS] = objects, [VALUE_BYTES] = bytes, [VALUE_SAMPLES] = objects};

	profile_add(profile, &key, values);
}

static inline void measure(struct profile *profile, const char *stack, int64_t objects, int64_t bytes)
{
	measure_typed(profile, stack, NULL, objects, bytes);
}

static inline struct audit *audit_of(const struct profile *profile, const struct escape_output *output)
{
	static const struct audit_options options;

	return audit_new(profile, output, &options);
}

/* The row at that line with that verdict; fails if there is none or more than one. */
static inline const struct audit_row *row_at(const struct audit *audit, enum audit_verdict verdict, uint32_t line)
{
	const struct audit_row *found = NULL;

	for (size_t i = 0; i < audit->row_count; i++) {
		if (audit->rows[i].site.line != line || audit->rows[i].verdict != verdict)
			continue;
		if (found)
			fail_msg("two rows '%s' at line %u", audit_verdict_name(verdict), line);
		found = &audit->rows[i];
	}
	if (!found)
		fail_msg("no row '%s' at line %u", audit_verdict_name(verdict), line);
	return found;
}

#endif
