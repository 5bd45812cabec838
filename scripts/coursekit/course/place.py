"""Where the learner is: which exercise a command is about when none is named."""

from __future__ import annotations

from coursekit.course import progress
from coursekit.course.catalog import Catalog, Exercise
from coursekit.course.paths import Checkout
from coursekit.errors import MENDABLE, CourseError
from coursekit.testing import check


def current(checkout: Checkout, catalog: Catalog) -> Exercise | None:
    """The next unfinished exercise; None when all are done."""
    return check.next_unfinished(catalog, progress.load(checkout))


def chosen(checkout: Checkout, catalog: Catalog, name: str | None) -> Exercise:
    """The exercise that is named, else the current one."""
    if name is not None:
        return catalog.exercise(name)
    exercise = current(checkout, catalog)
    if exercise is None:
        raise CourseError(
            "Every exercise is done, so there is none to go on with. Name one: `scripts/course status` lists them.",
            MENDABLE,
        )
    return exercise


def passed_once(checkout: Checkout, exercise: Exercise) -> bool:
    """It passed at some time, so its reference gives nothing away."""
    record = progress.load(checkout).get(exercise.id, {})
    return record.get("state") == "pass" or bool(record.get("passed_at"))
