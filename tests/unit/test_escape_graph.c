/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "escape/escape_parser.h"
#include "escape/escape_functions.h"
#include "escape/escape_graph.h"
#include "escape_fixture.h"

static struct escape_output *parse(const char *text)
{
	struct error error;
	struct escape_output *output = escape_parse(text, strlen(text), "test", &error);

	if (!output)
		fail_msg("%s", error.text);
	escape_name_functions(output, NULL);
	return output;
}

static const struct escape_annotation *find(const struct escape_output *output, const char *text)
{
	for (size_t i = 0; i < output->annotation_count; i++) {
		if (strcmp(output->annotations[i].text, text) == 0)
			return &output->annotations[i];
	}
	fail_msg("no '%s'", text);
	return NULL;
}

/* Explanations: the flow and the step between heading and verdict, and the expected cause and story. */
static const struct {
	const char *flow, *step;
	enum escape_cause cause;
	const char *story;
} stories[] = {
	{"~r0 = &x", "return &x (return) at a.go:9:2", ESCAPE_CAUSE_OUTLIVES,
	 "x is returned by foo (return &x, line 9)"},
	{"{heap} = &x", "g = &x (assign) at a.go:9:2", ESCAPE_CAUSE_HEAP_POINTER,
	 "x is stored in the heap (g = &x, line 9)"},
	{"p = &x", "p = &x (assign) at a.go:9:2", ESCAPE_CAUSE_OUTLIVES,
	 "x is assigned to p, which outlives it (p = &x, line 9)"},
	{"{heap} = &x", "ch <- &x (send) at a.go:9:2", ESCAPE_CAUSE_HEAP_POINTER,
	 "x is sent on a channel (ch <- &x, line 9)"},
	{"{heap} = &x", "x (too large for stack) at a.go:3:2", ESCAPE_CAUSE_SIZE,
	 "x is too large for the stack (line 3)"},
	{"{heap} = &x", "make([]int, n) (non-constant size) at a.go:3:2", ESCAPE_CAUSE_SIZE,
	 "x has a size that the compiler cannot know (line 3)"},
	{"{heap} = &x", "r.m(&x) (call parameter) at b.go:9:2", ESCAPE_CAUSE_HEAP_POINTER,
	 "x is passed to r.m, which leaks it (b.go:9)"},
	{"{heap} = &x", "append(s, &x) (call parameter) at a.go:9:2", ESCAPE_CAUSE_HEAP_POINTER,
	 "x is appended to a slice that escapes (append(s, &x), line 9)"},
	{"{storage for func literal} = &x", "x (captured by a closure) at a.go:9:2", ESCAPE_CAUSE_HEAP_POINTER,
	 "x is captured by a closure that escapes (line 9)"},
	{"{heap} = &x", "x (a reason of tomorrow) at a.go:9:2", ESCAPE_CAUSE_HEAP_POINTER,
	 "x escapes by a reason of tomorrow (x, line 9)"},
};

static void each_reason_has_its_cause_and_its_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++) {
		struct escape_output *output;
		struct escape_graph *graph;
		char *text, *story;

		assert_true(asprintf(&text,
				     "# p\na.go:3:2: x escapes to heap in foo:\na.go:3:2:   flow: %s:\n"
				     "a.go:3:2:     from %s\na.go:3:2: moved to heap: x\n",
				     stories[i].flow, stories[i].step) > 0);
		output = parse(text);
		graph = escape_graph_new(output);
		story = escape_graph_story(graph, &output->annotations[0]);
		assert_string_equal(story, stories[i].story);
		assert_int_equal(escape_graph_cause(graph, &output->annotations[0]), stories[i].cause);
		free(story);
		escape_graph_free(graph);
		escape_free(output);
		free(text);
	}
}

static void without_an_explanation_there_is_no_story(void **state)
{
	struct escape_output *output = parse("a.go:3:2: moved to heap: x\n");
	struct escape_graph *graph = escape_graph_new(output);

	(void)state;
	assert_null(escape_graph_story(graph, &output->annotations[0]));
	assert_int_equal(escape_graph_cause(graph, &output->annotations[0]), ESCAPE_CAUSE_UNKNOWN);
	assert_int_equal(escape_graph_edge_count(graph), 0);
	escape_graph_free(graph);
	escape_free(output);
}

/* main boxes n for Print, which passes it on to store, which stores it in a global. */
static const char chain[] = "# example.com/lib/v2\n"
			    "lib.go:3:14: parameter v leaks to {heap} for store with derefs=0:\n"
			    "lib.go:3:14:   flow: {heap} = v:\n"
			    "lib.go:3:14:     from kept = v (assign) at lib.go:4:7\n"
			    "lib.go:8:12: parameter a leaks to {heap} for Print with derefs=1:\n"
			    "lib.go:8:12:   flow: {heap} = *a:\n"
			    "lib.go:8:12:     from a[0] (indirection) at lib.go:9:8\n"
			    "lib.go:8:12:     from store(a[0]) (call parameter) at lib.go:9:7\n"
			    "lib.go:3:14: leaking param: v\n"
			    "lib.go:8:12: leaking param content: a\n"
			    "lib.go:8:30: leaking param: w\n"
			    "lib.go:8:30: b does not escape\n"
			    "# example.com/main\n"
			    "main.go:5:12: n escapes to heap in main:\n"
			    "main.go:5:12:   flow: {storage for ... argument} = &{storage for n}:\n"
			    "main.go:5:12:     from n (spill) at main.go:5:12\n"
			    "main.go:5:12:   flow: {heap} = {storage for ... argument}:\n"
			    "main.go:5:12:     from ... argument (spill) at main.go:5:11\n"
			    "main.go:5:12:     from lib.Print(... argument...) (call parameter) at main.go:5:11\n"
			    "main.go:5:12: n escapes to heap\n";

static void a_story_is_followed_into_callees_bottom_up(void **state)
{
	struct escape_output *output = parse(chain);
	struct escape_graph *graph = escape_graph_new(output);
	const struct escape_annotation *at;
	size_t others;
	char *story;

	(void)state;
	output->annotations[2].function = output->annotations[1].function; /* makes w a parameter of Print, too */
	escape_graph_free(graph);
	graph = escape_graph_new(output);
	at = escape_graph_callee(graph, find(output, "n escapes to heap"), &others);
	assert_ptr_equal(at, find(output, "leaking param content: a")); /* not w: the content of the argument leaks */
	assert_int_equal(others, 0);
	at = escape_graph_callee(graph, at, &others);
	assert_ptr_equal(at, find(output, "leaking param: v"));
	assert_null(escape_graph_callee(graph, at, &others));
	story = escape_graph_story(graph, find(output, "n escapes to heap"));
	assert_string_equal(story, "n is passed to lib.Print, which leaks its parameter a (line 5)");
	free(story);
	escape_graph_free(graph);
	escape_free(output);
}

static void locations_are_joined_by_edges_with_dereferences(void **state)
{
	struct escape_output *output = parse(chain);
	struct escape_graph *graph = escape_graph_new(output);
	const struct escape_location *n = escape_graph_find(graph, "example.com/main", "main", "{storage for n}");
	const struct escape_location *heap = escape_graph_find(graph, NULL, NULL, "{heap}");

	(void)state;
	assert_int_equal(escape_graph_edge_count(graph), 4);
	assert_int_equal(escape_graph_location_count(graph), 5);
	assert_non_null(n);
	assert_int_equal(n->out->flow->derefs, -1);
	assert_string_equal(n->out->to->name, "{storage for ... argument}");
	assert_ptr_equal(n->out->to->out->to, heap);
	assert_null(n->out->next);
	assert_null(heap->out);
	assert_null(escape_graph_find(graph, "example.com/main", "main", "{storage for m}"));
	assert_null(escape_graph_find(graph, "example.com/other", "main", "{storage for n}"));
	escape_graph_free(graph);
	escape_free(output);
}

static void what_may_be_either_is_not_guessed(void **state)
{
	struct escape_output *output = parse("# p\n"
					     "a.go:3:10: parameter v leaks to {heap} for two with derefs=0:\n"
					     "a.go:3:10:   flow: {heap} = v:\n"
					     "a.go:3:16: parameter w leaks to {heap} for two with derefs=0:\n"
					     "a.go:3:16:   flow: {heap} = w:\n"
					     "a.go:9:2: x escapes to heap in foo:\n"
					     "a.go:9:2:   flow: {heap} = &x:\n"
					     "a.go:9:2:     from &x (address-of) at a.go:10:6\n"
					     "a.go:9:2:     from two(&x, nil) (call parameter) at a.go:10:5\n"
					     "a.go:3:10: leaking param: v\n"
					     "a.go:3:16: leaking param: w\n"
					     "a.go:9:2: moved to heap: x\n");
	struct escape_graph *graph = escape_graph_new(output);
	size_t others;
	char *story;

	(void)state;
	assert_non_null(escape_graph_callee(graph, find(output, "moved to heap: x"), &others));
	assert_int_equal(others, 1);
	story = escape_graph_story(graph, find(output, "moved to heap: x"));
	assert_string_equal(story, "x is passed to two, which leaks it (line 10)");
	free(story);
	escape_graph_free(graph);
	escape_free(output);
}

static void every_explained_move_of_the_seeds_has_a_cause(void **state)
{
	glob_t fixtures;

	(void)state;
	escape_fixtures("m2", &fixtures);
	for (size_t r = 0; r < fixtures.gl_pathc; r++) {
		struct error error;
		struct escape_output *output;
		struct escape_graph *graph;

		output = escape_read(fixtures.gl_pathv[r], &error);
		assert_non_null(output);
		assert_int_equal(escape_name_functions(output, "tests/fixtures/seed-programs"), 0);
		graph = escape_graph_new(output);
		for (size_t i = 0; i < output->annotation_count; i++) {
			const struct escape_annotation *a = &output->annotations[i];
			char *story;

			if (a->kind != ESCAPE_MOVED_TO_HEAP)
				continue;
			/* In these programs all moved variables are returned, except `a`, which is passed to fmt. */
			assert_int_equal(escape_graph_cause(graph, a),
					 strcmp(a->subject, "a") ? ESCAPE_CAUSE_OUTLIVES : ESCAPE_CAUSE_HEAP_POINTER);
			story = escape_graph_story(graph, a);
			assert_non_null(
				strstr(story, strcmp(a->subject, "a") ? "is returned by" : "is passed to fmt."));
			free(story);
		}
		escape_graph_free(graph);
		escape_free(output);
	}
	globfree(&fixtures);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_reason_has_its_cause_and_its_words),
		cmocka_unit_test(without_an_explanation_there_is_no_story),
		cmocka_unit_test(a_story_is_followed_into_callees_bottom_up),
		cmocka_unit_test(locations_are_joined_by_edges_with_dereferences),
		cmocka_unit_test(what_may_be_either_is_not_guessed),
		cmocka_unit_test(every_explained_move_of_the_seeds_has_a_cause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
