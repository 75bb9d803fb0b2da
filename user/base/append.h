/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_APPEND_H
#define ESCAPEMENT_APPEND_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Appends formatted text to the string in `text`, which has room for `size` bytes. What does not fit is cut. */
__attribute__((format(printf, 3, 4))) static inline void text_append(char *text, size_t size, const char *format, ...)
{
	size_t length = strlen(text);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text + length, size - length, format, arguments);
	va_end(arguments);
}

#endif
