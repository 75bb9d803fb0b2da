/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SECTIONS_H
#define SECTIONS_H

/* The library's code and variables, which are in sections of their own (rules.mk), by the linker's names for where these begin
 * and end. */

#include <stdint.h>

/* Functions that few programs run, in files whose other functions all programs do (rules.mk has whole files of the kind). */
#define RARELY_RUN __attribute__((section("goalloc_rare"), noinline))
/* Variables of several pages that few programs touch. They begin at pages of their own, before the others, so that those share
 * pages. */
#define LARGE_BSS __attribute__((section(".bss.large"), aligned(4096)))

#pragma GCC visibility push(hidden)

extern const char text_start[] __asm__("__start_goalloc_text"), text_end[] __asm__("__stop_goalloc_text");
extern const char rare_start[] __asm__("__start_goalloc_rare"), rare_end[] __asm__("__stop_goalloc_rare");
extern const char data_start[] __asm__("__start_goalloc_data"), data_end[] __asm__("__stop_goalloc_data");
extern const char bss_start[] __asm__("__start_goalloc_bss"), bss_end[] __asm__("__stop_goalloc_bss");

/* From the beginning to the end of all code. In a shared library the constants lie in between. */
static inline uintptr_t code_start(void)
{
	return (uintptr_t)text_start < (uintptr_t)rare_start ? (uintptr_t)text_start : (uintptr_t)rare_start;
}

static inline uintptr_t code_end(void)
{
	return (uintptr_t)text_end > (uintptr_t)rare_end ? (uintptr_t)text_end : (uintptr_t)rare_end;
}

#pragma GCC visibility pop
#endif
