"""Where what a learner wrote is kept when a command replaces it."""

from __future__ import annotations

import datetime
from pathlib import Path

from coursekit.course.paths import Checkout


def new_folder(checkout: Checkout, now: datetime.datetime | None = None) -> Path:
    """A folder that does not exist yet, named for the time; two in one second do not meet."""
    folder = checkout.state / "backups"
    name = (now or datetime.datetime.now()).strftime("%Y-%m-%d-%H%M%S")
    for number in range(1, 1000):
        candidate = folder / (name if number == 1 else f"{name}-{number}")
        if not candidate.exists():
            return candidate
    return folder / name
