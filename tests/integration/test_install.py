#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What `make install` puts in place works from there."""
import os

import harness
from harness import same

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
    t.run("make", "-s", "-C", harness.ROOT, "install", f"PREFIX={prefix}", f"B={harness.BUILD.relative_to(harness.ROOT)}",
          env={key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS")})
    return prefix


def build(t, prefix, *flags):
    source, program = t.path("program.c"), t.path("program")
    source.write_text(PROGRAM)
    environment = {**os.environ, "PKG_CONFIG_PATH": str(prefix / "lib" / "pkgconfig")}
    options = t.run("pkg-config", *flags, "--cflags", "--libs", "goalloc", env=environment).stdout.split()
    t.run("cc", "-g", "-o", program, source, *options)
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


def test_an_installed_library_is_found_at_once(t):
    """In a mount namespace whose /usr/local and /etc are its own: no LD_LIBRARY_PATH, no ldconfig by hand."""
    harness.require_root()
    source = t.path("program.c")
    source.write_text(PROGRAM)
    script = f"""
        set -e
        mkdir etc; cp -a /etc/. etc; mount --bind etc /etc; mount -t tmpfs none /usr/local
        make -s -C {harness.ROOT} install B={harness.BUILD.relative_to(harness.ROOT)}
        PKG_CONFIG_PATH=/usr/local/lib/pkgconfig; export PKG_CONFIG_PATH
        cc -o program program.c $(pkg-config --cflags --libs goalloc)
        ./program
    """
    t.run("unshare", "--mount", "sh", "-c", script, cwd=t.directory,
          env={key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "LD_LIBRARY_PATH")})


if __name__ == "__main__":
    harness.main()
