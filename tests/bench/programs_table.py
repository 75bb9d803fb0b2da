#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""programs_table.py BUILD [NAME...]: Debian's programs on libgoalloc and on other allocators, interleaved.

Prints CPU seconds, child processes included (the least of ROUNDS, 15, because other work on the machine only adds); the upper
end of a 95 % interval of the ratio to the best peer, from the ratios of each round; minor page faults; and ratios of peak resident
memory. Every run's output is compared with libc's."""
import glob
import hashlib
import math
import os
import statistics
import subprocess
import sys
import tempfile

from malloc_table import PEERS, geometric_mean

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
GIT = ["git", "-c", "safe.directory=*", "-C", ROOT]
# The history must not change during the measurement.
HEAD = subprocess.run([*GIT, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip() or "HEAD"
PYTHON = """
import json, re, collections
words = re.findall('[a-z]+', ' '.join(f'word{i % 977} alpha{i % 31}' for i in range(300000)))
print(len(words), collections.Counter(words).most_common(3))
docs = [{'id': i, 'tags': [str(j) for j in range(i % 20)]} for i in range(30000)]
for _ in range(3):
    docs = json.loads(json.dumps(docs))
print(len(docs))
"""
PERL = r"""my %h; for my $r (1..2) { for my $i (1..120000) { $h{$i * 7919 % 100003} = ("x" x ($i % 60)) . $i }
print scalar(keys %h), "\n"; my @s = sort { $h{$a} cmp $h{$b} } keys %h; print "$s[0] $s[-1]\n" }"""
NODE = """const m = new Map(); for (let i = 0; i < 600000; i++) m.set('k' + i % 50000, Buffer.from('v' + i));
let n = 0; for (const [k, v] of m) n += v.length; console.log(m.size, n,
JSON.stringify(JSON.parse(JSON.stringify(Array.from({length: 100000}, (_, i) => ({i, s: 's' + i}))))).length)"""
SQL = """create table t(a integer primary key, b text, c real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 200000)
insert into t select i, hex(i * 7919 % 100003) || 'text' || i, i / 3.0 from n;
create index tb on t(b); select count(*), min(b), max(b) from t;
select substr(b, 1, 3) p, count(*), avg(c) from t group by p order by 2 desc, 1 limit 5;
select count(*) from t x join t y on x.b = y.b where x.a % 7 = 0;"""
REDIS = """redis-server --port 0 --unixsocket $PWD/s --save '' --daemonize no > log & p=$!
while [ ! -S s ]; do kill -0 $p || { cat log >&2; exit 1; }; sleep 0.05; done
LD_PRELOAD= redis-benchmark -s $PWD/s -q -n 60000 -c 20 -P 8 -r 50000 -d 200 \
 -t set,get,incr,lpush,lpop,sadd,hset,zadd > /dev/null
LD_PRELOAD= redis-cli -s $PWD/s llen mylist > /dev/null; LD_PRELOAD= redis-cli -s $PWD/s shutdown nosave; wait $p"""
# One backend without a server around it, which does not run as root. The first run makes the database.
POSTGRES = """bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1); user=
if [ $(id -u) = 0 ]; then user='setpriv --reuid=nobody --regid=nogroup --clear-groups'; chmod a+x .; fi
if [ ! -d pg ]; then
 mkdir pg; [ -z "$user" ] || chown nobody pg
 LD_PRELOAD= $user $bin/initdb -D $PWD/pg/data --no-sync -A trust -U postgres > log || { cat log >&2; exit 1; }
fi
$user $bin/postgres --single -D $PWD/pg/data postgres << 'end' 2> log
create temp table t as select i a, md5(i::text) b, i % 97 c from generate_series(1, 60000) i;
create index on t(b);
select c, count(*), min(b), max(length(b)) from t group by c order by c limit 3;
select count(*), sum(x.a) from t x join t y on x.b = y.b where x.c < 40;
select length(string_agg(b, ',' order by b)), count(distinct substr(b, 1, 3)) from t;
select jsonb_array_length(jsonb_agg(jsonb_build_object('a', a, 'b', b))) from t;
end
"""
PROGRAMS = {
    "python3": ["/usr/bin/python3", "-c", PYTHON],
    "perl": ["perl", "-e", PERL],
    "sqlite3": ["sqlite3", ":memory:", SQL],
    "gcc": ["sh", "-c", f"for f in {ROOT}/alloc-runtime/m*.c; do gcc -O2 -D_GNU_SOURCE -I {ROOT}/alloc-runtime "
            f"-I {ROOT}/alloc-runtime/include -S -o - $f; done"],
    "git": [*GIT, "log", "--stat", "-p", "-n", "60", HEAD],
    "node": ["node", "-e", NODE],
    "xz -T2": ["sh", "-c", "xz -T2 -2 -c data | cat"],
    "zstd -T2": ["sh", "-c", "zstd -T2 -9 -c data | cat"],
    "redis": ["sh", "-c", REDIS],
    "postgres": ["sh", "-c", POSTGRES],
}


def run(build, command, library, directory):
    usage = os.path.join(directory, "usage")
    done = subprocess.run([os.path.abspath(f"{build}/tests/bench/rusage"), usage, *command], cwd=directory,
                          env=dict(os.environ, LC_ALL="C", MEASURED_PRELOAD=library), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"programs_table: {command[0]} with '{library or 'libc'}': exit status {done.returncode}"
                 f"\n{done.stderr.decode(errors='replace')[-2000:]}")
    with open(usage) as f:
        seconds, kib, faults = f.read().split()
    return float(seconds), int(kib), int(faults), hashlib.sha256(done.stdout).hexdigest()


def upper_end(ours, theirs):
    """Of a 95 % interval (Student's) of the mean logarithm of the ratios of each round."""
    logs = [math.log(a / b) for a, b in zip(ours, theirs)]
    if len(logs) < 2:
        return math.inf
    n = len(logs) - 1
    # Cornish and Fisher's expansion of the quantile
    z = statistics.NormalDist().inv_cdf(0.975)
    t = z + (z**3 + z) / (4 * n) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n * n)
    return math.exp(statistics.mean(logs) + t * statistics.stdev(logs) / math.sqrt(len(logs)))


def main():
    build, wanted = sys.argv[1], sys.argv[2:]
    rounds = int(os.environ.get("ROUNDS", "15"))
    peers = []
    for name, pattern in PEERS:
        found = [os.path.abspath(f"{build}/libgoalloc-preload.so")] if pattern is None else glob.glob(pattern) or [pattern]
        peers.append((name, found[0]))
    names = [name for name, _ in peers]
    print(f"seconds of CPU, the least of {rounds} interleaved runs")
    print(f"{'program':<12}" + "".join(f"{n:>10}" for n in names) + f"{'ours/best':>11}{'upper end':>11}  page faults")
    ratios, best_ratios, memory_ratios = {n: [] for n in names}, [], {n: [] for n in names}
    with tempfile.TemporaryDirectory(prefix="goalloc-bench-") as directory:
        with open(os.path.join(directory, "data"), "wb") as data:
            for path in sorted(glob.glob("/usr/lib/git-core/git") + glob.glob("/usr/bin/gdb") + glob.glob("/usr/bin/perl")):
                with open(path, "rb") as f:
                    data.write(f.read(3 << 20))
        for program, command in PROGRAMS.items():
            if wanted and program.split()[0] not in wanted:
                continue
            times, memory, faults, digests = ({n: [] for n in names} for _ in range(4))
            run(build, command, "", directory)
            for _ in range(rounds):
                for name, library in peers:
                    seconds, kib, minor, digest = run(build, command, library, directory)
                    times[name].append(seconds)
                    memory[name].append(kib)
                    faults[name].append(minor)
                    digests[name].append(digest)
            if len(set(sum(digests.values(), []))) != 1:
                sys.exit(f"programs_table: {program} printed different things on different allocators")
            t = {n: min(times[n]) for n in names}
            best = min((n for n in names if n != "goalloc"), key=t.get)
            best_ratios.append(t["goalloc"] / t[best])
            print(f"{program:<12}" + "".join(f"{t[n]:>10.3f}" for n in names) + f"{t['goalloc'] / t[best]:>11.2f}"
                  f"{upper_end(times['goalloc'], times[best]):>11.2f}"
                  + "".join(f"{statistics.median(faults[n]):>9.0f}" for n in names), flush=True)
            for n in names:
                ratios[n].append(t["goalloc"] / t[n])
                memory_ratios[n].append(statistics.median(memory["goalloc"]) / statistics.median(memory[n]))
    print(f"{'time':<12}" + "".join(f"{geometric_mean(ratios[n]):>10.3f}" for n in names)
          + f"{geometric_mean(best_ratios):>11.3f}")
    print(f"{'memory':<12}" + "".join(f"{geometric_mean(memory_ratios[n]):>10.3f}" for n in names))


if __name__ == "__main__":
    main()
