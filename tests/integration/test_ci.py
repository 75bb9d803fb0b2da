#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The GitHub Action and the GitLab template: runs their steps, taken from the files, on a repository with two
revisions."""
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree

import harness
from harness import contains, same

try:
    import yaml
except ImportError:
    yaml = None

GITHUB = harness.ROOT / "packaging" / "github" / "action.yml"
GITLAB = harness.ROOT / "packaging" / "gitlab.yml"
CHANGES = harness.FIXTURES / "changes"


def git(directory, *words):
    return subprocess.run(["git", "-C", directory, "-c", "user.email=a@b", "-c", "user.name=a", *words], check=True,
                          capture_output=True, text=True).stdout.strip()


def repository(t, name):
    """Creates a repository whose module is in a subdirectory, with a base commit and a change on top of it. Returns the
    repository and the base."""
    harness.require_root()
    if not yaml:
        raise harness.Skip("python3-yaml is not installed")
    root = t.path("repository")
    module = root / "service"
    module.mkdir(parents=True)
    (module / "go.mod").write_text(f"module example.com/{name}\n\ngo 1.23\n")
    shutil.copy(next((CHANGES / name).glob("*_test.go")), module)
    git(root, "init", "-q", "-b", "main", ".")
    for side in ("before", "after"):
        shutil.copy(CHANGES / name / side / "work.go", module)
        git(root, "add", "-A")
        git(root, "commit", "-qm", side)
    return root, git(root, "rev-parse", "HEAD~1")


def environment(t, **more):
    go = harness.go_toolchain("1.24")
    return {**os.environ, "PATH": f"{t.path('prefix')}/bin:{go.parent}:{os.environ['PATH']}", "PREFIX": str(t.path("prefix")),
            "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "GOPROXY": "off",
            "GIT_CONFIG_GLOBAL": "/dev/null", "TMPDIR": str(t.path("tmp")), **more}


def filled(text, values):
    """Replaces the ${{ … }} expressions in a workflow's text; fails on an expression without a given value."""
    return re.sub(r"\$\{\{ *([\w.-]+)[^}]*\}\}", lambda match: values[match[1]], text)


def act(t, root, base, **inputs):
    """Runs the action's steps as a runner does. Returns {name: CompletedProcess} and the runner's files."""
    action = yaml.safe_load(GITHUB.read_text())
    files = {name: t.path(name) for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH")}
    for path in files.values():
        path.write_text("")
    for name in ("tmp", "runner"):
        t.path(name).mkdir(exist_ok=True)
    values = {"runner.temp": str(t.path("runner")), "github.event.pull_request.base.sha": base}
    for name, about in action["inputs"].items():
        values[f"inputs.{name}"] = filled(inputs.get(name.replace("-", "_"), about["default"]), values)
    variables = environment(t, GITHUB_WORKSPACE=str(root), GITHUB_ACTIONS="true", CI="true",
                            GITHUB_ACTION_PATH=str(GITHUB.parent), **{name: str(path) for name, path in files.items()})
    done, failed = {}, False
    for step in action["runs"]["steps"]:
        same(step["shell"], "bash")
        if failed and step.get("if") != "always()":
            continue
        own = {name: filled(text, values) for name, text in step.get("env", {}).items()}
        directory = root / filled(step.get("working-directory", "."), values)
        result = t.run("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"], status=None, timeout=600,
                       cwd=directory, env={**variables, **own})
        done[step["name"]] = result
        failed |= result.returncode != 0
    return done, {name: path.read_text() for name, path in files.items()}


def install(t):
    """Stands in for the action's first step, which installs escapement on a new machine: uses the build's binary."""
    t.run("make", "-s", "-C", harness.ROOT, "install", f"PREFIX={t.path('prefix')}",
          f"B={harness.BUILD.relative_to(harness.ROOT)}", timeout=600)


def test_the_github_action_annotates_a_regression_and_writes_summary_and_comment(t):
    root, base = repository(t, "regexp")
    install(t)
    before = git(root, "status", "--porcelain", "--ignored"), git(root, "worktree", "list")
    done, files = act(t, root, base, working_directory="service")
    same({name: step.returncode for name, step in done.items()},
         {"Install escapement": 0, "Measure the base": 0, "Measure and judge the head": 1, "Report": 0})
    log = done["Measure and judge the head"].stdout
    errors = [line for line in log.splitlines() if line.startswith("::error ")]
    assert len(errors) >= 9 and all("file=service/work.go,line=9," in line for line in errors[:9]), log
    contains(log, "BenchmarkSlug  4 -> 16 allocs/op")
    contains(files["GITHUB_STEP_SUMMARY"], "### Allocations: gate failed")
    contains(files["GITHUB_STEP_SUMMARY"], "BenchmarkSlug  4 -> 16 allocs/op")
    outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].splitlines())
    same(open(outputs["comment"]).read(), files["GITHUB_STEP_SUMMARY"])
    contains(open(outputs["sarif"]).read(), '"uri":"service/work.go"')
    contains(open(outputs["page"]).read(), "<h1>Allocation gate: ")
    same((git(root, "status", "--porcelain", "--ignored"), git(root, "worktree", "list")), before, "files left behind")
    same(os.listdir(t.path("tmp")), [], "temporary files")


def test_the_github_action_passes_an_improvement_also_without_privileges(t):
    root, base = repository(t, "builder")
    install(t)
    done, files = act(t, root, base, working_directory="service", options="--in-process --runs 1")
    same({step.returncode for step in done.values()}, {0}, "exit statuses")
    log = done["Measure and judge the head"].stdout
    assert "::error" not in log, log
    contains(files["GITHUB_STEP_SUMMARY"], "BenchmarkJoin  8 -> 4 allocs/op")
    # A failed measurement fails the job, and the comment says so.
    done, files = act(t, root, base, working_directory="service", options="--in-process", run="go test ./nothing")
    assert done["Measure the base"].returncode != 0
    contains(files["GITHUB_STEP_SUMMARY"], "not measured")


# Simulates a machine with Debian's sudo on which the job's user may run everything without a password, by mounts that
# only this process sees.
WITH_SUDO = """
mkdir $TMPDIR/over && mount -t tmpfs tmpfs $TMPDIR/over
for top in etc usr; do
    mkdir $TMPDIR/over/$top $TMPDIR/over/$top.work
    mount -t overlay overlay -o lowerdir=$SUDO_TREE/$top:/$top,upperdir=$TMPDIR/over/$top,workdir=$TMPDIR/over/$top.work /$top
done
umount -l $TMPDIR/over; rmdir $TMPDIR/over
echo 'nobody ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/job
chmod 440 /etc/sudoers.d/job
for step in base head; do
    setpriv --reuid=65534 --regid=65534 --clear-groups -- ./ci-gate $step
done
"""


def test_sudo_has_another_path_and_the_gate_still_finds_the_jobs_go(t):
    root, base = repository(t, "builder")
    if not os.path.exists("/usr/bin/go"):
        raise harness.Skip("no Go that other users may run: the tests' toolchains are below /root")
    done = subprocess.run([harness.ROOT / "packaging" / "debian-program", "bookworm", "sudo"], capture_output=True, text=True)
    if done.returncode:
        raise harness.Skip(f"no sudo: {done.stderr.strip()[-200:]}")
    install(t)
    t.directory.chmod(0o755)
    for name in ("tmp", "results", "go", "cache"):
        t.path(name).mkdir()
        t.path(name).chmod(0o777)
    t.path("go").joinpath("go1.99").symlink_to("/usr/bin/go")  # a name that exists in no other PATH
    module = root / "service"
    shutil.copy(harness.ROOT / "packaging" / "ci-gate", module)
    subprocess.run(["chown", "-R", "65534:65534", root], check=True)
    variables = environment(t, PATH=f"{t.path('prefix')}/bin:{t.path('go')}:/usr/bin:/bin", SUDO_TREE=done.stdout.strip(),
                            GATE_OUT=str(t.path("results")), GATE_RUN="go1.99 test -run '^$' -bench . .",
                            GATE_OPTIONS="--runs 1", GATE_BASE=base, GOCACHE=str(t.path("cache")), HOME=str(t.path("cache")))
    done = t.run("unshare", "-m", "sh", "-euc", WITH_SUDO, cwd=module, env=variables, timeout=600)
    contains(done.stdout, "BenchmarkJoin  8 -> 4 allocs/op")
    roots = [os.path.join(top, name) for where in (root, t.path("cache")) for top, folders, names in os.walk(where)
             for name in folders + names if os.lstat(os.path.join(top, name)).st_uid == 0]
    same(roots, [], "files owned by root")


def test_ci_gate_without_a_step_prints_its_usage(t):
    script = harness.ROOT / "packaging" / "ci-gate"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATE_")}
    for words, status in (((), 2), (("bse",), 2), (("--help",), 0)):
        done = t.run(script, *words, status=status, env=environment)
        usage = done.stderr if status else done.stdout
        contains(usage, "ci-gate base|head|report: a gate of two revisions")
        for name in ("GATE_BASE", "GATE_RUN", "GATE_BUILD", "GATE_OPTIONS", "GATE_FORMAT", "GATE_OUT"):
            contains(usage, f"\n  {name} ")
    same(t.run(script, "head", status=2, env=environment).stderr.count("GATE_RUN"), 1)


def test_the_gitlab_template_leaves_a_junit_report_and_the_comment(t):
    root, base = repository(t, "regexp")
    install(t)
    job = yaml.safe_load(GITLAB.read_text())[".allocation-gate"]
    t.path("tmp").mkdir()
    given = {"CI_PROJECT_DIR": str(root), "CI_MERGE_REQUEST_DIFF_BASE_SHA": base, "GITLAB_CI": "true"}
    variables = environment(t, **given)
    for name, text in job["variables"].items():
        variables[name] = re.sub(r"\$\$|\$(\w+)", lambda match: given[match[1]] if match[1] else "$", text)
    variables["ESCAPEMENT_TREE"] = str(harness.ROOT)  # the job's author chooses the place of the checkout
    script = "\n".join(["set -eo pipefail", *job["before_script"], "cd service", *job["script"]])
    done = t.run("bash", "-c", script, status=1, cwd=root, env=variables, timeout=600)
    contains(done.stdout, "gate failed: ")
    assert "::error" not in done.stdout
    report = root / job["artifacts"]["reports"]["junit"]
    assert int(xml.etree.ElementTree.parse(report).getroot().get("failures")) >= 9
    for path in job["artifacts"]["paths"]:
        assert (root / path).stat().st_size > 0, path
    same(git(root, "worktree", "list").count("\n"), 0, "worktrees left")


if __name__ == "__main__":
    harness.main()
