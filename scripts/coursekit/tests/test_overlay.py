"""Which copy of a file a test is built from, shown by compiling with the folders that were written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from coursekit.building import targets
from coursekit.building.overlay import Choice
from coursekit.course import catalog
from coursekit.tests import fake_course

ROOT = Path(__file__).resolve().parents[3]

PRINT = """#include <cstdio>
#include "rt/room/gamma.h"
int main() { std::printf("%s %s %s %s", given(), alpha(), beta(), gamma()); }
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fake_course.make(tmp_path / "a b")


def write(
    root: Path, subject: Choice = "learner", prior: Choice = "solutions", module: str = "module1"
) -> Path:
    course = catalog.load(root)
    out = root / "build"
    targets.write_module(course, course.module(module), out, subject, prior)
    return out


def compile_with(folder: Path, text: str, *sources: Path) -> subprocess.CompletedProcess[str]:
    main = folder.parent / "main.cc"
    main.write_text(text)
    command = [
        "g++",
        "-std=c++20",
        f"-I{folder}",
        str(main),
        *map(str, sources),
        "-o",
        str(main.with_suffix("")),
    ]
    return subprocess.run(command, capture_output=True, text=True)


def run(folder: Path, text: str) -> str:
    compiled = compile_with(folder, text)
    assert compiled.returncode == 0, compiled.stderr
    return subprocess.run([str(folder.parent / "main")], capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("slug", "subject", "prior", "says"),
    [
        ("beta", "learner", "solutions", "given solutions learner solutions"),
        ("gamma", "learner", "solutions", "given solutions solutions learner"),
        ("gamma", "learner", "learner", "given learner learner learner"),
        ("gamma", "solutions", "solutions", "given solutions solutions solutions"),
        ("beta", "solutions", "learner", "given learner solutions learner"),
    ],
)
def test_subject_and_prior_pick_the_copy(
    root: Path, slug: str, subject: Choice, prior: Choice, says: str
) -> None:
    assert run(write(root, subject, prior) / slug, PRINT) == says


def linked(out: Path, target: str, module: str = "module1-second") -> list[str]:
    """What the target links, as paths relative to the course's folder."""
    calls = (out / f"{module}.cmake").read_text().split("course_test(")
    (call,) = (c for c in calls if f"TARGET [==[{target}]==]" in c)
    sources = call.split("SOURCES ", 1)[1]
    return [
        str(Path(s).relative_to(out.parent))
        for s in sources.split("[==[")[1:]
        for s in [s.split("]==]")[0]]
    ]


def test_a_test_links_what_its_needs_close_over(root: Path) -> None:
    out = write(root)
    assert linked(out, "alpha_test") == ["module1-second/tests/alpha_test.cc"]
    assert linked(out, "beta_test") == [
        "module1-second/tests/beta_test.cc",
        "module1-second/src/beta.cc",
    ]
    assert linked(out, "gamma_test") == [
        "module1-second/tests/gamma_test.cc",
        "solutions/module1-second/src/beta.cc",
        "solutions/module0-first/src/ground.cc",
    ]


def test_given_sources_are_linked_by_all(root: Path) -> None:
    fake_course.write(root / "module0-first/src/given.cc", "")
    assert "module0-first/src/given.cc" in linked(write(root), "alpha_test")


def test_an_earlier_module_does_not_see_a_later_one(root: Path) -> None:
    out = write(root, module="module0")
    assert sorted(p.name for p in (out / "ground/rt/room").iterdir()) == ["given.h", "ground.h"]


def test_a_later_given_header_takes_the_place_of_an_earlier_one(root: Path) -> None:
    fake_course.write(
        root / "module1-second/include/rt/room/given.h", fake_course.header("given", "later")
    )
    assert run(write(root) / "gamma", PRINT).startswith("later ")
    assert "module0-first" in (write(root, module="module0") / "ground/rt/room/given.h").read_text()


def test_a_handout_without_solutions_uses_the_learners_files(root: Path) -> None:
    (root / "solutions").rename(root.parent / "kept")
    assert run(write(root) / "gamma", PRINT) == "given learner learner learner"


def test_a_syntax_error_names_the_learners_own_path(root: Path) -> None:
    mine = root / "module1-second/include/rt/room/beta.h"
    mine.write_text(mine.read_text() + "int f( {\n")
    failed = compile_with(write(root) / "beta", PRINT)
    assert f"{mine}:5:" in failed.stderr
    assert run(write(root) / "gamma", PRINT), "the exercise alone is broken"


@pytest.mark.parametrize("file", ["include/rt/room/beta.h", "src/beta.cc"])
def test_a_missing_learners_file_fails_the_build_and_says_what_to_do(root: Path, file: str) -> None:
    mine = root / "module1-second" / file
    mine.unlink()
    out = write(root)
    sources = [out.parent / s for s in linked(out, "beta_test")[1:]]
    failed = compile_with(out / "beta", '#include "rt/room/beta.h"\nint main() {}\n', *sources)
    first = next(line for line in failed.stderr.splitlines() if "error:" in line)
    assert first.startswith(str(mine))
    assert f"module1-second/{file} is missing. scripts/course reset 1.2 brings it back." in first
    assert run(out / "gamma", PRINT) == "given solutions solutions learner"


def test_a_file_that_comes_back_is_used_again(root: Path) -> None:
    mine = root / "module1-second/src/beta.cc"
    text = mine.read_text()
    mine.unlink()
    out = write(root)
    assert (out / "beta/missing/beta.cc").is_file()
    mine.write_text(text)
    write(root)
    assert not (out / "beta/missing/beta.cc").exists()


def test_an_exercise_that_nobody_wrote_yet_is_left_out(root: Path) -> None:
    (root / "module1-second/tests/alpha_test.cc").unlink()
    for top in (root, root / "solutions"):
        (top / "module1-second/include/rt/room/gamma.h").unlink()
    calls = (write(root) / "module1-second.cmake").read_text()
    assert "exercise 1.1 is left out: module1-second/tests/alpha_test.cc does not exist" in calls
    assert (
        "exercise 1.10 is left out: module1-second/include/rt/room/gamma.h does not exist" in calls
    )
    assert "beta_test" in calls


def test_writing_again_touches_nothing(root: Path) -> None:
    out = write(root)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    write(root)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_a_header_that_went_away_is_not_forwarded(root: Path) -> None:
    extra = root / "module0-first/include/rt/room/extra.h"
    fake_course.write(extra, "")
    out = write(root)
    assert (out / "beta/rt/room/extra.h").is_file()
    extra.unlink()
    write(root)
    assert not (out / "beta/rt/room/extra.h").exists()


@pytest.mark.parametrize(
    ("subject", "prior", "source"),
    [
        ("solutions", "solutions", "solutions/module1-second/src/beta.cc"),
        ("learner", "learner", "module1-second/src/beta.cc"),
        ("learner", "solutions", None),
    ],
)
def test_demos_show_one_whole_runtime(
    root: Path, subject: Choice, prior: Choice, source: str | None
) -> None:
    fake_course.write(root / "module1-second/demo/race.cc", "int main() {}\n")
    calls = (write(root, subject, prior) / "module1-second.cmake").read_text()
    assert ("course_demo(" in calls) == (source is not None)
    if source:
        assert f"[==[{root / source}]==]" in calls.split("course_demo(")[1]


def test_runs_without_the_command_lines_packages(root: Path) -> None:
    tool = [
        "/usr/bin/python3",
        "-I",
        str(ROOT / "scripts/coursekit"),
        "overlay",
        "--root",
        str(root),
    ]
    more = ["--out", str(root / "build"), "--subject", "learner", "--prior", "mine", "--module"]
    assert subprocess.run([*tool, *more, "module1-second"]).returncode == 0
    failed = subprocess.run([*tool, *more, "module7"], capture_output=True, text=True)
    assert failed.returncode == 1
    assert "'module7'" in failed.stderr
