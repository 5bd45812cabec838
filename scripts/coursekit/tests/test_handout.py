"""course handout: what a class gets, and above all what it does not get."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from coursekit import cli
from coursekit.course import catalog as catalogs
from coursekit.course import handouts
from coursekit.course.paths import Checkout
from coursekit.testing import check
from coursekit.tests import faketree

README = """# The course

| module | question |
|---|---|
| [0](module0-problem/README.md) | a |
| [1](module1-executor/README.md) | b |

| run | it prints |
|---|---|
| `scripts/course check` | what to do |
| `scripts/course selftest` | N passed |

## For instructors

Run handout. See [notes](solutions/module0-problem/NOTES.md).

## Licence

[MIT](LICENSE), [notes](solutions/module0-problem/NOTES.md).

## For maintainers

Run selftest.
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    root = faketree.make(tmp_path / "the course")
    for name, content in {
        "README.md": README,
        "LICENSE": "MIT",
        "CMakeLists.txt": "#",
        "CMakePresets.json": "{}",
        ".gitignore": "build/\n.course/\n",
        ".ci/run": "selftest",
        ".github/workflows/ci.yml": "on: push",
        "notes-of-mine.txt": "private",
        "grading/marks.csv": "private",
        "build/learner/x": "built",
        ".course/progress.json": "{}",
        "solutions/mutants/module1.toml": "mutants",
        "solutions/module1-executor/tests/hidden_test.cc": "hidden",
        "scripts/course": "#!/bin/sh\n",
        "scripts/coursekit/__main__.py": "",
        "scripts/coursekit/__pycache__/a.pyc": "",
        "scripts/coursekit/tests/test_a.py": "",
        "scripts/coursekit/selftest/tools.py": "",
        "scripts/coursekit/commands/check.py": "",
        "scripts/coursekit/commands/selftest.py": "",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    (root / "scripts/course").chmod(0o755)
    return faketree.use(root, monkeypatch)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(["handout", *arguments])
    said = capsys.readouterr()
    return status, said.out, " ".join(said.err.split())


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_a_class_gets_lessons_stubs_tests_and_tools(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    faketree.solve(
        checkout.root, "module1-executor", "include/rt/future/countdown.h"
    )  # the instructor tried it out
    (checkout.root / "module1-executor/include/rt/future/waker.h").unlink()
    target = tmp_path / "for the class"
    status, out, _ = run(capsys, str(target))
    assert status == 0
    assert names(target) == {
        "README.md",
        "LICENSE",
        "CMakeLists.txt",
        "CMakePresets.json",
        ".gitignore",
        "scripts/course",
        "scripts/coursekit/__main__.py",
        "scripts/coursekit/commands/check.py",
        "module0-problem/README.md",
        "module0-problem/CMakeLists.txt",
        "module0-problem/exercises.toml",
        "module0-problem/src/blocking_echo.cc",
        "module0-problem/tests/blocking_echo_test.cc",
        "module1-executor/README.md",
        "module1-executor/CMakeLists.txt",
        "module1-executor/exercises.toml",
        "module1-executor/include/rt/future/countdown.h",
        "module1-executor/include/rt/future/waker.h",
        "module1-executor/tests/countdown_test.cc",
        "module1-executor/tests/waker_test.cc",
        "module1-executor/demo/hello_future.cc",
    }
    everything = "".join(p.read_text("utf-8") for p in target.rglob("*") if p.is_file())
    assert "return 42" not in everything and everything.count("RT_TODO(") == 3
    assert os.access(target / "scripts/course", os.X_OK)
    assert f"cd '{target}'" in out and "git init" in out and "0.1 is not written yet" in out
    assert [row for row in out.splitlines() if len(row) > 80 and "/" not in row] == []
    assert not list(tmp_path.glob(".for*"))


def test_links_to_what_is_left_out_become_text(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _, out, _ = run(capsys, str(tmp_path / "h"), "--through", "module0")
    readme = (tmp_path / "h/README.md").read_text("utf-8")
    assert (
        "[0](module0-problem/README.md)" in readme
        and "| 1 | b |" in readme
        and "[MIT](LICENSE), notes." in readme
    )
    assert readme.startswith("# The course\n\nThis is a handout, without the reference.")
    assert "| `scripts/course check` | what to do |" in readme and "selftest" not in readme
    assert "instructors" not in readme and "maintainers" not in readme and "## Licence" in readme
    assert "You can read the notes and [the table](#experiment)" in (
        tmp_path / "h/module0-problem/README.md"
    ).read_text("utf-8")
    assert "README.md (2)" in out and not (tmp_path / "h/module1-executor").exists()


def test_finished_modules_may_bring_their_reference(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(capsys, str(tmp_path / "h"), "--with-solutions", "module0")[0] == 0
    assert {n for n in names(tmp_path / "h") if n.startswith("solutions/")} == {
        "solutions/module0-problem/src/blocking_echo.cc",
        "solutions/module0-problem/NOTES.md",
    }
    assert "with the reference of module0-problem only" in (tmp_path / "h/README.md").read_text(
        "utf-8"
    )
    status, _, err = run(capsys, str(tmp_path / "i"), "--through", "0", "--with-solutions", "1")
    assert status == 2 and "not in a handout that ends with module0-problem" in err


def test_in_a_handout_first_is_open_and_the_rest_is_blocked(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run(capsys, str(tmp_path / "h"))
    made = Checkout(tmp_path / "h", tmp_path / "h/.course", tmp_path / "h/build", False)
    catalog = catalogs.load(made.root)
    assert not made.has_solutions
    first = check.next_unfinished(catalog, {})
    assert first is not None and first.id == "0.1"
    assert check.missing_need(made, catalog, catalog.exercise("0.1"), mine=False) == ("", "")
    assert check.missing_need(made, catalog, catalog.exercise("1.2"), mine=False)[0] == "1.1"


def test_with_git_only_what_it_knows_is_handed_out(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    subprocess.run(["git", "init", "-q"], cwd=checkout.root, check=True)
    subprocess.run(["git", "add", "-A"], cwd=checkout.root, check=True)
    (checkout.root / "module1-executor/include/rt/future/my_solution.h").write_text(
        "secret", "utf-8"
    )
    _, out, _ = run(capsys, str(tmp_path / "h"))
    assert "module1-executor/include/rt/future/my_solution.h" not in names(tmp_path / "h")
    assert "my_solution.h" in out and "git add" in out


@pytest.mark.parametrize("what", ["not empty", "is not a folder", "inside this checkout"])
def test_a_folder_that_will_not_do(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path, what: str
) -> None:
    target = tmp_path / "h"
    if what == "not empty":
        target.mkdir()
        (target / "theirs").write_text("theirs", "utf-8")
    elif what == "is not a folder":
        target.write_text("theirs", "utf-8")
    else:
        target = checkout.root / "handout"
    status, _, err = run(capsys, str(target))
    assert status == 2 and what in err
    assert not target.is_dir() or [p.name for p in target.iterdir()] == ["theirs"]


def test_an_empty_folder_is_filled(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "h").mkdir()
    assert run(capsys, str(tmp_path / "h"))[0] == 0 and (tmp_path / "h/README.md").is_file()


def test_a_broken_reference_makes_no_handout(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (checkout.root / "solutions/module1-executor/include/rt/future/waker.h").write_text(
        "int open;\n", "utf-8"
    )
    status, _, err = run(capsys, str(tmp_path / "h"))
    assert (
        status == 1
        and "waker.h:1" in err
        and not (tmp_path / "h").exists()
        and not list(tmp_path.glob(".h*"))
    )


def test_a_marked_solution_is_never_handed_out(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shutil.copy(
        checkout.root / "solutions/module1-executor/include/rt/future/waker.h",
        checkout.root / "module1-executor/include/rt/future/given.h",
    )
    status, _, err = run(capsys, str(tmp_path / "h"))
    assert (
        status == 1 and "given.h holds a marked solution" in err and not (tmp_path / "h").exists()
    )


def test_a_handout_of_a_handout_is_refused(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shutil.rmtree(checkout.root / "solutions")
    status, _, err = run(capsys, str(tmp_path / "h"))
    assert status == 2 and "no solutions" in err


def test_unknown_modules_suggest_the_nearest(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, _, err = run(capsys, str(tmp_path / "h"), "--through", "module2")
    assert status == 2 and "Did you mean module" in err


def test_sections_go_by_their_headings() -> None:
    text = "# A\n## B\nb\n### C\nc\n```\n## D\n```\n## E\ne\n"
    assert handouts.without_sections(text, ["B"]) == "# A\n## E\ne\n"
