/* SPDX-License-Identifier: BSD-2-Clause */
/* The calling tree of a page, in the form that page.h describes: a page may have millions of nodes. */
#include <stdlib.h>

#include <zlib.h>

#include "base/memory.h"
#include "render/page.h"

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

static void put_values(struct buffer *buffer, const struct call_tree *tree, const struct page_measures *measures,
		       int side)
{
	for (int i = 0; i < measures->count; i++) {
		for (size_t j = 0; j < tree->leaf_count; j++)
			put(buffer, (uint64_t)tree->leaves[j].values[side][measures->list[i]]);
	}
}

static void put_leaves(struct buffer *buffer, const struct call_tree *tree, bool grouped)
{
	int64_t last = 0;

	for (size_t i = 0; i < tree->leaf_count; i++) {
		int64_t step = tree->leaves[i].node - last;

		put(buffer, step < 0 ? (uint64_t)(-2 * step - 1) : (uint64_t)(2 * step));
		last = tree->leaves[i].node;
	}
	/* no frame, and no group, is CALL_TREE_NONE, the largest number, and becomes 0 */
	for (size_t i = 0; i < tree->leaf_count; i++)
		put(buffer, (uint32_t)((grouped ? tree->leaves[i].group : tree->leaves[i].owner) + 1));
	for (size_t i = 0; i < tree->leaf_count; i++)
		put(buffer, (uint32_t)(tree->leaves[i].allocating + 1));
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

char *page_tree(const struct call_tree *tree, const struct page_measures *measures, bool has_before, bool grouped)
{
	struct buffer numbers = {0};
	unsigned char *packed;
	uLongf length;
	char *text;

	put(&numbers, tree->node_count);
	put(&numbers, tree->leaf_count);
	put_nodes(&numbers, tree);
	put_leaves(&numbers, tree, grouped);
	put_values(&numbers, tree, measures, CALL_TREE_NOW);
	if (has_before)
		put_values(&numbers, tree, measures, CALL_TREE_BEFORE);
	length = compressBound(numbers.length);
	packed = memory_allocate(length);
	if (compress(packed, &length, numbers.bytes, numbers.length) != Z_OK)
		memory_out();
	text = base64(packed, length);
	free(packed);
	free(numbers.bytes);
	return text;
}
