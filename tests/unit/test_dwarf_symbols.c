/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The oracle is binutils' addr2line, asked about thousands of addresses in the same file. The tests compile their
 * programs with several compilers and DWARF versions, as PIE, shared library, with split and separate debug
 * information, and stripped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <gelf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "directory_fixture.h"
#include "symbols/symbolizer.h"
#include "skip.h"

/* Nested inlining, several calls per line, a cold part, and linker names that only asm() can give. */
static const char program_source[] = "#include <stdio.h>\n"
				     "#include <stdlib.h>\n"
				     "#ifdef __clang__\n"
				     "#define NOIPA __attribute__((noinline))\n"
				     "#else\n"
				     "#define NOIPA __attribute__((noipa))\n"
				     "#endif\n"
				     "extern int counter;\n"
				     "void *newobject(int) __asm__(\"runtime.newobject\");\n"
				     "static void *foo(int) __asm__(\"main.foo\");\n"
				     "NOIPA void *newobject(int n) { counter += n; return malloc(n); }\n"
				     "static inline __attribute__((always_inline)) void *inner(int n)\n"
				     "{\n"
				     "	void *p = newobject(n); counter += n * 3;\n"
				     "	if (!p) { puts(\"out\"); abort(); }\n"
				     "	return p;\n"
				     "}\n"
				     "static inline __attribute__((always_inline)) void *middle(int n)\n"
				     "{\n"
				     "	void *a = inner(n + 1), *b = inner(n * 2 + counter);\n"
				     "	for (int i = 0; i < n; i++) {\n"
				     "		int q = i * counter;\n"
				     "		if (q & 1) { free(b); b = inner(q); }\n"
				     "	}\n"
				     "	free(a);\n"
				     "	return b;\n"
				     "}\n"
				     "static NOIPA void *foo(int n) { return middle(n); }\n"
				     "__attribute__((noinline)) static int scaled(int n, int scale)\n"
				     "{\n"
				     "	int sum = 0;\n"
				     "	for (int i = 0; i < n; i++)\n"
				     "		sum += (int)(long)inner(i) * scale + counter;\n"
				     "	return sum;\n"
				     "}\n"
				     "int work(int n)\n"
				     "{\n"
				     "	free(foo(n));\n"
				     "	return scaled(n, 3) + scaled(n + 1, 3);\n"
				     "}\n";

static const char main_source[] = "int work(int);\n"
				  "int counter = 1;\n"
				  "int main(int argc, char **argv)\n"
				  "{\n"
				  "	(void)argv;\n"
				  "	return work(argc) == 77;\n"
				  "}\n";

static const char assembler_source[] = "	.text\n"
				       "	.globl in_assembler\n"
				       "	.type in_assembler, @function\n"
				       "in_assembler:\n"
				       "	nop\n"
				       "	nop\n"
				       "	ret\n"
				       "	.size in_assembler, .-in_assembler\n"
				       "	.section .note.GNU-stack,\"\",@progbits\n";

static void write_text(const char *name, const char *text)
{
	FILE *file = fopen(in_directory(name), "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* Address range of the file's .text. */
static void text_section(const char *path, uint64_t *low, uint64_t *high)
{
	int descriptor = open(path, O_RDONLY);
	Elf *elf = elf_begin(descriptor, ELF_C_READ, NULL);
	Elf_Scn *section = NULL;
	size_t names;

	*low = *high = 0;
	assert_int_equal(elf_getshdrstrndx(elf, &names), 0);
	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;

		gelf_getshdr(section, &header);
		if (strcmp(elf_strptr(elf, names, header.sh_name), ".text") == 0) {
			*low = header.sh_addr;
			*high = header.sh_addr + header.sh_size;
		}
	}
	elf_end(elf);
	close(descriptor);
	assert_int_not_equal(*low, 0);
}

/* Programs that serve as oracles. They get a file as argument and addresses on standard input. */
enum oracle { ADDR2LINE, LLVM_SYMBOLIZER };

static const struct {
	const char *command;
	bool columns; /* whether it prints columns */
} oracles[] = {
	[ADDR2LINE] = {"addr2line -a -i -f -e", false},
	[LLVM_SYMBOLIZER] = {"llvm-symbolizer --addresses --functions=linkage --inlines --obj", true},
};

/*
 * Prints one frame without the fields in which the oracles are known to differ from us. Without a line addr2line takes
 * the file from the symbols, and it does not find the file of units from link-time optimization. Both oracles omit
 * names that asm() gives to static functions, and name clones as the compiler does.
 */
static void print_frame(char *text, size_t size, enum oracle oracle, const char *function, const char *file,
			unsigned line, unsigned column)
{
	const char *slash = file ? strrchr(file, '/') : NULL;
	int length;

	if (!function)
		function = "??";
	if (strcmp(function, "main.foo") == 0)
		function = "foo";
	length = (int)strcspn(function, ".");
	if (strncmp(function, "runtime.", 8) == 0)
		length += 1 + (int)strcspn(function + 8, ".");
	if (!line || !file)
		file = "??";
	else if (slash)
		file = slash + 1;
	if (strcmp(file, "<artificial>") == 0)
		file = "program.c";
	snprintf(text, size, "%.*s %.30s:%u:%u", length < 200 ? length : 200, function, file, line,
		 oracles[oracle].columns && line ? column : 0);
}

struct answer {
	size_t count;
	char frames[SYMBOLIZER_INLINE_MAX][256];
};

/* Removes the number after the last colon. */
static unsigned cut_number(char *text)
{
	char *colon = strrchr(text, ':');
	unsigned number;

	assert_non_null(colon);
	number = (unsigned)strtoul(colon + 1, NULL, 10);
	*colon = 0;
	return number;
}

/* Reads an oracle's answer: an address, then two lines for each frame. */
static void read_answer(FILE *stream, enum oracle oracle, struct answer *answer)
{
	char function[4096], position[4096];

	*answer = (struct answer){.count = 0};
	assert_non_null(fgets(function, sizeof(function), stream));
	assert_int_equal(strncmp(function, "0x", 2), 0);
	for (;;) {
		unsigned line, column = 0;
		int next = fgetc(stream);

		if (next == '\n')
			return;
		ungetc(next, stream);
		if (next == EOF || next == '0')
			return;
		assert_non_null(fgets(function, sizeof(function), stream));
		assert_non_null(fgets(position, sizeof(position), stream));
		function[strcspn(function, "\n")] = 0;
		if (oracles[oracle].columns)
			column = cut_number(position);
		line = cut_number(position);
		print_frame(answer->frames[answer->count++], sizeof(answer->frames[0]), oracle, function, position,
			    line, column);
	}
}

static bool frames_equal(enum oracle oracle, const struct profile_frame *frames, size_t count,
			 const struct answer *answer)
{
	char text[256];

	for (size_t i = 0; i < count; i++) {
		print_frame(text, sizeof(text), oracle, frames[i].function, frames[i].file, frames[i].line,
			    frames[i].column);
		if (i >= answer->count || strcmp(text, answer->frames[i]) != 0)
			return false;
	}
	return count == answer->count;
}

static void show_difference(enum oracle oracle, const char *path, uint64_t address, const struct profile_frame *frames,
			    size_t count, const struct answer *answer)
{
	print_message("%s %#lx: %zu frames, %zu expected\n", path, (unsigned long)address, count, answer->count);
	for (size_t i = 0; i < count || i < answer->count; i++) {
		char text[256] = "-";

		if (i < count)
			print_frame(text, sizeof(text), oracle, frames[i].function, frames[i].file, frames[i].line,
				    frames[i].column);
		print_message("   %s | %s\n", text, i < answer->count ? answer->frames[i] : "-");
	}
}

/*
 * Looks up `count` addresses of a file, evenly distributed over its text, and compares the frames with an oracle's
 * answers for the file `same_code`. Returns the number of differences; `inlined` counts addresses with inlined frames.
 */
static size_t compare(const char *path, const char *same_code, enum oracle oracle, size_t count, size_t *inlined)
{
	struct error error = {0};
	struct symbolizer *symbolizer = symbolizer_open(path, &error);
	struct answer *answer = malloc(sizeof(*answer));
	size_t differences = 0, known = 0;
	uint64_t low, high;
	char command[512];
	FILE *stream;

	if (!symbolizer)
		fail_msg("%s", error.text);
	text_section(path, &low, &high);
	if (count > high - low)
		count = high - low;
	stream = fopen(in_directory("addresses"), "w");
	for (size_t i = 0; i < count; i++)
		fprintf(stream, "%#lx\n", (unsigned long)(low + (high - low) * i / count));
	fclose(stream);
	snprintf(command, sizeof(command), "cd %s && %s %s < addresses", directory, oracles[oracle].command, same_code);
	stream = popen(command, "r");
	*inlined = 0;
	for (size_t i = 0; i < count; i++) {
		struct profile_frame frames[SYMBOLIZER_INLINE_MAX];
		uint64_t address = low + (high - low) * i / count;
		size_t got = symbolizer_lookup(symbolizer, address, frames);

		read_answer(stream, oracle, answer);
		/* Skip padding after a function, which the oracles attribute to the function. */
		if (got == 0)
			continue;
		known++;
		*inlined += got > 1;
		if (!frames_equal(oracle, frames, got, answer) && differences++ < 5)
			show_difference(oracle, path, address, frames, got, answer);
	}
	assert_int_equal(pclose(stream), 0);
	assert_true(known > count * 9 / 10);
	unlink(in_directory("addresses"));
	symbolizer_close(symbolizer);
	free(answer);
	return differences;
}

enum { ADDRESSES = 2000 };

static const struct build {
	const char *name, *compiler, *options;
	bool inlined;
	const char *same_code; /* build with the same code that every oracle understands; NULL: this one */
} builds[] = {
	{"gcc", "gcc", "-g -O2", true, NULL},
	{"gcc-no-pie", "gcc", "-g -O3 -no-pie", true, NULL},
	{"gcc-dwarf4", "gcc", "-g -gdwarf-4 -O2", true, NULL},
	{"gcc-O0", "gcc", "-g -O0", true, NULL},
	{"gcc-sections", "gcc", "-g -O2 -ffunction-sections -Wl,--gc-sections", true, NULL},
	{"gcc-lto", "gcc", "-g -O2 -flto", true, NULL},
	{"gcc-split", "gcc", "-g -O2 -gsplit-dwarf", true, "gcc"},
	{"gcc-g1", "gcc", "-g1 -O2", true, NULL},
	{"gcc-shared", "gcc", "-g -O2 -shared -fPIC", true, NULL},
	{"gcc-none", "gcc", "-O2", false, NULL},
	{"clang", "clang", "-g -O2", true, NULL},
	{"clang-dwarf4", "clang", "-g -gdwarf-4 -O1", true, NULL},
	{"clang-split", "clang", "-g -O2 -gsplit-dwarf", true, "clang"},
};

enum { BUILDS = sizeof(builds) / sizeof(builds[0]) };

static void compare_all(enum oracle oracle)
{
	for (int i = 0; i < BUILDS; i++) {
		const char *same_code = builds[i].same_code ? builds[i].same_code : builds[i].name;
		size_t inlined, different;

		/* binutils 2.40 misses inlined frames in the DWARF 5 range lists of clang; llvm-symbolizer does not. */
		if (oracle == ADDR2LINE && strcmp(builds[i].compiler, "clang") == 0)
			continue;
		different = compare(in_directory(builds[i].name), in_directory(same_code), oracle, ADDRESSES, &inlined);
		if (different)
			fail_msg("%s: %zu addresses differ from '%s'", builds[i].name, different,
				 oracles[oracle].command);
		assert_true(inlined > 30 || !builds[i].inlined);
	}
}

static void frames_are_those_of_addr2line(void **state)
{
	(void)state;
	compare_all(ADDR2LINE);
}

static void columns_are_those_of_llvm_symbolizer(void **state)
{
	(void)state;
	if (system("llvm-symbolizer --version > /dev/null 2>&1") != 0)
		skip_because("llvm-symbolizer is not installed");
	compare_all(LLVM_SYMBOLIZER);
}

static void separate_debug_files_are_found(void **state)
{
	size_t inlined;
	char path[64];
	int descriptor;

	(void)state;
	run("mkdir -p separate/.debug && objcopy --only-keep-debug gcc separate/.debug/gcc.debug && "
	    "strip -o separate/gcc gcc && cd separate/.debug && objcopy --add-gnu-debuglink=gcc.debug "
	    "../gcc");
	assert_int_equal(compare(in_directory("separate/gcc"), in_directory("gcc"), ADDR2LINE, ADDRESSES, &inlined), 0);
	assert_true(inlined > 30);
	/* For a path in /proc/self/fd the debug file is searched in the directory of the file itself. */
	descriptor = open(in_directory("separate/gcc"), O_RDONLY);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
	assert_int_equal(compare(path, in_directory("gcc"), ADDR2LINE, ADDRESSES, &inlined), 0);
	assert_true(inlined > 30);
	close(descriptor);
}

static void stripped_libraries_have_their_dynamic_symbols(void **state)
{
	struct symbolizer *symbolizer;
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];
	unsigned long address = 0;
	char line[256];
	FILE *stream;

	(void)state;
	run("strip -o stripped.so gcc-shared && nm -D stripped.so | grep ' T work$' > symbol");
	stream = fopen(in_directory("symbol"), "r");
	assert_non_null(fgets(line, sizeof(line), stream));
	fclose(stream);
	address = strtoul(line, NULL, 16);
	symbolizer = symbolizer_open(in_directory("stripped.so"), NULL);
	assert_non_null(symbolizer);
	assert_int_equal(symbolizer_lookup(symbolizer, address + 1, frames), 1);
	assert_string_equal(frames[0].function, "work");
	assert_null(frames[0].file);
	assert_int_equal(frames[0].line, 0);
	symbolizer_close(symbolizer);
}

static void given_names_and_first_lines_are_told(void **state)
{
	struct symbolizer *symbolizer = symbolizer_open(in_directory("gcc"), NULL);
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];
	uint64_t low, high;
	bool newobject = false, foo = false, assembler = false;

	(void)state;
	text_section(in_directory("gcc"), &low, &high);
	for (uint64_t address = low; address < high; address++) {
		size_t count = symbolizer_lookup(symbolizer, address, frames);
		const struct profile_frame *physical = &frames[count ? count - 1 : 0];

		if (count == 0)
			continue;
		if (strcmp(physical->function, "runtime.newobject") == 0)
			newobject |= physical->start_line == 11 && physical->column > 0 &&
				     strcmp(physical->file, in_directory("program.c")) == 0;
		if (strcmp(physical->function, "main.foo") == 0 && count == 3)
			foo |= strcmp(frames[0].function, "inner") == 0 && strcmp(frames[1].function, "middle") == 0 &&
			       frames[1].start_line == 18 && physical->line == 28 && physical->column == 40;
		if (strcmp(physical->function, "in_assembler") == 0)
			assembler = true;
	}
	assert_true(newobject);
	assert_true(foo);
	assert_true(assembler);
	symbolizer_close(symbolizer);
}

static void the_build_id_is_the_linkers(void **state)
{
	struct symbolizer *symbolizer = symbolizer_open(in_directory("gcc"), NULL);
	char line[256];
	FILE *stream;

	(void)state;
	run("readelf -n gcc | sed -n 's/.*Build ID: //p' > id");
	stream = fopen(in_directory("id"), "r");
	assert_non_null(fgets(line, sizeof(line), stream));
	fclose(stream);
	line[strcspn(line, "\n")] = 0;
	assert_string_equal(symbolizer_build_id(symbolizer), line);
	symbolizer_close(symbolizer);
	run("gcc -Wl,--build-id=none main.c program.c -o no-id");
	symbolizer = symbolizer_open(in_directory("no-id"), NULL);
	assert_null(symbolizer_build_id(symbolizer));
	symbolizer_close(symbolizer);
}

static void what_is_no_elf_file_is_refused(void **state)
{
	struct error error = {0};

	(void)state;
	assert_null(symbolizer_open(in_directory("missing"), &error));
	assert_non_null(strstr(error.text, "No such file"));
	assert_null(symbolizer_open(in_directory("main.c"), &error));
	assert_non_null(strstr(error.text, "as an ELF file"));
	write_text("empty", "");
	assert_null(symbolizer_open(in_directory("empty"), &error));
	assert_null(symbolizer_open(directory, &error));
}

/* Moves the symbol table to the end of the file, with so many empty symbols behind its own. */
static void add_empty_symbols(const char *path, size_t more)
{
	int file = open(path, O_RDWR | O_CLOEXEC);
	off_t end = lseek(file, 0, SEEK_END) / 64 * 64 + 64;
	Elf64_Ehdr header;

	assert_int_equal(pread(file, &header, sizeof(header), 0), sizeof(header));
	for (unsigned i = 0; i < header.e_shnum; i++) {
		off_t at = (off_t)(header.e_shoff + i * sizeof(Elf64_Shdr));
		Elf64_Shdr section;
		char *own;

		assert_int_equal(pread(file, &section, sizeof(section), at), sizeof(section));
		if (section.sh_type != SHT_SYMTAB)
			continue;
		own = malloc(section.sh_size);
		assert_int_equal(pread(file, own, section.sh_size, (off_t)section.sh_offset), section.sh_size);
		assert_int_equal(pwrite(file, own, section.sh_size, end), section.sh_size);
		free(own);
		section.sh_offset = (Elf64_Off)end;
		section.sh_size += more * sizeof(Elf64_Sym);
		assert_int_equal(pwrite(file, &section, sizeof(section), at), sizeof(section));
		assert_int_equal(ftruncate(file, end + (off_t)section.sh_size), 0);
	}
	close(file);
}

/* A symbol without a size extends to the next one, which may be among those that are left out. */
static void of_a_table_that_is_too_long_no_symbol_takes_what_others_may_have(void **state)
{
	static const size_t more[] = {0, 4 << 20};

	(void)state;
	run("printf '.globl main\\n.type main,@function\\nmain:\\n\\tnop\\n\\tret\\n.section .note.GNU-stack\\n' > sizeless.s && "
	    "gcc -o sizeless sizeless.s");
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		struct profile_frame frames[SYMBOLIZER_INLINE_MAX];
		struct symbolizer *symbolizer;
		uint64_t low, high;
		size_t begins = 0, extends = 0;

		add_empty_symbols(in_directory("sizeless"), more[i]);
		symbolizer = symbolizer_open(in_directory("sizeless"), NULL);
		assert_non_null(symbolizer);
		text_section(in_directory("sizeless"), &low, &high);
		for (uint64_t address = low; address < high; address++) {
			if (symbolizer_lookup(symbolizer, address, frames) && strcmp(frames[0].function, "main") == 0)
				extends += begins++ > 0;
		}
		symbolizer_close(symbolizer);
		assert_int_equal(begins > 0, 1);
		assert_int_equal(extends > 0, more[i] == 0);
	}
	run("rm sizeless");
}

static void what_dwz_moved_to_a_file_for_several_programs_is_found(void **state)
{
	size_t inlined;

	(void)state;
	if (system("dwz --version > /dev/null 2>&1") != 0)
		skip_because("dwz is not installed");
	run("mkdir -p dwz && gcc -g -gdwarf-4 -O2 -o dwz/one program.c main.c assembler.s && "
	    "cp dwz/one dwz/oracle && cp dwz/one dwz/two && cd dwz && dwz -m common one two");
	run("cd dwz && readelf --sections --wide one | grep -q gnu_debugaltlink");
	assert_int_equal(compare(in_directory("dwz/one"), in_directory("dwz/oracle"), ADDR2LINE, ADDRESSES, &inlined),
			 0);
	assert_true(inlined > 30);
}

/* A damaged file may lose frames, but must not crash the reader. */
static void damaged_files_do_no_harm(void **state)
{
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];
	uint8_t *bytes = malloc(1 << 20);
	uint64_t seed = 7, low, high;
	size_t size, opened = 0;
	FILE *file = fopen(in_directory("gcc"), "r");

	(void)state;
	size = fread(bytes, 1, 1 << 20, file);
	fclose(file);
	text_section(in_directory("gcc"), &low, &high);
	for (int round = 0; round < 300; round++) {
		uint8_t *damaged = malloc(size);

		memcpy(damaged, bytes, size);
		for (int i = 0; i <= round % 32; i++) {
			seed = seed * 6364136223846793005 + 1442695040888963407;
			damaged[(seed >> 33) % size] = (uint8_t)(seed >> 25);
		}
		file = fopen(in_directory("damaged"), "w");
		fwrite(damaged, 1, round % 3 ? size : size - size / 3 * (seed % 3), file);
		fclose(file);
		free(damaged);
		struct symbolizer *symbolizer = symbolizer_open(in_directory("damaged"), NULL);
		for (uint64_t address = low; symbolizer && address < high; address += 7)
			symbolizer_lookup(symbolizer, address, frames);
		opened += symbolizer != NULL;
		symbolizer_close(symbolizer);
	}
	assert_true(opened > 200);
	free(bytes);
}

static int make_sources(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	elf_version(EV_CURRENT);
	write_text("main.c", main_source);
	write_text("program.c", program_source);
	write_text("assembler.s", assembler_source);
	for (int i = 0; i < BUILDS; i++)
		run("%s %s main.c program.c assembler.s -o %s", builds[i].compiler, builds[i].options, builds[i].name);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_those_of_addr2line),
		cmocka_unit_test(columns_are_those_of_llvm_symbolizer),
		cmocka_unit_test(separate_debug_files_are_found),
		cmocka_unit_test(stripped_libraries_have_their_dynamic_symbols),
		cmocka_unit_test(given_names_and_first_lines_are_told),
		cmocka_unit_test(the_build_id_is_the_linkers),
		cmocka_unit_test(what_is_no_elf_file_is_refused),
		cmocka_unit_test(of_a_table_that_is_too_long_no_symbol_takes_what_others_may_have),
		cmocka_unit_test(what_dwz_moved_to_a_file_for_several_programs_is_found),
		cmocka_unit_test(damaged_files_do_no_harm),
	};

	return cmocka_run_group_tests_name("dwarf_symbols", tests, make_sources, remove_directory);
}
