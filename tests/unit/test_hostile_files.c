/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files of targets that are made to take our memory and time: what they say of sizes, counts and of how their parts hang
 * together is bounded where it is read. Each test has the memory that honest files need, and ends for lack of it, or of CPU
 * time, where something follows such a file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbols/elf_file.h"
#include "symbols/symbolizer.h"

static char directory[] = "/tmp/escapement-hostile-XXXXXX";
static uint64_t text; /* where the code of `plain` begins */

static const char *in_directory(const char *name)
{
	static char paths[4][160];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

static void run(const char *script)
{
	char command[1024];

	snprintf(command, sizeof(command), "cd %s && %s", directory, script);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static void write_file(const char *name, const void *bytes, size_t size)
{
	FILE *file = fopen(in_directory(name), "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	fclose(file);
}

/* Returns the name that the symbolizer has for the first instruction; NULL if it has none. */
static const char *first_function(const char *name)
{
	struct symbolizer *symbolizer = symbolizer_open(in_directory(name), NULL);
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];
	static char function[100];
	bool known = symbolizer && symbolizer_lookup(symbolizer, text, frames) && frames[0].function;

	if (known)
		snprintf(function, sizeof(function), "%s", frames[0].function);
	symbolizer_close(symbolizer);
	return known ? function : NULL;
}

/* --- debug information --- */

/* Writes a unit with `depth` functions, each in the one before. Each says that the next entry after it is its own first child, so
 * that a walk over children and siblings takes 2^depth steps. */
static void write_circular_entries(size_t depth)
{
	static const uint8_t abbreviations[] = {1, 0x11, 1, 0x11, 1,	0x12, 7, 0, 0, /* unit: low_pc, high_pc */
						2, 0x2e, 1, 1,	  0x13, 0,    0,       /* subprogram: sibling */
						3, 0x2e, 0, 0x11, 1,	0x12, 7, 3, 8,
						0, 0, /* subprogram: low_pc, high_pc, name */
						0};
	enum { HEADER = 11 };
	const uint64_t unit_size = 0x10000, function_size = 16;
	uint8_t info[4096] = {0};
	size_t at = HEADER;
	uint32_t length;

	info[4] = 4;  /* version */
	info[10] = 8; /* bytes of an address */
	info[at++] = 1;
	memcpy(info + at, &text, 8);
	memcpy(info + at + 8, &unit_size, 8);
	at += 16;
	for (size_t i = 0; i < depth; i++) {
		uint32_t sibling = (uint32_t)at + 5;

		info[at++] = 2;
		memcpy(info + at, &sibling, 4);
		at += 4;
	}
	info[at++] = 3;
	memcpy(info + at, &text, 8);
	memcpy(info + at + 8, &function_size, 8);
	memcpy(info + at + 16, "innermost", 10);
	at += 16 + 10 + depth + 2;
	assert_true(at < sizeof(info));
	length = (uint32_t)at - 4;
	memcpy(info, &length, 4);
	write_file("info", info, at);
	write_file("abbrev", abbreviations, sizeof(abbreviations));
}

static void entries_that_lead_back_are_read_once(void **state)
{
	(void)state;
	write_circular_entries(60);
	run("objcopy --add-section .debug_info=info --add-section .debug_abbrev=abbrev plain circular");
	assert_string_equal(first_function("circular"), "innermost");
}

static int make_program(void **state)
{
	const struct rlimit memory = {1 << 30, 1 << 30}, seconds = {120, 120};
	uint64_t offset;
	int file;
	Elf *elf;

	(void)state;
	if (!mkdtemp(directory))
		return -1;
	run("printf '__attribute__((section(\".text.first\"))) int first(void)\\n{\\n\\treturn 1;\\n}\\n"
	    "int main(void)\\n{\\n\\treturn first();\\n}\\n' > plain.c && "
	    "gcc -O1 -no-pie -rdynamic -o plain plain.c");
	elf = elf_file_open(in_directory("plain"), &file);
	assert_non_null(elf);
	assert_true(elf_exported_offset(elf, "first", &offset));
	text = 0x400000 + offset;
	elf_end(elf);
	close(file);
	setrlimit(RLIMIT_AS, &memory);
	setrlimit(RLIMIT_CPU, &seconds);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	run("rm -rf \"$PWD\"");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_that_lead_back_are_read_once),
	};

	return cmocka_run_group_tests_name("hostile_files", tests, make_program, remove_directory);
}
