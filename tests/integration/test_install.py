#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The files that `make install` installs work."""
import os
import re
import shlex
import shutil

import harness
from harness import contains, same

PROGRAM = """
#include <goalloc.h>
int main(void)
{
	for (int i = 0; i < 1000; i++)
		goalloc_free(goalloc_noscan_at(64, GOALLOC_SITE()));
	return 0;
}
"""


def install(t):
    prefix = t.path("prefix")
    make(t, "install", prefix)
    return prefix


def build(t, prefix, *flags):
    source, program = t.path("program.c"), t.path("program")
    source.write_text(PROGRAM)
    environment = {**os.environ, "PKG_CONFIG_PATH": str(prefix / "lib" / "pkgconfig")}
    # quoted for a shell, each byte of what is not ASCII, too
    t.run("sh", "-euc", 'eval "cc -g -o program program.c $(pkg-config "$@" --cflags --libs goalloc)"', "sh", *flags, env=environment)
    return program


def test_a_program_built_with_pkg_config_is_recorded_by_the_installed_cli(t):
    harness.require_root()
    prefix = install(t)
    program, profile = build(t, prefix), t.path("p.pb.gz")
    environment = {**os.environ, "LD_LIBRARY_PATH": str(prefix / "lib")}
    t.run(prefix / "bin" / "escapement", "record", "--rate", "1", "-o", profile, "--", program, env=environment)
    report = t.json("report", profile)
    rows = [row for row in report["rows"] if row["objects"]]
    same([(row["function"], row["line"], row["objects"], row["bytes"]) for row in rows], [("main", 6, 1000, 64000)])
    same(report["check"]["difference"], 0)


def test_any_compiler_is_taken_for_the_machine_that_it_compiles_for(t):
    """clang names a vendor in what it compiles for, which Debian's folders do not have in their names."""
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS")}
    made = []
    for compiler in ("gcc", "clang"):
        build = t.path(compiler)
        t.run("make", "-s", "-C", harness.ROOT, f"CC={compiler}", f"B={build}", build / "bpf" / "goalloc.bpf.o", env=environment)
        made.append((build / "bpf" / "goalloc.bpf.o").read_bytes())
    same(made[0] == made[1], True, "the same BPF programs")


def test_link_time_optimization_leaves_libgoalloc_machine_code(t):
    """As Ubuntu's flags for packages ask for it; objcopy does not work on anything else."""
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS")}
    built = t.path("build") / "alloc-runtime" / "arena.o"
    t.run("make", "-s", "-C", harness.ROOT, "CFLAGS=-O2 -flto=auto", f"B={t.path('build')}", built, env=environment)
    contains(t.run("objdump", "-h", built).stdout, "goalloc_text")


def test_what_installs_the_compiler_needs_none(t):
    """The Makefile is read where only the base system, make and git are."""
    programs = t.path("programs")
    programs.mkdir()
    for name in ("sh", "make", "git", "uname", "date", "nproc", "sed"):
        (programs / name).symlink_to(shutil.which(name))
    for target in ("deps", "demo"):
        done = t.run("make", "-n", "-C", harness.ROOT, target, env={"PATH": str(programs)})
        contains(done.stdout, "packaging/install-deps")
        same(done.stderr, "", target)
    contains(t.run("make", "-n", "-C", harness.ROOT, "CROSS_COMPILE=none-", status=2, env={"PATH": str(programs)}).stderr,
             "none-gcc cannot be run")


def test_destdir_is_put_before_every_path_and_into_none(t):
    staging = t.path("staging")
    t.run("make", "-s", "-C", harness.ROOT, "install", f"DESTDIR={staging}", "PREFIX=/opt/escapement",
          f"B={harness.BUILD.relative_to(harness.ROOT)}",
          env={key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS")})
    installed = sorted(str(path.relative_to(staging)) for path in staging.rglob("*") if path.is_file())
    for name in ("bin/escapement", "include/goalloc.h", "lib/libgoalloc.a", "lib/libgoalloc.so", "lib/pkgconfig/goalloc.pc"):
        assert f"opt/escapement/{name}" in installed, installed
    pc = (staging / "opt/escapement/lib/pkgconfig/goalloc.pc").read_text()
    assert "prefix=/opt/escapement\n" in pc and str(staging) not in pc, pc
    t.run(staging / "opt/escapement/bin/escapement", "--version")


def make(t, target, prefix, *variables, **options):
    return t.run("make", "-s", "-C", harness.ROOT, target, f"PREFIX={prefix}", f"B={harness.BUILD.relative_to(harness.ROOT)}",
                 *variables, env={key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS")}, **options)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_prefix_may_contain_spaces(t):
    prefix = t.path("a prefix with  spaces & | ü")
    make(t, "install", prefix)
    t.run(build(t, prefix), env={**os.environ, "LD_LIBRARY_PATH": str(prefix / "lib")})
    contains(t.run(prefix / "bin" / "escapement", "version").stdout, "escapement ")
    make(t, "uninstall", prefix)
    same(files(prefix), [], "files left behind")


def test_a_prefix_that_cannot_be_written_down_is_refused(t):
    for prefix, words in (("relative", "must be absolute paths"), ("~/here", "must be absolute paths"), ("/it's", "must not contain"),
                          ('/a"b', "must not contain"), ("/a#b", "must not contain"), ("/a$$b", "must not contain")):
        for target in ("install", "uninstall"):
            contains(make(t, target, prefix, status=2).stderr, words)


def test_what_is_installed_can_be_read_by_all_whatever_the_umask(t):
    prefix = t.path("prefix")
    make(t, "install", prefix, umask=0o077)
    same([str(path) for path in prefix.rglob("*") if path.stat().st_mode & 0o444 != 0o444], [], "what others cannot read")


def test_the_package_is_built_with_what_the_build_needs(t):
    """On a machine that has no more than Build-Depends, nothing else may be asked for."""
    script = (harness.ROOT / "packaging" / "install-deps").read_text()
    needed = {package for words in re.findall(r'^(?:build|bpf)_packages="([^"]*)"', script, re.M) for package in words.split()}
    control = (harness.ROOT / "packaging" / "debian" / "control").read_text()
    field, = re.findall(r"^Build-Depends:((?:.*\n )*.*)$", control, re.M)
    listed = {word.split()[0] for word in field.split(",")}
    same((needed - listed, listed - needed), ({"build-essential"}, {"debhelper-compat", "scdoc"}), "on one side only")
    contains(field, f"libbpf-dev (>= {re.search('^minimum_libbpf=(.*)$', script, re.M)[1]})")


def test_another_version_is_replaced_and_programs_of_it_run_on(t):
    """Also a newer one, which ldconfig would otherwise go on linking to. A program that runs keeps the library that it has."""
    prefix = t.path("prefix")
    make(t, "install", prefix, "VERSION=9.9.9")
    environment = {**os.environ, "LD_LIBRARY_PATH": str(prefix / "lib")}
    t.path("program.c").write_text(PROGRAM.replace("return 0;", "extern int getchar(void); return getchar() != 'x';"))
    t.run("cc", "-o", t.path("running"), t.path("program.c"), f"-I{prefix}/include", f"-L{prefix}/lib", "-lgoalloc")
    running = t.start(t.path("running"), env=environment)
    harness.wait_for(lambda: "libgoalloc.so.1.9.9.9" in open(f"/proc/{running.pid}/maps").read(), "the library")
    before = files(prefix)
    make(t, "install", prefix)
    after = files(prefix)
    same((len(after), sorted(set(before) - set(after))), (len(before), ["lib/libgoalloc.so.1.9.9.9"]), "what is not there any more")
    t.run("ldconfig", "-n", prefix / "lib")
    same(os.readlink(prefix / "lib" / "libgoalloc.so.1"), (set(after) - set(before)).pop().removeprefix("lib/"), "the library of programs")
    running.communicate("x")
    same(running.returncode, 0, "status of the program that was running")
    t.run(t.path("running"), env=environment, stdin=None, input="x")
    make(t, "uninstall", prefix, "VERSION=9.9.10")
    same(files(prefix), [], "files left behind")


def test_without_scdoc_there_are_no_man_pages_and_it_says_so(t):
    prefix = t.path("prefix")
    contains(make(t, "install", prefix, "SCDOC=").stdout, "skipped: man pages: scdoc is not here")
    assert (prefix / "bin" / "escapement").exists() and not list((prefix / "share").rglob("*.1"))
    make(t, "uninstall", prefix)
    same(files(prefix), [], "files left behind")


def commands(t):
    text = t.escapement("help").stdout
    return re.findall(r"^  ([a-z]+) ", text[text.index("commands:"):text.index("exit status:")], re.M)


def options(t, *command):
    return re.findall(r"^  (?:-.,|   ) (--[a-z-]+)", t.escapement("help", *command).stdout, re.M)


def test_every_command_has_a_man_page_with_all_of_its_options(t):
    prefix = install(t)
    pages = prefix / "share" / "man" / "man1"
    same(sorted(path.name for path in pages.iterdir()), sorted(["escapement.1", *(f"escapement-{name}.1" for name in commands(t))]))
    for page in sorted(pages.iterdir()) + [prefix / "share" / "man" / "man7" / "goalloc-probes.7"]:
        said = t.run("groff", "-man", "-Tutf8", "-ww", page)
        same(said.stderr, "", page)
        text = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", said.stdout)
        name = page.stem.removeprefix("escapement-")
        for option in options(t, name) if name in commands(t) and name != "help" else []:
            contains(text.replace("\u2010", "-").replace("\u2212", "-"), option)
    for name in ("mcache_refill", "mcentral_grow", "mheap_grow", "large_alloc", "alloc_sample", "span_sweep"):
        contains((prefix / "share" / "man" / "man7" / "goalloc-probes.7").read_text(), name)


def completed(t, script, *words):
    line = " ".join(map(shlex.quote, words))
    return t.run("bash", "-c", f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _escapement; "
                               "printf '%s\\n' \"${COMPREPLY[@]}\"").stdout.split()


def test_bash_completes_commands_options_and_their_values(t):
    script = install(t) / "share" / "bash-completion" / "completions" / "escapement"
    same(sorted(completed(t, script, "escapement", "")), sorted(commands(t)))
    same(completed(t, script, "escapement", "rep"), ["report"])
    for command in (["record"], ["report"], ["audit"], ["gate"], ["gate", "compare"]):
        same(sorted(completed(t, script, "escapement", *command, "--")), sorted(options(t, *command)), command)
    same(completed(t, script, "escapement", "report", "--by", "s"), ["site", "size-class", "stack"])
    same(completed(t, script, "escapement", "report", "--format", "spe"), ["speedscope"])
    same(completed(t, script, "escapement", "help", "aud"), ["audit"])
    t.path("profile.pb.gz").touch()
    same(completed(t, script, "escapement", "report", "prof"), ["profile.pb.gz"])
    same(completed(t, script, "escapement", "audit", "--escape", "prof"), ["profile.pb.gz"])


def test_zsh_reads_its_completion(t):
    if not shutil.which("zsh"):
        raise harness.Skip("zsh is not installed")
    script = install(t) / "share" / "zsh" / "site-functions" / "_escapement"
    t.run("zsh", "-n", script)
    text = t.run("zsh", "-f", "-c", f"_arguments() {{ print -l -- $@ }}; compadd() {{ : }}; _describe() {{ print -l -- $commands }}; "
                                    f"words=(escapement report ''); CURRENT=3; source {script}").stdout
    for option in options(t, "report"):
        contains(text, option)


def test_uninstall_leaves_nothing_behind(t):
    prefix = install(t)
    assert any(path.is_file() for path in prefix.rglob("*"))
    make(t, "uninstall", prefix)
    same([str(path) for path in prefix.rglob("*") if path.is_file()], [])


def test_an_installed_library_is_found_at_once(t):
    """Runs in a mount namespace with its own /usr/local and /etc; works without LD_LIBRARY_PATH or a manual
    ldconfig."""
    harness.require_root()
    source = t.path("program.c")
    source.write_text(PROGRAM)
    script = f"""
        set -e
        mkdir -p etc; cp -a /etc/. etc; mount --bind etc /etc; mount -t tmpfs none /usr/local
        make -s -C {harness.ROOT} install B={harness.BUILD.relative_to(harness.ROOT)}
        PKG_CONFIG_PATH=/usr/local/lib/pkgconfig; export PKG_CONFIG_PATH
        cc -o program program.c $(pkg-config --cflags --libs goalloc)
        ./program
    """
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "LD_LIBRARY_PATH")}
    t.run("unshare", "--mount", "sh", "-c", script, cwd=t.directory, env=environment)
    # Where ldconfig cannot be run, the installation says what is missing, and is whole but for that.
    hidden = "mount --bind program.c \"$(readlink -f \"$(PATH=$PATH:/sbin:/usr/sbin command -v ldconfig)\")\""
    done = t.run("unshare", "--mount", "sh", "-c", script.replace("make -s", f"{hidden}; make -s").replace(" ./program", " LD_LIBRARY_PATH=/usr/local/lib ./program"),
                 cwd=t.directory, env=environment)
    contains(done.stderr, "ldconfig failed: programs do not find libgoalloc until it has run")


def test_a_release_needs_a_dated_change_log_a_clean_tree_and_a_new_version(t):
    tree = t.path("tree")
    t.run("git", "clone", "-q", harness.ROOT, tree)
    git = ("git", "-C", tree, "-c", "user.name=a", "-c", "user.email=a@b")
    version, = re.findall(r"^VERSION *:= *(.*)$", (tree / "Makefile").read_text(), re.M)
    log = tree / "CHANGELOG.md"
    log.write_text(re.sub(r"^## .*", f"## {version}, unreleased", log.read_text(), count=1, flags=re.M))

    def check(status, words):
        done = t.run(tree / "packaging" / "release", "--check", status=status)
        contains(done.stderr if status else done.stdout, words)

    stray = tree / "stray"
    stray.touch()
    check(1, "changes that are not committed")
    stray.unlink()
    t.run(*git, "commit", "-q", "--allow-empty", "-am", "log")
    check(1, f"'## {version}, unreleased'")
    log.write_text(log.read_text().replace(", unreleased", ", 2026-11-28", 1))
    t.run(*git, "commit", "-q", "-am", "date")
    check(0, f"can be released as {version}")
    t.run(*git, "tag", f"v{version}")
    check(1, f"v{version} is tagged already")


# In a chroot with the machine's folders. The kernel refuses to change the root there, because what it is mounted in is shared.
INSIDE = """
    mount --make-rshared /
    machine=$1
    shift
    mount --bind "$machine" "$machine"
    for name in bin sbin lib lib32 lib64 usr etc proc sys dev; do
        if [ -L "/$name" ]; then
            cp -P "/$name" "$machine/"
        elif [ -d "/$name" ]; then
            mkdir "$machine/$name"
            mount --rbind "/$name" "$machine/$name"
        fi
    done
    exec chroot "$machine" "$@"
"""


def smallest_system(t, root):
    """A system with the programs that packaging/bare needs in one, and their libraries."""
    for name in ("src", "bin", "proc", "sys", "dev"):
        (root / name).mkdir(parents=True)
    for name in ("sh", "umount"):
        path = shutil.which(name)
        shutil.copy(path, root / "bin")
        for library in re.findall(r"/\S+", t.run("ldd", path).stdout):
            (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, root / library[1:])


def test_a_command_for_a_bare_system_runs_there_or_not_at_all(t):
    harness.require_root()
    bare, machine, command = harness.ROOT / "packaging" / "bare", t.path("machine"), ("sh", "-c", "echo > ran")
    smallest_system(t, machine / "system")
    (machine / "src").mkdir()
    shutil.copy(bare, machine)
    done = t.run("unshare", "--mount", "sh", "-euc", INSIDE, "sh", machine, "/bare", "bookworm", "/system", *command, status=None)
    same(sorted(machine.rglob("src/ran")), [], f"where it ran although the root could not be changed: {done.stderr}")
    contains(done.stderr, "pivot_root")
    same(t.run(bare, "bookworm", machine / "system", *command).stderr, "")
    same(sorted(machine.rglob("src/ran")), [machine / "system" / "src" / "ran"])


def test_a_bare_system_is_copied_over_nothing_else(t):
    harness.require_root()
    bare, environment = harness.ROOT / "packaging" / "bare", {**os.environ, "ESCAPEMENT_CACHE": str(t.path("cache"))}
    t.path("mine").mkdir()
    t.path("mine/file").touch()
    done = t.run(bare, "bookworm", t.path("mine"), "true", status=1, env=environment)
    contains(done.stderr, "is neither empty nor a system that has a /src")
    contains(t.run(bare, "../../mine", status=1, env=environment).stderr, "'../../mine' is not the name of a suite")
    same((os.listdir(t.path("mine")), t.path("cache").exists()), (["file"], False))


if __name__ == "__main__":
    harness.main()
