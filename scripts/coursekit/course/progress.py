"""What is remembered between runs: which exercise passed, when, and how it was at the last check."""

from __future__ import annotations

import datetime
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coursekit.course.paths import Checkout, make_folders

FILE = "progress.json"


def load(checkout: Checkout) -> dict[str, dict[str, Any]]:
    """The record of each exercise by its id. A file that makes no sense is put aside, and said so once."""
    path = checkout.state / FILE
    try:
        data = json.loads(path.read_bytes())
        exercises = data["exercises"]
        return {
            str(key): dict(value) for key, value in exercises.items() if isinstance(value, dict)
        }
    except OSError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        _put_aside(checkout, path)
        return {}


def _put_aside(checkout: Checkout, path: Path) -> None:
    aside = path.with_name(f"{FILE}.broken")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{FILE}.broken-{number}")
    try:
        path.rename(aside)
    except OSError:
        return  # it stays where it is, and counts as empty
    print(
        f"The record of your progress could not be read. It is kept as {checkout.relative(aside)}, and a new one is "
        "begun.\nYour code is untouched: `scripts/course check all` fills it again.",
        file=sys.stderr,
    )


def update(checkout: Checkout, changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Merges fields into the records. The file is replaced in one step, so it is never half written."""
    if not changes:
        return
    exercises = load(checkout)
    for key, fields in changes.items():
        exercises[key] = {**exercises.get(key, {}), **fields}
    make_folders(checkout)
    temporary = checkout.state / f".{FILE}.{os.getpid()}"
    temporary.write_text(
        json.dumps({"version": 1, "exercises": exercises}, indent=1, sort_keys=True) + "\n", "utf-8"
    )
    temporary.replace(checkout.state / FILE)


def record_states(checkout: Checkout, states: Mapping[str, str]) -> None:
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    before = load(checkout)
    changes: dict[str, dict[str, Any]] = {}
    for key, state in states.items():
        fields: dict[str, Any] = {"state": state, "checked_at": now}
        if state == "pass" and "passed_at" not in before.get(key, {}):
            fields["passed_at"] = now
        changes[key] = fields
    update(checkout, changes)
