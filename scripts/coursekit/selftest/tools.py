"""Proofs about the course's own tools and texts."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from coursekit.building import build
from coursekit.course import lessons, stubs
from coursekit.selftest.compiling import sources_of
from coursekit.selftest.outcome import Bench, Outcome


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
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-rfE",
        "scripts/coursekit/tests",
    ]
    answer = _run(bench, command)
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
    configuration = build.Configuration(subject="solutions")
    built = build.build(
        bench.checkout, configuration, ["testkit_tests"], bench.ui.progress, bench.jobs
    )
    if built.broken:
        yield Outcome("the test kit compiles", next(iter(built.broken.values())).message)
        return
    folder = str(configuration.folder(bench.checkout))
    command = ["ctest", "--test-dir", folder, "-L", "^testkit$", "--output-on-failure"]
    answer = _run(bench, [*command, "-j", str(bench.jobs)])
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
    answer = _run(bench, command)
    return Outcome(
        name, (answer.stdout + answer.stderr).strip() or "it failed" if answer.returncode else ""
    )


def _run(
    bench: Bench, command: Sequence[str], cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    bench.ui.progress(f"running {Path(command[0]).name}", 0, 0)
    return subprocess.run(
        command,
        cwd=cwd or bench.root,
        capture_output=True,
        text=True,
        check=False,
        env=build.build_environment(),
        stdin=subprocess.DEVNULL,
    )
