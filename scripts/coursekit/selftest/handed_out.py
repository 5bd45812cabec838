"""Proves a handout from end to end, as a class would meet it: in a path with a space, without the solutions."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coursekit.course.catalog import Exercise
from coursekit.selftest.outcome import Bench, Outcome


def works(bench: Bench) -> Iterator[Outcome]:
    with _handout(bench) as (copy, problem):
        yield Outcome("a handout is made", problem)
        if problem:
            return
        left = [
            name for name in ("solutions", ".git", "build", ".course") if (copy / name).exists()
        ]
        yield Outcome("it holds no solutions", f"it holds {', '.join(left)}" if left else "")
        yield from _untouched(bench, copy)
        # All that it stands on has to be the learner's own.
        highest = max(bench.catalog.exercises, key=lambda e: len(bench.catalog.closure(e)))
        yield from _solved(bench, copy, [highest])


def solved(bench: Bench) -> Iterator[Outcome]:
    """The whole course on the learner's own code alone: what a runtime of their own has to stand."""
    with _handout(bench) as (copy, problem):
        yield Outcome("a handout is made", problem)
        if not problem:
            yield from _solved(bench, copy, bench.exercises)


@contextmanager
def _handout(bench: Bench) -> Iterator[tuple[Path, str]]:
    """A new one, for as long as it is wanted, and why it could not be made."""
    with tempfile.TemporaryDirectory(prefix="course selftest ") as temporary:
        copy = Path(temporary) / "the class"
        made = _course(bench.root, "handout", str(copy))
        yield copy, made.stdout + made.stderr if made.returncode else ""


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


def _solved(bench: Bench, copy: Path, some: Sequence[Exercise]) -> Iterator[Outcome]:
    bench.ui.progress("checking the handout with every exercise solved", 0, 0)
    for exercise in bench.catalog.exercises:
        for file in exercise.files:
            solution = bench.catalog.solution_file(exercise, file)
            shutil.copyfile(solution, copy / exercise.module / file)
    report = _check(copy, [exercise.id for exercise in some])
    states = _states(report)
    for exercise in some:
        state = states.get(exercise.id, f"no answer: {report}")
        # More than its tests decides: whether it compiles, what it needs, and its rules.
        yield Outcome(f"solved, {exercise.id} passes", "" if state == "pass" else f"it is {state}")
        for test in _tests(report, exercise.id):
            problem = "" if test["state"] == "pass" else f"{test['state']}: {test['message']}"
            yield Outcome(f"solved, {exercise.id} {test['name']}", problem)


def _check(copy: Path, what: Sequence[str]) -> Mapping[str, Any]:
    answer = _course(copy, "check", *what, "--json")
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
