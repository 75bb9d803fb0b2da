/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SECTIONS_H
#define SECTIONS_H

/* The library's code and variables, which are in sections of their own (rules.mk), by the linker's names for where these begin
 * and end. */

#pragma GCC visibility push(hidden)

extern const char text_start[] __asm__("__start_goalloc_text"), text_end[] __asm__("__stop_goalloc_text");
extern const char data_start[] __asm__("__start_goalloc_data"), data_end[] __asm__("__stop_goalloc_data");
extern const char bss_start[] __asm__("__start_goalloc_bss"), bss_end[] __asm__("__stop_goalloc_bss");

#pragma GCC visibility pop
#endif
