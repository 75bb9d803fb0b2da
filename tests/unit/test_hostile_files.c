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
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory_fixture.h"
#include "base/regular_file.h"
#include "symbols/elf_file.h"
#include "symbols/go_image.h"
#include "symbols/symbolizer.h"
#include "skip.h"

static uint64_t text; /* where the code of `plain` begins */

static void write_file(const char *name, const void *bytes, size_t size)
{
	FILE *file = fopen(in_directory(name), "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	fclose(file);
}

static void overwrite(const char *name, off_t offset, const void *bytes, size_t size)
{
	int file = open(in_directory(name), O_WRONLY);

	assert_int_equal(pwrite(file, bytes, size, offset), (ssize_t)size);
	close(file);
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

static const char *function_at(struct symbolizer *symbolizer, uint64_t address)
{
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];

	return symbolizer_lookup(symbolizer, address, frames) ? frames[0].function : NULL;
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

/* Adds a unit of debug information to `plain`: its function has the name "described", FLAGS attributes that take no bytes, and line
 * 42, in a line table of more than LINES bytes that do nothing. */
static void describe(const char *name, unsigned flags, unsigned lines)
{
	static const char unit[] = ".section .debug_abbrev,\"\",@progbits\n"
				   "names: .uleb128 1, 0x11; .byte 1\n" /* unit: low_pc, high_pc, stmt_list */
				   ".uleb128 0x11, 1, 0x12, 7, 0x10, 0x17, 0, 0\n"
				   ".uleb128 2, 0x2e; .byte 0\n" /* subprogram: low_pc, high_pc, name, external */
				   ".uleb128 0x11, 1, 0x12, 7, 3, 8\n"
				   ".rept FLAGS; .uleb128 0x3f, 0x19; .endr\n"
				   ".uleb128 0, 0, 0\n"
				   ".section .debug_info,\"\",@progbits\n"
				   ".long 2f - 1f\n"
				   "1: .2byte 4; .long names; .byte 8\n"
				   ".uleb128 1; .quad first, 16; .long table\n"
				   ".uleb128 2; .quad first, 16; .asciz \"described\"\n"
				   ".uleb128 0\n"
				   "2:\n"
				   ".section .debug_line,\"\",@progbits\n"
				   "table: .long 4f - 3f\n"
				   "3: .2byte 4; .long 6f - 5f\n"
				   "5: .byte 1, 1, 1, -5, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1\n"
				   ".byte 0; .asciz \"a.c\"; .uleb128 0, 0, 0; .byte 0\n"
				   "6: .fill LINES & -2, 1, 6\n" /* negate_stmt, an even number */
				   ".byte 0, 9, 2; .quad first\n"
				   ".byte 3, 41, 1\n" /* advance_line, copy */
				   ".byte 2, 16, 0, 1, 1\n"
				   "4: .section .note.GNU-stack,\"\",@progbits\n";
	char command[256];

	write_file("unit.s", unit, sizeof(unit) - 1);
	snprintf(command, sizeof(command),
		 "gcc -O1 -no-pie -rdynamic -Wa,--defsym,FLAGS=%u -Wa,--defsym,LINES=%u -o %s plain.c unit.s", flags,
		 lines, name);
	run(command);
}

static void line_tables_are_read_up_to_a_size(void **state)
{
	const unsigned sizes[] = {1 << 20, 9 << 20};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct profile_frame frames[SYMBOLIZER_INLINE_MAX];
		struct symbolizer *symbolizer;

		describe("lines", 1, sizes[i]);
		symbolizer = symbolizer_open(in_directory("lines"), NULL);
		assert_int_equal(symbolizer_lookup(symbolizer, text, frames), 1);
		assert_string_equal(frames[0].function, "described");
		assert_int_equal(frames[0].line, i ? 0 : 42);
		assert_int_equal(!!symbolizer_limit(symbolizer), i);
		symbolizer_close(symbolizer);
	}
}

static void entries_have_as_many_attributes_as_those_of_compilers(void **state)
{
	(void)state;
	describe("flags", 100, 0);
	assert_string_equal(first_function("flags"), "described");
	describe("flags", 1000, 0);
	assert_string_equal(first_function("flags"), "first");
}

/* --- compressed files and parts of files --- */

static void what_is_compressed_is_not_inflated(void **state)
{
	(void)state;
	run("gzip -k plain && xz -k plain && bzip2 -k plain");
	assert_null(first_function("plain.gz"));
	assert_null(first_function("plain.xz"));
	assert_null(first_function("plain.bz2"));
}

/* What is over a limit is not read; the names of symbols are, and which limit it was is said. */
static void assert_only_symbols(const char *name, const char *limit)
{
	struct symbolizer *symbolizer = symbolizer_open(in_directory(name), NULL);
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];

	assert_non_null(symbolizer);
	assert_int_equal(symbolizer_lookup(symbolizer, text, frames), 1);
	assert_string_equal(frames[0].function, "first");
	assert_null(frames[0].file);
	assert_non_null(strstr(symbolizer_limit(symbolizer), limit));
	symbolizer_close(symbolizer);
}

static void symbols_in_xz_are_inflated_up_to_a_size(void **state)
{
	(void)state;
	run("head -c 1000000 /dev/zero | xz > little.xz && head -c 200000000 /dev/zero | xz -0 > much.xz && "
	    "objcopy --add-section .gnu_debugdata=little.xz plain little && "
	    "objcopy --add-section .gnu_debugdata=much.xz plain much && strip -o bare_much much");
	assert_string_equal(first_function("little"), "first");
	assert_only_symbols("much", "more than 64 MiB");
	assert_only_symbols("bare_much", "more than 64 MiB");
}

static void mark_as_compressed(const char *name, const char *section)
{
	int file, changed = open(in_directory(name), O_WRONLY);
	Elf *elf = elf_file_open(in_directory(name), ELF_NOTES, &file, NULL);
	const uint64_t flags = SHF_COMPRESSED;
	GElf_Ehdr header;
	GElf_Shdr found;
	off_t at;

	assert_non_null(gelf_getehdr(elf, &header));
	at = (off_t)(header.e_shoff + elf_ndxscn(elf_section_find(elf, section, &found)) * sizeof(Elf64_Shdr) +
		     offsetof(Elf64_Shdr, sh_flags));
	assert_int_equal(pwrite(changed, &flags, sizeof(flags), at), sizeof(flags));
	elf_end(elf);
	close(file);
	close(changed);
}

/* libelf would inflate what is compressed inside once more; libdw knows the forerunner of xz, too, and finds sections whose names are
 * compressed. */
static void what_is_inside_xz_is_measured_too(void **state)
{
	static const char *const sections[] = {".strtab", ".symtab"};
	struct symbolizer *symbolizer;

	(void)state;
	run("objcopy --only-keep-debug --redefine-sym first=earlier plain inner && strip -o bare plain && xz -k inner && "
	    "objcopy --add-section .gnu_debugdata=inner.xz bare sane && "
	    "head -c 200000000 /dev/zero | xz -0 --format=lzma > much.lzma && "
	    "objcopy --add-section .gnu_debugdata=much.lzma bare forerunner && cp sane nameless");
	symbolizer = symbolizer_open(in_directory("sane"), NULL);
	assert_string_equal(function_at(symbolizer, text), "earlier");
	assert_null(symbolizer_limit(symbolizer));
	symbolizer_close(symbolizer);
	assert_only_symbols("forerunner", "more than 64 MiB");
	mark_as_compressed("nameless", ".shstrtab");
	assert_only_symbols("nameless", "names of its sections are compressed");
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		run("cp inner twice && rm -f twice.xz");
		mark_as_compressed("twice", sections[i]);
		run("xz -k twice && objcopy --add-section .gnu_debugdata=twice.xz bare within");
		assert_only_symbols("within", "compressed in it once more");
	}
}

/* 2000 units say that their other part is in one file, with symbols of 60 MB in it. */
static void a_file_that_many_units_name_is_inflated_once(void **state)
{
	static const char units[] = ".section .debug_abbrev,\"\",@progbits\n"
				    "names: .uleb128 1, 0x4a; .byte 0\n" /* skeleton: low_pc, high_pc, dwo_name */
				    ".uleb128 0x11, 1, 0x12, 7, 0x76, 8, 0, 0, 0\n"
				    ".section .debug_info,\"\",@progbits\n"
				    ".rept 2000\n"
				    ".long 2f - 1f\n"
				    "1: .2byte 5; .byte 4, 8; .long names; .quad 1\n"
				    ".uleb128 1; .quad first, 16; .asciz \"part.dwo\"\n"
				    "2:\n"
				    ".endr\n"
				    ".section .note.GNU-stack,\"\",@progbits\n";
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];
	struct symbolizer *symbolizer;

	(void)state;
	write_file("units.s", units, sizeof(units) - 1);
	run("head -c 60000000 /dev/zero | xz -0 > some.xz && "
	    "objcopy --add-section .gnu_debugdata=some.xz plain part.dwo && "
	    "gcc -O1 -no-pie -rdynamic -o units plain.c units.s");
	symbolizer = symbolizer_open(in_directory("units"), NULL);
	assert_int_equal(symbolizer_lookup(symbolizer, text, frames), 1);
	assert_null(symbolizer_limit(symbolizer)); /* of CPU time */
	symbolizer_close(symbolizer);
}

static void compressed_sections_are_inflated_up_to_a_size(void **state)
{
	uint64_t size = UINT64_C(600) << 20;
	GElf_Shdr header;
	int file;
	Elf *elf;

	(void)state;
	run("gcc -g -gz -O1 -no-pie -rdynamic -o compressed plain.c");
	assert_string_equal(first_function("compressed"), "first");
	elf = elf_file_open(in_directory("compressed"), ELF_NOTES, &file, NULL);
	assert_non_null(elf_section_find(elf, ".debug_info", &header));
	assert_true(header.sh_flags & SHF_COMPRESSED);
	elf_end(elf);
	close(file);
	file = open(in_directory("compressed"), O_RDWR);
	assert_int_equal(pwrite(file, &size, 8, (off_t)header.sh_offset + 8), 8); /* Elf64_Chdr.ch_size */
	close(file);
	assert_only_symbols("compressed", "more than 512 MiB");
}

/* --- tables and notes --- */

/* A section table that is a hole: libelf takes memory for each entry that the header announces, in the byte order of the file. */
static void tables_longer_than_those_of_programs_are_not_read(void **state)
{
	enum { TABLE = 4096, ENTRIES = 1 << 20 };
	static const uint8_t orders[] = {ELFDATA2LSB, ELFDATA2MSB};

	(void)state;
	for (size_t i = 0; i < sizeof(orders); i++) {
		bool ours = orders[i] == ELFDATA2LSB;
		Elf64_Ehdr header = {.e_ident = ELFMAG,
				     .e_type = ours ? ET_DYN : htobe16(ET_DYN),
				     .e_machine = ours ? EM_X86_64 : htobe16(EM_PPC64),
				     .e_version = ours ? 1 : htobe32(1),
				     .e_shoff = ours ? TABLE : htobe64(TABLE),
				     .e_shentsize = ours ? sizeof(Elf64_Shdr) : htobe16(sizeof(Elf64_Shdr))};
		Elf64_Shdr first = {.sh_size = ours ? ENTRIES : htobe64(ENTRIES)};
		int file;

		header.e_ident[EI_CLASS] = ELFCLASS64;
		header.e_ident[EI_DATA] = orders[i];
		header.e_ident[EI_VERSION] = EV_CURRENT;
		write_file("sections", &header, sizeof(header));
		file = open(in_directory("sections"), O_RDWR);
		assert_int_equal(pwrite(file, &first, sizeof(first), TABLE), sizeof(first));
		assert_int_equal(ftruncate(file, TABLE + (off_t)ENTRIES * (off_t)sizeof(first)), 0);
		assert_false(elf_file_is_harmless(file, NULL, NULL));
		close(file);
		assert_null(elf_file_open(in_directory("sections"), ELF_NOTES, &file, NULL));
		assert_null(symbolizer_open(in_directory("sections"), NULL));
	}
}

static void notes_are_read_up_to_a_size(void **state)
{
	static const struct {
		Elf64_Nhdr header;
		char owner[4];
		uint64_t value;
	} note = {{4, 8, 7}, "own", 5};
	const uint64_t sizes[] = {64 << 10, UINT64_C(1) << 30};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct {
			Elf64_Ehdr header;
			Elf64_Phdr segment;
		} bytes = {{.e_ident = ELFMAG,
			    .e_type = ET_DYN,
			    .e_machine = EM_X86_64,
			    .e_version = 1,
			    .e_phoff = sizeof(Elf64_Ehdr),
			    .e_phnum = 1,
			    .e_ehsize = sizeof(Elf64_Ehdr),
			    .e_phentsize = sizeof(Elf64_Phdr)},
			   {.p_type = PT_NOTE, .p_offset = 4097, .p_filesz = sizes[i], .p_align = 4}};
		uint64_t address, value;
		int file;

		bytes.header.e_ident[EI_CLASS] = ELFCLASS64;
		bytes.header.e_ident[EI_DATA] = ELFDATA2LSB;
		bytes.header.e_ident[EI_VERSION] = EV_CURRENT;
		write_file("notes", &bytes, sizeof(bytes));
		file = open(in_directory("notes"), O_RDWR);
		assert_int_equal(pwrite(file, &note, sizeof(note), 4097), sizeof(note));
		assert_int_equal(ftruncate(file, 4097 + (off_t)sizes[i]), 0);
		close(file);
		assert_int_equal(elf_note_find(in_directory("notes"), "own", 7, &address, &value, NULL), i == 0);
	}
}

/* 4095 segments of notes lie over each other at odd places, each of which libelf would copy. */
static void notes_that_lie_over_each_other_are_not_read(void **state)
{
	enum { SEGMENTS = 4095, LENGTH = 300 << 10 };
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr segments[SEGMENTS];
		uint8_t rest[LENGTH];
	} *bytes = calloc(1, sizeof(*bytes));
	struct symbolizer *symbolizer;
	struct rusage before, after;

	(void)state;
	assert_non_null(bytes);
	bytes->header = (Elf64_Ehdr){.e_ident = ELFMAG,
				     .e_type = ET_DYN,
				     .e_machine = EM_X86_64,
				     .e_version = 1,
				     .e_phoff = sizeof(Elf64_Ehdr),
				     .e_phnum = SEGMENTS,
				     .e_ehsize = sizeof(Elf64_Ehdr),
				     .e_phentsize = sizeof(Elf64_Phdr)};
	bytes->header.e_ident[EI_CLASS] = ELFCLASS64;
	bytes->header.e_ident[EI_DATA] = ELFDATA2LSB;
	bytes->header.e_ident[EI_VERSION] = EV_CURRENT;
	for (int i = 0; i < SEGMENTS; i++)
		bytes->segments[i] = (Elf64_Phdr){.p_type = PT_NOTE,
						  .p_offset = offsetof(typeof(*bytes), rest) + 1,
						  .p_filesz = LENGTH - 1,
						  .p_align = 4};
	write_file("notes", bytes, sizeof(*bytes));
	free(bytes);
	getrusage(RUSAGE_SELF, &before);
	symbolizer = symbolizer_open(in_directory("notes"), NULL);
	assert_non_null(symbolizer);
	assert_non_null(strstr(symbolizer_limit(symbolizer), "notes are longer than 8 MiB"));
	symbolizer_close(symbolizer);
	getrusage(RUSAGE_SELF, &after);
	assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, 100 << 10); /* KiB */
	/* and inside another file */
	run("xz -k notes && strip -o around plain && objcopy --add-section .gnu_debugdata=notes.xz around");
	assert_only_symbols("around", "notes longer than 8 MiB together");
}

/* A file whose symbols only its segments name, with a hash table whose chain ends at once or nowhere. */
static void chains_of_hash_tables_need_not_end(void **state)
{
	enum { LENGTH = 4 << 20 };
	static const char names[] = "\0exported";
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr segments[2];
		Elf64_Dyn dynamic[5];
		Elf64_Sym symbols[2];
		char names[16];
		uint32_t hash[4], filter[2], bucket, chain[2];
	} bytes = {.header = {.e_ident = ELFMAG,
			      .e_machine = EM_X86_64,
			      .e_version = 1,
			      .e_phoff = sizeof(Elf64_Ehdr),
			      .e_ehsize = sizeof(Elf64_Ehdr),
			      .e_phentsize = sizeof(Elf64_Phdr),
			      .e_phnum = 2},
		   .segments = {{.p_type = PT_LOAD, .p_filesz = LENGTH, .p_memsz = LENGTH, .p_align = 4096}},
		   .symbols = {{0}, {.st_name = 1, .st_info = 0x12, .st_shndx = 1, .st_value = 64, .st_size = 16}},
		   .hash = {1, 0, 1, 0},
		   .bucket = 1};
	const Elf64_Phdr dynamic = {.p_type = PT_DYNAMIC,
				    .p_offset = (char *)bytes.dynamic - (char *)&bytes,
				    .p_filesz = sizeof(bytes.dynamic)};
	const Elf64_Dyn entries[] = {
		{DT_SYMTAB, {(uint64_t)((char *)bytes.symbols - (char *)&bytes)}},
		{DT_STRTAB, {(uint64_t)(bytes.names - (char *)&bytes)}},
		{DT_STRSZ, {sizeof(names)}},
		{DT_GNU_HASH, {(uint64_t)((char *)bytes.hash - (char *)&bytes)}},
	};

	(void)state;
	bytes.header.e_ident[EI_CLASS] = ELFCLASS64;
	bytes.header.e_ident[EI_DATA] = ELFDATA2LSB;
	bytes.header.e_ident[EI_VERSION] = EV_CURRENT;
	bytes.segments[1] = dynamic;
	memcpy(bytes.dynamic, entries, sizeof(entries));
	memcpy(bytes.names, names, sizeof(names));
	for (uint32_t ends = 0; ends < 2; ends++) {
		for (Elf64_Half type = ET_REL; type <= ET_DYN; type++) {
			struct symbolizer *symbolizer;

			bytes.header.e_type = type;
			bytes.chain[1] = ends;
			write_file("chain", &bytes, sizeof(bytes));
			run("truncate -s %d chain", LENGTH);
			symbolizer = symbolizer_open(in_directory("chain"), NULL);
			assert_non_null(symbolizer);
			if (ends)
				assert_string_equal(function_at(symbolizer, 64 + 4), "exported");
			else
				assert_null(function_at(symbolizer, 64 + 4));
			assert_int_equal(!symbolizer_limit(symbolizer), type != ET_REL);
			symbolizer_close(symbolizer);
		}
	}
}

/* A static program without symbols has those of its debug file. */
static void debug_files_have_symbols_of_static_programs(void **state)
{
	struct symbolizer *symbolizer;

	(void)state;
	run("gcc -O1 -static -no-pie -nostdlib -Wl,-e,main,-Ttext=0x500000 -o static plain.c && "
	    "objcopy --only-keep-debug static static.debug && strip static && "
	    "objcopy --add-gnu-debuglink=static.debug static");
	symbolizer = symbolizer_open(in_directory("static"), NULL);
	assert_non_null(symbolizer);
	assert_string_equal(function_at(symbolizer, 0x500000), "main");
	symbolizer_close(symbolizer);
}

/* Names are the same whether sections or segments say where they are. */
static void names_need_no_sections(void **state)
{
	static const char *const hashes[] = {"gnu", "sysv"};
	const uint64_t none = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
		run("gcc -O1 -no-pie -rdynamic -Wl,--hash-style=%s -o hashed plain.c", hashes[i]);
		overwrite("hashed", offsetof(Elf64_Ehdr, e_shoff), &none, 8);
		overwrite("hashed", offsetof(Elf64_Ehdr, e_shnum), &none, 4);
		assert_string_equal(first_function("hashed"), "first");
	}
}

/* --- files of the kernel --- */

static void files_of_the_kernel_are_not_read(void **state)
{
	static const char *const files[] = {"/proc/self/maps", "/proc/kmsg",
					    "/sys/kernel/mm/transparent_hugepage/enabled"};
	char name[REGULAR_FILE_NAME];
	struct error error = {0};
	int file, again;

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (access(files[i], F_OK))
			continue;
		assert_int_equal(regular_file_open(files[i], NULL, &error), -1);
		assert_non_null(strstr(error.text, "is a file of the kernel"));
		assert_false(regular_file_or_none(files[i]));
	}
	/* what only has its name there is */
	file = open(in_directory("plain"), O_RDONLY);
	again = regular_file_open(regular_file_name(file, name), NULL, &error);
	assert_true(again >= 0);
	close(again);
	close(file);
}

/* --- checksums --- */

static long long bytes_read(void)
{
	FILE *file = fopen("/proc/self/io", "r");
	long long bytes = -1;

	if (file && fscanf(file, "rchar: %lld", &bytes) != 1)
		bytes = -1;
	if (file)
		fclose(file);
	return bytes;
}

static void the_checksum_of_a_file_is_computed_once(void **state)
{
	enum { SIZE = 32 << 20 };
	long long first, second;

	(void)state;
	run("objcopy --only-keep-debug plain part.debug && truncate -s 32M part.debug && "
	    "strip -o bare plain && objcopy --add-gnu-debuglink=part.debug bare one && "
	    "cp one two && cp one three");
	if (bytes_read() < 0)
		skip_because("the kernel does not count what is read");
	first = bytes_read();
	assert_string_equal(first_function("one"), "first");
	first = bytes_read() - first;
	assert_true(first >= SIZE);
	second = bytes_read();
	assert_string_equal(first_function("two"), "first");
	assert_string_equal(first_function("three"), "first");
	second = bytes_read() - second;
	assert_true(second < SIZE);

	run("truncate -s 5G part.debug");
	assert_only_symbols("one", "more than 4 GiB");
}

/* --- files that change --- */

/* Memory of ours that lies behind the next file that is mapped, or behind those after it. */
static void put_down_a_secret(void)
{
	for (int i = 0; i < 64; i++) {
		char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		assert_true(page != MAP_FAILED);
		strcpy(page, "SECRET");
	}
}

/* The names of symbols are the last page of the file, and its owner overwrites the end of the last of them after we have looked at
 * the first. */
static void names_end_with_their_file(void **state)
{
	enum { PAGE = 4096, CODE = 0x1000, NAMES = 0x2000, SYMBOLS = 0x300, SECTIONS = 0x400, SECTION_NAMES = 0x200 };
	static const char section_names[] = "\0.text\0.symtab\0.strtab\0.shstrtab";
	const uint64_t base = 0x400000;
	static uint8_t bytes[3 * PAGE];
	Elf64_Ehdr header = {.e_ident = ELFMAG,
			     .e_type = ET_EXEC,
			     .e_machine = EM_X86_64,
			     .e_version = 1,
			     .e_phoff = 64,
			     .e_shoff = SECTIONS,
			     .e_ehsize = 64,
			     .e_phentsize = 56,
			     .e_phnum = 1,
			     .e_shentsize = 64,
			     .e_shnum = 5,
			     .e_shstrndx = 4};
	const Elf64_Phdr segment = {.p_type = PT_LOAD,
				    .p_flags = PF_R | PF_X,
				    .p_vaddr = base,
				    .p_filesz = NAMES,
				    .p_memsz = NAMES,
				    .p_align = PAGE};
	const Elf64_Sym symbols[] = {
		{0},
		{.st_name = 1, .st_info = 0x12, .st_shndx = 1, .st_value = base + CODE, .st_size = 16},
		{.st_name = PAGE - 9, .st_info = 0x12, .st_shndx = 1, .st_value = base + CODE + 16, .st_size = 16},
	};
	const Elf64_Shdr sections[] = {
		{0},
		{1, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, base + CODE, CODE, PAGE, 0, 0, 16, 0},
		{7, SHT_SYMTAB, 0, 0, SYMBOLS, sizeof(symbols), 3, 1, 8, sizeof(symbols[0])},
		{15, SHT_STRTAB, 0, 0, NAMES, PAGE, 0, 0, 1, 0},
		{23, SHT_STRTAB, 0, 0, SECTION_NAMES, sizeof(section_names), 0, 0, 1, 0},
	};
	struct symbolizer *symbolizer;
	struct go_image image;
	struct error error;

	(void)state;
	header.e_ident[EI_CLASS] = ELFCLASS64;
	header.e_ident[EI_DATA] = ELFDATA2LSB;
	header.e_ident[EI_VERSION] = EV_CURRENT;
	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + 64, &segment, sizeof(segment));
	memcpy(bytes + SECTION_NAMES, section_names, sizeof(section_names));
	memcpy(bytes + SYMBOLS, symbols, sizeof(symbols));
	memcpy(bytes + SECTIONS, sections, sizeof(sections));
	strcpy((char *)bytes + NAMES + 1, "early");
	strcpy((char *)bytes + NAMES + PAGE - 9, "lastname");
	write_file("changing", bytes, sizeof(bytes));

	put_down_a_secret();
	symbolizer = symbolizer_open(in_directory("changing"), NULL);
	assert_non_null(symbolizer);
	assert_string_equal(function_at(symbolizer, base + CODE + 4), "early");
	overwrite("changing", sizeof(bytes) - 1, "A", 1);
	assert_string_equal(function_at(symbolizer, base + CODE + 20), "lastname");
	symbolizer_close(symbolizer);

	/* A Go program's names are looked at where they are. */
	assert_int_equal(go_image_open(&image, in_directory("changing"), &error), 0);
	assert_string_equal((const char *)image.data + sizeof(bytes) - 9, "lastnameA");
	go_image_close(&image);
}

static int make_program(void **state)
{
	const struct rlimit seconds = {120, 120};
	uint64_t offset;
	int file;
	Elf *elf;

	(void)state;
	if (!mkdtemp(directory))
		return -1;
	run("printf '__attribute__((section(\".text.first\"))) int first(void)\\n{\\n\\treturn 1;\\n}\\n"
	    "int main(void)\\n{\\n\\treturn first();\\n}\\n' > plain.c && "
	    "gcc -O1 -no-pie -rdynamic -o plain plain.c");
	elf = elf_file_open(in_directory("plain"), ELF_EXPORTS, &file, NULL);
	assert_non_null(elf);
	assert_true(elf_exported_offset(elf, "first", &offset));
	text = 0x400000 + offset;
	elf_end(elf);
	close(file);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* their shadow memory is larger than any limit */
	setrlimit(RLIMIT_AS, &(struct rlimit){1 << 30, 1 << 30});
#endif
	setrlimit(RLIMIT_CPU, &seconds);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_that_lead_back_are_read_once),
		cmocka_unit_test(line_tables_are_read_up_to_a_size),
		cmocka_unit_test(entries_have_as_many_attributes_as_those_of_compilers),
		cmocka_unit_test(what_is_compressed_is_not_inflated),
		cmocka_unit_test(symbols_in_xz_are_inflated_up_to_a_size),
		cmocka_unit_test(what_is_inside_xz_is_measured_too),
		cmocka_unit_test(a_file_that_many_units_name_is_inflated_once),
		cmocka_unit_test(compressed_sections_are_inflated_up_to_a_size),
		cmocka_unit_test(tables_longer_than_those_of_programs_are_not_read),
		cmocka_unit_test(notes_are_read_up_to_a_size),
		cmocka_unit_test(notes_that_lie_over_each_other_are_not_read),
		cmocka_unit_test(chains_of_hash_tables_need_not_end),
		cmocka_unit_test(names_need_no_sections),
		cmocka_unit_test(debug_files_have_symbols_of_static_programs),
		cmocka_unit_test(files_of_the_kernel_are_not_read),
		cmocka_unit_test(the_checksum_of_a_file_is_computed_once),
		cmocka_unit_test(names_end_with_their_file),
	};

	return cmocka_run_group_tests_name("hostile_files", tests, make_program, remove_directory);
}
