/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/size_class.h"

#include "goalloc_contract.h"

static const uint16_t sizes[] = {
	0, /* large objects */
	8,     16,    24,    32,    48,	   64,	  80,	 96,	112,   128,   144,   160,   176,   192,
	208,   224,   240,   256,   288,   320,	  352,	 384,	416,   448,   480,   512,   576,   640,
	704,   768,   896,   1024,  1152,  1280,  1408,	 1536,	1792,  2048,  2304,  2688,  3072,  3200,
	3456,  4096,  4864,  5376,  6144,  6528,  6784,	 6912,	8192,  9472,  9728,  10240, 10880, 12288,
	13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768,
};

/* Pages of a span. */
static const uint8_t pages[] = {
	0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,	 1, 1,
	1, 2, 1, 2, 1, 2, 1, 3, 2, 3, 1, 3, 2, 3, 4, 5, 6, 1, 7, 6, 5, 4, 3, 5, 7, 2, 9, 7, 5, 8, 3, 10, 7, 4,
};

_Static_assert(sizeof(pages) == SIZE_CLASSES, "one number of pages for each class");
_Static_assert(sizeof(sizes) / sizeof(sizes[0]) == SIZE_CLASSES, "one size for each class");

int64_t size_class_bytes(int size_class)
{
	return size_class < 0 || size_class >= SIZE_CLASSES ? 0 : sizes[size_class];
}

int64_t size_class_span_tail(int size_class, bool goalloc)
{
	int64_t size = size_class_bytes(size_class), times = 1, span;

	if (!size)
		return 0;
	span = pages[size_class] * GOALLOC_PAGE;
	while (goalloc && times * span / size < GOALLOC_SPAN_OBJECTS && (times + 1) * span <= GOALLOC_SPAN_BYTES)
		times++;
	return times * span % size;
}
