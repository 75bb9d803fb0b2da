#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""libgoalloc adds only public names with its prefix to a program's symbols, and two of libc's."""
import os
import re

import harness
from harness import same

LIBC = {"_exit", "_Exit"}  # so that the debug level checks at these ends, too
PUBLIC = re.compile(r"^_?goalloc_\w+$|^_[eE]xit$")
SDT_BASE = "_.stapsdt.base"  # weak symbol that SystemTap's SDT probes need, one per program


def names(t, *arguments):
    """Defined symbols: {name: type}, by nm."""
    lines = t.run("nm", "--defined-only", *arguments).stdout.splitlines()
    return {fields[2].split("@")[0]: fields[1] for fields in map(str.split, lines) if len(fields) == 3}


def headers_functions():
    """Functions that goalloc.h declares."""
    text = (harness.ROOT / "alloc-runtime/include/goalloc.h").read_text()
    text = re.sub(r"/\*.*?\*/|^#.*?[^\\]$", "", text, flags=re.S | re.M)
    return set(re.findall(r"\b(goalloc_\w+)\([^()]*(?:\([^()]*\)[^()]*)*\)\s*;", text))


def test_the_static_library_defines_public_names_only(t):
    defined = names(t, "--extern-only", harness.BUILD / "libgoalloc.a")
    same({name for name in defined if not PUBLIC.match(name)} - {SDT_BASE}, set())
    same(headers_functions() - set(defined), set())


def test_the_shared_library_exports_what_the_header_declares(t):
    same(set(names(t, "--dynamic", harness.BUILD / "libgoalloc.so")), headers_functions() | LIBC)


def test_the_preload_library_exports_allocation_functions_only(t):
    c = {"malloc", "free", "cfree", "calloc", "realloc", "reallocarray", "aligned_alloc", "memalign", "posix_memalign",
         "valloc", "pvalloc", "mallinfo", "mallinfo2", "malloc_info", "malloc_stats", "mallopt", "malloc_trim", "malloc_usable_size"}
    jemalloc = {"mallocx", "rallocx", "xallocx", "sallocx", "dallocx", "sdallocx", "nallocx"}
    exported = set(names(t, "--dynamic", harness.BUILD / "libgoalloc-preload.so"))
    others = exported - c - jemalloc - LIBC - headers_functions() - {"__register_atfork"}  # so that our handler is the first
    same({name for name in others if not re.match(r"_Z(nw|na|dl|da)|mall", name)}, set())
    same((c | jemalloc) - exported, set())


def test_variables_that_every_process_writes_share_pages(t):
    """Those of a few bytes are in one page with the beginning of mheap, and in one with what has a value."""
    for library in "libgoalloc.so", "libgoalloc-preload.so":
        lines = map(str.split, t.run("nm", "--print-size", harness.BUILD / library).stdout.splitlines())
        variables = {name: (kind, int(at, 16), int(size, 16)) for at, size, kind, name in (line for line in lines if len(line) == 4)}
        valued = variables["mcache_none"][1] // 4096
        small = {at // 4096 for kind, at, size in variables.values() if kind == "b" and size < 1024}
        same(small - {0, valued}, {variables["mheap"][1] // 4096})  # 0: thread-local ones
        values = {at // 4096 for kind, at, _ in variables.values() if kind == "d"}
        same(values - {0}, {valued - 1, valued})  # the loader writes the first of these, and then protects it


def test_tables_of_size_classes_lie_at_one_place_in_a_page_whatever_constants_are_before_them(t):
    inside = harness.BUILD / "alloc-runtime/libgoalloc-inside.a"
    places = set()
    for size in (1, 32, 256, 1000, 5000):
        source, program = t.path(f"constants{size}.c"), t.path(f"constants{size}")
        source.write_text(f"#include <stdlib.h>\n__attribute__((used)) static const char before[{size}] = {{1}};\n"
                          "void goalloc_free(void *object);\nint main(void) { goalloc_free(NULL); return 0; }\n")
        t.run("cc", "-o", program, source, inside, "-lpthread")
        table, = (int(line.split()[0], 16) for line in t.run("nm", program).stdout.splitlines() if line.endswith(" span_classes"))
        places.add(table % 4096)
    same(places, {0})


def test_a_program_may_use_every_inner_name_of_the_library_for_itself(t):
    inner = names(t, "--extern-only", harness.BUILD / "alloc-runtime/libgoalloc-inside.a")
    functions = sorted(name for name in inner if name.isidentifier() and not PUBLIC.match(name))
    assert {"refill", "mheap", "mcache_self"} <= set(functions), functions
    source, program = t.path("program.c"), t.path("program")
    source.write_text("#include <goalloc.h>\n" + "".join(f"int {name}(int x) {{ return x + 1; }}\n" for name in functions) +
                      "int main(void)\n{\n\tgoalloc_free(goalloc_scan(16));\n\treturn " +
                      " + ".join(f"{name}(-1)" for name in functions) + ";\n}\n")
    include = harness.ROOT / "alloc-runtime/include"
    t.run("cc", "-I", include, "-o", program, source, harness.BUILD / "libgoalloc.a", "-lpthread")
    t.run(program)
    t.run("cc", "-I", include, "-o", program, source, f"-L{harness.BUILD}", "-lgoalloc", f"-Wl,-rpath,{harness.BUILD.resolve()}")
    t.run(program)


# Allocates and frees objects of many sizes in threads that end, then prints what it has of its memory.
THREADS = """#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void *work(void *unused)
{
	void *objects[1000];

	for (int i = 0; i < 1000; i++)
		objects[i] = malloc((size_t)(i * 64));
	for (int i = 0; i < 1000; i++)
		free(objects[i]);
	return unused;
}

int main(void)
{
	for (int i = 0; i < 20; i++) {
		pthread_t thread;
		pthread_create(&thread, NULL, work, NULL);
		pthread_join(thread, NULL);
	}
	FILE *maps = fopen("/proc/self/smaps", "r");
	for (int c; (c = getc(maps)) != EOF;)
		putchar(c);
	return 0;
}
"""


def test_a_program_whose_threads_come_and_go_takes_no_memory_for_code_that_few_programs_run(t):
    source, program = t.path("threads.c"), t.path("threads")
    source.write_text(THREADS)
    t.run("cc", "-o", program, source, "-lpthread")
    preload = (harness.BUILD / "libgoalloc-preload.so").resolve()
    smaps = t.run(program, env=dict(os.environ, LD_PRELOAD=str(preload))).stdout
    # What all programs run, and what few do.
    resident = [int(rss) for rss in re.findall(r" r-xp .*libgoalloc-preload\.so\n(?:.*\n)*?Rss: +(\d+) kB", smaps)]
    if len(resident) == 1:
        raise harness.Skip("this machine's linker puts all code into one mapping")
    same(len(resident), 2)
    assert resident[0] > 0, resident
    same(resident[1], 0)


if __name__ == "__main__":
    harness.main()
