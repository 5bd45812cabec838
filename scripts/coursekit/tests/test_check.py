"""check and status from end to end, in a small course of three exercises.

Its tests are plain programs that speak the protocol, so that all of this takes seconds.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from coursekit.building import build, compilers
from coursekit.course import paths
from coursekit.errors import CourseError
from coursekit.tests.small_course import ALPHA, BETA, Tree, built_tree, tree


def test_a_first_check_says_what_to_read_and_to_write(tree: Tree) -> None:
    answer = tree.run("check")
    assert answer.returncode == 1
    assert "1.1" in answer.stdout and "not written yet" in answer.stdout
    assert "scripts/course lesson 1.1" in answer.stdout
    assert "module1-x/include/rt/room/alpha.h:4" in answer.stdout
    assert "1.2" not in answer.stdout
    assert "\x1b" not in answer.stdout + answer.stderr


def test_stubs_are_all_unwritten(tree: Tree) -> None:
    assert tree.states("all") == {"1.1": "todo", "1.2": "todo"}


def test_a_pass_is_remembered_and_shows_the_next(tree: Tree) -> None:
    tree.learner("alpha").write_text(ALPHA)
    answer = tree.run("check", "1.1")
    assert answer.returncode == 0
    assert "next: 1.2 The second letter" in answer.stdout
    status = json.loads(tree.run("status", "--json").stdout)
    assert [e["state"] for e in status["exercises"]] == ["done", "todo"]
    assert (status["done"], status["points"], status["points_possible"]) == (1, 10, 30)
    assert tree.run("check").stdout.startswith("○ 1.2")  # on with the next one


def test_without_an_id_it_goes_on_through_what_is_written(tree: Tree) -> None:
    tree.learner("alpha").write_text(ALPHA)
    tree.learner("beta").write_text(BETA.replace("+ 1", "+ 2"))
    answer = tree.run("check")
    assert "1.1  alpha  passes" in answer.stdout and "1.2  beta   fails" in answer.stdout
    tree.learner("beta").write_text(BETA)
    assert "every exercise is done" in tree.run("check").stdout


def test_a_stub_that_is_put_back_by_hand_is_not_failing(tree: Tree) -> None:
    stub = tree.learner("alpha").read_text()
    reference = tree.root / "solutions/module1-x/include/rt/room/alpha.h"
    text = reference.read_text()
    marked = text.replace("  return", "  // BEGIN SOLUTION 1.1\n  return")
    reference.write_text(marked.replace(";\n}", ";\n  // END SOLUTION\n}"))
    try:
        tree.learner("alpha").write_text(ALPHA.replace("return 1", "return 2"))
        assert tree.states("1.1") == {"1.1": "fail"}

        def state() -> str:
            status = json.loads(tree.run("status", "--json").stdout)
            return str(status["exercises"][0]["state"])

        assert state() == "failing"
        tree.learner("alpha").write_text(f"{stub}// half of it\n")
        assert state() == "failing"
        # Derived, so that it has the header that the reference does not need.
        from coursekit.course import stubs

        tree.learner("alpha").write_text(stubs.derive(reference.read_text(), "1.1"))
        assert state() == "todo"
    finally:
        reference.write_text(text)


def test_a_learners_own_test_counts_for_nothing(tree: Tree) -> None:
    listed = 'inline int listed = std::printf("Mine.\\n  Own\\n");\n'
    tree.learner("alpha").write_text(ALPHA + listed)
    answer = json.loads(tree.run("check", "1.1", "--json").stdout)["exercises"][0]
    assert answer["state"] == "pass"
    assert [test["name"] for test in answer["tests"]] == ["Alpha.Works"]


def test_a_test_that_is_not_in_the_program_is_missed(tree: Tree) -> None:
    tree.learner("alpha").write_text(ALPHA)
    file = tree.root / "module1-x/tests/alpha_test.cc"
    text = file.read_text()
    file.write_text(f"{text}TEST(Alpha, Gone)\n")
    try:
        answer = json.loads(tree.run("check", "1.1", "--json").stdout)["exercises"][0]
        assert answer["state"] == "fail"
        assert "Alpha.Gone stands in its test file" in answer["message"]
    finally:
        file.write_text(text)


def test_all_done(tree: Tree) -> None:
    tree.learner("alpha").write_text(ALPHA)
    tree.learner("beta").write_text(BETA)
    assert tree.run("check", "all").returncode == 0
    answer = tree.run("check")
    assert answer.returncode == 0
    assert "every exercise is done" in answer.stdout


def test_a_failing_test_is_shown_with_its_place(tree: Tree) -> None:
    tree.learner("beta").write_text(BETA.replace("+ 1", "+ 2"))
    answer = tree.run("check", "beta")
    assert answer.returncode == 1
    for part in (
        "Beta.Works (unit) failed",
        "expected 1",
        "module1-x/given/kit.h:5",
        "stress",
        "scripts/course hint 1.2",
    ):
        assert part in answer.stdout


def test_a_usual_cause_is_told_with_its_failure(tree: Tree) -> None:
    tree.learner("beta").write_text(BETA.replace("+ 1", "+ 2"))
    answer = tree.run("check", "beta").stdout
    assert "    a usual cause: beta off by one.\n" in answer
    assert "    the test: module1-x/tests/beta_test.cc:4\n" in answer


def test_a_test_by_name_runs_alone_and_is_no_progress(tree: Tree) -> None:
    tree.learner("beta").write_text(BETA)
    answer = tree.run("check", "1.2", "--test", "stress")
    assert answer.returncode == 0
    assert "the test passes  1 other was not run" in answer.stdout
    assert "nothing is recorded as progress" in answer.stdout
    assert "next:" not in answer.stdout
    assert not (tree.root / ".course/progress.json").exists()


def test_every_test_that_was_named_is_shown_in_full(tree: Tree) -> None:
    tree.learner("beta").write_text(BETA.replace("+ 1", "+ 2"))
    answer = tree.run("check", "1.2", "--test", "works")
    assert answer.returncode == 1
    assert answer.stdout.count("    expected 1\n") == 2  # unit and stress


def test_no_test_of_that_name(tree: Tree) -> None:
    answer = tree.run("check", "1.2", "--test", "Beta.Wroks")
    assert answer.returncode == 2
    assert "No test of 1.2 has 'Beta.Wroks' in its name." in answer.stderr
    assert "Beta.Works" in answer.stderr


def test_a_syntax_error_breaks_its_own_exercise_only(tree: Tree) -> None:
    tree.learner("alpha").write_text(ALPHA.replace("return 1;", "return 1"))
    assert tree.states("all") == {"1.1": "broken", "1.2": "todo"}
    answer = tree.run("check", "1.1")
    assert answer.returncode == 1
    assert "module1-x/include/rt/room/alpha.h:4" in answer.stdout
    assert "expected" in answer.stdout
    message = json.loads(tree.run("check", "1.1", "--json").stdout)["exercises"][0]["message"]
    assert message.startswith("module1-x/include/rt/room/alpha.h:4: expected")


def test_on_ones_own_code_a_broken_need_blocks(tree: Tree) -> None:
    tree.learner("beta").write_text(BETA)
    assert tree.states("1.2") == {"1.2": "pass"}
    assert tree.states("1.2", "--mine") == {"1.2": "blocked"}  # 1.1 is a stub
    tree.learner("alpha").write_text(ALPHA.replace("return 1;", "return 1"))
    answer = tree.run("check", "1.2", "--mine")
    assert "blocked" in answer.stdout and "1.1 (alpha), which does not compile" in " ".join(
        answer.stdout.split()
    )
    tree.learner("alpha").write_text(ALPHA)
    assert tree.states("1.2", "--mine") == {"1.2": "pass"}


def test_the_reference(tree: Tree) -> None:
    assert tree.states("all", "--solutions") == {"1.1": "pass", "1.2": "pass"}
    assert tree.run("status").stdout.count("not written") == 2  # it is nobody's progress


def test_a_build_ends_when_nobody_wants_the_rest(tree: Tree) -> None:
    configuration = build.Configuration(variant="stopped")
    folder = tree.root / "build/stopped"
    linked = []
    wants_more = False

    def again(target: str) -> bool:
        assert (folder / "bin" / target).exists()
        linked.append(target)
        return wants_more

    def programs() -> int:
        built = build.build(
            paths.find_checkout(tree.root),
            configuration,
            ["beta_test", "beta_stress_test"],
            lambda what, done, total: None,
            1,
            again,
        )
        assert not built.broken
        return len(list((folder / "bin").iterdir()))

    assert programs() == 1 and len(linked) == 1
    # As long as nothing changes, the same program ends it, and nothing is built.
    assert programs() == 1 and linked == 2 * linked[:1]
    assert programs() == 1 and linked == 3 * linked[:1]
    tree.learner("beta").write_text(BETA)
    assert programs() == 1 and len(linked) == 4
    wants_more = True
    assert programs() == 2


def test_a_failing_unit_test_is_the_answer(tree: Tree) -> None:
    tree.learner("beta").write_text(BETA.replace("+ 1", "+ 7"))
    answer = tree.run("check", "1.2")
    assert answer.returncode == 1
    assert "Beta.Works (unit) failed" in answer.stdout
    assert "not run until these pass: its stress tests" in answer.stdout


def test_forbidden_words_fail_with_their_hint(tree: Tree) -> None:
    tree.learner("alpha").write_text(ALPHA.replace("return 1;", "goto end;\nend:\n  return 1;"))
    answer = tree.run("check", "1.1")
    assert answer.returncode == 1
    assert "A loop says it better." in answer.stdout
    assert "module1-x/include/rt/room/alpha.h:4" in answer.stdout


def test_files_that_are_no_source_files(tree: Tree) -> None:
    path = tree.learner("alpha")
    for data, says in ((b"", "is empty"), (b"\xff\n", "not UTF-8")):
        path.write_bytes(data)
        assert says in tree.run("check", "1.1").stdout
    path.unlink()
    answer = tree.run("check", "all")
    assert "is missing" in answer.stdout and "scripts/course reset 1.1" in answer.stdout
    assert "1 not written yet" in answer.stdout  # the other one was checked all the same
    path.write_text(ALPHA)
    assert tree.states("1.1") == {"1.1": "pass"}


def test_a_file_replaced_by_an_older_one_is_built_again(tree: Tree) -> None:
    path = tree.learner("alpha")
    path.write_text(ALPHA)
    assert tree.states("1.1") == {"1.1": "pass"}
    path.write_text(ALPHA.replace("return 1;", "return 77;"))
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert tree.states("1.1") == {"1.1": "fail"}


def test_an_include_without_an_end_is_a_full_memory_and_nobody_elses(tree: Tree) -> None:
    tree.learner("alpha").write_text(f'#include "/dev/zero"\n{ALPHA}')
    answer = json.loads(tree.run("check", "1.1", "--json", "--cxx", "g++").stdout)["exercises"][0]
    assert answer["state"] == "broken"
    assert "the compiler ran out of memory" in answer["message"]


def test_a_full_disk_is_called_one(tree: Tree, tmp_path: Path) -> None:
    full = tmp_path / "full-g++"
    full.write_text(
        "#!/bin/sh\n"
        'case "$*" in *alpha_test.cc.o*) echo "x.s: fatal error: cannot write: No space left on device"; exit 1;; esac\n'
        'exec g++ "$@"\n'
    )
    full.chmod(0o755)
    tree.learner("alpha").write_text(ALPHA)
    answer = tree.run("check", "1.1", "--cxx", str(full))
    assert answer.returncode == 3
    assert answer.stderr.splitlines()[-2].startswith("The disk is full")
    error = build.configure_error("CMake Error: Cannot open file: No space left on device\n")
    assert error.message.startswith("The disk is full")


def test_without_solutions_ones_own_code_is_built_once(tree: Tree) -> None:
    tree.learner("alpha").write_text(ALPHA)
    hidden = tree.root / "hidden"
    shutil.rmtree(tree.root / "build/whole", ignore_errors=True)
    (tree.root / "solutions").rename(hidden)
    try:
        tree.run("check", "1.1", "--mine")
        assert not (tree.root / "build/whole").exists()
    finally:
        hidden.rename(tree.root / "solutions")


def test_no_home_and_no_place_to_build_is_said(tmp_path: Path) -> None:
    state = Path("/proc/.cache/course/x/state")
    checkout = paths.Checkout(tmp_path, state, state.parent / "build", read_only=True)
    with pytest.raises(CourseError, match="Set HOME, or XDG_CACHE_HOME"):
        paths.make_folders(checkout)


def test_json_is_one_object_of_the_promised_shape(tree: Tree) -> None:
    tree.learner("alpha").write_text(ALPHA)
    answer = tree.run("check", "all", "--json")
    assert answer.returncode == 1
    data: dict[str, Any] = json.loads(answer.stdout)
    assert {key: data[key] for key in ("passed", "failed", "todo", "broken", "blocked")} == {
        "passed": 1, "failed": 0, "todo": 1, "broken": 0, "blocked": 0,
    }  # fmt: skip
    first = data["exercises"][0]
    assert (first["id"], first["slug"], first["module"], first["points"]) == (
        "1.1",
        "alpha",
        "module1-x",
        10,
    )
    (test,) = first["tests"]
    assert set(test) == {"name", "kind", "state", "message", "seconds"}
    assert (test["name"], test["kind"], test["state"]) == ("Alpha.Works", "unit", "pass")


def test_wrong_commands(tree: Tree) -> None:
    for arguments, says in (
        (("check", "1.11"), "Did you mean 1.2?"),
        (("check", "alhpa"), "Did you mean 1.1?"),
        (("check", "module7"), "Did you mean module1?"),
        (("chekc",), "Did you mean `check`?"),
        (("1.2",), "Did you mean `check 1.2`?"),
        (("check", "--sanitize", "everything"), "is not one of"),
        (("check", "--solutions", "--mine"), "choose one"),
        (("check", "--cxx", "no-such-compiler", "1.1"), "no compiler 'no-such-compiler'"),
    ):
        answer = tree.run(*arguments)
        assert answer.returncode == 2, arguments
        assert says in " ".join(answer.stderr.split()), arguments
        assert answer.stdout == ""


def test_an_old_compiler(tree: Tree, tmp_path: Path) -> None:
    old = tmp_path / "g++-9"
    old.write_text("#!/bin/sh\necho 'g++ (Debian 9.3.0-1) 9.3.0'\n")
    old.chmod(0o755)
    answer = tree.run("check", "1.1", "--cxx", str(old))
    assert answer.returncode == 3
    assert "g++ 12 or later" in " ".join(answer.stderr.split())


def test_the_second_of_two_waits_and_says_for_whom(tree: Tree) -> None:
    (tree.root / ".course").mkdir(exist_ok=True)
    with open(tree.root / ".course/lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("process 4711: course check all\n")
        lock.flush()
        second = subprocess.Popen(
            tree.command("check", "1.1"),
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=tree.environment(),
        )
        assert second.stderr is not None
        line = second.stderr.readline()
        assert b"process 4711: course check all" in line
        assert second.poll() is None
    out, _ = second.communicate()
    assert b"not written yet" in out


def test_an_interrupt_while_building_breaks_nothing(tree: Tree, tmp_path: Path) -> None:
    """The compiler is one that waits, so that the interrupt always comes while it runs."""
    mark = tmp_path / "compiling"
    slow = tmp_path / "slow-g++"
    slow.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *alpha_test.cc.o*) echo $$ >"{mark}"; [ -e "{tmp_path}/go" ] || sleep 1000;; esac\n'
        'exec g++ "$@"\n'
    )
    slow.chmod(0o755)
    tree.learner("alpha").write_text(ALPHA)
    child = subprocess.Popen(
        tree.command("check", "1.1", "--cxx", str(slow)),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=tree.environment(), start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while (
        not (mark.exists() and mark.read_text())
        and child.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert b"Stopped" in err
    state = Path(f"/proc/{int(mark.read_text())}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] in "ZX"
    (tmp_path / "go").touch()
    assert tree.states("1.1", "--cxx", str(slow)) == {"1.1": "pass"}


def test_a_checkout_that_cannot_be_written_to_is_built_elsewhere(tree: Tree) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    tree.root.chmod(0o555)
    (tree.root / "build").chmod(0o555)
    try:
        answer = tree.run("check", "1.1")
        assert "cannot be written to" in answer.stderr
        assert (tree.root.parent / "cache/course").is_dir()
    finally:
        tree.root.chmod(0o755)
        (tree.root / "build").chmod(0o755)


def test_warns_of_an_awaited_aggregate_where_g_plus_plus_compiles(tree: Tree) -> None:
    tree.learner("alpha").write_text(ALPHA + "#define UNUSED co_await Sleep{5}\n")
    answer = tree.run("check", "1.1", "--cxx", "g++")
    assert answer.returncode == 0
    assert "g++ 12 destroys this temporary twice" in " ".join(answer.stdout.split())
    by_default = tree.run("check", "1.1")
    assert ("g++ 12" in by_default.stdout) != compilers.is_clang(compilers.find())
