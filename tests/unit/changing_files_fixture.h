/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CHANGING_FILES_FIXTURE_H
#define CHANGING_FILES_FIXTURE_H

/* Programs that belong to others, in a directory that these can reach. */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "directory_fixture.h"
#include "symbols/elf_file.h"

enum { NOBODY = 65534 };

static void require_root(void)
{
	if (geteuid())
		skip();
}

static void give(const char *name, uid_t user, gid_t group, mode_t mode)
{
	assert_int_equal(chown(in_directory(name), user, group), 0);
	assert_int_equal(chmod(in_directory(name), mode), 0);
}

static uint64_t address_of(const char *name, const char *function)
{
	uint64_t offset;
	int file;
	Elf *elf = elf_file_open(in_directory(name), ELF_EXPORTS, &file, NULL);

	assert_non_null(elf);
	assert_true(elf_exported_offset(elf, function, &offset));
	elf_end(elf);
	close(file);
	return 0x400000 + offset;
}

static int make_program(void **state)
{
	(void)state;
	if (access("/dev/shm", W_OK) == 0)
		strcpy(directory, "/dev/shm/unit-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	run("printf 'int first(void)\\n{\\n\\treturn 1;\\n}\\nint main(void)\\n{\\n\\treturn first();\\n}\\n' > plain.c && "
	    "gcc -g -O1 -no-pie -rdynamic -o plain plain.c && chmod 755 .");
	return 0;
}

#endif
