/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stacks as a tree for people: callers above their callees, the most expensive branch first. A branch begins with '+'
 * and its numbers. The frames below it follow without numbers as long as the whole branch continues into one callee;
 * where it divides, the branches of the callees are indented further. Numbers are those of all stacks; what the shown
 * branches leave of one is listed below them.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/hash_table.h"
#include "render/render_report.h"
#include "text/shorten.h"
#include "text/terminal.h"

enum { INDENT = 2, KEY_MIN = 12, LINE_SIZE = 4096, NUMBER_COLUMNS_MAX = 2, NARROW = 70 };

/* A frame below the frames above it. */
struct node_key {
	const struct node *parent;
	const char *function, *file;
	uint64_t line, address; /* the address if nothing else is known */
	uint64_t inlined;	/* inlined into its parent */
};

struct node {
	UT_hash_handle hh;
	struct node_key key;
	int64_t values[VALUE_COUNT];
	bool shown; /* it is part of a stack that is shown */
	struct node **children;
	size_t child_count, child_capacity;
};

struct tree {
	FILE *stream;
	const struct report *report;
	int width;
	const struct terminal_style *style;
	enum profile_value columns[NUMBER_COLUMNS_MAX];
	int column_count;
	struct node root, *nodes;
	char line[LINE_SIZE];
};

/* --- building --- */

static struct node *child_of(struct tree *tree, struct node *parent, const struct profile_location *location,
			     const struct profile_frame *frame, bool inlined)
{
	struct node_key key;
	struct node *node;

	memset(&key, 0, sizeof(key)); /* padding is part of the key */
	key.parent = parent;
	key.inlined = inlined;
	if (frame) {
		key.function = frame->function;
		key.file = frame->file;
		key.line = frame->line;
	} else {
		key.address = location->address;
	}
	HASH_FIND(hh, tree->nodes, &key, sizeof(key), node);
	if (node)
		return node;
	node = memory_zeroed(1, sizeof(*node));
	node->key = key;
	HASH_ADD(hh, tree->nodes, key, sizeof(key), node);
	if (parent->child_count == parent->child_capacity) {
		parent->child_capacity = parent->child_capacity ? 2 * parent->child_capacity : 2;
		parent->children = memory_resize(parent->children, parent->child_capacity, sizeof(*parent->children));
	}
	parent->children[parent->child_count++] = node;
	return node;
}

static void add_values(struct node *node, const int64_t values[VALUE_COUNT], bool shown)
{
	node->shown |= shown;
	for (int i = 0; i < VALUE_COUNT; i++) {
		if (values[i] != VALUE_UNMEASURED)
			node->values[i] = add_saturated(node->values[i], values[i]);
	}
}

static void add_row(struct tree *tree, const struct report_row *row, bool shown)
{
	static const struct profile_frame cut = {.function = profile_gap};
	const struct profile_stack *stack = row->stack;
	struct node *node = &tree->root;

	if (profile_stack_is_rootless(stack) || !stack->depth) {
		static const struct profile_frame none = {.function = "(no stack)"};

		node = child_of(tree, node, NULL, stack->depth ? &cut : &none, false);
		add_values(node, row->values, shown);
	}
	for (uint32_t i = stack->depth; i-- > 0;) {
		const struct profile_location *location = profile_stack_at(stack, i);
		uint32_t count = location->frame_count;

		for (uint32_t j = count ? count : 1; j-- > 0;) {
			node = child_of(tree, node, location, count ? &location->frames[j] : NULL, j + 1 < count);
			add_values(node, row->values, shown);
		}
	}
}

/* --- printing --- */

static int by_value(const void *x, const void *y, void *argument)
{
	const struct node *a = *(struct node *const *)x, *b = *(struct node *const *)y;
	enum profile_value sort = *(const enum profile_value *)argument;
	const char *left = a->key.function ? a->key.function : "", *right = b->key.function ? b->key.function : "";

	if (a->values[sort] != b->values[sort])
		return a->values[sort] > b->values[sort] ? -1 : 1;
	if (strcmp(left, right) != 0)
		return strcmp(left, right);
	return (a->key.line > b->key.line) - (a->key.line < b->key.line);
}

/* Prints "12.3  1000 48000", or as many spaces without values. Returns the number of columns. */
static int print_numbers(const struct tree *tree, const int64_t *values)
{
	int64_t total = tree->report->whole[tree->report->sort];
	char number[TERMINAL_NUMBER_SIZE];
	int length;

	if (!values)
		return fprintf(tree->stream, "%*s", 6 + 12 * tree->column_count, "");
	length = total > 0 ? fprintf(tree->stream, "%5.1f ", 100 * (double)values[tree->report->sort] / (double)total)
			   : fprintf(tree->stream, "%5s ", "-");
	for (int i = 0; i < tree->column_count; i++)
		length += fprintf(tree->stream, "%11s ", terminal_number(number, values[tree->columns[i]]));
	return length;
}

static void print_frame(struct tree *tree, const struct node *node, int indent, bool head)
{
	const char *note = node->key.inlined ? " (inlined)" : "";
	int used = print_numbers(tree, head ? node->values : NULL) + indent + INDENT;

	if (tree->width - used - (int)strlen(note) < KEY_MIN)
		note = "";
	used += (int)strlen(note);
	if (node->key.function || node->key.file)
		shorten_position(tree->line, sizeof(tree->line), node->key.function, node->key.file,
				 (uint32_t)node->key.line,
				 (size_t)(tree->width - used > KEY_MIN ? tree->width - used : KEY_MIN));
	else
		snprintf(tree->line, sizeof(tree->line), "%#" PRIx64, node->key.address);
	for (char *c = tree->line; *c; c++) {
		if (iscntrl((unsigned char)*c))
			*c = '?';
	}
	fprintf(tree->stream, "%*s%s%s%s%s%s\n", indent, "", head ? "+ " : "  ", tree->line,
		*note ? tree->style->faint : "", note, *note ? tree->style->reset : "");
}

/* Whether two rows of numbers look the same. */
static bool same_numbers(const struct tree *tree, const int64_t *a, const int64_t *b)
{
	for (int i = 0; i < tree->column_count; i++) {
		if (a[tree->columns[i]] != b[tree->columns[i]])
			return false;
	}
	return a[tree->report->sort] == b[tree->report->sort];
}

/* Returns the callee whose numbers equal those of the node; NULL if there is none. */
static struct node *only_callee(const struct tree *tree, const struct node *node)
{
	for (size_t i = 0; i < node->child_count; i++) {
		if (node->children[i]->shown && same_numbers(tree, node->children[i]->values, node->values))
			return node->children[i];
	}
	return NULL;
}

static void print_branches(struct tree *tree, struct node *node, int indent);

/* Prints a branch: its frames down to where it divides, then the branches below. */
static void print_branch(struct tree *tree, struct node *node, int indent)
{
	print_frame(tree, node, indent, true);
	for (struct node *callee; (callee = only_callee(tree, node)); node = callee)
		print_frame(tree, callee, indent, false);
	print_branches(tree, node, indent < tree->width / 5 ? indent + INDENT : indent);
}

/* Prints the shown branches of a node, the most expensive first, and the sum of the others. */
static void print_branches(struct tree *tree, struct node *node, int indent)
{
	enum profile_value sort = tree->report->sort;
	static const int64_t zeros[VALUE_COUNT];
	int64_t others[VALUE_COUNT] = {0};
	size_t hidden = 0;

	if (node->child_count)
		qsort_r(node->children, node->child_count, sizeof(*node->children), by_value, &sort);
	for (size_t i = 0; i < node->child_count; i++) {
		if (node->children[i]->shown) {
			print_branch(tree, node->children[i], indent);
			continue;
		}
		hidden++;
		for (int value = 0; value < VALUE_COUNT; value++)
			others[value] = add_saturated(others[value], node->children[i]->values[value]);
	}
	if (same_numbers(tree, others, zeros))
		return;
	print_numbers(tree, others);
	fprintf(tree->stream, "%*s+ %s(%zu more)%s\n", indent, "", tree->style->faint, hidden, tree->style->reset);
}

static void print_head(const struct tree *tree)
{
	fprintf(tree->stream, "%s%5s ", tree->style->bold, "%");
	for (int i = 0; i < tree->column_count; i++)
		fprintf(tree->stream, "%11s ", profile_values[tree->columns[i]].heading);
	fprintf(tree->stream, "  STACK, CALLERS FIRST%s\n", tree->style->reset);
}

void render_report_tree(FILE *stream, const struct report *report, const struct report_style *style)
{
	struct tree tree = {
		.stream = stream, .report = report, .width = style->width, .style = terminal_style(style->color)};
	int columns = style->width < NARROW ? 1 : NUMBER_COLUMNS_MAX;
	struct node *node, *next;

	const int objects = (int)profile_objects(report->profile), bytes = (int)profile_bytes(report->profile);

	for (int value = 0; value < VALUE_COUNT && tree.column_count < columns; value++) {
		if (report->measured & 1u << value &&
		    (value == (int)report->sort || value == objects || value == bytes))
			tree.columns[tree.column_count++] = value;
	}
	for (size_t i = 0; i < report->row_total; i++)
		add_row(&tree, &report->rows[i], i < report->row_count);
	print_head(&tree);
	print_branches(&tree, &tree.root, 0);
	free(tree.root.children);
	HASH_ITER (hh, tree.nodes, node, next) {
		HASH_DEL(tree.nodes, node);
		free(node->children);
		free(node);
	}
}
