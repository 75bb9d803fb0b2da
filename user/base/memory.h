/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_MEMORY_H
#define ESCAPEMENT_MEMORY_H

/*
 * Allocation functions that never return NULL: counterparts of malloc, calloc, reallocarray, strdup, strndup and
 * vasprintf. Memory is freed with free().
 *
 * When memory is out, the process prints what it was doing and exits with STATUS_CANNOT_MEASURE. A recording first sets
 * memory aside (memory_reserve): then the first failed allocation releases the reserve and is tried again, and
 * memory_is_low() tells the recording to end and to write what it has.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

void *memory_allocate(size_t size);
void *memory_zeroed(size_t count, size_t size);
void *memory_resize(void *memory, size_t count, size_t size);
char *memory_text(const char *text);
char *memory_text_of(const char *text, size_t length); /* a NUL-terminated copy of at most `length` bytes */
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *memory_format_list(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

/* Sets what the process is doing, for the message: "reading 'a.pb.gz'". Copied, at most 200 bytes. */
void memory_doing(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* memory_reserve() sets memory aside; memory_is_low() says whether it has been released since. */
void memory_reserve(void);
bool memory_is_low(void);

/* Ends the process with the message, for failed allocations in other libraries. */
_Noreturn void memory_out(void);

#endif
