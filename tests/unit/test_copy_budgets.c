/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory that private copies of others' files take, of a profiler with privileges: all together a bounded part of it, of which
 * each file and each owner leaves some to the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/regular_file.h"
#include "changing_files_fixture.h"
#include "profile/profile.h"
#include "symbols/elf_copy.h"
#include "symbols/elf_file.h"
#include "symbols/image_cache.h"
#include "symbols/symbolizer.h"

/* --- how much --- */

static void assert_lines(const char *name, struct symbolizer *symbolizer, uint64_t address, bool known)
{
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];

	assert_non_null(symbolizer);
	assert_int_equal(symbolizer_lookup(symbolizer, address, frames), 1);
	assert_string_equal(frames[0].function, "first");
	if (!!frames[0].file != known || !symbolizer_limit(symbolizer) != known)
		fail_msg("%s: file %s, limit %s", name, frames[0].file, symbolizer_limit(symbolizer));
}

static struct symbolizer *open_of_others(const char *name)
{
	give(name, NOBODY, NOBODY, 0755);
	return symbolizer_open(in_directory(name), NULL);
}

/* No file takes more than half of what its owner has left, be it in the file or inflated, and what it took is there again after it. What it
 * has in holes is as much as anything else. */
static void each_file_leaves_something_to_the_others(void **state)
{
	struct symbolizer *open[3];
	uint64_t address;

	(void)state;
	require_root();
	run("echo '.section .debug_str,\"MS\",@progbits,1; .fill 73400320,1,120; .byte 0; .section .note.GNU-stack,\"\"' > texts.s && "
	    "gcc -g -O1 -no-pie -rdynamic -o texts plain.c texts.s && objcopy --compress-debug-sections texts");
	run("gcc -g -O1 -no-pie -rdynamic -o whole plain.c && truncate -s 30M some && truncate -s 70M much && "
	    "cp whole large && objcopy --add-section .debug_str_offsets=some whole first && "
	    "objcopy --add-section .debug_str_offsets=some whole second && "
	    "objcopy --add-section .debug_str_offsets=some whole third && "
	    "objcopy --add-section .debug_str_offsets=much whole large && "
	    "objcopy --add-section .debug_loc=much whole unread && xz -k some && "
	    "objcopy --add-section .gnu_debugdata=some.xz whole xz && "
	    "objcopy --add-section .debug_str_offsets=much --compress-debug-sections whole bomb && "
	    "objcopy --add-section .debug_str_offsets=much --compress-debug-sections=zlib-gnu whole older");
	address = address_of("whole", "first");
	for (int round = 0; round < 2; round++) {
		static const char *const small[] = {"whole", "unread"}, *const large[] = {"large", "bomb", "older",
											  "xz", "texts"};

		for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++) {
			open[0] = open_of_others(large[i]);
			assert_lines(large[i], open[0], address, false);
			symbolizer_close(open[0]);
		}
		open[0] = open_of_others("first");
		assert_lines("first", open[0], address, true);
		open[1] = open_of_others("second");
		assert_lines("second", open[1], address, true);
		open[2] = open_of_others("third");
		assert_lines("third", open[2], address, false);
		for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++) {
			struct symbolizer *last = open_of_others(small[i]);

			assert_lines(small[i], last, address, true);
			symbolizer_close(last);
		}
		for (int i = 0; i < 3; i++)
			symbolizer_close(open[i]);
	}
}

/* Symbols have a share of their own; without it, those that others may ask for are known. */
static void large_symbol_tables_are_not_read(void **state)
{
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];
	struct symbolizer *symbolizer;

	(void)state;
	require_root();
	run("head -c 1000000 /dev/zero | tr '\\0' n > long && echo '.section .note.GNU-stack,\"\"' > names.s && "
	    "for i in $(seq 40); do echo \".globl a$i$(cat long)\"; echo \".set a$i$(cat long), 4\"; done >> names.s && "
	    "gcc -g -O1 -no-pie -o named plain.c names.s -Wl,--export-dynamic-symbol=first");
	symbolizer = open_of_others("named");
	assert_non_null(symbolizer);
	assert_int_equal(symbolizer_lookup(symbolizer, address_of("named", "first"), frames), 1);
	assert_string_equal(frames[0].function, "first");
	assert_non_null(symbolizer_limit(symbolizer));
	symbolizer_close(symbolizer);
}

static size_t blocks_of(const char *name, enum elf_parts parts)
{
	int file = open(in_directory(name), O_RDONLY), copy = elf_copy(file, parts, NULL);
	struct stat status;

	assert_true(copy >= 0);
	assert_int_equal(fstat(copy, &status), 0);
	assert_int_equal(fcntl(copy, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fcntl(copy, F_GET_SEALS) & (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL),
			 F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	close(copy);
	close(file);
	return (size_t)status.st_blocks * 512;
}

/* A question has what it needs of a program of 200 MB. */
static void a_copy_has_what_its_question_needs(void **state)
{
	size_t notes, exports, symbols, lines;

	(void)state;
	run("echo '.section .note.GNU-stack,\"\"' > local.s && "
	    "for i in $(seq 1000); do echo \".set local_$i, 4\"; done >> local.s && "
	    "gcc -g -O1 -no-pie -rdynamic -o wide plain.c local.s && "
	    "truncate -s 200M code && head -c 1M /dev/urandom > more && objcopy --add-section .rodata.more=code "
	    "--set-section-flags .rodata.more=alloc,load,readonly,contents --add-section .debug_loc=more wide");
	notes = blocks_of("wide", ELF_NOTES);
	exports = blocks_of("wide", ELF_EXPORTS);
	symbols = blocks_of("wide", ELF_SYMBOLS);
	lines = blocks_of("wide", ELF_LINES);
	assert_in_range(notes, 4096, 32 << 10);
	assert_in_range(exports, notes + 1, 48 << 10);
	assert_in_range(symbols, exports + 1000 * sizeof(Elf64_Sym), exports + (64 << 10));
	assert_in_range(lines, symbols + 1, symbols + (64 << 10));
}

/* --- nothing left --- */

/* Takes all that copies of an owner's files may have of symbols. */
static void take_all(struct elf_share *share)
{
	for (size_t bytes = ELF_SHARE_SYMBOLS_MAX; bytes; bytes /= 2) {
		while (elf_share_take(share, bytes))
			;
	}
}

/* However many files somebody has, they leave others enough for programs, and these have all again when they are gone. */
static void each_owner_leaves_something_to_the_others(void **state)
{
	enum { OWNERS = 100 };
	struct elf_share greedy[8], shares[OWNERS] = {0}, other = {.owner = NOBODY - 1};
	size_t most[ELF_BUDGETS], before[ELF_BUDGETS], taken = 0;

	(void)state;
	elf_share_allow(&other, before);
	assert_int_equal(before[ELF_BUDGET_SYMBOLS], ELF_SHARE_SYMBOLS_MAX / 8 * 3);
	assert_int_equal(before[ELF_BUDGET_LINES], ELF_SHARE_LINES_MAX / 8 * 3);
	for (size_t i = 0; i < 8; i++) {
		greedy[i] = (struct elf_share){.owner = NOBODY};
		take_all(&greedy[i]);
		taken += greedy[i].taken[ELF_BUDGET_SYMBOLS];
	}
	assert_int_equal(taken, ELF_SHARE_SYMBOLS_MAX / 4 * 3 - 1); /* of the last byte, half is none */
	elf_share_allow(&other, most);
	assert_int_equal(most[ELF_BUDGET_SYMBOLS], ELF_SHARE_SYMBOLS_MAX / 32 * 3);
	assert_int_equal(most[ELF_BUDGET_LINES], ELF_SHARE_LINES_MAX / 8 * 3);
	assert_true(elf_share_take(&other, 1 << 20));
	for (size_t i = 0; i < OWNERS; i++) { /* more than there are accounts */
		shares[i].owner = (uid_t)(1000 + i);
		assert_true(elf_share_take(&shares[i], 4096));
	}
	for (size_t i = 0; i < OWNERS; i++)
		elf_share_end(&shares[i]);
	elf_share_end(&other);
	for (size_t i = 0; i < 8; i++)
		elf_share_end(&greedy[i]);
	elf_share_allow(&other, most);
	assert_memory_equal(most, before, sizeof(most));
}

/* Each takes all that a file may: half of what the owner still has. */
static void large_files_of_an_owner_leave_something_to_its_others(void **state)
{
	struct elf_share shares[5];
	size_t room = ELF_SHARE_SYMBOLS_MAX / 4 * 3, most[ELF_BUDGETS];

	(void)state;
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		shares[i] = (struct elf_share){.owner = NOBODY};
		elf_share_allow(&shares[i], most);
		assert_int_equal(most[ELF_BUDGET_SYMBOLS], room / 2);
		assert_false(elf_share_take(&shares[i], room / 2 + 1));
		assert_true(elf_share_take(&shares[i], room / 2));
		room -= room / 2;
	}
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
		elf_share_end(&shares[i]);
}

/* A recording that meets an address in the file warns of it. */
static void assert_recording_warns(const char *name, uint64_t address, const char *warning)
{
	struct profile *profile = profile_new();
	struct image_cache *cache = image_cache_new(profile);
	struct image *image = image_share(cache, open(in_directory(name), O_RDONLY | O_CLOEXEC), in_directory(name),
					  0x400000, 0x500000, 0);

	assert_int_equal(image_locate(image, address, false)->frame_count, 0);
	assert_int_equal(profile->warning_count, 1);
	assert_non_null(strstr(profile->warnings[0], warning));
	image_release(image);
	image_cache_free(cache);
	profile_free(profile);
}

/* A build id is known whatever others have taken; of a file with more headers than are free for all, that it is not read. */
static void a_file_without_a_share_is_told_of(void **state)
{
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];
	struct symbolizer *symbolizer;
	struct elf_share all = {.owner = NOBODY};
	uint64_t address;

	(void)state;
	require_root();
	run("gcc -O1 -no-pie -rdynamic -Wl,--build-id -o small plain.c && "
	    "echo '.section .note.GNU-stack,\"\"' > sections.s && "
	    "for i in $(seq 1500); do echo \".section s$i,\\\"a\\\"; .byte 0\"; done >> sections.s && "
	    "gcc -O1 -no-pie -rdynamic -o sections plain.c sections.s");
	address = address_of("small", "first");
	take_all(&all);
	symbolizer = open_of_others("small");
	assert_non_null(symbolizer);
	assert_non_null(symbolizer_build_id(symbolizer));
	assert_int_equal(symbolizer_lookup(symbolizer, address, frames), 0);
	assert_non_null(strstr(symbolizer_limit(symbolizer), "64 MiB of symbols"));
	symbolizer_close(symbolizer);
	symbolizer = open_of_others("sections");
	assert_non_null(symbolizer);
	assert_int_equal(symbolizer_lookup(symbolizer, address, frames), 0);
	assert_non_null(strstr(symbolizer_limit(symbolizer), "64 MiB of symbols"));
	symbolizer_close(symbolizer);
	assert_recording_warns("small", address, "64 MiB of symbols");
	assert_recording_warns("sections", address, "64 MiB of symbols");
	give("small", NOBODY - 1, NOBODY, 0755);
	symbolizer = symbolizer_open(in_directory("small"), NULL);
	assert_int_equal(symbolizer_lookup(symbolizer, address, frames), 1);
	assert_null(symbolizer_limit(symbolizer));
	symbolizer_close(symbolizer);
	elf_share_end(&all);
	symbolizer = open_of_others("small");
	assert_int_equal(symbolizer_lookup(symbolizer, address, frames), 1);
	assert_string_equal(frames[0].function, "first");
	assert_null(symbolizer_limit(symbolizer));
	symbolizer_close(symbolizer);
}

/* Sets how many descriptors may be open: so many more than are now. Returns the limit that was. */
static struct rlimit allow_descriptors(int more)
{
	struct rlimit before, limit;
	int next = open("/", O_RDONLY);

	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = (rlim_t)(next + more);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return before;
}

/* The next reader has what one did not get that had no descriptors left; which of its steps that met is not known here. */
static void a_want_of_descriptors_passes(void **state)
{
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];
	bool was_met = false;
	uint64_t address;

	(void)state;
	run("cp plain wanted.debug && cp plain wanted && strip wanted && objcopy --add-gnu-debuglink=wanted.debug wanted");
	address = address_of("plain", "first");
	for (int more = 0; more < 12; more++) {
		struct symbolizer *symbolizer = symbolizer_open(in_directory("wanted"), NULL);
		struct rlimit before;

		run("touch -d '2020-01-01 +%d seconds' wanted.debug", more); /* so that nobody has seen it */
		before = allow_descriptors(more);
		assert_non_null(symbolizer);
		assert_int_equal(symbolizer_lookup(symbolizer, address, frames), 1);
		was_met |= !frames[0].file;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		symbolizer_close(symbolizer);
		symbolizer = symbolizer_open(in_directory("wanted"), NULL);
		assert_int_equal(symbolizer_lookup(symbolizer, address, frames), 1);
		assert_non_null(frames[0].file);
		symbolizer_close(symbolizer);
	}
	assert_true(was_met);
}

/* Copies that cannot be made are told of: they may be when there are descriptors again. */
static void a_want_of_descriptors_is_told_of(void **state)
{
	struct elf_share share = {0};
	int file = open(in_directory("plain"), O_RDONLY);
	struct rlimit before = allow_descriptors(0);
	int copy = elf_copy(file, ELF_LINES, &share);

	(void)state;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(copy, -1);
	assert_non_null(strstr(share.left_out, "descriptors"));
	elf_share_end(&share);
	close(file);
}

/* What keeps a copy from being made is no verdict on the file, except its own size; and no message names our descriptors. */
static void only_the_file_itself_is_to_blame_for_good(void **state)
{
	uint64_t address, value, length = 20 << 20;
	char name[REGULAR_FILE_NAME];
	Elf64_Ehdr header;
	struct rlimit before, limit;
	struct error error;
	int file, found;

	(void)state;
	require_root();
	run("cp plain long && truncate -s 1M long && cp plain named && truncate -s 40M named");
	give("long", NOBODY, NOBODY, 0755);
	give("named", NOBODY, NOBODY, 0755);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = (struct rlimit){.rlim_cur = 100 << 10, .rlim_max = before.rlim_max};
	file = open(in_directory("long"), O_RDONLY);
	regular_file_name(file, name);
	assert_int_equal(elf_note_find(name, "Go", 4, &address, &value, &error), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	found = elf_note_find(name, "Go", 4, &address, &value, &error);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(found, -1);
	assert_int_equal(error.status, STATUS_CANNOT_MEASURE);
	assert_non_null(strstr(error.text, "ulimit -f"));
	assert_null(strstr(error.text, "/proc/self"));
	before = allow_descriptors(0);
	found = elf_note_find(name, "Go", 4, &address, &value, &error);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(found, -1);
	assert_string_equal(error.text, "cannot open it: Too many open files");
	close(file);
	/* the names of its sections alone are longer than a copy */
	file = open(in_directory("named"), O_RDWR);
	assert_int_equal(pread(file, &header, sizeof(header), 0), sizeof(header));
	assert_int_equal(pwrite(file, &length, sizeof(length),
				(off_t)(header.e_shoff + header.e_shstrndx * sizeof(Elf64_Shdr) +
					offsetof(Elf64_Shdr, sh_size))),
			 sizeof(length));
	close(file);
	assert_null(elf_file_open(in_directory("named"), ELF_NOTES, &file, &error));
	assert_int_equal(error.status, STATUS_USAGE);
	assert_non_null(strstr(error.text, "more than 16 MiB"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_file_leaves_something_to_the_others),
		cmocka_unit_test(large_symbol_tables_are_not_read),
		cmocka_unit_test(a_copy_has_what_its_question_needs),
		cmocka_unit_test(each_owner_leaves_something_to_the_others),
		cmocka_unit_test(large_files_of_an_owner_leave_something_to_its_others),
		cmocka_unit_test(a_file_without_a_share_is_told_of),
		cmocka_unit_test(a_want_of_descriptors_passes),
		cmocka_unit_test(a_want_of_descriptors_is_told_of),
		cmocka_unit_test(only_the_file_itself_is_to_blame_for_good),
	};

	return cmocka_run_group_tests_name("copy_budgets", tests, make_program, remove_directory);
}
