/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files that their owner changes while a profiler with privileges reads them: what it reads twice is the same both times.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "changing_files_fixture.h"
#include "base/only_ours.h"
#include "base/regular_file.h"
#include "profile/profile.h"
#include "symbols/elf_copy.h"
#include "symbols/elf_file.h"
#include "symbols/image_cache.h"
#include "symbols/symbolizer.h"
#include "symbols/usdt.h"

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
	elf_note_find(path, "GNU", 3, &address, &value, NULL);
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
		assert_int_equal(elf_note_find(in_directory("copied"), "GNU", 3, &address, &value, NULL), 1);
		assert_int_equal(elf_note_find(in_directory("direct"), "GNU", 3, &known, &its, NULL), 1);
		assert_true(address == known && value == its);
		assert_int_equal(elf_load_bias(in_directory("copied"), 0x10000, 0, &value, NULL),
				 elf_load_bias(in_directory("direct"), 0x10000, 0, &its, NULL));
		assert_int_equal(value, its);
		assert_int_equal(elf_imports(in_directory("copied"), "__libc_start_main"),
				 elf_imports(in_directory("direct"), "__libc_start_main"));
	}
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

/* --- holes --- */

static size_t memory_of(int file)
{
	struct stat status;

	assert_int_equal(fstat(file, &status), 0);
	return (size_t)status.st_blocks * 512;
}

/* What a reader has libdwfl look for. Returns whether there are symbols. */
static bool look_for_all(int copy)
{
	static const Dwfl_Callbacks callbacks = {.find_elf = dwfl_build_id_find_elf,
						 .find_debuginfo = dwfl_standard_find_debuginfo,
						 .section_address = dwfl_offline_section_address};
	Dwfl *dwfl = dwfl_begin(&callbacks);
	Dwfl_Module *module = dwfl_report_elf(dwfl, "copy", "copy", dup(copy), 0, true);
	Elf *elf = elf_begin(copy, ELF_C_READ_MMAP, NULL);
	const unsigned char *id;
	const void *other;
	GElf_Addr address;
	bool found;

	assert_non_null(module);
	dwfl_report_end(dwfl, NULL, NULL);
	dwfl_module_build_id(module, &id, &address);
	dwelf_elf_gnu_build_id(elf, &other);
	found = dwfl_module_getsymtab(module) > 1;
	dwfl_end(dwfl);
	elf_end(elf);
	return found;
}

/* Makes a file without sections of the program, the headers of which are changed by the test and then written. */
static int without_sections(const char *name, Elf64_Ehdr *header, Elf64_Phdr segments[32])
{
	int file;

	run("cp plain %s", name);
	file = open(in_directory(name), O_RDWR);
	assert_int_equal(pread(file, header, sizeof(*header), 0), sizeof(*header));
	assert_in_range(header->e_phnum, 1, 32);
	assert_int_equal(pread(file, segments, header->e_phnum * sizeof(*segments), (off_t)header->e_phoff),
			 header->e_phnum * sizeof(*segments));
	header->e_shoff = 0;
	header->e_shnum = header->e_shstrndx = 0;
	return file;
}

static void write_back(int file, const Elf64_Ehdr *header, const Elf64_Phdr *segments)
{
	assert_int_equal(pwrite(file, header, sizeof(*header), 0), sizeof(*header));
	assert_int_equal(pwrite(file, segments, header->e_phnum * sizeof(*segments), (off_t)header->e_phoff),
			 header->e_phnum * sizeof(*segments));
}

static void assert_no_holes_are_read(int file)
{
	static const enum elf_parts parts[] = {ELF_NOTES, ELF_EXPORTS, ELF_SYMBOLS, ELF_LINES};

	for (size_t i = 0; i < 2 * sizeof(parts) / sizeof(parts[0]); i++) {
		struct elf_share share = {0};
		int copy = elf_copy(file, parts[i / 2], i % 2 ? &share : NULL);
		size_t before;

		assert_true(copy >= 0);
		before = memory_of(copy);
		look_for_all(copy);
		assert_int_equal(memory_of(copy), before);
		close(copy);
		elf_share_end(&share);
	}
}

/* A segment that is in a hole of its file takes nothing there, and as much as it has where somebody reads it. */
static void nothing_leads_into_the_holes_of_a_copy(void **state)
{
	static const uint32_t types[] = {PT_NOTE, PT_DYNAMIC};
	const off_t size = 200 << 20;
	Elf64_Phdr segments[32];
	Elf64_Ehdr header;

	(void)state;
	for (size_t kind = 0; kind < sizeof(types) / sizeof(types[0]); kind++) {
		int file = without_sections("holes", &header, segments);

		assert_int_equal(ftruncate(file, size), 0);
		for (size_t i = 0; i < header.e_phnum; i++) {
			if (segments[i].p_type == types[kind]) {
				segments[i].p_offset = 8 << 20;
				segments[i].p_filesz = (uint64_t)size - segments[i].p_offset;
			}
		}
		write_back(file, &header, segments);
		assert_no_holes_are_read(file);
		close(file);
	}
}

/* The dynamic section leads to a table whose header is in the file, and which goes on in a hole. */
static void no_table_of_a_segment_reaches_into_a_hole(void **state)
{
	const off_t size = 200 << 20;
	Elf64_Phdr segments[32];
	Elf64_Ehdr header;
	uint64_t table = 0;
	uint32_t buckets = 40 << 20;
	int file;

	(void)state;
	file = without_sections("table", &header, segments);
	assert_int_equal(ftruncate(file, size), 0);
	for (size_t i = 0; i < header.e_phnum; i++) {
		Elf64_Dyn dynamic;

		for (uint64_t at = 0; segments[i].p_type == PT_DYNAMIC && at < segments[i].p_filesz;
		     at += sizeof(dynamic)) {
			assert_int_equal(pread(file, &dynamic, sizeof(dynamic), (off_t)(segments[i].p_offset + at)),
					 sizeof(dynamic));
			if (dynamic.d_tag == DT_GNU_HASH)
				table = dynamic.d_un.d_ptr;
		}
	}
	assert_true(table != 0);
	for (size_t i = 0; i < header.e_phnum; i++) {
		if (segments[i].p_type == PT_LOAD && table - segments[i].p_vaddr < segments[i].p_filesz)
			assert_int_equal(pwrite(file, &buckets, sizeof(buckets),
						(off_t)(segments[i].p_offset + table - segments[i].p_vaddr)),
					 sizeof(buckets));
	}
	write_back(file, &header, segments);
	assert_no_holes_are_read(file);
	close(file);
}

/* Of the first section's header, which has no section, only what is too large for the file's. */
static void the_first_section_is_none(void **state)
{
	Elf64_Shdr first = {.sh_type = SHT_SYMTAB, .sh_offset = 64, .sh_size = 4096, .sh_entsize = 24, .sh_link = 1};
	Elf64_Ehdr header;
	int file;

	(void)state;
	run("cp plain sectioned");
	file = open(in_directory("sectioned"), O_RDWR);
	assert_int_equal(pread(file, &header, sizeof(header), 0), sizeof(header));
	for (int extended = 0; extended < 2; extended++) {
		Elf64_Shdr known = {.sh_type = SHT_NULL}, copied;
		int copy;

		if (extended) {
			first.sh_size = known.sh_size = header.e_shnum;
			first.sh_link = known.sh_link = header.e_shstrndx;
			header.e_shnum = 0;
			header.e_shstrndx = SHN_XINDEX;
		}
		assert_int_equal(pwrite(file, &header, sizeof(header), 0), sizeof(header));
		assert_int_equal(pwrite(file, &first, sizeof(first), (off_t)header.e_shoff), sizeof(first));
		copy = elf_copy(file, ELF_SYMBOLS, NULL);
		assert_true(copy >= 0);
		assert_int_equal(pread(copy, &copied, sizeof(copied), (off_t)header.e_shoff), sizeof(copied));
		assert_memory_equal(&copied, &known, sizeof(known));
		assert_true(look_for_all(copy));
		close(copy);
	}
	close(file);
}

static atomic_bool forks;

static void end_child(pid_t child)
{
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

/* Forks all the time; each child stays while the next ones come. */
static void *fork_children(void *unused)
{
	pid_t children[4] = {0};
	size_t i = 0;

	(void)unused;
	for (; atomic_load(&forks); i = (i + 1) % 4) {
		if (children[i])
			end_child(children[i]);
		children[i] = fork();
		if (!children[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
	}
	for (i = 0; i < 4; i++) {
		if (children[i])
			end_child(children[i]);
	}
	return NULL;
}

static void a_fork_does_not_keep_a_copy_from_being_made(void **state)
{
	pthread_t thread;
	int file;

	(void)state;
	run("head -c 8M /dev/zero > part && objcopy --add-section .debug_str_offsets=part plain forked");
	file = open(in_directory("forked"), O_RDONLY);
	atomic_store(&forks, true);
	assert_int_equal(pthread_create(&thread, NULL, fork_children, NULL), 0);
	for (int i = 0; i < 50; i++) {
		int copy = elf_copy(file, ELF_LINES, NULL);

		assert_true(copy >= 0);
		close(copy);
	}
	atomic_store(&forks, false);
	pthread_join(thread, NULL);
	close(file);
}

/* Debug information may lack its texts; the symbol has a name all the same. */
static void a_name_that_debug_information_lacks_is_the_symbols(void **state)
{
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];
	struct symbolizer *symbolizer;

	(void)state;
	run("objcopy --remove-section .debug_str plain nameless");
	symbolizer = symbolizer_open(in_directory("nameless"), NULL);
	assert_non_null(symbolizer);
	assert_int_equal(symbolizer_lookup(symbolizer, address_of("nameless", "first"), frames), 1);
	assert_non_null(frames[0].function);
	assert_string_equal(frames[0].function, "first");
	assert_int_equal(frames[0].start_line, 1);
	symbolizer_close(symbolizer);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_others_can_change_is_read_once),
		cmocka_unit_test(a_copy_answers_as_its_file_does),
		cmocka_unit_test(a_file_that_is_cut_while_it_is_copied_is_told_of),
		cmocka_unit_test(nothing_leads_into_the_holes_of_a_copy),
		cmocka_unit_test(no_table_of_a_segment_reaches_into_a_hole),
		cmocka_unit_test(the_first_section_is_none),
		cmocka_unit_test(a_fork_does_not_keep_a_copy_from_being_made),
		cmocka_unit_test(a_name_that_debug_information_lacks_is_the_symbols),
		cmocka_unit_test(files_are_ours_that_nobody_else_can_write_to),
		cmocka_unit_test(files_without_a_name_here_are_not_ours),
		cmocka_unit_test(nothing_is_feared_without_privileges),
		cmocka_unit_test(paths_are_ours_where_nobody_else_can_exchange_anything),
		cmocka_unit_test(split_parts_are_opened_where_nobody_else_can_exchange_them),
		cmocka_unit_test(a_file_that_is_written_all_the_time_ends_no_reader),
	};

	return cmocka_run_group_tests_name("changing_files", tests, make_program, remove_directory);
}
