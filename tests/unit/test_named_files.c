/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files that a target or its debug information names, and what their owner can do to whoever opens them: a FIFO in their
 * place, which waits for a writer, and a lease, which waits for its holder. No clock tells who waits: a process writes to
 * each FIFO, so that whoever opens that comes back and is seen; the holder of a lease takes it again each time that it is
 * asked to give it up, and counts.
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
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "directory_fixture.h"
#include "base/regular_file.h"
#include "profile/profile.h"
#include "runtime/runtime.h"
#include "symbols/dwarf_symbols.h"
#include "symbols/elf_file.h"
#include "symbols/go_image.h"
#include "symbols/symbolizer.h"
#include "symbols/usdt.h"
#include "target/core.h"
#include "target/target.h"
#include "skip.h"

/* --- FIFOs --- */

static pid_t writers[16];
static size_t writer_count;

static void make_fifo(const char *name)
{
	char itself[32]; /* whatever has its name when the writer gets there */
	pid_t pid;
	int fifo;

	assert_true(writer_count < sizeof(writers) / sizeof(writers[0]));
	assert_int_equal(mkfifo(in_directory(name), 0600), 0);
	fifo = open(in_directory(name), O_PATH | O_CLOEXEC);
	assert_true(fifo >= 0);
	snprintf(itself, sizeof(itself), "/proc/self/fd/%d", fifo);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		open(itself, O_WRONLY);
		_exit(0);
	}
	assert_true(pid > 0);
	close(fifo);
	writers[writer_count++] = pid;
}

static void no_fifo_was_opened(void)
{
	size_t opened = 0;

	for (; writer_count > 0; writer_count--) {
		int status;

		kill(writers[writer_count - 1], SIGKILL);
		waitpid(writers[writer_count - 1], &status, 0);
		opened += WIFEXITED(status);
	}
	assert_int_equal(opened, 0);
}

/* --- leases --- */

static volatile sig_atomic_t leased, asked;

static void keep_lease(int signal)
{
	static const char words[] = "a reader waits for the holder of a lease\n";

	(void)signal;
	if (++asked > 1000) {
		if (write(STDERR_FILENO, words, sizeof(words) - 1) < 0)
			_exit(2);
		_exit(1);
	}
	fcntl(leased, F_SETLEASE, F_UNLCK);
	fcntl(leased, F_SETLEASE, F_WRLCK);
}

/* Returns whether the file system knows leases. */
static bool take_lease(const char *name)
{
	struct sigaction keep = {.sa_handler = keep_lease, .sa_flags = SA_RESTART};

	asked = 0;
	leased = open(in_directory(name), O_RDWR | O_CLOEXEC);
	assert_true(leased >= 0);
	sigaction(SIGIO, &keep, NULL);
	return fcntl(leased, F_SETLEASE, F_WRLCK) == 0;
}

static void end_lease(void)
{
	assert_int_equal(fcntl(leased, F_GETLEASE), F_WRLCK);
	fcntl(leased, F_SETLEASE, F_UNLCK);
	close(leased);
	signal(SIGIO, SIG_DFL);
}

/* --- tests --- */

static void every_reader_refuses(const char *path, const char *words)
{
	struct go_image image;
	struct error error = {0};
	int file;

	assert_int_equal(regular_file_open(path, NULL, &error), -1);
	assert_non_null(strstr(error.text, words));
	assert_false(regular_file_or_none(path));
	assert_null(elf_file_open(path, ELF_NOTES, &file, &error));
	assert_non_null(strstr(error.text, words));
	assert_false(elf_imports(path, "malloc"));
	assert_null(symbolizer_open(path, &error));
	assert_non_null(strstr(error.text, words));
	assert_null(dwarf_symbols_open(path, &error));
	assert_non_null(strstr(error.text, words));
	assert_int_equal(go_image_open(&image, path, &error), -1);
	assert_non_null(strstr(error.text, words));
	assert_null(core_open(path, NULL, &error));
	assert_non_null(strstr(error.text, words));
}

static void no_reader_waits_at_a_fifo(void **state)
{
	(void)state;
	make_fifo("fifo");
	every_reader_refuses(in_directory("fifo"), "is not a regular file");
	no_fifo_was_opened();
}

static void no_reader_waits_for_the_holder_of_a_lease(void **state)
{
	(void)state;
	run("cp program leased");
	if (!take_lease("leased"))
		skip_because("this file system has no leases");
	every_reader_refuses(in_directory("leased"), "holds a lease");
	assert_true(asked >= 8);
	end_lease();
}

/* Looks up each address of the code. Returns for how many debug information says where their function begins: that is in
 * the part of it that may be elsewhere, while lines are in the program always. */
static size_t places_known(const char *program)
{
	struct symbolizer *symbolizer = symbolizer_open(in_directory(program), NULL);
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];
	GElf_Shdr header;
	size_t known = 0;
	int file;
	Elf *elf = elf_file_open(in_directory(program), ELF_EXPORTS, &file, NULL);

	assert_non_null(symbolizer);
	assert_non_null(elf);
	assert_non_null(elf_section_find(elf, ".text", &header));
	for (uint64_t address = header.sh_addr; address < header.sh_addr + header.sh_size; address++)
		known += symbolizer_lookup(symbolizer, address, frames) && frames[0].start_line;
	symbolizer_close(symbolizer);
	elf_end(elf);
	close(file);
	return known;
}

static void links_to_other_files_are_followed_to_files_only(void **state)
{
	static const char *const links[] = {"trap", "in-debug", "%s/trap", "../../../../..%s/trap", "./trap"};

	(void)state;
	run("mkdir -p named/.debug && strip -o named/stripped program");
	make_fifo("trap");
	make_fifo("named/trap");
	make_fifo("named/.debug/in-debug");
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		char name[200], contents[216] = "";
		FILE *file = fopen(in_directory("named/link"), "w");

		snprintf(name, sizeof(name), links[i], directory);
		strcpy(contents, name);
		assert_int_equal(fwrite(contents, (strlen(name) + 4) / 4 * 4 + 4, 1, file), 1);
		fclose(file);
		run("cd named && objcopy --add-section .gnu_debuglink=link stripped program");
		assert_int_equal(places_known("named/program"), 0);
		/* the same name for what dwz has moved to another file: of such a program only the symbols are used */
		run("cd named && objcopy --add-section .gnu_debugaltlink=link ../program program");
		assert_int_equal(places_known("named/program"), 0);
	}
	no_fifo_was_opened();
}

/* The part of the debug information that is in another file is sought beside the program, where it was compiled, and in a
 * package, which elfutils before 0.191 does not open. */
static void parts_of_debug_information_are_read_from_files_only(void **state)
{
	(void)state;
	run("mkdir -p split/built && cd split/built && gcc -c -g -O2 -gsplit-dwarf ../../program.c && "
	    "gcc -o ../program program.o && cp program.dwo kept");
	assert_true(places_known("split/program") > 0);

	/* beside the program */
	make_fifo("split/program.dwo");
	assert_int_equal(places_known("split/program"), 0);
	run("mv split/program.dwo elsewhere && cp split/built/kept split/program.dwo");
	assert_true(places_known("split/program") > 0);
	if (take_lease("split/program.dwo")) {
		assert_int_equal(places_known("split/program"), 0);
		end_lease();
	}

	/* where it was compiled */
	run("rm split/program.dwo split/built/program.dwo");
	make_fifo("split/built/program.dwo");
	assert_int_equal(places_known("split/program"), 0);

	/* the package */
	run("rm split/built/program.dwo && cp split/built/kept split/built/program.dwo");
	make_fifo("split/program.dwp");
	assert_int_equal(places_known("split/program"), 0);

	/* beside a file with debug information that the program names */
	run("rm split/program.dwp && cd split && mkdir .debug && objcopy --only-keep-debug program .debug/named && "
	    "strip program && objcopy --add-gnu-debuglink=.debug/named program");
	assert_true(places_known("split/program") > 0);
	make_fifo("split/.debug/program.dwo");
	assert_int_equal(places_known("split/program"), 0);
	run("rm split/.debug/program.dwo");
	make_fifo("split/.debug/named.dwp");
	assert_int_equal(places_known("split/program"), 0);
	no_fifo_was_opened();
}

static ino_t inode_of(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return status.st_ino;
}

static ino_t inode_by(int file)
{
	char name[REGULAR_FILE_NAME];

	return inode_of(regular_file_name(file, name));
}

/* Starts a program on a libgoalloc of its own, and returns when that is loaded. Its input ends it. */
static pid_t start_on_goalloc(int *input)
{
	int in[2], out[2];
	char byte = 'x';
	pid_t pid;

	assert_int_equal(pipe(in) | pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		close(in[1]);
		setenv("LD_PRELOAD", in_directory("goalloc.so"), 1);
		execlp("cat", "cat", (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	assert_int_equal(write(in[1], &byte, 1), 1);
	assert_int_equal(read(out[0], &byte, 1), 1);
	close(out[0]);
	*input = in[1];
	return pid;
}

/* Where a breakpoint belongs was read from a file, and it goes into that file: not into what has its name by then. */
static void probes_are_put_into_the_file_that_says_where(void **state)
{
	struct probe_set probes = {0};
	struct error error = {0};
	struct runtime *runtime;
	struct profile *profile;
	struct target *target;
	struct go_image image;
	ino_t mapped;
	bool absent;
	int input, file;
	pid_t pid;

	(void)state;
#ifdef __SANITIZE_ADDRESS__ /* it has to be a process's first library, so that `cat` does not run on a sanitized one */
	skip_because("a sanitizer has to be a process's first library, so cat does not run on a sanitized one");
#endif
	run("cp \"$(dirname $(readlink -f /proc/$PPID/exe))\"/../../libgoalloc-preload.so goalloc.so && cp program victim");
	mapped = inode_of(in_directory("goalloc.so"));
	pid = start_on_goalloc(&input);
	target = target_open(pid, &error);
	assert_non_null(target);
	runtime = runtime_detect(target, &absent, &error);
	assert_non_null(runtime);
	run("mv victim goalloc.so");
	profile = profile_new();
	assert_int_equal(runtime->ops->probes(runtime, 1, &probes, profile, &error), 0);
	assert_true(probes.count > 0);
	for (size_t i = 0; i < probes.count; i++)
		assert_int_equal(inode_by(probes.items[i].file), mapped);
	for (size_t i = 0; i < target->mapping_count; i++) {
		if (!target->mappings[i].executable || target->mappings[i].inode != mapped)
			continue;
		file = target_file_open(target, &target->mappings[i], &error);
		if (file >= 0) /* without CAP_CHECKPOINT_RESTORE it is not found any more */
			assert_int_equal(inode_by(file), mapped);
		close(file);
	}
	probe_set_free(&probes);
	profile_free(profile);
	runtime_free(runtime);
	target_close(target);
	close(input);
	waitpid(pid, NULL, 0);

	run("cp program go && cp program victim");
	mapped = inode_of(in_directory("go"));
	assert_int_equal(go_image_open(&image, in_directory("go"), &error), 0);
	run("mv victim go");
	assert_int_equal(inode_by(image.file), mapped);
	go_image_close(&image);
}

/* What is mapped at a place now is not the file that was there when the mappings were read. */
static void a_mapping_is_not_what_came_in_its_place(void **state)
{
	const struct target_mapping *mapping;
	struct error error = {0};
	struct target *target;
	int early, late, file;
	void *place;

	(void)state;
	run("cp program early && cp program late");
	early = open(in_directory("early"), O_RDONLY);
	late = open(in_directory("late"), O_RDONLY);
	place = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, early, 0);
	assert_true(place != MAP_FAILED);
	target = target_open(getpid(), &error);
	assert_non_null(target);
	mapping = target_mapping_at(target, (uintptr_t)place);
	assert_non_null(mapping);
	file = target_file_open(target, mapping, &error);
	assert_int_equal(inode_by(file), inode_by(early));
	close(file);
	assert_ptr_equal(mmap(place, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED, late, 0), place);
	file = target_file_open(target, mapping, &error);
	assert_int_equal(inode_by(file), inode_by(early));
	close(file);
	target_close(target);
	munmap(place, 4096);
	close(early);
	close(late);
}

/* Leaves this process so many descriptors more. Returns the limit from before. */
static struct rlimit leave_descriptors(int count)
{
	int first = open("/", O_PATH | O_CLOEXEC);
	struct rlimit before, limit;

	assert_true(first >= 0);
	close(first);
	getrlimit(RLIMIT_NOFILE, &before);
	limit = before;
	limit.rlim_cur = (rlim_t)(first + count);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return before;
}

enum { READERS = 5 };

/* Whether each reader has what it wants of the program. */
static void ask_readers(const char *path, bool has[READERS], struct error errors[READERS])
{
	uint64_t address, value;
	struct usdt_probes probes;
	struct go_image image;
	int file;
	Elf *elf = elf_file_open(path, ELF_EXPORTS, &file, &errors[0]);

	has[0] = elf != NULL;
	elf_end(elf);
	if (elf)
		close(file);
	has[1] = elf_note_find(path, "GNU", 3, &address, &value, &errors[1]) >= 0;
	has[2] = elf_load_bias(path, 0x10000, 0, &value, &errors[2]) == 0;
	has[3] = usdt_read(path, "goalloc", &probes, &errors[3]) == 0;
	if (has[3])
		usdt_free(&probes);
	has[4] = go_image_open(&image, path, &errors[4]) == 0;
	if (has[4])
		go_image_close(&image);
}

/* Of symbols: either they are read, or it is said why not. */
static bool names_are_known(const char *path)
{
	struct error error;
	struct dwarf_symbols *symbols = dwarf_symbols_open(path, &error);
	const char *limit = symbols ? dwarf_symbols_limit(symbols) : NULL;
	bool known = symbols && !limit;

	if (!symbols)
		assert_int_equal(error.status, STATUS_CANNOT_MEASURE);
	if (!known)
		assert_true(strstr(limit ? limit : error.text, "Too many open files") ||
			    strstr(limit ? limit : error.text, "descriptors"));
	dwarf_symbols_close(symbols);
	return known;
}

static void want_of_descriptors_says_nothing_of_a_file(void **state)
{
	static const char *const names[] = {"program", "others"};
	const char *path;

	(void)state;
	run("cp program others && chmod 777 others"); /* which root reads a copy of */
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		bool has[READERS], known, all = false;
		int count = 0, refusals = 0;

		path = in_directory(names[i]);
		for (; !all && count < 32; count++) {
			struct error errors[READERS] = {0};
			struct rlimit before = leave_descriptors(count);

			ask_readers(path, has, errors);
			known = names_are_known(path);
			assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
			all = known;
			for (size_t k = 0; k < READERS; k++) {
				all = all && has[k];
				refusals += !has[k];
				if (!has[k])
					assert_int_equal(errors[k].status, STATUS_CANNOT_MEASURE);
				if (!has[k])
					assert_non_null(strstr(errors[k].text, "Too many open files"));
			}
		}
		assert_true(all);
		assert_true(count > 1 && refusals >= READERS);
	}
}

static int make_program(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	run("printf 'int main(int count, char **words)\\n{\\n\\treturn words[count - 1][0];\\n}\\n' > program.c && "
	    "gcc -g -O2 -o program program.c");
	return 0;
}

static int end_writers(void **state)
{
	/* of a test that failed */
	for (; writer_count > 0; writer_count--)
		kill(writers[writer_count - 1], SIGKILL);
	return remove_directory(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_reader_waits_at_a_fifo),
		cmocka_unit_test(no_reader_waits_for_the_holder_of_a_lease),
		cmocka_unit_test(links_to_other_files_are_followed_to_files_only),
		cmocka_unit_test(parts_of_debug_information_are_read_from_files_only),
		cmocka_unit_test(probes_are_put_into_the_file_that_says_where),
		cmocka_unit_test(a_mapping_is_not_what_came_in_its_place),
		cmocka_unit_test(want_of_descriptors_says_nothing_of_a_file),
	};

	return cmocka_run_group_tests_name("named_files", tests, make_program, end_writers);
}
