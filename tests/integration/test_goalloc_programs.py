#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Unmodified Debian programs on libgoalloc-preload.so give the same results as on libc's malloc; `make soak` runs them
for longer. Programs that are not installed are skipped; `make test` as root installs them."""
import os
import re
import shutil

import harness
from harness import BUILD, ROOT, Skip, same

PRELOAD = BUILD / "libgoalloc-preload.so"
DEBUG = {"GOALLOC_DEBUG": "1"}
PYTHON = "/usr/bin/python3"  # not the Python that runs this test


def environment(**more):
    return dict(os.environ, LD_PRELOAD=str(PRELOAD), **more)


def same_results(t, *command, levels=({}, DEBUG), files=(), **options):
    """Runs a command without libgoalloc, and with it at the release and debug levels; its output and files must be
    equal."""
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
    same_results(t, PYTHON, program)


def test_python_passes_its_own_tests(t):
    """Makes Python allocate all its objects by malloc; by default its own allocator handles most of them."""
    if t.run(PYTHON, "-c", "import test.test_list", status=None).returncode != 0:
        raise Skip("Python's own tests are not installed (libpython3.N-testsuite)")
    names = ["test.test_list", "test.test_dict", "test.test_thread"]
    for level, more in ({}, ["test.test_json"]), (DEBUG, []):
        done = t.run(PYTHON, "-m", "unittest", "-q", *names, *more, env=environment(PYTHONMALLOC="malloc", **level))
        ran = re.search(r"Ran (\d+) tests", done.stderr)
        assert ran and int(ran[1]) > 150, done.stderr[-1000:]


def test_perl_computes_the_same(t):
    same_results(t, "perl", "-e", r"""
my %h; for my $i (1..60000) { $h{$i * 7919 % 100003} .= "x" x ($i % 40) . $i }
my @s = sort { $h{$a} cmp $h{$b} || $a <=> $b } keys %h;
my $text = join(",", map { length $h{$_} } @s); my $sum = 0;
while ($text =~ /(\d+)/g) { $sum += $1 } print scalar(@s), " $sum ", join(" ", @s[0..9]), "\n";
""")


def test_gcc_compiles_this_library_to_the_same_bytes(t):
    source = ROOT / "alloc-runtime" / "mheap.c"
    includes = (word for folder in ("", "include", "amd64") for word in ("-I", ROOT / "alloc-runtime" / folder))
    same_results(t, "gcc", "-O2", "-D_GNU_SOURCE", *includes, "-S", "-o", t.path("mheap.s"), source, files=["mheap.s"])


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


def test_plugins_with_static_and_thread_local_objects_come_and_go(t):
    plugin, program = t.path("plugin.cc"), t.path("program.cc")
    plugin.write_text(r"""
#include <map>
#include <string>
#include <vector>
static std::map<int, std::string> table = [] {
	std::map<int, std::string> m;
	for (int i = 0; i < 500; i++) m[i] = std::string(100 + i, 'x');
	return m;
}();
extern "C" size_t use(int n) {
	thread_local std::vector<std::string> own;
	own.emplace_back(1000 + n, 'y');
	return table[n].size() + own.back().size();
}
struct Last { ~Last() { table[1000] = std::string(5000, 'z'); } } last;
""")
    program.write_text(r"""
#include <dlfcn.h>
#include <iostream>
#include <thread>
int main() {
	size_t sum = 0;
	for (int round = 0; round < 20; round++) {
		void *library = dlopen("./plugin.so", RTLD_NOW | RTLD_LOCAL);
		auto use = library ? reinterpret_cast<size_t (*)(int)>(dlsym(library, "use")) : nullptr;
		if (!use) return 1;
		std::thread a([&] { for (int i = 0; i < 300; i++) sum += use(i); });
		a.join();
		std::thread b([&] { sum += use(7); });
		b.join();
		if (dlclose(library) != 0) return 2;
	}
	std::cout << sum << "\n";
}
""")
    t.run("g++", "-O1", "-std=c++17", "-shared", "-fPIC", "-o", t.path("plugin.so"), plugin)
    t.run("g++", "-O1", "-std=c++17", "-o", t.path("program"), program, "-pthread", "-ldl")
    same_results(t, t.path("program"))


def test_a_thread_may_end_after_dlclose(t):
    """The library is called at the end of each thread that has allocated."""
    t.path("program.c").write_text(r"""
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
static void *library;
static pthread_barrier_t barrier;
static void *allocate(void *name) {
	void *(*function)(size_t) = (void *(*)(size_t))dlsym(library, name);
	function(100);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}
int main(int count, char **words) {
	pthread_t thread;
	pthread_barrier_init(&barrier, NULL, 2);
	library = dlopen(words[1], RTLD_NOW);
	pthread_create(&thread, NULL, allocate, words[2]);
	pthread_barrier_wait(&barrier);
	dlclose(library);
	pthread_barrier_wait(&barrier);
	return pthread_join(thread, NULL);
}
""")
    t.run("gcc", "-O1", "-o", t.path("program"), t.path("program.c"), "-pthread")
    for library, name in ("libgoalloc.so", "goalloc_noscan"), ("libgoalloc-preload.so", "malloc"):
        t.run(t.path("program"), harness.BUILD / library, name)


def test_a_library_forks_in_its_constructor_while_its_threads_allocate(t):
    """It runs before libgoalloc's constructors, and its handler in the child after libgoalloc's, also if it is registered before
    anything was allocated. More than 48 handlers make the C library allocate while it registers one."""
    library, program = t.path("library.c"), t.path("program.c")
    library.write_text(r"""
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void *volatile object;
static void allocate(void) {
	for (int i = 0; i < 100; i++) free(object = malloc(40000 + i % 7 * 1000));
}
static void in_child(void) {
	alarm(30);
	allocate();
}
static void *work(void *nothing) {
	for (;; usleep(100)) {
		void *objects[100];
		for (int i = 0; i < 100; i++) objects[i] = malloc(40000 + i % 13 * 1000);
		for (int i = 0; i < 100; i++) free(objects[i]);
	}
	return nothing;
}
int failed;
__attribute__((constructor)) static void begin(void) {
	pthread_t thread;
	if (ALLOCATES) allocate();
	for (int i = 0; i < HANDLERS; i++) pthread_atfork(NULL, NULL, i == 0 ? in_child : NULL);
	for (int i = 0; i < 3; i++) pthread_create(&thread, NULL, work, NULL);
	for (int i = 0; i < 40 && !failed; i++) {
		pid_t child = fork();
		if (child == 0) _exit(0);
		waitpid(child, &failed, 0);
	}
}
""")
    program.write_text("""
#include <unistd.h>
extern int failed;
int main(void) { _exit(failed != 0); }
""")
    for allocates, handlers in (1, 1), (0, 1), (0, 60):
        t.run("gcc", "-O1", "-fno-builtin", "-shared", "-fPIC", f"-DALLOCATES={allocates}", f"-DHANDLERS={handlers}",
              "-o", t.path("liblibrary.so"), library, "-pthread")
        t.run("gcc", "-O1", "-o", t.path("program"), program, "-L.", "-llibrary", "-Wl,-rpath,$ORIGIN")
        # not at the debug level, whose queue of 4,096 such objects is copied for each child
        same_results(t, t.path("program"), levels=({},))


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


def test_zstd_compresses_with_two_threads(t):
    data = t.path("data")
    data.write_bytes(b"".join(p.read_bytes() for p in sorted((ROOT / "user").glob("*.c"))) * 20)
    same_results(t, "zstd", "-q", "-T2", "-5", "-k", "-f", data, files=["data.zst"])


def test_sqlite3_answers_the_same(t):
    same_results(t, "sqlite3", ":memory:", """create table t(a integer primary key, b text, c real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
insert into t select i, hex(i * 7919 % 10007) || 'text' || i, i / 3.0 from n;
create index tb on t(b); delete from t where a % 5 = 0; select count(*), min(b), max(b), sum(c) from t;
select substr(b, 1, 3) p, count(*), avg(c) from t group by p order by 2 desc, 1 limit 5;
select group_concat(b) from (select b from t order by b limit 100); pragma integrity_check;""")


def test_node_computes_the_same(t):
    same_results(t, "node", "-e", """const m = new Map(), zlib = require('zlib');
for (let i = 0; i < 60000; i++) m.set('k' + i % 5000, Buffer.from('value ' + i));
let n = 0; for (const [k, v] of m) n += v.length + k.length;
const text = JSON.stringify(Array.from({length: 20000}, (_, i) => ({i, s: 's' + i})));
console.log(m.size, n, zlib.inflateSync(zlib.deflateSync(text)).toString() === text, JSON.parse(text).length)""")


def serve(t, environ):
    """Starts a redis server on a socket and waits until it accepts connections."""
    socket = t.path("socket")
    server = t.start("redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--daemonize", "no", env=environ)
    harness.wait_for(lambda: socket.exists() or server.poll() is not None, "redis-server's socket")
    assert server.poll() is None, server.stdout.read()
    return server, socket


def test_redis_serves_redis_benchmark(t):
    if not shutil.which("redis-server"):
        raise Skip("'redis-server' is not installed")
    for level in ({}, DEBUG):
        server, socket = serve(t, environment(**level))
        t.run("redis-benchmark", "-s", socket, "-q", "-n", "4000", "-c", "20", "-P", "8", "-r", "2000", "-d", "300",
              "-t", "set,get,incr,lpush,rpop,sadd,hset,zadd,lrange_100")
        t.run("redis-cli", "-s", socket, "set", "k150", "x" * 150 * 37)
        same(t.run("redis-cli", "-s", socket, "get", "k150").stdout, "x" * 150 * 37 + "\n", "a value")
        same(t.run("redis-cli", "-s", socket, "bgsave").stdout, "Background saving started\n", "the forked child")
        t.run("redis-cli", "-s", socket, "shutdown", "nosave")
        same(server.wait(harness.TIMEOUT), 0, "the server's exit status")


def test_stress_ngs_memory_stressors_verify(t):
    if not shutil.which("stress-ng"):
        raise Skip("'stress-ng' is not installed")
    for stressor in (["--malloc", "2", "--malloc-ops", "20000"], ["--bigheap", "1", "--bigheap-ops", "200"]):
        done = t.run("stress-ng", "--verify", "--metrics-brief", "--timeout", "30", *stressor, env=environment())
        assert "successful run completed" in done.stdout + done.stderr, done.stderr


def test_a_preloaded_program_is_recorded_and_its_children_live(t):
    """Tests the encoding of the probe sites: with a wrong one, a probe hit corrupts the red zone and crashes forked
    children."""
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
