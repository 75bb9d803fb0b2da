/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_BASE_MEMORY_H
#define ESCAPEMENT_BASE_MEMORY_H

/*
 * Memory that is never NULL: what malloc, calloc, reallocarray, strdup, strndup and vasprintf give, freed with free().
 *
 * One conduct where memory is out. The process says what it was doing and exits with STATUS_CANNOT_MEASURE. A recording
 * first sets memory aside (memory_reserve): then the first failed allocation is tried again with that, and
 * memory_is_low() tells the recording to end and to write what it has.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

void *memory_allocate(size_t size);
void *memory_zeroed(size_t count, size_t size);
void *memory_resize(void *memory, size_t count, size_t size);
char *memory_text(const char *text);
char *memory_text_of(const char *text, size_t length); /* at most `length` bytes of it, with a NUL behind */
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *memory_format_list(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

/* What the process is doing, for the message: "reading 'a.pb.gz'". Copied; cut at 200 bytes. */
void memory_doing(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Sets memory aside, and whether any of it was needed since. */
void memory_reserve(void);
bool memory_is_low(void);

/* Ends the process with the message. For allocations that a library makes. */
_Noreturn void memory_out(void);

#endif
