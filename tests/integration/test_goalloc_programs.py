#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Unmodified programs on libgoalloc-preload.so: the same results as on libc's malloc. Programs that a bare machine
does not have are skipped; `make soak` installs and runs the rest."""
import os
import shutil
import sys

import harness
from harness import BUILD, ROOT, Skip, same

PRELOAD = BUILD / "libgoalloc-preload.so"
DEBUG = {"GOALLOC_DEBUG": "1"}


def environment(**more):
    return dict(os.environ, LD_PRELOAD=str(PRELOAD), **more)


def same_results(t, *command, levels=({}, DEBUG), files=(), **options):
    """Runs a command plainly and on libgoalloc, at release and debug level; output and files must not differ."""
    if not shutil.which(str(command[0])):
        raise Skip(f"'{command[0]}' is not installed")
    plain = t.run(*command, **options)
    contents = [t.path(name).read_bytes() for name in files]
    for level in levels:
        ours = t.run(*command, env=environment(**level), **options)
        same(ours.stdout, plain.stdout, "output")
        same(ours.stderr, plain.stderr, "messages")
        for name, content in zip(files, contents):
            if t.path(name).read_bytes() != content:
                raise AssertionError(f"'{name}' differs under {level}")


def test_python_computes_the_same(t):
    program = t.path("program.py")
    program.write_text("""
import collections, hashlib, json, re, threading
words = re.findall(r'[a-z]+', ' '.join(f'word{i % 977} alpha{i % 31}' for i in range(60000)))
counts = collections.Counter(words)
trees = [{'n': i, 'children': [{'n': j} for j in range(i % 50)]} for i in range(2000)]
results = {}
def work(k):
    results[k] = hashlib.sha256(json.dumps(trees[k::4], sort_keys=True).encode()).hexdigest()
threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
[x.start() for x in threads]; [x.join() for x in threads]
big = bytearray()
for i in range(2000):
    big += bytes([i % 256]) * 997
print(sorted(counts.items())[:5], sorted(results.items()), hashlib.md5(big).hexdigest())
""")
    same_results(t, sys.executable, program)


def test_perl_computes_the_same(t):
    same_results(t, "perl", "-e", r"""
my %h; for my $i (1..60000) { $h{$i * 7919 % 100003} .= "x" x ($i % 40) . $i }
my @s = sort { $h{$a} cmp $h{$b} || $a <=> $b } keys %h;
my $text = join(",", map { length $h{$_} } @s); my $sum = 0;
while ($text =~ /(\d+)/g) { $sum += $1 } print scalar(@s), " $sum ", join(" ", @s[0..9]), "\n";
""")


def test_gcc_compiles_this_library_to_the_same_bytes(t):
    source = ROOT / "alloc-runtime" / "mheap.c"
    same_results(t, "gcc", "-O2", "-D_GNU_SOURCE", "-I", ROOT / "alloc-runtime", "-I", ROOT / "alloc-runtime/include",
                 "-S", "-o", t.path("mheap.s"), source, files=["mheap.s"])


def test_cxx_programs_with_threads_and_exceptions_work(t):
    source, program = t.path("program.cc"), t.path("program")
    source.write_text(r"""
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>
static int handled;
struct alignas(128) Wide { char bytes[256]; };
struct Node { std::map<std::string, std::unique_ptr<Node>> children; };
static size_t grow(Node &node, int depth) {
	size_t n = 1;
	for (int i = 0; depth > 0 && i < 6; i++) {
		auto &child = node.children["child-with-a-long-name-" + std::to_string(i)];
		child = std::make_unique<Node>();
		n += grow(*child, depth - 1);
	}
	return n;
}
int main() {
	size_t nodes[3];
	std::vector<std::thread> threads;
	for (int t = 0; t < 3; t++)
		threads.emplace_back([&nodes, t] { Node root; nodes[t] = grow(root, 4); });
	for (auto &t : threads) t.join();
	std::unique_ptr<Wide[]> wide(new Wide[10]);
	std::cout << nodes[0] + nodes[1] + nodes[2] << " " << reinterpret_cast<size_t>(wide.get()) % 128 << "\n";
	volatile size_t huge = static_cast<size_t>(1) << 46;
	try { std::unique_ptr<char[]> p(new char[huge]); } catch (const std::bad_alloc &) { std::cout << "bad_alloc\n"; }
	std::set_new_handler([] { if (++handled == 3) std::set_new_handler(nullptr); });
	std::cout << (new (std::nothrow) char[huge] == nullptr) << " " << handled << "\n";
}
""")
    t.run("g++", "-O1", "-std=c++17", "-o", program, source, "-pthread")
    same_results(t, program)


def test_shells_fork_and_pipe(t):
    same_results(t, "bash", "-c", """
f() { local i; for i in 1 2 3; do echo "$1.$i" | sed s/1/x/ | tr x y; done; }
for k in 1 2 3 4 5; do f $k & wait $!; done; (f sub; exec echo done); printf '%s\\n' "${BASH_VERSION%%.*}" | wc -c
""")


def test_git_walks_this_history(t):
    if not (ROOT / ".git").exists():
        raise Skip("this tree is not a git repository")
    same_results(t, "git", "-c", "safe.directory=*", "-C", ROOT, "log", "--stat", "-p", "-n", "20", levels=({},))


def test_xz_compresses_with_two_threads(t):
    data = t.path("data")
    data.write_bytes(b"".join(p.read_bytes() for p in sorted((ROOT / "alloc-runtime").glob("*.c"))) * 40)
    same_results(t, "xz", "-T2", "-1", "--block-size=300KiB", "-k", "-f", data, files=["data.xz"], levels=({},))


def test_a_preloaded_program_is_recorded_and_its_children_live(t):
    """The encoding of probe sites: others corrupt the red zone and kill forked children."""
    harness.require_root()
    script = "for i in 1 2 3 4 5 6; do x=$(echo $i | sed s/1/2/); (echo $x); done"
    profile = t.path("p.pb.gz")
    done = t.run(harness.ESCAPEMENT, "record", "-q", "--rate", "1", "-o", profile, "--", "bash", "-c", script,
                 env=environment())
    same(done.stdout, "2\n2\n3\n4\n5\n6\n")
    report = t.json("report", profile)
    same(report["lost"]["events"], 0, "lost events")
    assert report["totals"]["objects"] > 1000, report["totals"]


harness.main()
