"""Proves a handout from end to end, as a class would meet it: in a path with a space, without the solutions."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from coursekit.selftest.outcome import Bench, Outcome
from coursekit.selftest.runs import clang


def works(bench: Bench) -> Iterator[Outcome]:
    with tempfile.TemporaryDirectory(prefix="course selftest ") as temporary:
        copy = Path(temporary) / "the class"
        made = _course(bench.root, "handout", str(copy))
        yield Outcome("a handout is made", made.stdout + made.stderr if made.returncode else "")
        if made.returncode:
            return
        left = [
            name for name in ("solutions", ".git", "build", ".course") if (copy / name).exists()
        ]
        yield Outcome("it holds no solutions", f"it holds {', '.join(left)}" if left else "")
        yield from _untouched(bench, copy)
        # What a learner has who has solved everything: the course as one runtime of their own.
        for exercise in bench.catalog.exercises:
            for file in exercise.files:
                shutil.copyfile(
                    bench.catalog.solution_file(exercise, file), copy / exercise.module / file
                )
        yield from _solved(bench, copy)


def _untouched(bench: Bench, copy: Path) -> Iterator[Outcome]:
    bench.ui.progress("checking the handout", 0, 0)
    for exercise in bench.catalog.exercises[:1]:
        report = _check(copy, [exercise.id])
        state = _states(report).get(exercise.id, f"no answer: {report}")
        yield Outcome(
            f"in the handout {exercise.id} is not written yet", "" if state == "todo" else state
        )
    needy = next((e for e in bench.catalog.exercises if e.needs), None)
    if needy is not None:
        report = _check(copy, [needy.id])
        state = _states(report).get(needy.id, f"no answer: {report}")
        yield Outcome(f"in the handout {needy.id} is blocked", "" if state == "blocked" else state)


def _solved(bench: Bench, copy: Path) -> Iterator[Outcome]:
    """The whole course on the learner's own code alone: what a runtime of their own has to stand."""
    bench.ui.progress("checking the handout with every exercise solved", 0, 0)
    # g++ has compiled all of this as the reference; clang takes half the time.
    by_clang = ["--cxx", clang()] if clang() else []
    report = _check(copy, [e.id for e in bench.exercises], "--sanitize", "address", *by_clang)
    states = _states(report)
    for exercise in bench.exercises:
        state = states.get(exercise.id, f"no answer: {report}")
        # More than its tests decides: whether it compiles, what it needs, and its rules.
        yield Outcome(f"solved, {exercise.id} passes", "" if state == "pass" else f"it is {state}")
        for test in _tests(report, exercise.id):
            problem = "" if test["state"] == "pass" else f"{test['state']}: {test['message']}"
            yield Outcome(f"solved, {exercise.id} {test['name']}", problem)


def _check(copy: Path, what: Sequence[str], *options: str) -> Mapping[str, Any]:
    answer = _course(copy, "check", *what, "--json", *options)
    try:
        report = json.loads(answer.stdout)
    except ValueError:
        return {"error": answer.stdout + answer.stderr}
    return report if isinstance(report, dict) else {"error": answer.stdout}


def _states(report: Mapping[str, Any]) -> dict[str, str]:
    return {e["id"]: e["state"] for e in report.get("exercises", [])}


def _tests(report: Mapping[str, Any], exercise: str) -> list[Mapping[str, Any]]:
    return [test for e in report.get("exercises", []) if e["id"] == exercise for test in e["tests"]]


def _course(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(root / "scripts/coursekit"), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
