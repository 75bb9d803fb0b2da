/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose memory is read and written: that of the program that was there when the process was opened, or none. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/target.h"

enum { PAGE = 4096, GO = 3, SAID = 4 }; /* the descriptors by which a process is told to go on, and says that it has */

#define ADDRESS ((uint64_t)1 << 30)

static unsigned char stack[16 * PAGE];

static volatile uint64_t *shared; /* with the processes that are begun */

static unsigned char *fill_page(int byte)
{
	unsigned char *page = mmap((void *)ADDRESS, PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (page == MAP_FAILED)
		_exit(1);
	memset(page, byte, PAGE);
	return page;
}

static void say(void)
{
	if (write(SAID, "", 1) != 1)
		_exit(1);
}

static void wait_for_go(void)
{
	char byte;

	if (read(GO, &byte, 1) != 1)
		_exit(1);
}

/* What the process becomes by exec: has something else at the same address, and tells by its exit status whether that has stayed. */
static int be_executed(void)
{
	unsigned char *page = fill_page('B');

	say();
	wait_for_go();
	for (int i = 0; i < PAGE; i++) {
		if (page[i] != 'B')
			return 1;
	}
	return 0;
}

static int hold(void *parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == *(pid_t *)parent) /* which may have ended before */
		pause();
	return 0;
}

/* A process with a page of A at the address, which then becomes another program. */
struct process {
	int pid, go, said;
};

static void await(const struct process *process)
{
	char byte;

	assert_int_equal(read(process->said, &byte, 1), 1);
}

static void tell(const struct process *process)
{
	assert_int_equal(write(process->go, "", 1), 1);
}

/* `held`: a process that shares its memory keeps that when it executes the other program. */
static struct process begin(bool held)
{
	static pid_t own;
	int go[2], said[2];
	struct process process;

	assert_int_equal(pipe(go) || pipe(said), 0);
	process = (struct process){fork(), go[1], said[0]};
	if (process.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* out of the way first, as the numbers may be those of other ends */
		if (dup2(go[0], 100) < 0 || dup2(said[1], 101) < 0 || dup2(100, GO) < 0 || dup2(101, SAID) < 0)
			_exit(1);
		close_range(SAID + 1, ~0U, 0);
		fill_page('A');
		own = getpid();
		if (held && clone(hold, stack + sizeof(stack), CLONE_VM, &own) < 0)
			_exit(1);
		say();
		wait_for_go();
		execl("/proc/self/exe", "test_target", "executed", NULL);
		_exit(1);
	}
	close(go[0]);
	close(said[1]);
	await(&process);
	return process;
}

static void end(struct process *process)
{
	int status;

	tell(process);
	assert_int_equal(waitpid(process->pid, &status, 0), process->pid);
	assert_int_equal(status, 0);
	close(process->go);
	close(process->said);
}

static int read_two(const struct target *target, unsigned char bytes[2])
{
	const struct target_piece pieces[] = {{ADDRESS, bytes, 1}, {ADDRESS + PAGE / 2, bytes + 1, 1}};

	return target_read_pieces(target, pieces, 2);
}

static void what_another_program_has_at_the_address_is_neither_read_nor_written(void **state)
{
	struct process process = begin(false);
	struct target *target = target_open_changeable(process.pid, NULL);
	unsigned char byte = 0, two[2] = {0};
	uint64_t word;

	(void)state;
	assert_non_null(target);
	assert_int_equal(target_read(target, ADDRESS, &byte, 1), 0);
	assert_int_equal(byte, 'A');
	assert_int_equal(read_two(target, two), 0);
	assert_memory_equal(two, "AA", 2);
	assert_int_equal(target_write_word(target, ADDRESS + 8, 1), 0);
	assert_int_equal(target_read(target, ADDRESS + 8, &word, sizeof(word)), 0);
	assert_int_equal(word, 1);
	assert_false(target_lost_image(target));

	tell(&process);
	await(&process);
	assert_true(target_lost_image(target));
	assert_int_equal(target_write_word(target, ADDRESS, 1), -1);
	assert_int_equal(target_read(target, ADDRESS, &byte, 1), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(read_two(target, two), -1);
	assert_int_equal(errno, ESRCH);
	end(&process);
	assert_int_equal(target_read(target, ADDRESS, &byte, 1), -1);
	target_close(target);
}

static void what_was_opened_stays_what_is_written_although_the_process_has_become_another(void **state)
{
	struct process process = begin(true);
	struct target *target = target_open_changeable(process.pid, NULL);
	unsigned char byte = 0;
	uint64_t word = 0;

	(void)state;
	assert_non_null(target);
	tell(&process);
	await(&process);
	assert_int_equal(target_write_word(target, ADDRESS + 8, 1), 0);
	assert_int_equal(target_read(target, ADDRESS + 8, &word, sizeof(word)), 0);
	assert_int_equal(word, 1);
	assert_int_equal(target_read(target, ADDRESS, &byte, 1), 0);
	assert_int_equal(byte, 'A');
	end(&process);
	target_close(target);
}

static void only_private_writable_memory_is_written(void **state)
{
	struct process process = begin(false);
	uint64_t code = (uint64_t)(uintptr_t)begin & ~7ULL, before, after;
	struct target *target = target_open_changeable(process.pid, NULL);

	(void)state;
	assert_non_null(target);
	assert_int_equal(target_read(target, code, &before, sizeof(before)), 0);
	assert_int_equal(target_write_word(target, code, ~before), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(target_read(target, code, &after, sizeof(after)), 0);
	assert_int_equal(before, after);
	assert_int_equal(target_write_word(target, (uint64_t)(uintptr_t)shared, 1), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(*shared, 0);
	assert_int_equal(target_write_word(target, ADDRESS + PAGE - 4, 1), -1);
	assert_int_equal(errno, EFAULT);
	tell(&process);
	await(&process);
	end(&process);
	target_close(target);
}

static void only_what_was_opened_to_be_changed_is_written(void **state)
{
	struct process process = begin(false);
	struct target *target = target_open(process.pid, NULL);

	(void)state;
	assert_non_null(target);
	assert_int_equal(target_write_word(target, ADDRESS, 1), -1);
	tell(&process);
	await(&process);
	end(&process);
	target_close(target);
}

static void where_there_is_no_memory_is_told(void **state)
{
	struct process process = begin(false);
	struct target *target = target_open(process.pid, NULL);
	const uint64_t nowhere[] = {0, ADDRESS + PAGE, (uint64_t)1 << 47, UINT64_MAX - 7};
	char why[256], expected[64];
	uint64_t word;

	(void)state;
	assert_non_null(target);
	for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
		target_allow(target);
		assert_int_equal(target_read(target, nowhere[i], &word, sizeof(word)), -1);
		assert_int_equal(errno, EFAULT);
		target_unreadable(target, why, sizeof(why));
		snprintf(expected, sizeof(expected), "leads to %#llx,", (unsigned long long)nowhere[i]);
		assert_non_null(strstr(why, nowhere[i] ? expected : "leads to 0,"));
	}
	assert_int_equal(target_read(target, ADDRESS + PAGE - 4, &word, sizeof(word)), -1);
	assert_int_equal(errno, EFAULT);
	/* nothing is everywhere, as for process_vm_readv(): a Go program that has just started has a list of no Ps at 0 */
	assert_int_equal(target_read(target, 0, &word, 0), 0);
	tell(&process);
	await(&process);
	end(&process);
	target_close(target);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_another_program_has_at_the_address_is_neither_read_nor_written),
		cmocka_unit_test(what_was_opened_stays_what_is_written_although_the_process_has_become_another),
		cmocka_unit_test(only_private_writable_memory_is_written),
		cmocka_unit_test(only_what_was_opened_to_be_changed_is_written),
		cmocka_unit_test(where_there_is_no_memory_is_told),
	};

	(void)argv;
	if (argc > 1)
		return be_executed();
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
