"""What `check --json` prints: one object, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coursekit.testing.check import Result

_COUNTS = {
    "pass": "passed",
    "fail": "failed",
    "todo": "todo",
    "broken": "broken",
    "blocked": "blocked",
}


def as_object(results: Sequence[Result]) -> dict[str, Any]:
    """`state` of an exercise is pass, fail, todo, broken or blocked; of a test it is pass, fail,
    todo, crash (a signal, a sanitizer or a stray exit) or hang; a leak at the end is fail.
    `points` is what the exercise is worth.
    """
    counts = {name: sum(r.state == state for r in results) for state, name in _COUNTS.items()}
    return {"exercises": [_exercise(result) for result in results], **counts}


def _exercise(result: Result) -> dict[str, Any]:
    return {
        "id": result.exercise.id,
        "slug": result.exercise.slug,
        "module": result.exercise.module,
        "state": result.state,
        "points": result.exercise.points,
        "message": result.message,
        "tests": [
            {
                "name": test.name,
                "kind": test.kind,
                "state": test.state,
                "message": test.message,
                "seconds": round(test.seconds, 3),
            }
            for test in result.tests
        ],
    }
