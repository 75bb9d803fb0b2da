/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/gzip.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/memory.h"

/* 16 added to the window's bits asks zlib for gzip's header. */
enum { GZIP_BITS = 15 + 16, MEMORY_LEVEL = 8, FIRST_BYTES = 1 << 16 };

static uInt at_once(size_t size)
{
	return size < UINT_MAX ? (uInt)size : UINT_MAX;
}

uint8_t *gzip_pack(const void *bytes, size_t size, size_t *packed_size)
{
	z_stream stream = {0};
	uint8_t *packed;
	size_t bound;
	int status;

	if (deflateInit2(&stream, GZIP_LEVEL, Z_DEFLATED, GZIP_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		memory_out();
	bound = deflateBound(&stream, size); /* there is space for all of it */
	packed = memory_allocate(bound);
	stream.next_in = (Bytef *)bytes;
	stream.next_out = packed;
	do { /* zlib's counts of what is left have 32 bits */
		stream.avail_in = at_once(size - stream.total_in);
		stream.avail_out = at_once(bound - stream.total_out);
		status = deflate(&stream, stream.total_in + stream.avail_in == size ? Z_FINISH : Z_NO_FLUSH);
	} while (status == Z_OK);
	if (status != Z_STREAM_END)
		memory_out();
	*packed_size = stream.total_out;
	deflateEnd(&stream);
	return packed;
}

uint8_t *gzip_unpack(const void *bytes, size_t size, size_t most, size_t *unpacked_size)
{
	z_stream stream = {.next_in = (Bytef *)bytes, .avail_in = (uInt)size};
	size_t capacity = most < FIRST_BYTES ? most : FIRST_BYTES;
	uint8_t *unpacked;
	int status = Z_OK;

	if (size > UINT_MAX || most > UINT_MAX || inflateInit2(&stream, GZIP_BITS) != Z_OK)
		return NULL;
	unpacked = memory_allocate(capacity + 1);
	while (status == Z_OK) {
		if (stream.total_out == capacity && capacity < most) {
			capacity = capacity < most / 2 ? 2 * capacity : most;
			unpacked = memory_resize(unpacked, capacity + 1, 1);
		}
		stream.next_out = unpacked + stream.total_out;
		stream.avail_out = (uInt)(capacity - stream.total_out);
		status = inflate(&stream, Z_NO_FLUSH); /* Z_BUF_ERROR: it is cut off, or longer than `most` */
	}
	*unpacked_size = stream.total_out;
	inflateEnd(&stream);
	if (status == Z_STREAM_END)
		return unpacked;
	free(unpacked);
	return NULL;
}
