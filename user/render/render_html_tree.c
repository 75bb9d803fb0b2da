/* SPDX-License-Identifier: BSD-2-Clause */
/* The calling tree of a page, in the form that render_html.h describes: a page may have millions of nodes. */
#include <stdlib.h>

#include <zlib.h>

#include "base/memory.h"
#include "render/render_html.h"

struct buffer {
	unsigned char *bytes;
	size_t length, capacity;
};

enum { NUMBER_BYTES = 10 };

static void put(struct buffer *buffer, uint64_t number)
{
	if (buffer->length + NUMBER_BYTES > buffer->capacity) {
		buffer->capacity = 2 * buffer->capacity + 4096;
		buffer->bytes = memory_resize(buffer->bytes, buffer->capacity, 1);
	}
	for (; number > 127; number >>= 7)
		buffer->bytes[buffer->length++] = (unsigned char)(number | 128);
	buffer->bytes[buffer->length++] = (unsigned char)number;
}

static void put_nodes(struct buffer *buffer, const struct call_tree *tree)
{
	for (size_t i = 1; i < tree->node_count; i++)
		put(buffer, i - tree->nodes[i].parent);
	for (size_t i = 1; i < tree->node_count; i++)
		put(buffer, tree->nodes[i].frame);
}

static void put_values(struct buffer *buffer, const struct render_html_page *page, const struct call_tree *tree,
		       int side)
{
	for (int value = -1; (value = render_html_next_measure(page, value, false)) < VALUE_COUNT;) {
		for (size_t i = 0; i < tree->leaf_count; i++)
			put(buffer, (uint64_t)tree->leaves[i].values[side][value]);
	}
}

static void put_leaves(struct buffer *buffer, const struct render_html_page *page, const struct call_tree *tree)
{
	int64_t last = 0;

	for (size_t i = 0; i < tree->leaf_count; i++) {
		int64_t step = tree->leaves[i].node - last;

		put(buffer, step < 0 ? (uint64_t)(-2 * step - 1) : (uint64_t)(2 * step));
		last = tree->leaves[i].node;
	}
	/* no frame is CALL_TREE_NONE, the largest number, and becomes 0 */
	for (size_t i = 0; i < tree->leaf_count; i++)
		put(buffer, (uint32_t)(tree->leaves[i].owner + 1));
	for (size_t i = 0; i < tree->leaf_count; i++)
		put(buffer, (uint32_t)(tree->leaves[i].allocating + 1));
	put_values(buffer, page, tree, CALL_TREE_NOW);
	if (page->before)
		put_values(buffer, page, tree, CALL_TREE_BEFORE);
}

static char *base64(const unsigned char *bytes, size_t length)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *text = memory_allocate((length + 2) / 3 * 4 + 1), *to = text;

	for (size_t i = 0; i < length; i += 3) {
		size_t left = length - i;
		uint32_t group = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
				 (left > 2 ? bytes[i + 2] : 0);

		*to++ = digits[group >> 18];
		*to++ = digits[group >> 12 & 63];
		*to++ = left > 1 ? digits[group >> 6 & 63] : '=';
		*to++ = left > 2 ? digits[group & 63] : '=';
	}
	*to = 0;
	return text;
}

char *render_html_tree(const struct render_html_page *page, const struct call_tree *tree)
{
	struct buffer numbers = {0};
	unsigned char *packed;
	uLongf length;
	char *text;

	put(&numbers, tree->node_count);
	put(&numbers, tree->leaf_count);
	put_nodes(&numbers, tree);
	put_leaves(&numbers, page, tree);
	length = compressBound(numbers.length);
	packed = memory_allocate(length);
	if (compress(packed, &length, numbers.bytes, numbers.length) != Z_OK)
		memory_out();
	text = base64(packed, length);
	free(packed);
	free(numbers.bytes);
	return text;
}
