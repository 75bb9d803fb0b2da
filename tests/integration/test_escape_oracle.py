#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Go's own compiler tests as an oracle: `// ERROR "regexp"` comments in its test/ directory state, line by line, what
-m must print for each file. The parsed annotations must agree exactly: each expectation matches an annotation of its
line and kind, and each annotation matches an expectation.

The everyday suite takes one release; ESCAPE_ORACLE="1.19 1.21 ..." names others (`make test-escape-oracle`: all).
"""
import json
import os
import pathlib
import platform
import re
import subprocess

import harness

RELEASES = os.environ.get("ESCAPE_ORACLE", "1.24").split()
HEADER = re.compile(r"^// (errorcheck\w*)( .*)$", re.M)
IMPORT = re.compile(r'^\s*(?:import\s+)?(?:[\w.]+\s+)?"([^"]+)"\s*(?://.*)?$', re.M)
# Compiler flags that add messages unrelated to escapes and inlining.
OTHER_MESSAGES = re.compile(r"-live|-d=checkptr|-d=.*zerocopy")
KINDS = (  # the first of these phrases that an expectation contains determines its kind
    ("moved to heap", {"moved-to-heap"}),
    ("does not escape", {"does-not-escape"}),
    ("leaking param content", {"leaking-param-content"}),
    (r"to result", {"leaking-param-to-result"}),
    ("leaking param", {"leaking-param", "leaking-param-to-result", "leaking-param-content"}),
    ("escapes to heap", {"escapes", "moved-to-heap", "leaking-param", "leaking-param-content"}),
    ("cannot inline", {"cannot-inline"}),
    ("can inline", {"can-inline"}),
    ("inlining call", {"inlined-call"}),
    ("ignoring self-assignment", {"self-assignment-ignored"}),
    ("devirtualizing", {"devirtualized"}),
    ("mutates param|calls param", {"mutation"}),
    ("zero-copy", {"zero-copy-conversion"}),
)


def expectations(path, short):
    """(line, regexp, whether it is about generated code) of each ERROR comment, by the rules of Go's test runner."""
    found = []
    for number, line in enumerate(path.read_text(errors="replace").split("\n"), 1):
        match = None if "////" in line else re.search(r"// (?:GC_)?ERROR(AUTO)? (.*)", line)
        if not match:
            continue
        for expression in re.findall(r'"([^"]*)"', match.group(2)):
            def place(m):
                return f"{short}:{number + int(m.group(1) or 0)}"
            found.append((number, re.sub(r"LINE([+-]\d+)?", place, expression), bool(match.group(1))))
    return found


def kinds_of(expression):
    if "|" in expression:
        return None
    return next((kinds for phrase, kinds in KINDS if re.search(phrase, expression)), None)


def words(annotation):
    """The lines of an annotation and its explanation, reassembled from the parsed fields."""
    yield annotation["text"]
    if annotation["flow"]:
        yield f"{annotation['subject']} escapes to heap:"
        yield f"{annotation['subject']} escapes to heap in {annotation['function']}:"
        where = annotation["flow"][-1]["to"]
        for level in range(-1, 4):
            yield f"parameter {annotation['subject']} leaks to {where} with derefs={level}:"
            yield f"parameter {annotation['subject']} leaks to {where} for {annotation['function']} with derefs={level}:"
    for flow in annotation["flow"]:
        source = ("&" if flow["derefs"] < 0 else "*" * flow["derefs"]) + flow["from"]
        yield f"  flow: {flow['to']} = {source}:"
        yield f"  flow: {flow['to']} \u2190 {source}:"
        for step in flow["steps"]:
            yield f"    from {step['expression']} ({step['reason']}) at {step['file']}:{step['line']}"


def builds_here(text, version):
    """Whether the file's build constraint holds for this machine and release."""
    match = re.search(r"^//go:build (.*)$", text, re.M)
    if not match:
        return True

    def holds(tag):
        name = tag.group(0)
        if name.startswith("go1."):
            return str(int(name[4:]) <= int(version[2:]))
        return str(name in ("linux", "unix", "gc", "cgo", platform.machine().replace("x86_64", "amd64")))
    expression = re.sub(r"[\w.]+", holds, match.group(1)).replace("&&", " and ").replace("||", " or ").replace("!", " not ")
    return eval(expression)  # contains only True, False, and, or, not


class Release:
    """A toolchain, its test directory, and compiled packages that the tests import."""

    def __init__(self, t, version):
        self.t, self.version = t, version
        self.go = harness.go_toolchain(version)
        root = self.go.parent.parent
        self.tests = root / "test"
        if not self.tests.is_dir():
            raise harness.Skip(f"Go {version} has no test directory")
        self.work = t.path(f"go{version}")
        self.work.mkdir()
        self.environment = dict(os.environ, GOFLAGS="", GOTOOLCHAIN="local", GOROOT=str(root), GO111MODULE="off")
        self.cases = sorted((path, match.group(1), match.group(2).split()) for path in self.tests.rglob("*.go")
                            for match in [HEADER.search(path.read_text(errors="replace")[:2000])]
                            if match and re.search(r" -m\b", match.group(2)) and not path.parent.suffix
                            and builds_here(path.read_text(errors="replace"), version))
        self.import_configuration()

    def import_configuration(self):
        imports = set()
        for path, _, _ in self.cases:
            for source in [path, *path.with_suffix(".dir").glob("*.go")]:
                imports |= set(IMPORT.findall(source.read_text(errors="replace")))
        imports = sorted(name for name in imports if re.fullmatch(r"[a-z][a-z0-9/]*", name) and
                         (self.tests.parent / "src" / name).is_dir() and name not in ("unsafe", "C"))
        done = self.t.run(self.go, "list", "-export", "-deps", "-p=1",
                          "-f={{if .Export}}packagefile {{.ImportPath}}={{.Export}}{{end}}", *imports,
                          env=self.environment, timeout=600)
        self.config = done.stdout

    def compile(self, flags, output, *files, package, extra=""):
        config = self.work / "importcfg"
        config.write_text(self.config + extra)
        command = [self.go, "tool", "compile", "-d=panic", "-e", f"-importcfg={config}", "-o", output]
        if not any(flag.startswith("-p=") for flag in flags):
            command.append(f"-p={package}")
        done = subprocess.run([*map(str, command), *flags, *map(str, files)], cwd=self.work, env=self.environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=120)
        return done.stdout

    def outputs(self, path, action, flags):
        """Pairs of (the compiler's output, the files that it is about)."""
        flags = [flag for flag in flags if flag.startswith("-") and flag != "-0"]  # -0: no error is expected
        if "dir" not in action:
            yield self.compile(flags, "a.o", path, package="p"), [path]
            return
        packages, extra = {}, ""
        for source in sorted(path.with_suffix(".dir").glob("*.go")):
            name = re.search(r"^package (\w+)", source.read_text(), re.M).group(1)
            packages.setdefault(name, []).append(source)
        (self.work / "test").mkdir(exist_ok=True)
        for name, sources in packages.items():
            package = "main" if name == "main" else f"test/{sources[0].stem}"
            yield self.compile([*flags, "-D", "test"], f"{package}.a", *sources, package=package, extra=extra), sources
            extra += f"packagefile {package}={self.work}/{package}.a\n"


def check(t, output, sources, others_allowed):
    """All differences between expectations and annotations, as text."""
    expected = [(source, *e) for source in sources for e in expectations(source, source.name)]
    if not output.strip():
        return [f"the compiler said nothing, {len(expected)} expectations"] if expected else []
    # A package for which the compiler only reports errors has no annotations, so that the parser refuses its output.
    done = subprocess.run([harness.ESCAPEMENT, "escapes", "--format", "json", "--kind", "all", "-C", "/nonexistent", "-"],
                          input=output, capture_output=True, text=True, timeout=60)
    if done.returncode:
        return [f"refused: {done.stderr.strip()}"]
    document = json.loads(done.stdout)
    problems = []
    rest = [u["text"] for u in document["unrecognized"]]
    if rest and not others_allowed:
        problems += [f"unrecognised: {text}" for text in rest]
    lines = {}
    for annotation in document["annotations"]:
        generated = annotation["file"] == "<autogenerated>"
        key = "auto" if generated else (annotation["file"], annotation["line"])
        lines.setdefault(key, []).append(annotation)
    own = {str(source) for source in sources}  # the output also mentions generic code of other packages
    explained = {id(a): False for a in document["annotations"]}
    for source, number, expression, auto in expected:
        at = lines.get("auto" if auto else (str(source), number), [])
        met = [a for a in at if any(re.search(expression, text) for text in words(a))]
        wanted = kinds_of(expression)
        for annotation in met:
            explained[id(annotation)] = True
            if wanted and annotation["kind"] not in wanted:
                problems.append(f"{source.name}:{number}: '{annotation['text']}' is {annotation['kind']}, "
                                f"expected by '{expression}'")
        if not met and not any(f"{source}:{number}" in text and re.search(expression, text) for text in rest):
            problems.append(f"{source.name}:{number}: nothing reads '{expression}': {[a['text'] for a in at]}")
    for key, annotations in lines.items():
        problems += [f"{pathlib.Path(a['file']).name}:{a['line']}: not expected: {a['text']}" for a in annotations
                     if a["file"] in own and not a["explained_only"] and not explained[id(a)]]
    return problems


def check_release(t, version):
    release = Release(t, version)
    problems, files, count = [], 0, 0
    for path, action, flags in release.cases:
        for output, sources in release.outputs(path, action, flags):
            others = bool(OTHER_MESSAGES.search(" ".join(flags)))
            problems += [f"{path.relative_to(release.tests)}: {p}" for p in check(t, output, sources, others)]
            count += sum(len(expectations(source, source.name)) for source in sources)
        files += 1
    if files < 40 or count < 1000:
        raise AssertionError(f"Go {version}: only {files} files with {count} expectations were found")
    if problems:
        raise AssertionError(f"Go {version}: {len(problems)} of {count} expectations in {files} files:\n" +
                             "\n".join(problems[:40]))
    print(f"# Go {version}: {count} expectations in {files} files", flush=True)


def test_what_is_parsed_is_what_gos_own_tests_expect(t):
    for version in RELEASES:
        check_release(t, version)


if __name__ == "__main__":
    harness.main()
