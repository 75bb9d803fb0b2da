#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What GOALLOC_LEAKS reports of programs with planted leaks, beside LeakSanitizer's report of the same program. `make test-long`
sets it beside that of valgrind's memcheck, too."""
import collections
import os
import pathlib
import re
import shutil
import subprocess

import harness
from harness import BUILD, ROOT, Skip, contains, same

PRELOAD = BUILD / "libgoalloc-preload.so"
SOURCES = ROOT / "tests" / "workloads" / "leaks"
MEMCHECK = os.environ.get("LEAKS") == "memcheck"
# So that every allocating function has a frame and a name.
FLAGS = ["-g", "-O1", "-D_GNU_SOURCE", "-fno-builtin", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls"]
SANITIZER = dict(os.environ, LSAN_OPTIONS="fast_unwind_on_malloc=0")  # by unwind tables, through the C library


def environment(**more):
    return dict(os.environ, LD_PRELOAD=str(PRELOAD), GOALLOC_LEAKS="1", GOALLOC_HEAP_PROFILE="1", **more)


def build(t, name, *options):
    program = t.path(name)
    t.run("gcc", *FLAGS, *options, SOURCES / "planted.c", "-o", program, "-lpthread")
    return program


def programs(t):
    t.run("gcc", "-shared", "-fPIC", SOURCES / "plugin.c", "-o", t.path("plugin.so"))
    return build(t, "planted", "-rdynamic"), build(t, "sanitized", "-fsanitize=leak")


def cases(t, program):
    return t.run(program).stdout.split()


# In each report: "N bytes in M objects", and then the stack.
OURS = re.compile(r"goalloc: lost (directly|indirectly): (\d+) bytes? in (\d+) objects?.*\n((?:        .*\n)*)")
SANITIZERS = re.compile(r"(Direct|Indirect) leak of (\d+) byte\(s\) in (\d+) object\(s\).*\n((?: +#.*\n)*)")


def by_function(program, pattern, frame, text):
    """{function: (objects, bytes)}, by the innermost function of the program itself"""
    own = set(re.findall(r" T (\w+)", subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout))
    sums = collections.defaultdict(lambda: (0, 0))
    for _, size, objects, stack in pattern.findall(text):
        function = next((name for name in re.findall(frame, stack) if name in own), None)
        before = sums[function]
        sums[function] = (before[0] + int(objects), before[1] + int(size))
    return dict(sums)


def ours(t, program, case):
    # The debug level knows the bytes that the program asked for.
    return t.run(program, case, t.path("plugin.so"), env=environment(GOALLOC_DEBUG="1")).stderr


def test_each_planted_leak_is_what_leak_sanitizer_reports(t):
    plain, sanitized = programs(t)
    if t.run(sanitized, "single", status=None).returncode != 23:
        raise Skip("LeakSanitizer does not work here: it needs ptrace")
    for case in cases(t, plain):
        text = t.run(sanitized, case, t.path("plugin.so"), status=None, env=SANITIZER).stderr
        same(by_function(plain, OURS, r"(?m)^        (\w+) \(", ours(t, plain, case)),
             by_function(plain, SANITIZERS, r" in (\w+) ", text), case)


def memchecks(t, program, case):
    text = t.run("valgrind", "--leak-check=full", program, case, t.path("plugin.so")).stderr
    blocks = {kind: int(n.replace(",", "")) for kind, n in re.findall(r"(definitely|indirectly) lost: .* in ([\d,]+) blocks", text)}
    return blocks.get("definitely", 0), blocks.get("indirectly", 0)


def test_what_is_lost_directly_and_indirectly_is_what_memcheck_says(t):
    if not shutil.which("valgrind"):
        raise Skip("'valgrind' is not installed")
    plain, _ = programs(t)
    # memcheck looks into all memory that the process has mapped, this library not into what the program maps for itself
    unlike = {"in_mapping", "library_closed"}
    for case in cases(t, plain) if MEMCHECK else ["cycle_with_tail"]:
        found = re.search(r"in (\d+) objects? directly, \d+ bytes? in (\d+) objects? indirectly", ours(t, plain, case))
        if case not in unlike:
            same((int(found[1]), int(found[2])) if found else (0, 0), memchecks(t, plain, case), case)


def test_the_exit_status_is_the_one_that_was_asked_for(t):
    program = build(t, "planted", "-rdynamic")

    def status(case, setting):
        done = t.run(program, case, env=dict(os.environ, LD_PRELOAD=str(PRELOAD), GOALLOC_LEAKS=setting), status=None)
        return done.returncode, done.stderr

    same(status("none", "exitcode=9"), (0, ""))
    same(status("single", "1")[0], 0)
    code, text = status("single", "exitcode=9")
    same(code, 9)
    contains(text, "lost 112 bytes in 1 object directly")
    contains(text, "GOALLOC_HEAP_PROFILE=1")
    for wrong in ("exitcode=0", "exitcode=256", "exitcode=9x", "yes"):
        code, text = status("single", wrong)
        same(code, 0)
        contains(text, "ignored GOALLOC_LEAKS")
    same(status("single", "0"), (0, ""))


def test_a_process_that_cannot_be_searched_says_so_and_does_not_pass(t):
    if not shutil.which("strace"):
        raise Skip("'strace' is not installed")
    program = build(t, "planted", "-rdynamic")
    settings = [f"LD_PRELOAD={PRELOAD.resolve()}", "GOALLOC_LEAKS=exitcode=9"]
    # Its threads are traced by another already.
    done = t.run("strace", "-f", "-o", t.path("trace"), "env", *settings, program, "alive_stack", status=9)
    contains(done.stderr, "cannot search for lost objects: Operation not permitted")
    # A single thread need not be stopped.
    contains(t.run("strace", "-f", "-o", t.path("trace"), "env", *settings, program, "single", status=9).stderr, "lost 112 bytes")


def test_output_that_was_not_flushed_is_not_lost_with_the_exit_status(t):
    t.path("p.c").write_text('#include <stdio.h>\n#include <stdlib.h>\n'
                             'int main(void) { *(char *)malloc(9) = 1; printf("unflushed"); return 0; }\n')
    t.run("gcc", "-O0", "p.c", "-o", "p")
    done = t.run(t.path("p"), env=dict(os.environ, LD_PRELOAD=str(PRELOAD), GOALLOC_LEAKS="exitcode=5"), status=5)
    same(done.stdout, "unflushed")


# A library that has an object until its destructor frees it, and one that is lost. The destructor and the handler that it
# registers say that they have run.
ENDING = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef LINKED
#include <goalloc.h>
#define malloc goalloc_scan
#define free goalloc_free
#endif
static struct { void *hidden; } *held;
static void late(int status, void *argument) { write(1, "late ", 5); }
static __attribute__((noinline)) void plant(void) { *(char *)malloc(3000) = 1; }
void begin(void)
{
	char stack[20000];
	held = malloc(100);
	plant();
	memset(stack, 0, sizeof stack);
	printf("%sunflushed ", stack);
}
static __attribute__((destructor)) void end(void) { free(held); held = 0; write(1, "ended ", 6); on_exit(late, NULL); }
"""


def test_all_destructors_and_handlers_run_before_and_after_a_search_at_the_end(t):
    t.path("ending.c").write_text(ENDING)
    t.path("p.c").write_text("void begin(void);\nint main(void) { begin(); return 0; }\n")
    t.path("host.c").write_text('#include <dlfcn.h>\nint main(void) { void *l = dlopen("./plugin.so", RTLD_NOW);\n'
                                '((void (*)(void))dlsym(l, "begin"))(); return dlclose(l); }\n')
    linked = "-DLINKED", "-I", ROOT / "alloc-runtime" / "include"
    archive, shared = BUILD / "libgoalloc.a", (BUILD / "libgoalloc.so", f"-Wl,-rpath,{BUILD.resolve()}")
    t.run("gcc", "-O1", "-fno-builtin", "-shared", "-fPIC", "ending.c", "-o", "libending.so")
    t.run("gcc", "-O1", "p.c", "./libending.so", "-o", "preloaded")
    t.run("gcc", "-O1", "-shared", "-fPIC", *linked, "ending.c", *shared, "-o", "liblinked.so")
    t.run("gcc", "-O1", "p.c", "./liblinked.so", *shared, "-o", "shared")
    t.run("gcc", "-O1", "-static", *linked, "p.c", "ending.c", archive, "-o", "static", "-lpthread")
    # The allocator is in a library that the program closes.
    t.run("gcc", "-O1", "-shared", "-fPIC", *linked, "ending.c", archive, "-o", "plugin.so", "-lpthread")
    t.run("gcc", "-O1", "host.c", "-o", "host", "-ldl")
    for program in "preloaded", "shared", "static", "host":
        for setting, status in ("1", 0), ("exitcode=7", 7):
            env = dict(os.environ, GOALLOC_LEAKS=setting, **{"LD_PRELOAD": str(PRELOAD)} if program == "preloaded" else {})
            done = t.run(t.path(program), env=env, status=status)
            same((program, sorted(done.stdout.split())), (program, ["ended", "late", "unflushed"]))
            contains(done.stderr, "bytes in 1 object directly, 0 bytes in 0 objects")


def test_libraries_are_searched_whatever_brackets_their_paths_have(t):
    t.path("keep.c").write_text("#include <stdlib.h>\nchar *kept;\nvoid begin(void) { kept = malloc(5000); *kept = 1; }\n")
    t.path("p.c").write_text("void begin(void);\nint main(void) { begin(); return 0; }\n")
    t.run("gcc", "-O0", "-shared", "-fPIC", "keep.c", "-o", "libkeep.so")
    t.run("gcc", "-O0", "p.c", "./libkeep.so", "-o", "p")
    for folder in "[vdso]", "a [v] b", "[heap]", "x[stack]":
        t.path(folder).mkdir()
        shutil.copy(t.path("libkeep.so"), t.path(folder))
        done = t.run(t.path("p"), cwd=t.path(folder), env=dict(os.environ, LD_PRELOAD=str(PRELOAD), GOALLOC_LEAKS="exitcode=7"))
        same((folder, done.stderr), (folder, ""))


def test_a_lost_object_that_was_written_past_ends_the_process_with_and_without_threads(t):
    t.path("p.c").write_text(r"""
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void *idle(void *argument) { for (;;) pause(); return argument; }
static __attribute__((noinline)) void plant(void) { char *volatile p = malloc(100); memset(p + 100, 5, 40); p = NULL; }
int main(int argc, char **argv)
{
	pthread_t thread;
	char stack[20000];

	if (argc > 1)
		pthread_create(&thread, NULL, idle, NULL);
	plant();
	memset(stack, 0, sizeof stack);
	return stack[argc];
}
""")
    t.run("gcc", "-O0", "p.c", "-o", "p", "-lpthread")
    env = dict(os.environ, LD_PRELOAD=str(PRELOAD), GOALLOC_LEAKS="exitcode=7", GOALLOC_DEBUG="1")
    for arguments in (), ("thread",):
        done = t.run(t.path("p"), *arguments, env=env, status=-6)
        contains(done.stderr, "goalloc: overflow past the end of")
        same(done.stderr.count("\n"), 1)


def traced(t, program, case, *options, status):
    """Under strace, which traces the first thread only, so that the others can be stopped. Returns (standard error, calls)."""
    if not shutil.which("strace"):
        raise Skip("'strace' is not installed")
    done = t.run("strace", "-o", t.path("trace"), *options, "env", f"LD_PRELOAD={PRELOAD.resolve()}", "GOALLOC_LEAKS=exitcode=9",
                 program, case, status=status)
    return done.stderr, t.path("trace").read_text().splitlines()


def test_a_list_of_mappings_that_ends_in_an_error_makes_the_search_fail(t):
    program = build(t, "planted", "-rdynamic")
    text, reads = traced(t, program, "none", "-e", "trace=read", status=0)
    same(text, "")
    last = sum(line.startswith("read(") for line in reads)
    text, _ = traced(t, program, "none", "-e", "trace=read", "-e", f"inject=read:error=EIO:when={last}", status=9)
    contains(text, "cannot search for lost objects: Input/output error")


# All descriptors but some are in use, and another thread has the only address of an object.
FEW_DESCRIPTORS = r"""
#include <errno.h>
#include <fcntl.h>
#include <goalloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
static int ready[2];
static void *keep(void *argument) { void *volatile p = goalloc_scan(500); write(ready[1], "", 1); for (;;) pause(); return p; }
static void count(const struct goalloc_unreachable *lost, void *n) { ++*(int *)n; }
int main(int argc, char **argv)
{
	struct rlimit limit = {64, 64};
	int file, last = -1, lost = 0;
	pthread_t thread;
	char byte;

	pipe(ready);
	pthread_create(&thread, NULL, keep, NULL);
	read(ready[0], &byte, 1);
	setrlimit(RLIMIT_NOFILE, &limit);
	while ((file = dup(0)) >= 0)
		last = file;
	for (int i = 0; i < atoi(argv[1]); i++)
		close(last - i);
	int result = goalloc_find_unreachable(count, &lost);
	printf("%s, %d lost", result == 0 ? "searched" : strerror(errno), lost);
	return 0;
}
"""


def test_without_descriptors_or_its_own_proc_a_search_fails_and_finds_nothing_wrong(t):
    t.path("few.c").write_text(FEW_DESCRIPTORS)
    t.run("gcc", "-O1", "-I", ROOT / "alloc-runtime" / "include", "few.c", BUILD / "libgoalloc.a", "-o", "few", "-lpthread")
    same(t.run(t.path("few"), 0).stdout, "Too many open files, 0 lost")
    for free in 1, 2:
        same(t.run(t.path("few"), free).stdout, "searched, 0 lost")
    # There /proc is that of the outer namespace, in which the numbers are those of other processes.
    if subprocess.run(["unshare", "-pf", "true"], capture_output=True).returncode == 0:
        same(t.run("unshare", "-pf", t.path("few"), 2).stdout, "No such file or directory, 0 lost")


def test_a_tracer_that_the_program_has_named_stays_if_threads_can_be_stopped_anyway(t):
    yama = pathlib.Path("/proc/sys/kernel/yama/ptrace_scope")
    if yama.exists() and yama.read_text().strip() != "0":
        raise Skip("here the helper must be named (kernel.yama.ptrace_scope)")
    text, calls = traced(t, build(t, "planted", "-rdynamic"), "alive_stack", "-e", "trace=prctl,clone", status=0)
    same((text, [line for line in calls if "PTRACER" in line]), ("", []))
    contains("\n".join(calls), "CLONE_UNTRACED")  # there was a helper


def test_a_linked_program_reports_its_sites(t):
    t.path("linked.c").write_text("""
#include <goalloc.h>
struct node { struct node *next; };
static __attribute__((noinline)) void plant(void)
{
	struct node *first = goalloc_scan_at(40, GOALLOC_SITE());
	first->next = goalloc_noscan_at(5, GOALLOC_SITE());
}
int main(void) { plant(); volatile char stack[20000]; for (int i = 0; i < 20000; i++) stack[i] = 0; return stack[5]; }
""")
    for link in (BUILD / "libgoalloc.a",), (BUILD / "libgoalloc.so", f"-Wl,-rpath,{BUILD.resolve()}"), ("-static", BUILD / "libgoalloc.a"):
        t.run("gcc", "-O1", "-I", ROOT / "alloc-runtime" / "include", "linked.c", *link, "-o", "linked", "-lpthread")
        done = t.run(t.path("linked"), env=dict(os.environ, GOALLOC_LEAKS="exitcode=3", GOALLOC_HEAP_PROFILE="1"), status=3)
        contains(done.stderr, "lost directly: 48 bytes in 1 object")
        contains(done.stderr, "lost indirectly: 5 bytes in 1 object")
        contains(done.stderr, "        plant (linked.c:6)\n")
        contains(done.stderr, "        plant (linked.c:7)\n")


def test_addresses_without_a_name_are_those_that_addr2line_takes(t):
    t.path("p.c").write_text("""
#include <stdlib.h>
static __attribute__((noinline)) void lose(void) { *(char *volatile *)malloc(40) = 0; } /* line 3 */
static __attribute__((noinline)) void twice(void)
{
	char *volatile p = malloc(70); /* line 6 */
	free(p);
	free(p);
}
int main(int argc, char **argv) { lose(); if (argc > 1) twice(); volatile char stack[20000] = {0}; return stack[argc]; }
""")

    def line_of(text):
        file, address = re.search(r"([^\s(]*/p)\+(0x[0-9a-f]+)", text).groups()
        return t.run("addr2line", "-e", file, address).stdout.split("/")[-1].split()[0]

    for link in "-pie", "-no-pie":
        t.run("gcc", "-g", "-O1", "-fno-builtin", "-fPIE" if link == "-pie" else "-fno-pie", link, "p.c", "-o", "p")
        same(line_of(t.run(t.path("p"), env=environment()).stderr), "p.c:3", link)
        done = t.run(t.path("p"), "twice", env=dict(os.environ, LD_PRELOAD=str(PRELOAD), GOALLOC_DEBUG="1"), status=-6)
        contains(done.stderr, "double free")
        same(line_of(done.stderr), "p.c:6", link)


if __name__ == "__main__":
    harness.main()
