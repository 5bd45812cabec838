"""Proofs about the course's own tools and texts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from coursekit.building import build
from coursekit.course import lessons, stubs
from coursekit.selftest.compiling import sources_of
from coursekit.selftest.outcome import Bench, Outcome
from coursekit.selftest.runs import REFERENCE


def texts(bench: Bench) -> Iterator[Outcome]:
    """Stubs are what the solutions give; every exercise has its section and its three hints."""
    differences = stubs.check_all(bench.root)
    yield Outcome(
        "stubs are in sync", "\n".join(f"{d.file} {d.what}\n{d.diff}" for d in differences)
    )
    problems = lessons.validate(bench.root, bench.catalog)
    yield Outcome(
        "lessons are whole", "\n".join(f"{p.file}:{p.line}: {p.message}" for p in problems)
    )


def types(bench: Bench) -> Iterator[Outcome]:
    yield _tool(bench, "mypy --strict", ["mypy", "--no-error-summary", "scripts/coursekit"])


def python_tests(bench: Bench) -> Iterator[Outcome]:
    # Most of a test of a command waits for that command.
    side_by_side = ["-n", str(bench.jobs)] if find_spec("xdist") else []
    yield from _pytest(bench, sys.executable, side_by_side)


def other_pythons(bench: Bench) -> Iterator[Outcome]:
    """By every other version from 3.11 on that is installed, with the packages of this one."""
    others = [python for python in _pythons() if _version(python) != sys.version_info[:2]]
    if not others:
        yield Outcome("another Python", skipped="there is none on this machine")
    for python in others:
        with tempfile.TemporaryDirectory(prefix="course-python-") as folder:
            made = bench.run([str(python), "-m", "venv", "--without-pip", folder])
            site = next(Path(folder).glob("lib/python*/site-packages"), None)
            if made.returncode or site is None:
                yield Outcome(f"{python}", skipped="it makes no virtual environment")
                continue
            (site / "packages.pth").write_text("\n".join(_SYSTEM_PACKAGES) + "\n", "utf-8")
            for outcome in _pytest(bench, f"{folder}/bin/python3"):
                yield replace(outcome, name=f"{python.name}: {outcome.name}")


# Where Debian has what is written in Python alone, and what was installed beside it.
_SYSTEM_PACKAGES = [path for path in sys.path if path.endswith("-packages")]


def _pythons() -> list[Path]:
    """One of each version: those on the path, and pyenv's."""
    folders = [*os.environ.get("PATH", "").split(":"), "/usr/bin", "/usr/local/bin"]
    found = [Path(folder, f"python3.{minor}") for folder in folders for minor in range(11, 20)]
    found += sorted(Path.home().glob(".pyenv/versions/3.*/bin/python3"))
    by_version = {_version(python): python for python in reversed(found) if python.is_file()}
    return [by_version[version] for version in sorted(by_version) if version >= (3, 11)]


def _version(python: Path) -> tuple[int, int]:
    """(0, 0): it does not run, as a stand-in of pyenv's does not where its version is not chosen."""
    ask = "import sys; print(*sys.version_info[:2])"
    try:
        said = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
        major, minor = said.stdout.split()
    except (OSError, ValueError):
        return 0, 0
    return int(major), int(minor)


def _pytest(bench: Bench, python: str, options: Sequence[str] = ()) -> Iterator[Outcome]:
    quietly = ["-q", "-p", "no:cacheprovider", "-rfE"]
    command = [python, "-m", "pytest", *quietly, *options, "scripts/coursekit/tests"]
    answer = bench.run(command)
    counts = {
        word: int(number)
        for number, word in re.findall(r"(\d+) (passed|failed|error|skipped)", answer.stdout)
    }
    for failed in re.findall(r"^(?:FAILED|ERROR) (.+)$", answer.stdout, re.MULTILINE):
        yield Outcome("a test of the tools", failed)
    if answer.returncode != 0 and not counts:
        yield Outcome("the tests of the tools run", (answer.stdout + answer.stderr).strip())
    for number in range(counts.get("passed", 0)):
        yield Outcome(f"test of the tools {number + 1}")


def test_kit(bench: Bench) -> Iterator[Outcome]:
    """The test kit's own tests, under AddressSanitizer and ThreadSanitizer."""
    yield from _test_kit(bench, REFERENCE)


def test_kit_by_gnu(bench: Bench) -> Iterator[Outcome]:
    yield from _test_kit(bench, build.Configuration(subject="solutions", cxx="g++"))


def _test_kit(bench: Bench, configuration: build.Configuration) -> Iterator[Outcome]:
    built = bench.build(configuration, ["testkit_tests"])
    if built.broken:
        yield Outcome("the test kit compiles", next(iter(built.broken.values())).message)
        return
    # Not the whole build folder: ctest would ask each exercise's programs for their tests.
    folder = configuration.folder(bench.checkout) / "scripts/testkit"
    command = ["ctest", "--test-dir", str(folder), "-L", "^testkit$", "--output-on-failure"]
    # A test of the hang detector sleeps for most of its time.
    answer = bench.run([*command, "-j", str(4 * bench.jobs)])
    rows = re.findall(r"Test +#\d+: (.+?) \.* *(Passed|\*\*\*\w[\w ]*)", answer.stdout)
    if not rows:
        yield Outcome("the test kit's tests run", answer.stdout + answer.stderr)
    for test, state in rows:
        # A test that is meant for another sanitizer says so and is skipped.
        fine = state == "Passed" or state.startswith("***Skipped")
        yield Outcome(test, "" if fine else f"{state.strip('* ')}\n{answer.stdout}")


def formatting(bench: Bench) -> Iterator[Outcome]:
    """C++ by clang-format 14, since each version lays out differently; Python by black."""
    # A stub is derived: where its body is one RT_TODO, clang-format would make it one line.
    catalog = bench.catalog
    stubs_of = {catalog.learner_file(e, file) for e in catalog.exercises for file in e.files}
    files = [str(f.relative_to(bench.root)) for f in sources_of(bench) if f not in stubs_of]
    yield _tool(bench, "clang-format-14", ["clang-format-14", "--dry-run", "--Werror", *files])
    # So does each year's black.
    version = bench.run(["black", "--version"]).stdout if shutil.which("black") else ""
    if version and not version.startswith("black, 23."):
        yield Outcome("black", skipped="the tools are formatted by version 23")
    else:
        yield _tool(bench, "black", ["black", "--check", "-q", "scripts/coursekit"])


def shell(bench: Bench) -> Iterator[Outcome]:
    if shutil.which("shellcheck") is None:
        yield Outcome("shellcheck", skipped="it is not installed")
        return
    yield _tool(bench, "shellcheck", ["shellcheck", "scripts/course", ".ci/run"])


def layout(bench: Bench) -> Iterator[Outcome]:
    """The top level holds the folders that the design names, and no other."""
    allowed = {m.name for m in bench.catalog.modules} | {"solutions", "scripts", "build"}
    extra = sorted(
        p.name
        for p in bench.root.iterdir()
        if p.is_dir() and p.name not in allowed and p.name[0] != "."
    )
    yield Outcome("the top level", f"it holds {', '.join(extra)}" if extra else "")


def _tool(bench: Bench, name: str, command: Sequence[str]) -> Outcome:
    if shutil.which(command[0]) is None:
        return Outcome(name, skipped="it is not installed")
    answer = bench.run(command)
    return Outcome(
        name, (answer.stdout + answer.stderr).strip() or "it failed" if answer.returncode else ""
    )
