"""A save at any moment of a check: the verdict is always that of what is on disk when it is given."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from coursekit.building import inputs
from coursekit.tests.small_course import ALPHA, Tree, built_tree, tree

WRONG = ALPHA.replace("return 1;", "return 77;")

# A compiler that a "save" meets at a chosen moment, once. The save is a file that is put in place.
COMPILER = """#!/bin/sh
case "$*" in
  *-c*alpha_test.cc*) phase=compile ;;
  *bin/alpha_test*) phase=link ;;
  *) exec g++ "$@" ;;
esac
save() {{
  if [ "$(cat "{here}/moment")" = "$1 $phase" ] && rm "{here}/pending" 2>/dev/null; then
    sh "{here}/save"
  fi
}}
save before
g++ "$@"
status=$?
if [ -e "{here}/back" ]; then
  sh "{here}/back"
  rm "{here}/back"
fi
save after
exit $status
"""


@dataclass(frozen=True)
class Saves:
    """A tree that is built by the compiler above."""

    tree: Tree
    here: Path

    def verdict(self, begin: str, moment: str, then: str, how: str = "") -> str:
        """The state after a check that began with one text, and met the save of the other."""
        file = self.tree.learner("alpha")
        file.write_text(begin)
        (self.here / "then").write_text(then)
        (self.here / "save").write_text(f'cp "{self.here}/then" "{file}"\n' + how.format(file=file))
        (self.here / "moment").write_text(moment)
        (self.here / "pending").touch()
        state = self.state()
        assert not (self.here / "pending").exists(), "the moment never came"
        return state

    def state(self) -> str:
        return self.tree.states("1.1", "--cxx", str(self.here / "g++"))["1.1"]


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("compiler")
    (here / "g++").write_text(COMPILER.format(here=here))
    (here / "g++").chmod(0o755)
    (here / "moment").write_text("never")
    return here


@pytest.fixture
def saves(tree: Tree, compiler: Path) -> Iterator[Saves]:
    yield Saves(tree, compiler)


MOMENTS = ("before compile", "after compile", "before link", "after link")


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_save_while_the_compiler_runs_is_built(saves: Saves, moment: str) -> None:
    for begin, then, state in ((ALPHA, WRONG, "fail"), (WRONG, ALPHA, "pass")):
        begin += f"// {moment}\n"  # so that there is something to compile
        assert saves.verdict(begin, moment, then) == state
        assert saves.state() == state  # and the next check says the same


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_save_with_an_old_date_while_the_compiler_runs(saves: Saves, moment: str) -> None:
    old = 'touch -d 2001-01-01 "{file}"\n'
    assert saves.verdict(f"{ALPHA}// old, {moment}\n", moment, WRONG, old) == "fail"


def test_a_change_that_is_taken_back_while_the_compiler_runs(saves: Saves) -> None:
    file = saves.tree.learner("alpha")
    begin = f"{ALPHA}// taken back\n"
    (saves.here / "good").write_text(begin)
    (saves.here / "back").write_text(f"cp '{saves.here}/good' '{file}'\n")
    # The compiler reads the wrong one, and before and after that it is as it was.
    assert saves.verdict(begin, "before compile", WRONG) == "pass"


def test_a_save_while_the_tests_run_is_judged(saves: Saves) -> None:
    file = saves.tree.learner("alpha")
    (saves.here / "then").write_text(WRONG)
    saving = f"std::system(\"cp '{saves.here}/then' '{file}'\");"
    file.write_text(
        ALPHA.replace("return 1;", f"if ({saving.rstrip(';')} != 0) return 2;\n  return 1;")
    )
    assert saves.state() == "fail"
    assert file.read_text() == WRONG


def test_a_stub_that_is_written_while_it_is_built_is_no_stub(saves: Saves) -> None:
    stub = ALPHA.replace("return 1;", 'RT_TODO("1.1");')
    assert saves.verdict(f"{stub}// stub\n", "after compile", ALPHA) == "pass"
    assert saves.verdict(f"{ALPHA}// no stub\n", "after compile", stub) == "todo"


def test_a_file_that_never_settles_is_named(saves: Saves) -> None:
    file = saves.tree.learner("alpha")
    again = f"std::system(\"echo // again >>'{file}'\")"
    file.write_text(ALPHA.replace("return 1;", f"return {again} == 0 ? 1 : 2;"))
    answer = saves.tree.run("check", "1.1")
    assert answer.returncode == 1
    assert "module1-x/include/rt/room/alpha.h changed each of" in " ".join(answer.stderr.split())


def test_a_check_that_is_killed_while_it_builds_forgets_no_save(saves: Saves) -> None:
    file = saves.tree.learner("alpha")
    file.write_text(f"{ALPHA}// killed\n")
    (saves.here / "save").write_text(
        f"cp '{saves.here}/then' '{file}'; kill -KILL $(cat '{saves.here}/check')\n"
    )
    (saves.here / "then").write_text(WRONG)
    (saves.here / "moment").write_text("after compile")
    (saves.here / "pending").touch()
    check = subprocess.Popen(
        saves.tree.command("check", "1.1", "--cxx", str(saves.here / "g++")),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=saves.tree.environment(),
    )  # fmt: skip
    (saves.here / "check").write_text(str(check.pid))
    check.wait()
    assert saves.state() == "fail"


# ---- times that lie -----------------------------------------------------------------------------


def test_a_clock_that_was_set_back_hides_no_save(saves: Saves) -> None:
    """The objects are from the future then, and no save is newer."""
    saves.tree.learner("alpha").write_text(ALPHA)
    assert saves.state() == "pass"
    folder = next((saves.tree.root / "build").glob("learner-g++*"))
    later = 4_000_000_000
    for path in folder.rglob("*"):
        if path.is_file() and ("alpha_test" in path.name or path.name.startswith(".ninja_")):
            os.utime(path, (later, later))
    memory = folder / "course-inputs.json"
    noted = json.loads(memory.read_text())
    memory.write_text(json.dumps({**noted, "ended_at": later * 10**9}))
    saves.tree.learner("alpha").write_text(WRONG)
    assert saves.state() == "fail"


def test_a_cmake_file_from_the_future_is_named(tree: Tree) -> None:
    file = tree.root / "CMakeLists.txt"
    os.utime(file, (4_000_000_000, 4_000_000_000))
    try:
        answer = tree.run("check", "1.1")
        assert answer.returncode == 1
        said = " ".join(answer.stderr.split())
        assert said.startswith("CMakeLists.txt was last changed in the future")
        assert "-exec touch" in said
    finally:
        os.utime(file)


def test_a_source_from_the_future_is_given_the_present_time(tree: Tree) -> None:
    file = tree.learner("alpha")
    file.write_text(ALPHA)
    os.utime(file, (4_000_000_000, 4_000_000_000))
    assert tree.states("1.1") == {"1.1": "pass"}
    assert file.stat().st_mtime < 4_000_000_000


def test_what_a_build_reads_is_seen_by_its_content(tree: Tree) -> None:
    file = tree.learner("alpha")
    file.write_text(ALPHA)
    times = file.stat()
    before = inputs.contents(tree.root)
    file.write_text(ALPHA.replace("1", "2"))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))  # same size, same time
    assert inputs.changed(before, inputs.contents(tree.root)) == [str(file)]
