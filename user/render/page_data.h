/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PAGE_DATA_H
#define ESCAPEMENT_PAGE_DATA_H

/* Members that the documents of all pages have (page.h). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "escape/escape_graph.h"
#include "profile/call_tree.h"
#include "render/page.h"
#include "text/json_writer.h"

/* A place in the source that a row is at. */
struct page_source {
	const char *file, *directory; /* where a relative name is looked up; NULL: in the working directory */
	const char *instead;	      /* the file to read, if it is another; NULL: `file` */
	uint32_t line;
	int rank; /* files with a place of a lower rank come first, while there is room */
};

/* A section of the page that is a list of rows. */
struct page_list {
	const char *id, *caption;
	size_t first, count; /* of the document's rows */
	bool ordered;	     /* they are in an order that says more than their numbers do */
};

/* Member "measures"; its elements; one of them. */
void page_data_measures(struct json_writer *writer, const struct page_measures *measures);
void page_data_measure_list(struct json_writer *writer, const struct page_measures *measures);
void page_data_measure(struct json_writer *writer, const char *key, const char *name, bool bytes);
void page_data_list(struct json_writer *writer, const struct page_list *list);
void page_data_bound(struct json_writer *writer, const char *key, double low, double high);
/* Member "frames"; with `redact`, without the directories of files. */
void page_data_frames(struct json_writer *writer, const struct call_tree *tree, bool redact);
/* An annotation of the compiler, as an object; `callee`: it is at the callee's own line. */
void page_data_annotation(struct json_writer *writer, const struct escape_annotation *annotation,
			  const struct escape_graph *graph, bool callee);
/* A member with the lines around `count` places, which this sorts, by file. */
void page_data_sources(struct json_writer *writer, const char *name, struct page_source *places, size_t count);

#endif
