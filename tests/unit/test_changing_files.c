/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files that their owner changes while a profiler with privileges reads them: what it reads twice is the same both times, and
 * all such files together take a bounded part of its memory, of which each leaves some to the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "directory_fixture.h"
#include "base/only_ours.h"
#include "base/regular_file.h"
#include "symbols/elf_copy.h"
#include "symbols/elf_file.h"
#include "symbols/symbolizer.h"
#include "symbols/usdt.h"

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
	Elf *elf = elf_file_open(in_directory(name), ELF_EXPORTS, &file);

	assert_non_null(elf);
	assert_true(elf_exported_offset(elf, function, &offset));
	elf_end(elf);
	close(file);
	return 0x400000 + offset;
}

/* --- somebody who writes all the time --- */

enum { BATCH = 20 };

/* A mapped file, and fields of 4 or 8 bytes in it that libraries look at more than once. */
struct target {
	uint8_t *bytes, *honest;
	size_t size;
	size_t tail; /* from the abbreviations of debug information on */
	size_t count;
	struct field {
		size_t offset, size;
	} fields[4096];
};

static void add_field(struct target *target, size_t offset, size_t size)
{
	if (target->count < sizeof(target->fields) / sizeof(target->fields[0]) && offset + size <= target->size)
		target->fields[target->count++] = (struct field){offset, size};
}

static void add_words(struct target *target, uint64_t offset, uint64_t size)
{
	for (uint64_t at = 0; at + 4 <= size && at < 400; at += 4)
		add_field(target, offset + at, 4);
}

/* The headers of sections, and the beginnings of those that say how others hang together. */
static void find_fields(struct target *target)
{
	static const char *const names[] = {".debug_abbrev", ".debug_info", ".debug_line", ".symtab", ".dynsym"};
	const Elf64_Ehdr *header = (const void *)target->bytes;
	const Elf64_Shdr *sections = (const void *)(target->bytes + header->e_shoff);
	const char *text = (const char *)target->bytes + sections[header->e_shstrndx].sh_offset;

	target->count = 0;
	for (size_t i = 1; i < header->e_shnum; i++) {
		size_t at = header->e_shoff + i * sizeof(*sections);

		add_field(target, at + offsetof(Elf64_Shdr, sh_type), 4);
		add_field(target, at + offsetof(Elf64_Shdr, sh_flags), 8);
		add_field(target, at + offsetof(Elf64_Shdr, sh_offset), 8);
		add_field(target, at + offsetof(Elf64_Shdr, sh_size), 8);
		add_field(target, at + offsetof(Elf64_Shdr, sh_link), 4);
		add_field(target, at + offsetof(Elf64_Shdr, sh_entsize), 8);
		for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
			if (strcmp(text + sections[i].sh_name, names[j]) == 0)
				add_words(target, sections[i].sh_offset, sections[i].sh_size);
		}
		if (strcmp(text + sections[i].sh_name, ".debug_abbrev") == 0)
			target->tail = sections[i].sh_offset;
	}
	add_field(target, offsetof(Elf64_Ehdr, e_shoff), 8);
	add_field(target, offsetof(Elf64_Ehdr, e_shnum), 4);
}

/* Maps a file, of whole pages, which another user has from then on. */
static void map_target(struct target *target, const char *name)
{
	int file = open(in_directory(name), O_RDWR);
	struct stat status;

	assert_int_equal(fstat(file, &status), 0);
	target->size = ((size_t)status.st_size + 4095) & ~(size_t)4095;
	assert_int_equal(ftruncate(file, (off_t)target->size), 0);
	target->bytes = mmap(NULL, target->size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	assert_true(target->bytes != MAP_FAILED);
	close(file);
	target->honest = malloc(target->size);
	memcpy(target->honest, target->bytes, target->size);
	find_fields(target);
	give(name, NOBODY, NOBODY, 0755);
}

static void unmap_target(struct target *target)
{
	munmap(target->bytes, target->size);
	free(target->honest);
}

/* An entry of debug information has attributes that take no bytes, more and more of them, up to the end of the file. */
static void lead_out_of_the_file(struct target *target)
{
	for (size_t at = target->tail + 3; at + 1 < target->size; at += 2) {
		target->bytes[at] = 0x3f;     /* DW_AT_external */
		target->bytes[at + 1] = 0x19; /* DW_FORM_flag_present */
	}
}

static void tell_the_truth(struct target *target)
{
	memcpy(target->bytes + target->tail, target->honest + target->tail, target->size - target->tail);
}

static uint64_t lie(unsigned *state, uint64_t honest, size_t limit)
{
	*state = *state * 1103515245 + 12345;
	switch (*state >> 16 & 7) {
	case 0:
		return UINT64_MAX;
	case 1:
		return 0;
	case 2:
		return limit - 8;
	case 3:
		return honest + limit;
	case 4:
		return honest ^ (UINT64_C(1) << (*state >> 20 & 63));
	case 5:
		return honest | SHF_COMPRESSED;
	case 6:
		return UINT64_C(1) << (*state >> 20 & 40);
	}
	return *state >> 8;
}

static _Noreturn void write_for_ever(struct target *target, unsigned state)
{
	for (;;) {
		struct field *field = &target->fields[(state >> 8) % target->count];
		uint64_t other = 0;

		lead_out_of_the_file(target);
		tell_the_truth(target);
		memcpy(&other, target->honest + field->offset, field->size);
		other = lie(&state, other, target->size);
		for (int i = 0; i < 10000; i++) {
			memcpy(target->bytes + field->offset, i & 1 ? target->honest + field->offset : (void *)&other,
			       field->size);
			__asm__ volatile("" ::: "memory");
		}
	}
}

static void read_all(const char *path, const uint64_t *addresses, size_t count)
{
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];
	struct symbolizer *symbolizer;
	struct usdt_probes probes;
	uint64_t address, value;

	if (usdt_read(path, "goalloc", &probes, NULL) == 0)
		usdt_free(&probes);
	elf_note_find(path, "GNU", 3, &address, &value);
	elf_imports(path, "ptrace");
	symbolizer = symbolizer_open(path, NULL);
	for (size_t i = 0; symbolizer && i < count; i++)
		symbolizer_lookup(symbolizer, addresses[i], frames);
	symbolizer_close(symbolizer);
}

/* Reads the file so often, in processes that may end by it, and returns how many of these did. */
static unsigned count_crashes(const char *name, unsigned tries, const uint64_t *addresses, size_t count)
{
	unsigned crashes = 0;

	for (unsigned done = 0; done < tries; done += BATCH) {
		pid_t reader = fork();
		int status;

		if (!reader) {
			alarm(60);
			for (int i = 0; i < BATCH; i++)
				read_all(in_directory(name), addresses, count);
			_exit(0);
		}
		assert_int_equal(waitpid(reader, &status, 0), reader);
		if (status) {
			print_message("reader of '%s' ended with status %#x\n", name, status);
			crashes++;
		}
	}
	return crashes;
}

/* ESCAPEMENT_TRIES: how often, for `make test-long`. */
static void a_file_that_is_written_all_the_time_ends_no_reader(void **state)
{
	static struct target target;
	const char *wanted = getenv("ESCAPEMENT_TRIES");
	unsigned tries = wanted ? (unsigned)atoi(wanted) : 200;
	static const char *const names[] = {"flat", "packed"};
	uint64_t addresses[2];

	(void)state;
	require_root();
	run("gcc -g -O1 -no-pie -rdynamic -o flat plain.c && gcc -g -gz -O1 -no-pie -rdynamic -o packed plain.c");
	addresses[0] = address_of("flat", "first");
	addresses[1] = address_of("flat", "main");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		pid_t writer;

		map_target(&target, names[i]);
		writer = fork();
		if (!writer) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			write_for_ever(&target, (unsigned)getpid());
		}
		assert_true(writer > 0);
		assert_int_equal(count_crashes(names[i], tries / 2, addresses, 2), 0);
		kill(writer, SIGKILL);
		waitpid(writer, NULL, 0);
		unmap_target(&target);
	}
}

/* --- somebody who writes once --- */

static const struct case_of {
	const char *name; /* of what changes: the program, or the file with its debug information */
	uid_t owner;
	gid_t group;
	mode_t mode;
} cases[] = {{"whole", NOBODY, NOBODY, 0755},
	     {"plain.debug", NOBODY, NOBODY, 0644},
	     {"whole", 0, 0, 0666},
	     {"whole", 0, NOBODY, 0664}};

static void look_up(struct symbolizer *symbolizer, uint64_t address, const char *function, uint32_t line)
{
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];

	assert_int_equal(symbolizer_lookup(symbolizer, address, frames), 1);
	assert_string_equal(frames[0].function, function);
	assert_int_equal(frames[0].start_line, line);
}

/* Nothing that becomes of the file between two looks is seen, and the program ends by none of it. */
static void what_others_can_change_is_read_once(void **state)
{
	static struct target target;

	(void)state;
	require_root();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool separate = strcmp(cases[i].name, "whole") != 0;
		struct symbolizer *symbolizer;
		uint64_t first, last;

		run("gcc -g -O1 -no-pie -rdynamic -o whole plain.c && objcopy --only-keep-debug whole plain.debug && "
		    "cp whole stripped && strip stripped && truncate -s %%4096 plain.debug && "
		    "objcopy --add-gnu-debuglink=plain.debug stripped");
		first = address_of("whole", "first");
		last = address_of("whole", "main");
		map_target(&target, cases[i].name);
		give(cases[i].name, cases[i].owner, cases[i].group, cases[i].mode);
		symbolizer = symbolizer_open(in_directory(separate ? "stripped" : "whole"), NULL);
		assert_non_null(symbolizer);
		look_up(symbolizer, first, "first", 1);
		lead_out_of_the_file(&target);
		look_up(symbolizer, last, "main", 5);
		memset(target.bytes, 0xff, target.size);
		look_up(symbolizer, first, "first", 1);
		assert_null(symbolizer_limit(symbolizer));
		symbolizer_close(symbolizer);
		unmap_target(&target);
	}
}

/* Names of a program without sections are where its segments say. */
static void a_copy_answers_as_its_file_does(void **state)
{
	static const char *const made[] = {
		"-g -O1 -no-pie -rdynamic",
		"-g -gz -O1 -no-pie -rdynamic",
		"-g -gz=zlib-gnu -O1 -no-pie -rdynamic",
		"-g -gdwarf-4 -O1 -no-pie -rdynamic -fdebug-types-section",
		"-O1 -no-pie -rdynamic -s",
	};
	const char *ends[] = {"true", "objcopy --strip-section-headers copied"};

	(void)state;
	require_root();
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]) * 2; i++) {
		struct profile_frame ours[SYMBOLIZER_INLINE_MAX], others[SYMBOLIZER_INLINE_MAX];
		struct symbolizer *direct, *copy;
		uint64_t address, value, from, known, its;
		bool same;

		if (i % 2 && system("objcopy --help | grep -q strip-section-headers") != 0)
			continue;
		run("gcc %s -o copied plain.c", made[i / 2]);
		from = address_of("copied", "first");
		run("%s && cp copied direct", ends[i % 2]);
		give("copied", NOBODY, NOBODY, 0755);
		direct = symbolizer_open(in_directory("direct"), NULL);
		copy = symbolizer_open(in_directory("copied"), NULL);
		assert_string_equal(symbolizer_build_id(direct), symbolizer_build_id(copy));
		for (size_t at = 0; at < 40; at++) {
			size_t count = symbolizer_lookup(direct, from + at, ours);

			assert_int_equal(symbolizer_lookup(copy, from + at, others), count);
			same = !count ||
			       (ours[0].line == others[0].line && ours[0].start_line == others[0].start_line &&
				!!ours[0].file == !!others[0].file &&
				strcmp(ours[0].function, others[0].function) == 0);
			assert_true(same);
		}
		assert_null(symbolizer_limit(copy));
		symbolizer_close(direct);
		symbolizer_close(copy);
		assert_int_equal(elf_note_find(in_directory("copied"), "GNU", 3, &address, &value), 1);
		assert_int_equal(elf_note_find(in_directory("direct"), "GNU", 3, &known, &its), 1);
		assert_true(address == known && value == its);
		assert_int_equal(elf_load_bias(in_directory("copied"), 0x10000, 0, &value),
				 elf_load_bias(in_directory("direct"), 0x10000, 0, &its));
		assert_int_equal(value, its);
		assert_int_equal(elf_imports(in_directory("copied"), "__libc_start_main"),
				 elf_imports(in_directory("direct"), "__libc_start_main"));
	}
}

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

/* No file takes more than half of what is left, be it in the file or inflated, and what it took is there again after it. What it
 * has in holes is as much as anything else. */
static void each_file_leaves_something_to_the_others(void **state)
{
	struct symbolizer *open[3];
	uint64_t address;

	(void)state;
	require_root();
	run("gcc -g -O1 -no-pie -rdynamic -o whole plain.c && truncate -s 40M some && truncate -s 70M much && "
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
											  "xz"};

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

/* Somebody cuts the file and mends it again: sooner or later a copy meets the cut file, and says so. */
static void a_file_that_is_cut_while_it_is_copied_is_told_of(void **state)
{
	enum { ATTEMPTS = 20000, CUT = 4 << 20 };
	struct elf_share share = {0};
	struct stat status;
	pid_t cutter;
	int file;

	(void)state;
	run("truncate -s 8M tail && objcopy --add-section .debug_str_offsets=tail plain cut");
	file = open(in_directory("cut"), O_RDWR);
	assert_int_equal(fstat(file, &status), 0);
	cutter = fork();
	if (!cutter) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			if (ftruncate(file, CUT) || ftruncate(file, status.st_size))
				_exit(1);
		}
	}
	for (int i = 0; i < ATTEMPTS && (!share.left_out || !strstr(share.left_out, "cut the file")); i++) {
		int copy;

		elf_share_end(&share);
		copy = elf_copy(file, ELF_LINES, &share);
		if (copy >= 0)
			close(copy);
	}
	kill(cutter, SIGKILL);
	waitpid(cutter, NULL, 0);
	assert_non_null(share.left_out);
	assert_non_null(strstr(share.left_out, "cut the file"));
	elf_share_end(&share);
	close(file);
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
	run("truncate -s 200M code && head -c 1M /dev/urandom > more && objcopy --add-section .rodata.more=code "
	    "--set-section-flags .rodata.more=alloc,load,readonly,contents --add-section .debug_loc=more plain wide");
	notes = blocks_of("wide", ELF_NOTES);
	exports = blocks_of("wide", ELF_EXPORTS);
	symbols = blocks_of("wide", ELF_SYMBOLS);
	lines = blocks_of("wide", ELF_LINES);
	assert_in_range(notes, 4096, 32 << 10);
	assert_in_range(exports, notes + 1, 48 << 10);
	assert_in_range(symbols, exports, 64 << 10);
	assert_in_range(lines, symbols + 1, 128 << 10);
}

/* --- whose files --- */

static bool is_ours(const char *name)
{
	int file = open(in_directory(name), O_PATH);
	bool ours = only_ours_file(file);

	close(file);
	return ours;
}

/* An access control list by which the user with that number may write, too. */
static bool add_to_list(const char *name, uint32_t user)
{
	const struct {
		uint32_t version;
		struct {
			uint16_t kind, rights;
			uint32_t user;
		} of[5];
	} list = {2, {{1, 7, ~0U}, {2, 7, user}, {4, 5, ~0U}, {16, 7, ~0U}, {32, 5, ~0U}}};

	return setxattr(in_directory(name), "system.posix_acl_access", &list, sizeof(list), 0) == 0;
}

/* In Debian, "daemon" is alone in its group, as each of its people is; "nogroup" has several users. */
static void files_are_ours_that_nobody_else_can_write_to(void **state)
{
	(void)state;
	require_root();
	run("cp plain.c owned");
	give("owned", 0, 0, 0644);
	assert_true(is_ours("owned"));
	give("owned", 0, 0, 0646);
	assert_false(is_ours("owned"));
	give("owned", 0, NOBODY, 0664);
	assert_false(is_ours("owned"));
	give("owned", 0, 1, 0664); /* daemon's */
	assert_false(is_ours("owned"));
	give("owned", 1, 1, 0644);
	assert_false(is_ours("owned"));
	setenv("SUDO_UID", "1", 1);
	assert_true(is_ours("owned"));
	give("owned", 1, 1, 0775);
	assert_true(is_ours("owned"));
	if (add_to_list("owned", NOBODY))
		assert_false(is_ours("owned"));
	run("rm owned && cp plain.c owned");
	give("owned", 1, NOBODY, 0664);
	assert_false(is_ours("owned"));
	give("owned", 1, 54321, 0664); /* which /etc/group does not know */
	assert_false(is_ours("owned"));
	unsetenv("SUDO_UID");
}

/* What is found by its descriptor only may be root's of another mount namespace. */
static void files_without_a_name_here_are_not_ours(void **state)
{
	int file;

	(void)state;
	require_root();
	run("cp plain.c gone");
	file = open(in_directory("gone"), O_RDONLY);
	assert_true(only_ours_file(file));
	run("rm gone");
	assert_false(only_ours_file(file));
	run("cp plain.c gone");
	assert_false(only_ours_file(file));
	close(file);
}

/* Who has no privileges reads what he runs. */
static void nothing_is_feared_without_privileges(void **state)
{
	pid_t child;
	int status;

	(void)state;
	require_root();
	run("cp plain.c owned && chown 1 owned");
	child = fork();
	if (!child)
		_exit(setgid(2) || setuid(2) || !is_ours("owned") || !only_ours_path(in_directory("nothing")));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void paths_are_ours_where_nobody_else_can_exchange_anything(void **state)
{
	static const struct {
		const char *path;
		bool ours;
	} paths[] = {
		{"open/file", false}, {"open/none", false},	     {"sticky/file", true},  {"sticky/none", false},
		{"owned/file", true}, {"owned/none", true},	     {"theirs/file", false}, {"link", true},
		{"open/link", false}, {"owned/../open/file", false}, {"away", false},	     {"none/at/all", true},
		{"proc", false},
	};

	(void)state;
	require_root();
	run("rm -f owned && mkdir open sticky owned theirs && for i in open sticky owned theirs; do cp plain.c $i/file; done && "
	    "ln -s ../owned/file open/link && ln -s owned/file link && ln -s open/file away && ln -s /proc/self/exe proc && "
	    "chmod 755 owned && chmod 777 open && chmod 1777 sticky && chown 65534 theirs");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (only_ours_path(in_directory(paths[i].path)) != paths[i].ours)
			fail_msg("'%s' is taken for %s", paths[i].path, paths[i].ours ? "theirs" : "ours");
	}
}

/* libdw opens these parts itself, so what it would open must be ours, and the program, which names them. */
static void split_parts_are_opened_where_nobody_else_can_exchange_them(void **state)
{
	static const struct {
		const char *command;
		bool opened;
	} steps[] = {
		{"true", true},
		{"chown 65534 split/program.dwo", false},
		{"chown 0 split/program.dwo && chmod 777 split", false},
		{"chmod 755 split", true},
		{"chown 65534 split/program", false},
	};

	(void)state;
	require_root();
	run("rm -rf split && mkdir split && chmod 755 split && cp plain.c split/program.c && cd split && "
	    "gcc -c -g -O1 -gsplit-dwarf program.c && gcc -no-pie -rdynamic -o program program.o");
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct profile_frame frames[SYMBOLIZER_INLINE_MAX];
		struct symbolizer *symbolizer;

		run("%s", steps[i].command);
		symbolizer = symbolizer_open(in_directory("split/program"), NULL);
		assert_int_equal(symbolizer_lookup(symbolizer, address_of("split/program", "first"), frames), 1);
		assert_string_equal(frames[0].function, "first");
		assert_non_null(frames[0].file);
		assert_int_equal(frames[0].start_line, steps[i].opened ? 1 : 0);
		symbolizer_close(symbolizer);
	}
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_others_can_change_is_read_once),
		cmocka_unit_test(a_copy_answers_as_its_file_does),
		cmocka_unit_test(each_file_leaves_something_to_the_others),
		cmocka_unit_test(large_symbol_tables_are_not_read),
		cmocka_unit_test(a_file_that_is_cut_while_it_is_copied_is_told_of),
		cmocka_unit_test(a_copy_has_what_its_question_needs),
		cmocka_unit_test(files_are_ours_that_nobody_else_can_write_to),
		cmocka_unit_test(files_without_a_name_here_are_not_ours),
		cmocka_unit_test(nothing_is_feared_without_privileges),
		cmocka_unit_test(paths_are_ours_where_nobody_else_can_exchange_anything),
		cmocka_unit_test(split_parts_are_opened_where_nobody_else_can_exchange_them),
		cmocka_unit_test(a_file_that_is_written_all_the_time_ends_no_reader),
	};

	return cmocka_run_group_tests_name("changing_files", tests, make_program, remove_directory);
}
