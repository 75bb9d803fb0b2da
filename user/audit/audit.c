/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/audit.h"

#include <string.h>

#include "base/suggest.h"
#include "base/text_compare.h"

#define VERDICT_ROW(verdict, ...) [verdict] = {__VA_ARGS__},
const struct audit_verdict_row audit_verdicts[AUDIT_VERDICT_COUNT + 1] = {
	AUDIT_VERDICTS(VERDICT_ROW)[AUDIT_OUTSIDE] = {AUDIT_OUTSIDE_NAME, "no line of the program allocates it",
						      "--module GLOB names the packages that are yours"}};

#define VERDICT_NAME(verdict, name, ...) name,
const char *const audit_verdict_names[AUDIT_VERDICT_COUNT + 2] = {AUDIT_VERDICTS(VERDICT_NAME) AUDIT_OUTSIDE_NAME,
								  NULL};

int audit_verdict_unknown(const char *text, struct error *error)
{
#define VERDICT_LISTED(verdict, name, ...) ", " name
	static const char names[] = AUDIT_VERDICTS(VERDICT_LISTED) ", " AUDIT_OUTSIDE_NAME;

	struct suggestion meant = {NULL, 0};

	for (int i = 0; audit_verdict_names[i]; i++)
		suggest(&meant, text, audit_verdict_names[i]);
	return error_set(error, STATUS_USAGE, "unknown verdict '%s': expected one of %s%s%s%s", text, names + 2,
			 meant.name ? "; did you mean '" : "", meant.name ? meant.name : "", meant.name ? "'?" : "");
}

const char *audit_verdict_name(int verdict)
{
	return audit_verdicts[verdict].name;
}

const char *audit_row_words(const struct audit_row *row)
{
	if (row->words)
		return row->words;
	if (row->annotation_count && row->annotations[0]->text)
		return row->annotations[0]->text;
	return row->reason ? row->reason : audit_verdict_name(row->verdict);
}

size_t audit_places_alike(const struct escape_annotation *const *annotations, size_t count)
{
	size_t places = count > 0;

	for (size_t i = 1; i < count; i++) {
		const struct escape_annotation *before = annotations[i - 1], *annotation = annotations[i];

		if (!text_same(annotation->text, before->text))
			return 0;
		places += annotation->file != before->file || annotation->line != before->line ||
			  annotation->column != before->column;
	}
	return places;
}

int audit_verdict_parse(const char *name)
{
	for (int i = 0; audit_verdict_names[i]; i++) {
		if (strcmp(name, audit_verdict_names[i]) == 0)
			return i;
	}
	return -1;
}

const char *audit_verdict_meaning(const struct audit *audit, int verdict)
{
	if (profile_is_exact(audit->profile))
		return audit_verdicts[verdict].meaning;
	if (verdict == AUDIT_ESCAPES_UNSEEN)
		return "the compiler moves it to the heap, and no sample hit it";
	if (verdict == AUDIT_STACK)
		return "the compiler says that it does not escape, and no sample hit it";
	return audit_verdicts[verdict].meaning;
}
