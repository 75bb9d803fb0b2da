/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/exit_status.h"

enum {
	HUGE_PAGE = 1 << 21,
	RESERVE = 16 << 20, /* enough to symbolize and write a recording whose rows are in memory */
};

static char doing[200];
static void *reserve;
static bool low;

void memory_doing(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(doing, sizeof(doing), format, arguments);
	va_end(arguments);
}

void memory_out(void)
{
	char text[300];
	int length = snprintf(text, sizeof(text), "escapement: out of memory%s%s\n", *doing ? " while " : "", doing);

	/* Does not use stdio or exit(), because stdio may allocate a buffer, and exit handlers may allocate. */
	if (write(STDERR_FILENO, text, (size_t)length) < 0)
		_exit(STATUS_CANNOT_MEASURE);
	_exit(STATUS_CANNOT_MEASURE);
}

void memory_reserve(void)
{
	if (!reserve)
		reserve = malloc(RESERVE);
	if (!reserve)
		memory_out();
	low = false;
}

bool memory_is_low(void)
{
	return low;
}

/* Releases the reserve. Returns whether there was one, so that the allocation is worth another try. */
static bool release_reserve(void)
{
	if (!reserve)
		return false;
	free(reserve);
	reserve = NULL;
	low = true;
	return true;
}

/* For tables that are read at random and exceed what the TLB covers with small pages. This is only advice, which the
 * kernel may ignore. It is given for whole pages around the memory, which is what the allocator mapped: given for a part of
 * these, the kernel would have two mappings, which mremap() does not move, and realloc() would copy. */
static void prefer_huge_pages(void *memory, size_t size)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t start = (uintptr_t)memory & -page;
	uintptr_t end = ((uintptr_t)memory + size + page - 1) & -page;

	if (size >= HUGE_PAGE)
		madvise((void *)start, end - start, MADV_HUGEPAGE);
}

void *memory_allocate(size_t size)
{
	void *memory;

	/* malloc(0) may return NULL without a failure */
	while (!(memory = malloc(size ? size : 1))) {
		if (!release_reserve())
			memory_out();
	}
	return memory;
}

void *memory_resize(void *memory, size_t count, size_t size)
{
	void *resized;

	while (!(resized = reallocarray(memory, count ? count : 1, size ? size : 1))) {
		if (!release_reserve())
			memory_out();
	}
	prefer_huge_pages(resized, count * size);
	return resized;
}

void *memory_zeroed(size_t count, size_t size)
{
	void *memory;

	while (!(memory = calloc(count ? count : 1, size ? size : 1))) {
		if (!release_reserve())
			memory_out();
	}
	prefer_huge_pages(memory, count * size);
	return memory;
}

char *memory_text_of(const char *text, size_t length)
{
	size_t size = strnlen(text, length);
	char *copy = memory_allocate(size + 1);

	memcpy(copy, text, size);
	copy[size] = 0;
	return copy;
}

char *memory_text(const char *text)
{
	return memory_text_of(text, strlen(text));
}

char *memory_format_list(const char *format, va_list arguments)
{
	/* vasprintf() would give back what it did not need: a hole each, beside millions of texts */
	char short_text[256];
	va_list again;
	char *text;
	int length;

	va_copy(again, arguments);
	length = vsnprintf(short_text, sizeof(short_text), format, arguments);
	if (length < 0)
		memory_out();
	text = memory_allocate((size_t)length + 1);
	if ((size_t)length < sizeof(short_text))
		memcpy(text, short_text, (size_t)length + 1);
	else
		vsnprintf(text, (size_t)length + 1, format, again);
	va_end(again);
	return text;
}

char *memory_format(const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = memory_format_list(format, arguments);
	va_end(arguments);
	return text;
}
