/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "escape/escape_functions.h"
#include "gate/gate_static.h"

/* Writes the declared function, "example.com/m.foo", for a function literal too; or the file if functions are
 * unknown. */
static void name_place(const struct escape_annotation *annotation, bool by_function, char *text, size_t size)
{
	const char *package = annotation->package ? annotation->package : "";

	if (by_function && annotation->function)
		snprintf(text, size, "%s%s%.*s", package, *package ? "." : "",
			 (int)escape_declared_function(annotation->function), annotation->function);
	else
		snprintf(text, size, "%s", annotation->file);
}

/* Copies a subject without the numbers of temporaries, which any edit of a function may change. */
static void copy_subject(char *to, size_t size, const char *subject)
{
	static const char temporary[] = ".autotmp_";
	size_t length = 0;

	while (*subject && length + 1 < size) {
		if (strncmp(subject, temporary, sizeof(temporary) - 1) == 0) {
			subject += sizeof(temporary) - 1;
			subject += strspn(subject, "0123456789");
			length += (size_t)snprintf(to + length, size - length, "%s", temporary);
			length = length < size ? length : size - 1;
		} else {
			to[length++] = *subject++;
		}
	}
	to[length] = 0;
}

static void add(struct gate_counts *counts, const struct escape_annotation *annotation, bool by_function)
{
	struct gate_site *site = gate_counts_append(counts);
	char text[2048];

	name_place(annotation, by_function, text, sizeof(text));
	site->function = gate_counts_string(counts, text);
	copy_subject(text, sizeof(text), annotation->subject);
	site->type = gate_counts_string(counts, text);
	/* "moved to heap" (of a variable) and "escapes to heap" (of an expression) are the same fact; an annotation
	 * would distinguish them */
	snprintf(text, sizeof(text),
		 annotation->kind == ESCAPE_MOVED_TO_HEAP ? "moved to heap: %s" : "%s escapes to heap",
		 annotation->subject);
	site->reason = gate_counts_string(counts, text);
	site->file = gate_counts_string(counts, annotation->file);
	site->line = annotation->line;
	site->column = annotation->column;
	site->places = 1;
	site->counts[VALUE_OBJECTS] = (struct gate_count){.least = 1, .most = 1};
	site->counts[VALUE_BYTES] = (struct gate_count){.least = VALUE_UNMEASURED, .most = VALUE_UNMEASURED};
}

/* Sums adjacent sites with one key. */
static void merge(struct gate_counts *counts)
{
	size_t kept = 0;

	for (size_t i = 0; i < counts->site_count; i++) {
		struct gate_site *site = &counts->sites[i], *last = kept ? &counts->sites[kept - 1] : NULL;

		if (last && gate_site_compare(last, site, true) == 0) {
			last->counts[VALUE_OBJECTS].least++;
			last->counts[VALUE_OBJECTS].most++;
			last->places++;
		} else {
			counts->sites[kept++] = *site;
		}
	}
	counts->site_count = kept;
}

struct gate_counts *gate_counts_of_escapes(const struct escape_output *output, const struct escape_filter *filter,
					   bool by_function)
{
	struct gate_counts *counts = gate_counts_new();

	for (size_t i = 0; i < output->annotation_count; i++) {
		const struct escape_annotation *annotation = &output->annotations[i];

		if ((annotation->kind == ESCAPE_MOVED_TO_HEAP || annotation->kind == ESCAPE_ESCAPES) &&
		    escape_filter_accepts(filter, annotation) && !escape_of_generated_main(annotation))
			add(counts, annotation, by_function);
	}
	gate_counts_sort(counts);
	merge(counts);
	gate_counts_add_up(counts);
	counts->runs = 1;
	return counts;
}
